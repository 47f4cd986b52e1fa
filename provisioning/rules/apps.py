"""Django application ``rules``."""

from django.apps import AppConfig


class RulesConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.rules"
    label = "rules"
