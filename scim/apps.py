"""Django application ``scim``."""

from django.apps import AppConfig


class ScimConfig(AppConfig):
    """See the package's docstring."""

    name = "scim"

    def ready(self) -> None:
        """Let blueprints carry SCIM applications, tokens follow the encryption keys, and names stay."""
        from directories.encryption import rotated
        from provisioning.blueprints import sections
        from provisioning.events import envelopes
        from provisioning.notices.causes import register
        from provisioning.recycle import images
        from provisioning.services import renamed
        from scim.access import tokens
        from scim.resources import mapping
        from scim.upkeep import blueprint, notices
        from scim.users import recycling
        from scim.users.writing import keep_names

        sections.register(blueprint.SECTION)
        register(notices.TOKENS)
        rotated.connect(tokens.rekey)
        renamed.connect(keep_names)
        images.register(recycling.KEEPER)
        envelopes.SCIM_NAMES.update(mapping.attribute_names())
