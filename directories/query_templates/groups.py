"""What statements about groups may name: the group's own placeholders, beside the member's."""

from collections.abc import Iterable, Mapping, Sequence

from directories.query_templates.names import fold
from directories.query_templates.statements import CHANGES, HR

GROUP, GROUP_NAME, DESCRIPTION, ID = "GROUP", "GROUPNAME", "GROUPDESCRIPTION", "GROUPID"
OLD_GROUP, OLD_GROUP_NAME = "OLDGROUP", "OLDGROUPNAME"
SINCE = "SINCE"  # of the changed people query
READ_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("groupname", "group", "name"), GROUP_NAME),
    **dict.fromkeys(("groupid", "id"), ID),
    **dict.fromkeys(("groupdescription", "description"), DESCRIPTION),
}
OF_GROUPS: Mapping[str, tuple[str, ...]] = {
    "import_groups": (),
    "import_members": (GROUP, GROUP_NAME, ID),
    "create_group": (GROUP, GROUP_NAME, DESCRIPTION),
    "update_group": (GROUP, GROUP_NAME, DESCRIPTION, ID, OLD_GROUP, OLD_GROUP_NAME),
    "delete_group": (GROUP, GROUP_NAME, DESCRIPTION, ID),
}
OF_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "add_member": (GROUP, GROUP_NAME, DESCRIPTION, ID),
    "remove_member": (GROUP, GROUP_NAME, DESCRIPTION, ID),
}

GROUPED = frozenset({*OF_GROUPS, *OF_MEMBERS})  # the operations that are about groups


def columns(names: Sequence[str]) -> dict[str, int]:
    """Return where an import groups query has the group's name, id and description; the first column is the name.

    ``names`` are those of its columns in order.
    """
    found: dict[str, int] = {}
    for position, name in enumerate(names):
        if meaning := READ_NAMES.get(fold(name)):
            found.setdefault(meaning, position)
    found.setdefault(GROUP_NAME, 0)
    return found


def known_names(operation: str, attributes: Iterable[str]) -> list[str]:
    """Return what a placeholder of the operation may name, given the attributes that users have."""
    if operation in HR:
        return []
    if operation == CHANGES:
        return [SINCE]
    if operation in OF_GROUPS:
        return [*OF_GROUPS[operation]]
    return [*OF_MEMBERS.get(operation, ()), *attributes]


def values(name: str, old_name: str, ref: str, description: str) -> dict[str, str]:
    """Return what the placeholders of a group stand for."""
    return {
        GROUP: name,
        GROUP_NAME: name,
        DESCRIPTION: description,
        ID: ref,
        OLD_GROUP: old_name,
        OLD_GROUP_NAME: old_name,
    }
