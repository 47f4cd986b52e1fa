"""How Django asks for SCIM attributes: which column, and which folded copy of it where case does not count."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from directories.attributes import Kind
from scim.models import Client, GroupLink, UserLink
from scim.resources import relations
from scim.resources.group_rules import GroupRules
from scim.resources.rules import Rules


@dataclass(frozen=True, slots=True)
class Lookup:
    """How one attribute is asked for.

    ``field`` is the column (an ORM path). ``key`` is its folded copy (``provisioning.models.people.fold``), for text
    that is compared without case; without one, Django's ``i`` look-ups serve. ``text`` says that blank is "" and not
    NULL. ``query`` answers instead, where no single column does: it gets the operator (``eq``, ..., ``pr``) and the
    value, and returns a Q that is safe to negate. ``sort`` is the column to sort by, "" where there is none.
    """

    field: str = ""
    key: str = ""
    text: bool = True
    query: Callable[[str, Any], Q] | None = None
    sort: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One element of a multi-valued complex attribute, kept in columns: what it is called, and its parts.

    ``labels`` are the sub-attributes that have this value unless the client ``client_id`` gave another (``type``:
    ``work``), ``parts`` those with a column. The element is there when any part is not blank.
    """

    client_id: int
    labels: Mapping[str, str]
    parts: Mapping[str, Lookup] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """What stands in what the client keeps of this element (``scim.resources.mapping``)."""
        return next(iter(self.labels.values()))


_KEYS = {
    "username": "username_key",
    "email": "email_key",
    "first_name": "first_name_key",
    "last_name": "last_name_key",
}
_SORTED = {"email_key", "last_name_key", "username_key"}


def user_lookups(client: Client, rules: Rules) -> tuple[dict[str, Lookup], dict[str, tuple[Slot, ...]]]:
    """Return look-ups by path, and the slots of multi-valued attributes."""
    found: dict[str, Lookup] = {
        "id": Lookup("scim_id", text=False, sort="scim_id"),
        "externalId": Lookup(query=relations.link_column(UserLink, "user", client, "external_id")),
        "meta.created": Lookup("created_at", text=False, sort="created_at"),
        "meta.lastModified": Lookup("updated_at", text=False, sort="updated_at"),
        "groups.value": Lookup("scim_id", text=False, query=relations.groups_of(client)),
    }
    slots: dict[str, list[tuple[Mapping[str, str], dict[str, Lookup]]]] = {}
    blind: set[str] = set()  # attributes of which a part can be read and not be looked for
    for rule in rules.readable:
        lookup = _column(rule.kind, rule.portal_attribute)
        path = rule.path
        if lookup is None or rule.expression:
            blind.add(path.attribute)
            continue
        if not path.element:
            found.setdefault(path.flat, lookup)
            continue
        labels = dict([path.element])
        known = slots.setdefault(path.attribute, [])
        parts = next((parts for there, parts in known if there == labels), None)
        if parts is None:
            known.append((labels, parts := {}))
        parts.setdefault(path.sub, lookup)
    found["userName"] = Lookup("username", query=relations.user_name(client), sort="username_key")
    return found, {
        path: tuple(Slot(client.pk, labels, parts) for labels, parts in pairs)
        for path, pairs in slots.items()
        if path not in blind
    }


def group_lookups(client: Client, rules: GroupRules) -> dict[str, Lookup]:
    """Return the look-ups of groups by path; what an expression makes cannot be looked for."""
    described = [row for row in rules.readable if row.path.prefix and not row.expression]
    return {row.path.flat: Lookup("description") for row in described if row.portal_attribute == "description"} | {
        "id": Lookup("scim_id", text=False, sort="scim_id"),
        "displayName": Lookup(
            "name", "name_key", query=relations.group_name(client) if rules.renames else None, sort="name_key"
        ),
        "externalId": Lookup(query=relations.link_column(GroupLink, "group", client, "external_id")),
        "meta.created": Lookup("created_at", text=False, sort="created_at"),
        "meta.lastModified": Lookup("updated_at", text=False, sort="updated_at"),
        "members.value": Lookup("scim_id", text=False, query=relations.members),
    }


def _column(kind: str, name: str) -> Lookup | None:
    """Return the look-up of a portal attribute; free custom attributes have none."""
    if kind == Kind.CUSTOM_PROFILE:
        return Lookup(f"custom_profile__{name}")
    if kind != Kind.PROFILE:
        return None
    if name == "active":
        return Lookup("is_active", text=False, sort="is_active")
    if name == "manager":
        return Lookup("manager__scim_id", text=False)
    key = _KEYS.get(name, "")
    return Lookup(name, key, sort=key if key in _SORTED else name)
