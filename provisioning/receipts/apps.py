"""Django application ``receipts``."""

from django.apps import AppConfig


class ReceiptsConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.receipts"
    label = "receipts"
