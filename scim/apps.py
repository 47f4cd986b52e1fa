"""Django application ``scim``."""

from django.apps import AppConfig


class ScimConfig(AppConfig):
    """See the package's docstring."""

    name = "scim"
