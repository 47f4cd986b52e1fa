"""The portal's own Django application: health endpoints and the start page."""

from django.apps import AppConfig

from config import connections


class ConfigConfig(AppConfig):
    """Holds what belongs to the portal as a whole and to no other app."""

    name = "config"
    label = "portal"

    def ready(self) -> None:
        """Follow requests."""
        connections.watch()
