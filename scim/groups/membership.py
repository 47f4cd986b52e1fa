"""Members of a group by their SCIM ids: added, removed and replaced as differences, never by reading the group.

A member is a user or a group. ``Delta`` collects what a request asks for, in order, and only then anything is written:
adding or removing one member of a group of a hundred thousand is one look-up and one small write. Ids of people whom
the client does not see count as unknown, and whom it does not see it does not remove either.
"""

import uuid
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.database import rows
from provisioning import services
from provisioning.imports.bitmap import Bitmap
from provisioning.models import Group, Membership, Nesting, User
from scim.errors import invalid_value
from scim.groups import rights
from scim.models import Client
from scim.users import api as users

PAGE = 1000
MOST_NAMED = 5  # ids that an error repeats


@dataclass
class Delta:
    """Members to add and to remove by their ids; with ``everybody``, all but the added ones go."""

    added: dict[str, None] = field(default_factory=dict)
    removed: dict[str, None] = field(default_factory=dict)
    everybody: bool = False

    def add(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Add members; each entry has the id as ``value``."""
        for key in map(_key, entries):
            self.removed.pop(key, None)
            self.added[key] = None

    def remove(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Remove members; one who is none is no error (RFC 7644 section 3.5.2.2)."""
        for key in map(_key, entries):
            self.added.pop(key, None)
            self.removed[key] = None

    def clear(self) -> None:
        """Remove everybody."""
        self.everybody = True
        self.added.clear()
        self.removed.clear()

    def replace(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Let these be the members and nobody else."""
        self.clear()
        self.add(entries)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.everybody)


@dataclass
class _Found:
    """The users and groups behind ids, by primary key."""

    users: "array[int]" = field(default_factory=lambda: array("q"))
    groups: "array[int]" = field(default_factory=lambda: array("q"))


def write(client: Client, group: Group, delta: Delta) -> int:
    """Write what differs and return how many members came or went; the caller holds the group's row.

    Raise ScimError 400 when somebody to add is not known; then nothing is written.
    """
    wanted = _find(client, delta.added, strict=True)
    gone = _missing(client, group, wanted) if delta.everybody else _find(client, delta.removed, strict=False)
    _keep(client, wanted.users)
    actor = via = client.name
    count = services.remove_members(group, gone.users, actor, via=via)
    count += services.add_members(group, wanted.users, actor, via=via)
    for child in Group.objects.filter(pk__in=gone.groups).order_by("pk"):
        count += services.unnest_group(group, child, actor, via=via)
    if group.pk in wanted.groups:
        raise invalid_value("A group cannot be a member of itself.")
    for child in Group.objects.filter(pk__in=wanted.groups).exclude(nested_in__parent=group).order_by("pk"):
        count += services.nest_group(group, child, actor, via=via)
    return count


def _keep(client: Client, user_ids: Iterable[int]) -> None:
    """Keep users who are to be added from being deleted meanwhile; raise ScimError 400 when one of them has been.

    A DELETE takes the user and then leaves their groups: it waits for this request, or this one for it.
    """
    wanted = sorted(user_ids)
    for page in (wanted[start : start + PAGE] for start in range(0, len(wanted), PAGE)):
        rows.keep(User, page, unchanged=True)
        if users.visible(client).filter(pk__in=page).order_by().count() < len(page):
            raise invalid_value("Somebody to add was deleted at this very moment.")


def _find(client: Client, keys: Iterable[str], *, strict: bool) -> _Found:
    found, unknown = _Found(), []
    for page in _pages(keys):
        ids = {parsed: key for key in page if (parsed := _uuid(key)) is not None}
        people = dict(users.visible(client).filter(scim_id__in=ids).order_by().values_list("scim_id", "pk"))
        rest = [key for key in ids if key not in people]
        groups = dict(rights.visible(client).filter(scim_id__in=rest).order_by().values_list("scim_id", "pk"))
        found.users.extend(people.values())
        found.groups.extend(groups.values())
        unknown += [key for key in page if (parsed := _uuid(key)) not in people and parsed not in groups]
    if strict and unknown:
        more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
        raise invalid_value(f"No user or group has the id {', '.join(unknown[:MOST_NAMED])}{more}.")
    return found


def _missing(client: Client, group: Group, wanted: _Found) -> _Found:
    """Return the members that the client sees and that are not wanted, and leave only new ones in ``wanted``.

    Members are streamed; each costs a bit, or eight bytes when they go.
    """
    gone, seen = _Found(), Bitmap()
    keep = _bitmap(wanted.users)
    there = Membership.objects.filter(group=group, user__in=users.visible(client)).order_by("user_id")
    for pk in there.values_list("user_id", flat=True).iterator(chunk_size=5000):
        if pk not in keep:
            gone.users.append(pk)
        else:
            seen.add(pk)
    wanted.users = array("q", (pk for pk in wanted.users if pk not in seen))
    kept = set(wanted.groups)
    nested = Nesting.objects.filter(parent=group, child__in=rights.visible(client)).order_by("child_id")
    gone.groups.extend(pk for pk in nested.values_list("child_id", flat=True) if pk not in kept)
    return gone


def _bitmap(ids: Iterable[int]) -> Bitmap:
    found = Bitmap()
    for pk in ids:
        found.add(pk)
    return found


def _key(entry: Mapping[str, Any]) -> str:
    """Return the id of a member in one spelling, so that the last word on it counts; what is no UUID stays as it is."""
    value = entry.get("value")
    if not isinstance(value, str) or not value:
        raise invalid_value("A member needs the id of a user or group as its value.")
    return str(_uuid(value) or value)


def _uuid(key: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(key)
    except ValueError:
        return None


def _pages(keys: Iterable[str]) -> Iterator[list[str]]:
    found = list(keys)
    return (found[start : start + PAGE] for start in range(0, len(found), PAGE))
