"""Django application ``reconciliation``."""

from django.apps import AppConfig


class ReconciliationConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.reconciliation"
    label = "reconciliation"
