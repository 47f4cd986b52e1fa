"""Whom a client sees."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from provisioning.models import User
from scim.models import Client, Reach, UserLink


def visible(client: Client) -> "QuerySet[User]":
    """Return the users that the client may see and touch.

    Never staff of the portal; nobody whom the client has deleted; with reach ``own`` only those whom it brought or
    claimed.
    """
    return seen(client.reach, client.pk)


def seen(reach: str, client: Any) -> "QuerySet[User]":
    """Return the users that a client (an id, or the place for one in a prepared query) of that reach may see."""
    found = User.objects.filter(is_staff=False, is_superuser=False)
    links = UserLink.objects.filter(client_id=client, user=OuterRef("pk"))
    if reach == Reach.OWN:
        return found.filter(Exists(links.filter(deleted_at=None)))
    return found.filter(~Q(Exists(links.filter(deleted_at__isnull=False))))


def is_staff(user: User) -> bool:
    """Return whether the user may sign in to the portal: no client ever sees them."""
    return user.is_staff or user.is_superuser
