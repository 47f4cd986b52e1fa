"""Users over SCIM: whom a client sees, what it reads of them and how it changes them, all or nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace as replace_fields
from typing import Any

from django.db import transaction

from provisioning.models import User
from reports.journal import record
from reports.models import Operation, Result
from scim.access.visibility import visible
from scim.errors import ScimError, not_found
from scim.filters import parse_path
from scim.ids import id_of
from scim.models import Client, Reach, UserLink
from scim.patch import patched
from scim.patch.operation import PatchOperation
from scim.refusals import line, reported
from scim.resources import attributes, schemas
from scim.resources.attributes import Schema
from scim.resources.projection import Projection
from scim.resources.rules import Rules, user_rules
from scim.users import queries, rendering, writing
from scim.users.draft import ACTIVE, Draft, checked_draft, draft

__all__ = ["create", "delete", "find", "patch", "read", "read_page", "replace", "schema", "version", "visible"]

UserAtVersion = Callable[[User], None]  # raises ScimError when the user is not at the version that the client means

_ACTIVE = parse_path("active")

version = rendering.version


def schema(client: Client) -> Schema:
    """Return the attributes of users for this client."""
    return attributes.users(client)


def find(client: Client, scim_id: str) -> User:
    """Return the user of that id; raise ScimError 404 for everybody whom the client may not see."""
    user = queries.user(client, id_of(scim_id))
    if user is None:
        raise not_found()
    return user


def read(
    client: Client, user: User, projection: Projection, context: rendering.RenderContext | None = None
) -> dict[str, Any]:
    """Return one user as they are sent; ``context`` is what belongs to them, as far as that has been read."""
    if context is None:
        return read_page(client, [user], projection)[0]
    if context.groups is None:
        context = replace_fields(
            context, groups=queries.groups(client, [user.pk]) if projection.shows("groups") else {}
        )
    return rendering.resources([user], context, projection)[0]


def read_page(client: Client, users: Iterable[User], projection: Projection) -> list[dict[str, Any]]:
    """Return a page of users as they are sent, in the same few queries whatever their number."""
    page_users = list(users)
    rules = user_rules(client)
    context = rendering.context_of(client, rules, page_users, groups=projection.shows("groups"))
    return rendering.resources(page_users, context, projection)


def create(client: Client, document: Mapping[str, Any]) -> tuple[User, rendering.RenderContext | None]:
    """Add the user of a document in the schemas' spelling (``scim.dialects``), or claim one who is in the portal.

    Return what belongs to them too, where that need not be read: a user who is new is in no group.
    """
    rules = user_rules(client)
    with reported(client, Operation.CREATE, document.get("userName")), transaction.atomic():
        user, link = writing.create(client, draft(document, rules), rules)
    return user, rendering.RenderContext(client, rules, {user.pk: link}, {}) if link else None


def replace(
    client: Client, scim_id: str, document: Mapping[str, Any], check: UserAtVersion
) -> tuple[User, bool, rendering.RenderContext]:
    """Make the user what the document says; return them, whether anything changed, and what belongs to them.

    What the document leaves out is cleared (RFC 7644 section 3.5.1), but for whether the user is active, the externalId
    and the password.
    """
    rules = user_rules(client)
    with reported(client, Operation.UPDATE) as about, transaction.atomic():
        user, links = _locked(client, scim_id)
        about.name, about.user_id = user.username, user.pk
        check(user)
        changed = writing.update(client, user, draft(document, rules), rules, links)
    return user, changed, rendering.RenderContext(client, rules, links)


def patch(
    client: Client, scim_id: str, operations: Sequence[PatchOperation], check: UserAtVersion
) -> tuple[User, bool, rendering.RenderContext]:
    """Do the operations; return the user, whether anything changed, and what belongs to them."""
    rules = user_rules(client)
    with reported(client, Operation.UPDATE) as about, transaction.atomic():
        user, links = _locked(client, scim_id)
        about.name, about.user_id = user.username, user.pk
        check(user)
        context = rendering.RenderContext(client, rules, links)
        wanted = _switched(user, links, operations, rules) or _patched(user, context, operations)
        if wanted is None:
            return user, False, context
        changed = writing.update(client, user, wanted, rules, links)
        if wanted.active and not user.is_active and client.deactivate_users:
            message = f"{client} says as before that {user} is active. They were deactivated elsewhere and stay so."
            record(line(client, user.username, Operation.ENABLE, Result.SKIPPED, message, user_id=user.pk))
    return user, changed, context


def _switched(
    user: User, links: Mapping[int, UserLink], operations: Sequence[PatchOperation], rules: Rules
) -> Draft | None:
    """Return what is wanted when all that is asked is to switch somebody on or off; None when it is anything else.

    That is asked most, and needs no document of the whole user.
    """
    first = operations[0] if len(operations) == 1 else None
    if first is None or first.verb != "replace" or first.path != _ACTIVE or not rules.plain_state:
        return None
    if not isinstance(first.value, bool):
        return None
    link = links.get(user.pk)
    known_as = (link and link.user_name) or user.username
    return Draft(user_name=known_as, values={ACTIVE: first.value}, kept=link.kept if link else {})


def _patched(user: User, context: rendering.RenderContext, operations: Sequence[PatchOperation]) -> Draft | None:
    """Return what the operations make of the user; None when they come to nothing and do not speak of the state."""
    before = rendering.resource(user, context)
    after = patched(before, operations, schemas.user_model(context.rules.definitions))
    about_state = any(operation.name in context.rules.state_attributes for operation in operations)
    if after is before and not about_state:
        return None
    if "active" in before and "active" not in after:  # RFC 7644 section 3.5.2.2
        raise ScimError(400, "active cannot be removed. Set it to true or false.", "mutability")
    wanted = checked_draft(after, context.rules)
    if not about_state:
        wanted.values.pop(ACTIVE, None)  # the state stands in the document, but the client says nothing of it
    if wanted.external_id is None:
        wanted.external_id = ""
    return wanted


def delete(client: Client, scim_id: str, check: UserAtVersion) -> None:
    """Take the user away from the client."""
    with reported(client, Operation.DELETE) as about, transaction.atomic():
        user, links = _locked(client, scim_id)
        about.name, about.user_id = user.username, user.pk
        check(user)
        writing.delete(client, user, links.get(user.pk))


def _locked(client: Client, scim_id: str) -> tuple[User, dict[int, UserLink]]:
    """Return the user, locked until the transaction ends, and what the client knows of them; raise ScimError 404.

    Whether the client still sees them is looked at again under the lock: the query that waited for it asks PostgreSQL
    about the links as they were before, and another request may have deleted the user meanwhile (RFC 7644 section 3.6).
    """
    user = queries.locked(client, id_of(scim_id))
    if user is None:
        raise not_found()
    links = queries.links(client, [user.pk])
    link = links.get(user.pk)
    if (link is None and client.reach == Reach.OWN) or (link is not None and link.deleted_at is not None):
        raise not_found()
    return user, links
