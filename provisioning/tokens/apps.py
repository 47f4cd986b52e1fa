"""Django application ``tokens``."""

from django.apps import AppConfig


class TokensConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.tokens"
    label = "tokens"
