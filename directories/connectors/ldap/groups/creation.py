"""What new groups of an LDAP directory are made of: the form's boxes, and what stands for blank ones."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from directories.connectors.base import ConnectorError, ConnectorField, FieldType
from directories.connectors.form_values import text_of

AD_CLASS, POSIX, NAMES, UNIQUE_NAMES = "group", "posixgroup", "groupofnames", "groupofuniquenames"
# Classes of which a group without a member cannot be (RFC 4519, 3.5 and 3.6).
DEMANDING = frozenset({NAMES, UNIQUE_NAMES})
MEMBER_UID = "memberUid"
# What stands in such a group while nobody is in it; other programs know the name (it is Keycloak's).
PLACEHOLDER = "cn=empty-membership-placeholder"
FIRST_NUMBER = 10_000
_CLASSES: Mapping[str, str] = {
    "active_directory": "top group",
    "freeipa": "top groupOfNames nestedGroup ipaUserGroup ipaObject",
}


@dataclass(frozen=True, slots=True)
class NewGroups:
    """The values of the form. ``member_attribute`` is "" when it follows from a group's classes."""

    container: str
    classes: tuple[str, ...]
    placeholder: str
    first_number: int
    member_attribute: str


def new_groups(values: Mapping[str, Any], kind: str) -> NewGroups:
    """Read a form's values, which may be blank; ``kind`` is the connector's or the kind of server."""
    classes = text_of(values, "group_classes") or _CLASSES.get(kind, "groupOfNames")
    try:
        first = int(values.get("group_first_number") or FIRST_NUMBER)
    except (TypeError, ValueError):
        raise ConnectorError("First group number must be a whole number.", code="settings") from None
    return NewGroups(
        container=text_of(values, "group_container") or text_of(values, "group_base") or text_of(values, "base_dn"),
        classes=tuple(classes.replace(",", " ").split()),
        placeholder=text_of(values, "group_placeholder") or PLACEHOLDER,
        first_number=first,
        member_attribute=text_of(values, "member_attribute"),
    )


def member_attribute(classes: Collection[str]) -> str:
    """Return the attribute in which a group of these classes (in lower case) lists its members."""
    if UNIQUE_NAMES in classes:
        return "uniqueMember"
    return MEMBER_UID if POSIX in classes and NAMES not in classes else "member"


def new_group_fields(*, classes: bool) -> tuple[ConnectorField, ...]:
    """Return the boxes of the form; where there is one kind of group, nobody is asked for its ``classes``."""
    container = ConnectorField(
        "group_container",
        "Container of new groups",
        FieldType.TEXT,
        help_text="Left blank: the group base DN.",
        group="Groups",
        harmless=True,
    )
    return (container, *_OF_CLASSES) if classes else (container,)


_OF_CLASSES = (
    ConnectorField(
        "group_classes",
        "Object classes of new groups",
        FieldType.TEXT,
        help_text="groupOfNames, groupOfUniqueNames or posixGroup. Left blank: as this kind of server has it.",
        group="Groups",
        harmless=True,
    ),
    ConnectorField(
        "group_placeholder",
        "Member of an empty group",
        FieldType.TEXT,
        help_text="groupOfNames must have a member, so this DN stands in while nobody is in it. "
        f"Left blank: {PLACEHOLDER}.",
        group="Groups",
        harmless=True,
    ),
    ConnectorField(
        "group_first_number",
        "First group number",
        FieldType.INTEGER,
        default=FIRST_NUMBER,
        help_text="The smallest gidNumber that the portal gives a posixGroup.",
        group="Groups",
        minimum=1,
        maximum=2_000_000_000,
        harmless=True,
    ),
)
