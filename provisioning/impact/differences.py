"""Pure: which parts of a directory's configuration two versions of it have in common."""

from collections.abc import Iterator
from typing import Any

from directories.config import DirectoryConfig
from directories.connectors import connector_class
from directories.connectors.types import FieldType
from directories.mapping import IN, OUT, AttributeRule
from directories.models import PushGroups

OUTBOUND = (
    "accounts_for",
    "create_users",
    "update_users",
    "deactivate_users",
    "delete_users",
    "on_deactivate",
    "on_delete",
    "delete_after_days",
)
GROUPS = ("sync_groups", "push_groups", "delete_groups", "groups_of_leavers")
READING = ("import", "import_groups", "import_members")  # the operations whose statements an import runs


def reaches_accounts(old: DirectoryConfig, new: DirectoryConfig) -> bool:
    """Return whether what accounts are to hold, or how they are written, is not the same in both."""
    return (
        old.connector.settings != new.connector.settings
        or old.connector.templates != new.connector.templates
        or _rules(old, IN) != _rules(new, IN)
        or any(getattr(old.features, name) != getattr(new.features, name) for name in OUTBOUND)
    )


def reaches_groups(old: DirectoryConfig, new: DirectoryConfig) -> bool:
    """Return whether other groups go out."""
    return any(getattr(old.features, name) != getattr(new.features, name) for name in GROUPS)


def pushed(config: DirectoryConfig) -> str:
    """Return which groups go out."""
    return config.features.push_groups if config.features.sync_groups else PushGroups.NONE.value


def decides_imports(old: DirectoryConfig, new: DirectoryConfig) -> list[str]:
    """Return, by their labels, the changed settings that decide whom an import sees and whom a row is taken for."""
    return list(_decides_imports(old, new)) if new.features.import_users and old.features.import_users else []


def _decides_imports(old: DirectoryConfig, new: DirectoryConfig) -> Iterator[str]:
    for field in connector_class(new.kind).fields:
        if field.type is not FieldType.SECRET and (field.selects or not field.harmless):
            before, after = (config.connector.settings.get(field.name) for config in (old, new))
            if _plain(before, field.default) != _plain(after, field.default):
                yield field.label
    if any(old.connector.templates.get(name) != new.connector.templates.get(name) for name in READING):
        yield "Import queries"
    if _rules(old, OUT) != _rules(new, OUT):
        yield "Attribute mapping into the portal"
    if old.features.match_attributes != new.features.match_attributes:
        yield "Find the user by"
    if new.features.deactivate_missing and not old.features.deactivate_missing:
        yield "Deactivate users missing from the source"


def _rules(config: DirectoryConfig, but: str) -> list[AttributeRule]:
    return [rule for rule in config.rules if rule.portal_attribute and rule.direction != but]


def _plain(value: Any, default: Any) -> str:
    return str(default if value is None else value).strip().replace("\r\n", "\n") if (value or default) else ""
