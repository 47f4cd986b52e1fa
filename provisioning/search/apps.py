"""Django application ``search``."""

from django.apps import AppConfig


class SearchConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.search"
    label = "search"
