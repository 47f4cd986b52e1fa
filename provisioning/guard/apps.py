"""Django application ``guard``."""

from django.apps import AppConfig


class GuardConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.guard"
    label = "guard"
