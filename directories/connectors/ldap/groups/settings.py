"""Where an LDAP directory keeps its groups and who is in them: the form's boxes, and what stands for blank ones."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from directories.connectors.base import ConnectorError, ConnectorField, FieldType
from directories.connectors.form_values import text_of

OF_GROUP, OF_USER, NAMES = "group", "user", "names"
MEMBERSHIPS = (
    ("", "As this kind of server has it"),
    (OF_GROUP, "The group lists its members"),
    (OF_USER, "The user's group attribute holds the DNs of their groups"),
    (NAMES, "The user's group attribute holds names of groups, which have no entries of their own"),
)
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


@dataclass(frozen=True, slots=True)
class GroupPreset:
    """What one kind of server has where the admin leaves a box blank."""

    filter: str
    membership: str = OF_GROUP
    group_attribute: str = "memberOf"
    name: str = "cn"
    member_attributes: tuple[str, ...] = ("member", "uniqueMember", "memberUid")
    ranged: bool = False
    primary: bool = False


AD_GROUPS = GroupPreset(
    filter="(&(objectCategory=group)(!(isCriticalSystemObject=TRUE)))",
    membership=OF_USER,
    member_attributes=("member",),
    ranged=True,
    primary=True,
)
_USUAL = GroupPreset("(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))")
GROUP_PRESETS: Mapping[str, GroupPreset] = {"freeipa": GroupPreset("(objectClass=ipaUserGroup)")}


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """The values of the form.

    ``member_attributes`` are those that a group may list its members in; ``ranged``: the server gives them in parts.
    ``primary``: a user has a primary group besides, as in Active Directory.
    """

    base: str
    filter: str
    name: str
    membership: str
    group_attribute: str
    member_attributes: tuple[str, ...]
    ranged: bool
    primary: bool


def preset_of(kind: str, server: str) -> GroupPreset:
    """Return the default values shown as placeholders of a connector's kind and, for LDAP, its kind of server."""
    return AD_GROUPS if kind == "active_directory" else GROUP_PRESETS.get(server, _USUAL)


def group_settings(values: Mapping[str, Any], preset: GroupPreset) -> GroupSettings:
    """Read a form's values, which may be blank; raise ConnectorError."""
    group_filter = text_of(values, "group_filter") or preset.filter
    one = _attribute(values, "member_attribute", "")
    return GroupSettings(
        base=text_of(values, "group_base") or text_of(values, "base_dn"),
        filter=group_filter if group_filter.startswith("(") else f"({group_filter})",
        name=_attribute(values, "group_name_attribute", preset.name),
        membership=text_of(values, "membership") or preset.membership,
        group_attribute=_attribute(values, "group_attribute", preset.group_attribute),
        member_attributes=(one,) if one else preset.member_attributes,
        ranged=preset.ranged,
        primary=preset.primary,
    )


def group_fields(preset: GroupPreset | None) -> tuple[ConnectorField, ...]:
    """Return the boxes of the form; without a preset they are filled by the kind of server."""
    kept = f"Left blank: {preset.filter}." if preset else "Left blank: as this kind of server has it."
    return (
        _box("group_base", "Group base DN", "Where the groups are. Left blank: the base DN of the users."),
        _box("group_filter", "Group filter", kept),
        _box("group_name_attribute", "Group name", "The attribute that holds a group's name. Left blank: cn."),
        _box("membership", "Membership", "Where it stands who is in which group.", FieldType.CHOICE, MEMBERSHIPS),
        _box("group_attribute", "Group attribute", "The user's attribute with their groups. Left blank: memberOf."),
        _box(
            "member_attribute",
            "Member attribute",
            help_text=(
                "The group's attribute with its members. Left blank: "
                + (" or ".join(preset.member_attributes) if preset else "member, uniqueMember or memberUid")
                + "."
            ),
        ),
    )


def _box(
    name: str,
    label: str,
    help_text: str,
    type: FieldType = FieldType.TEXT,
    choices: tuple[tuple[str, str], ...] = (),
) -> ConnectorField:
    return ConnectorField(name, label, type, help_text=help_text, choices=choices, group="Groups", harmless=True)


def _attribute(values: Mapping[str, Any], name: str, default: str) -> str:
    found = text_of(values, name) or default
    if found and not _ATTRIBUTE.fullmatch(found):
        words = name.replace("_", " ").capitalize()
        raise ConnectorError(f"{words} must be the name of one attribute, for example cn.", code="settings")
    return found
