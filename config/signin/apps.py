"""Django application ``signin``."""

from django.apps import AppConfig


class SigninConfig(AppConfig):
    """See the package's docstring."""

    name = "config.signin"
    label = "signin"
