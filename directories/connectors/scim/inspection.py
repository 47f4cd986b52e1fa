"""One user or group as the application shows it, with every attribute, for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from directories.connectors.base import Entry, GroupEntry, Inspection, RemoteAccount, ShownAttribute
from directories.connectors.scim.client import Json
from directories.connectors.scim.groups import Groups
from directories.connectors.scim.lookup import by_id, ref_of
from directories.connectors.scim.paths import member
from directories.connectors.scim.users import Users

MOST = 20  # values of an attribute that are shown
A_GROUP = "This is a group. An import of users leaves it out."
HIDDEN = frozenset({"schemas", "password"})


def inspected(users: Users, groups: Groups, name: str) -> Inspection | None:
    """Return the user of that name or, when there is none, the group; None for neither."""
    account = users.find(Entry(name))
    if account is not None and isinstance(account.raw, dict):
        found = by_id(users.client, "user", account.ref) or account.raw
        listed = member(found, "groups")
        names = [str(member(one, "display") or member(one, "value")) for one in listed] if listed else []
        return _shown(users.account(found), found, "userName", groups=names)
    group = groups.find(GroupEntry(name)) if groups.rules.supported else None
    if group is None:
        return None
    found = by_id(users.client, "group", group.ref) or {}
    return _shown(RemoteAccount(group.ref, group.name), found, "displayName", notes=[A_GROUP])


def _shown(
    account: RemoteAccount,
    found: Json,
    identifier: str,
    *,
    groups: list[str] | None = None,
    notes: list[str] | None = None,
) -> Inspection:
    values: dict[str, list[str]] = {}
    for name, value in _flat(found):
        values.setdefault(name, []).append(value)
    place = member(member(found, "meta"), "location")
    return Inspection(
        account=account,
        place=str(place or ref_of(found)),
        identifier=identifier,
        id_attribute="id",
        attributes=[ShownAttribute(name, some[:MOST], max(len(some) - MOST, 0)) for name, some in values.items()],
        group_attribute="groups",
        groups=groups or (),
        notes=notes or (),
    )


def _flat(held: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Give every value and the path by which a mapping names it."""
    if isinstance(held, Mapping):
        for name, value in held.items():
            if at or name not in HIDDEN:
                yield from _flat(value, _below(at, str(name)))
    elif isinstance(held, list):
        for one in held:
            kind = member(one, "type")
            parts = one.items() if isinstance(one, Mapping) else [("value", one)]
            for name, value in parts:
                if name != "type":
                    place = f'{at}[type eq "{kind}"]' if isinstance(kind, str) else at
                    yield from _flat(value, _below(place, str(name)))
    elif held is not None:
        yield at, str(held).lower() if isinstance(held, bool) else str(held)


def _below(at: str, name: str) -> str:
    if not at:
        return name
    return f"{at}:{name}" if at.startswith("urn:") and at.rpartition(":")[2][:1].isupper() else f"{at}.{name}"
