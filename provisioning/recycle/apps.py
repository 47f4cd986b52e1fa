"""Django application ``recycle``."""

from django.apps import AppConfig


class RecycleConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.recycle"
    label = "recycle"
