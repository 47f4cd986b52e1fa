"""Users over SCIM: who is visible to a client, and what it reads of them. ``scim.writing`` changes them."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from provisioning.models import User
from scim import attributes, render
from scim.attributes import Schema
from scim.errors import not_found
from scim.models import Client, Reach, UserLink
from scim.projection import Projection
from scim.rules import user_rules


def visible(client: Client) -> "QuerySet[User]":
    """Return the users that the client may see and touch.

    Never staff of the portal; nobody whom the client has deleted; with reach ``own`` only those whom it brought or
    claimed.
    """
    found = User.objects.filter(is_staff=False, is_superuser=False)
    links = UserLink.objects.filter(client=client, user=OuterRef("pk"))
    if client.reach == Reach.OWN:
        return found.filter(Exists(links.filter(deleted_at=None)))
    return found.filter(~Q(Exists(links.filter(deleted_at__isnull=False))))


def schema(client: Client) -> Schema:
    """Return the attributes of users for this client."""
    return attributes.users(client)


def find(client: Client, scim_id: str) -> User:
    """Return the user of that id; raise ScimError 404 for everybody whom the client may not see."""
    try:
        wanted = uuid.UUID(scim_id)
    except ValueError:
        raise not_found() from None
    user = visible(client).select_related("manager").filter(scim_id=wanted).first() if str(wanted) == scim_id else None
    if user is None:
        raise not_found()
    return user


def read(client: Client, user: User, projection: Projection) -> dict[str, Any]:
    """Return one user as they are sent."""
    return read_page(client, [user], projection)[0]


def read_page(client: Client, users: Iterable[User], projection: Projection) -> list[dict[str, Any]]:
    """Return a page of users as they are sent, in the same few queries whatever their number."""
    page_users = list(users)
    rules = user_rules(client)
    page = render.page_of(client, rules, page_users, groups=projection.shows("groups"))
    return render.resources(page_users, page, projection)
