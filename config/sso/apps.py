"""Django application ``sso``."""

import importlib

from django.apps import AppConfig


class SsoConfig(AppConfig):
    """See the package's docstring."""

    name = "config.sso"
    label = "sso"
    verbose_name = "identity providers"

    def ready(self) -> None:
        """Follow sign-ins."""
        importlib.import_module("config.sso.told")
