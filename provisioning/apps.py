"""Django application ``provisioning``."""

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning"
