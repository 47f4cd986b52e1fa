"""Django application ``rules``."""

from django.apps import AppConfig


class RulesConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.rules"
    label = "rules"

    def ready(self) -> None:
        """Let people be told of rules that cannot be used."""
        from provisioning.notices.causes import register
        from provisioning.rules import notices

        register(notices.STOPPED)
