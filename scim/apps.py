"""Django application ``scim``."""

from django.apps import AppConfig


class ScimConfig(AppConfig):
    """See the package's docstring."""

    name = "scim"

    def ready(self) -> None:
        """Let blueprints carry SCIM applications, and tokens follow the encryption keys."""
        from directories.encryption import rotated
        from provisioning.blueprints import sections
        from scim import blueprint, tokens

        sections.register(blueprint.SECTION)
        rotated.connect(tokens.rekey)
