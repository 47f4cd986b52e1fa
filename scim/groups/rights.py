"""Which groups a client sees, and which it may change.

A client that sees everybody sees every group; it changes those that applications push and those of the portal, but
never one that comes from a directory: the next import would undo it, and the portal's own pages do not allow it either.
A client that sees only its own sees, and so may name, only groups that it pushed; another group of the same name is a
conflict and stays out of its reach.
"""

from django.db.models import Exists, OuterRef, QuerySet

from provisioning.models import Group
from scim.errors import ScimError, switched_off
from scim.models import Client, GroupLink, Reach


def visible(client: Client) -> "QuerySet[Group]":
    """Return the groups that the client sees."""
    if client.reach == Reach.ALL:
        return Group.objects.all()
    return Group.objects.filter(Exists(GroupLink.objects.filter(client=client, group=OuterRef("pk"), owned=True)))


def check_groups(client: Client) -> None:
    """Refuse to create, rename or delete groups where that is switched off."""
    if not client.sync_groups:
        raise switched_off("Creating, renaming and deleting groups")


def check_members(client: Client) -> None:
    """Refuse to change who is in groups where that is switched off."""
    if not client.sync_members:
        raise switched_off("Changing who is in groups")


def check_ours(group: Group) -> None:
    """Refuse a change of a directory's group."""
    if group.owner is not None:
        raise ScimError(403, f"The group {group.name} comes from the directory {group.owner.name}. Change it there.")


def check_not_privileged(group: Group) -> None:
    """Refuse to delete a group whose members have special rights: people do that in the portal."""
    if group.privileged:
        raise ScimError(403, f"The group {group.name} gives special rights. Delete it in the portal.")
