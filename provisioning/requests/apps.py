"""Django application ``requests``."""

from django.apps import AppConfig


class RequestsConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.requests"
    label = "requests"
