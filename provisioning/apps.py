"""Django application ``provisioning``."""

import importlib

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning"

    def ready(self) -> None:
        """Listen to saved and deleted users."""
        importlib.import_module("provisioning.signals")
