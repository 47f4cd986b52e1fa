"""Django application ``provisioning``."""

import importlib

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning"

    def ready(self) -> None:
        """Listen to saved and deleted users, and let blueprints carry rules and receivers of events."""
        from provisioning.blueprints import receivers, rules, sections

        importlib.import_module("provisioning.signals")
        sections.register(rules.SECTION)
        sections.register(receivers.SECTION)
