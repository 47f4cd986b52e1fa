"""Django application ``notices``."""

import importlib

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.notices"
    label = "notices"

    def ready(self) -> None:
        """Register the causes of this package."""
        importlib.import_module("provisioning.notices.portal")
        importlib.import_module("provisioning.notices.certificates")
