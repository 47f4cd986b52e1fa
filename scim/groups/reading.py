"""Groups as SCIM resources. A page of groups is four queries; many members are streamed and never held."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import orjson

from provisioning.models import Group, Membership, Nesting
from scim.groups import rights
from scim.models import Client, GroupLink
from scim.resources import schemas
from scim.resources.group_rules import GroupRules, group_rules
from scim.resources.projection import Projection
from scim.users import api as users
from scim.users.rendering import stamp

Json = dict[str, Any]

HELD = 1000  # members that are held in memory at once
CHUNK = 2000

_NAMES = ("user__display_name", "user__first_name", "user__last_name", "user__username")


@dataclass(frozen=True)
class GroupDocuments:
    """A page of groups as they are sent: ``documents``, or None and a ``stream`` where the members are many.

    ``stream`` gives the documents as text in pieces, with commas between them.
    """

    documents: list[Json] | None
    stream: Iterator[bytes] | None = None


def read(client: Client, groups: Sequence[Group], projection: Projection) -> GroupDocuments:
    """Return the groups as the client asks for them."""
    heads = _heads(client, groups)
    if not projection.shows("members"):
        return GroupDocuments([projection.apply(head) for head in heads])
    named = "display" in ((projection.only or {}).get("members") or ())
    some = list(islice(entries(client, [group.pk for group in groups], named=named), HELD + 1))
    if len(some) > HELD:
        return GroupDocuments(None, _streamed(client, groups, heads, projection, named=named))
    found: dict[int, list[Json]] = defaultdict(list)
    for pk, entry in some:
        found[pk].append(entry)
    pairs = zip(heads, groups, strict=True)
    # An empty list, although RFC 7643 section 2.5 lets it be left out: authentik adds nobody to a group without one.
    return GroupDocuments([_shown({**head, "members": found[group.pk]}, projection) for head, group in pairs])


def entries(client: Client, group_ids: Collection[int], *, named: bool) -> Iterator[tuple[int, Json]]:
    """Yield the members whom the client sees, each with its group: people, then nested groups, in a lasting order.

    Their names are read only for those who ask (``display`` is returned on request).
    """
    base = client.base_url
    people = Membership.objects.filter(group__in=group_ids, user__in=users.visible(client))
    rows = people.order_by("group_id", "user_id").values_list("group_id", "user__scim_id", *(_NAMES if named else ()))
    for pk, key, *names in rows.iterator(chunk_size=CHUNK):
        entry = {"value": str(key), "$ref": f"{base}/Users/{key}", "type": "User"}
        yield pk, {**entry, "display": _full_name(*names)} if named else entry
    nested = Nesting.objects.filter(parent__in=group_ids, child__in=rights.visible(client))
    found = nested.order_by("parent_id", "child_id").values_list("parent_id", "child__scim_id", "child__name")
    for pk, key, name in found.iterator(chunk_size=CHUNK):
        entry = {"value": str(key), "$ref": f"{base}/Groups/{key}", "type": "Group"}
        yield pk, {**entry, "display": name} if named else entry


def version(group: Group) -> str:
    """Return the weak entity tag; whatever changes the group moves ``updated_at``."""
    return f'W/"{int(group.updated_at.timestamp() * 1_000_000):x}"'


def _heads(client: Client, groups: Sequence[Group]) -> list[Json]:
    """Return the groups without their members."""
    found = GroupLink.objects.filter(client=client, group__in=[group.pk for group in groups])
    links, rules = {link.group_id: link for link in found}, group_rules(client)
    return [_head(client, group, links.get(group.pk), rules) for group in groups]


def _head(client: Client, group: Group, link: GroupLink | None, rules: GroupRules) -> Json:
    meta = {
        "resourceType": "Group",
        "created": stamp(group.created_at),
        "lastModified": stamp(group.updated_at),
        "location": f"{client.base_url}/Groups/{group.scim_id}",
        "version": version(group),
    }
    shown = rules.shown(group, link)
    head: Json = {"schemas": [schemas.GROUP, *(name for name in shown if name.startswith("urn:"))]}
    head["id"] = str(group.scim_id)
    if link and link.external_id:
        head["externalId"] = link.external_id
    return {**head, **shown, "meta": meta}


def _full_name(display_name: str, first_name: str, last_name: str, username: str) -> str:
    """Return what ``User.get_full_name`` does, from columns."""
    return display_name or f"{first_name} {last_name}".strip() or username


def _shown(document: Json, projection: Projection) -> Json:
    """Apply the projection; a group that shows its members and has none says so."""
    shown = projection.apply(document)
    return shown if document["members"] else {**shown, "members": []}


def _streamed(
    client: Client, groups: Sequence[Group], heads: Sequence[Json], projection: Projection, *, named: bool
) -> Iterator[bytes]:
    """Yield the documents piece by piece: a query for the members of each group, a chunk of them at a time."""
    for number, (group, head) in enumerate(zip(groups, heads, strict=True)):
        shown = orjson.dumps(projection.apply(head))
        yield (b"," if number else b"") + shown[:-1] + (b"," if len(shown) > 2 else b"") + b'"members":['
        found = (entry for _, entry in entries(client, [group.pk], named=named))
        comma = b""
        while chunk := list(islice(found, CHUNK)):
            members = projection.apply({"members": chunk}).get("members") or []
            if members:
                yield comma + orjson.dumps(members)[1:-1]
                comma = b","
        yield b"]}"


def listing(body: Json, count: int, stream: Iterator[bytes]) -> Iterator[bytes]:
    """Return a ListResponse, made without its ``count`` resources, around streamed documents."""
    head = {name: value for name, value in body.items() if name != "Resources"} | {"itemsPerPage": count}
    return chain([orjson.dumps(head)[:-1] + b',"Resources":['], stream, [b"]}"])
