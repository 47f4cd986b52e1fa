"""The portal's own Django application: health endpoints and the start page."""

import importlib

from django.apps import AppConfig

from config import connections


class ConfigConfig(AppConfig):
    """Holds what belongs to the portal as a whole and to no other app."""

    name = "config"
    label = "portal"

    def ready(self) -> None:
        """Register the look-ups of every field, and follow requests."""
        importlib.import_module("config.database.lookups")
        connections.watch()
