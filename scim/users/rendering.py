"""Users as SCIM resources, a page at a time: the number of queries does not depend on how many there are."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from directories.attributes import Person
from directories.mapping import MappingError
from provisioning.models import User
from provisioning.profile import person as people
from scim.access.visibility import is_staff
from scim.models import Client, UserLink
from scim.resources import mapping, schemas
from scim.resources.projection import Projection
from scim.resources.rules import Rules
from scim.users import queries


@dataclass(frozen=True)
class RenderContext:
    """What a page of users needs besides themselves. ``groups`` is None as long as nobody has read them."""

    client: Client
    rules: Rules
    links: dict[int, UserLink]
    groups: Mapping[int, list[tuple[Any, str]]] | None = None


def context_of(client: Client, rules: Rules, users: Collection[User], *, groups: bool) -> RenderContext:
    """Read what belongs to the users, in two queries."""
    ids = [user.pk for user in users]
    return RenderContext(client, rules, queries.links_of(client, users), queries.groups(client, ids) if groups else {})


def resource(user: User, context: RenderContext) -> dict[str, Any]:
    """Return the user as the client sees them; ``user.manager`` must be loaded."""
    link = context.links.get(user.pk)
    values = outbound(user, context.rules)
    document = mapping.overlay(link.kept if link else {}, values, context.rules)
    document["userName"] = (link and link.user_name) or document.get("userName") or user.username
    head: dict[str, Any] = {"id": str(user.scim_id)}
    if link and link.external_id:
        head["externalId"] = link.external_id
    base = context.client.base_url
    _complete_manager(document, user, base)
    if groups := (context.groups or {}).get(user.pk):
        document["groups"] = [
            {"value": str(pk), "$ref": f"{base}/Groups/{pk}", "display": name, "type": "direct"} for pk, name in groups
        ]
    urns = [schemas.USER, *(name for name in document if name.startswith("urn:"))]
    return {"schemas": urns, **head, **document, "meta": meta(user, base)}


def resources(users: Iterable[User], context: RenderContext, projection: Projection) -> list[dict[str, Any]]:
    """Return a page of users as they are sent."""
    return [projection.apply(resource(user, context)) for user in users]


def outbound(user: User, rules: Rules) -> dict[str, Any]:
    """Return the values of the mapped SCIM paths. An expression that fails for one user shows them without any."""
    known = person(user)
    try:
        return dict(rules.mapper.outbound(known))
    except MappingError:
        return dict(rules.plain_mapper.outbound(known))


def person(user: User) -> Person:
    """Return the user's values as SCIM knows them: a manager by id, and active only by the user's own switch."""
    known = people.person_of(user)
    manager = str(user.manager.scim_id) if user.manager and not is_staff(user.manager) else None
    return Person({**known.profile, "manager": manager, "active": user.is_active}, known.custom_profile, known.custom)


def version(user: User) -> str:
    """Return the weak entity tag: every change of the user, or of what a client keeps of them, moves ``updated_at``."""
    return f'W/"{int(user.updated_at.timestamp() * 1_000_000):x}"'


def meta(user: User, base: str) -> dict[str, Any]:
    """Return the user's metadata."""
    return {
        "resourceType": "User",
        "created": stamp(user.created_at),
        "lastModified": stamp(user.updated_at),
        "location": f"{base}/Users/{user.scim_id}",
        "version": version(user),
    }


def stamp(at: dt.datetime) -> str:
    """Return a time as SCIM writes it (RFC 7643 section 2.3.5)."""
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _complete_manager(document: dict[str, Any], user: User, base: str) -> None:
    """Add the manager's address to the id (RFC 7643 section 4.3)."""
    extension = document.get(schemas.ENTERPRISE)
    manager = extension.get("manager") if isinstance(extension, dict) else None
    if isinstance(manager, dict) and user.manager and manager.get("value") == str(user.manager.scim_id):
        manager["$ref"] = f"{base}/Users/{user.manager.scim_id}"
