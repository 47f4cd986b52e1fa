"""Django application ``contracts``."""

from django.apps import AppConfig


class ContractsConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.contracts"
    label = "contracts"
