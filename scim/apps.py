"""Django application ``scim``."""

from django.apps import AppConfig


class ScimConfig(AppConfig):
    """See the package's docstring."""

    name = "scim"

    def ready(self) -> None:
        """Let blueprints carry SCIM applications."""
        from provisioning.blueprints import sections
        from scim import blueprint

        sections.register(blueprint.SECTION)
