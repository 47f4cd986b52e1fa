"""Django application ``restore``."""

from django.apps import AppConfig


class RestoreConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.restore"
    label = "restore"
