"""Whom a client sees."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from provisioning.models import User
from scim.models import Client, Reach, UserLink


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
