"""Which groups a client sees, and which it may change.

A client that sees everybody sees every group; it changes those that applications push and those of the portal, but
never one that comes from a directory: the next import would undo it, and the portal's own pages do not allow it either.
A client that sees only its own sees, and so may name, only groups that it pushed; another group of the same name is a
conflict and stays out of its reach.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.models import Exists, OuterRef, QuerySet

from provisioning.models import Group
from reports.journal import Line, record
from reports.models import Direction, Operation, Result
from scim.errors import ScimError, switched_off
from scim.models import Client, GroupLink, Reach


class Refused(ScimError):
    """A change of a group that the client may not make; ``reported`` writes it into the report."""

    def __init__(self, status: int, detail: str, name: str, operation: Operation, scim_type: str = "") -> None:
        super().__init__(status, detail, scim_type)
        self.name, self.operation = name, operation


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


def check_ours(group: Group, operation: Operation) -> None:
    """Refuse a change of a directory's group."""
    if group.owner is not None:
        detail = f"The group {group.name} comes from the directory {group.owner.name}. Change it there."
        raise Refused(403, detail, group.name, operation)


@contextmanager
def reported(client: Client) -> Iterator[None]:
    """Write a refusal into the report, where somebody will look for the reason.

    It goes around the transaction, which takes everything else back.
    """
    try:
        yield
    except Refused as error:
        line = Line(error.name, client.name, Direction.IN, error.operation, Result.FAILED, error.detail)
        record(line)
        raise
