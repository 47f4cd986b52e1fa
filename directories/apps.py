"""Django application ``directories``."""

from django.apps import AppConfig


class DirectoriesConfig(AppConfig):
    """See the package's docstring."""

    name = "directories"
