"""Django application ``rules``."""

from django.apps import AppConfig


class RulesConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.rules"
    label = "rules"

    def ready(self) -> None:
        """Let people be told of rules that cannot be used, and what rules gave deleted users be kept with them."""
        from provisioning.notices.causes import register
        from provisioning.recycle import images
        from provisioning.rules import notices, recycling

        register(notices.STOPPED)
        images.register(recycling.KEEPER)
