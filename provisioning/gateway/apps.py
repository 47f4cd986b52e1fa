"""Django application ``gateway``."""

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.gateway"
    label = "gateway"

    def ready(self) -> None:
        """Let connectors reach gateways, and watch for those that fall silent."""
        from directories.connectors.gateway import post
        from provisioning.gateway import silence
        from provisioning.gateway.post import Mailed
        from provisioning.notices.causes import register

        post.carry_by(Mailed())
        register(silence.CAUSE)
