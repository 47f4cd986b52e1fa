"""Groups in the portal: made, changed and deleted, with a line in the report and changes for the directories."""

from collections.abc import Collection, Iterable

from django.db import transaction

from provisioning.models import Group
from provisioning.models.outbox import Lane
from provisioning.outbound.accounts.outbox import pages
from provisioning.outbound.groups import outbox
from reports.journal import Line, record, record_many
from reports.models import Direction, Operation, Result


@transaction.atomic
def save(group: Group, actor: str, directories: Collection[int] | None = None, *, via: str = "") -> None:
    """Save a group, and with ``directories`` (ids) which it is chosen for; ``via`` is the application that asks."""
    before = Group.objects.filter(pk=group.pk).values("name", "description").first() if group.pk else None
    chosen = set(group.directories.values_list("pk", flat=True)) if before else set()
    group.save()
    if directories is not None and chosen != set(directories):
        group.directories.set(directories)
    if before is None:
        _record(group.name, Operation.CREATE, f"The group {group.name} was created.", actor, via)
    elif before["name"] != group.name:
        message = f"The group {before['name']} was renamed to {group.name}."
        _record(group.name, Operation.UPDATE, message, actor, via)
    # A directory that the group is no longer chosen for is one that its members lose something in.
    lane = Lane.LEAVERS if directories is not None and chosen - set(directories) else Lane.USUAL
    outbox.group_changed([group.pk], "updated" if before else "created", actor, lane=lane)


@transaction.atomic
def mark_privileged(group_ids: Collection[int], privileged: bool, actor: str) -> int:
    """Say that the members of these groups have special rights somewhere, or have not; return how many changed."""
    groups = Group.objects.filter(pk__in=group_ids).exclude(privileged=privileged)
    names = dict(groups.values_list("pk", "name"))
    word = "marked as privileged" if privileged else "marked as not privileged"
    record_many(_line(name, Operation.UPDATE, f"The group {name} was {word}.", actor, "") for name in names.values())
    Group.objects.filter(pk__in=names).update(privileged=privileged)
    return len(names)


def delete(group_ids: Iterable[int], actor: str, *, via: str = "", cleared: bool = False) -> int:
    """Delete groups, a page a transaction, and let their directories know; return how many there were."""
    return sum(_delete_page(page, actor, via, cleared=cleared) for page in pages(group_ids))


@transaction.atomic
def _delete_page(group_ids: Collection[int], actor: str, via: str, *, cleared: bool) -> int:
    names = list(Group.objects.filter(pk__in=group_ids).values_list("name", flat=True))
    outbox.group_deleted(group_ids, actor, cleared=cleared)
    record_many(_line(name, Operation.DELETE, f"The group {name} was deleted.", actor, via) for name in names)
    Group.objects.filter(pk__in=group_ids).delete()
    return len(names)


def _record(name: str, operation: Operation, message: str, actor: str, via: str) -> None:
    record(_line(name, operation, message, actor, via))


def _line(name: str, operation: Operation, message: str, actor: str, via: str) -> Line:
    return Line(
        identifier=name,
        application=via,
        direction=Direction.IN if via else Direction.PORTAL,
        operation=operation,
        result=Result.SUCCESS,
        message=message,
        actor=actor,
    )
