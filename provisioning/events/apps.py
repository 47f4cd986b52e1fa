"""Django application ``events``."""

import importlib

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.events"
    label = "events"

    def ready(self) -> None:
        """Listen to the report and to notices, and register the causes of this package."""
        importlib.import_module("provisioning.events.outbox").listen()
        importlib.import_module("provisioning.events.watch")
