"""Groups in the portal: made, changed and deleted, with a line in the report and changes for the directories."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import transaction

from provisioning.identities.membership import membership_ends
from provisioning.models import Group, Membership
from provisioning.models.outbox import Lane
from provisioning.outbound.accounts.outbox import pages
from provisioning.outbound.groups import outbox
from reports import evidence
from reports.journal import Line, record, record_many
from reports.models import Direction, Operation, Result

SUBJECT = "group"  # of the evidence, with its number
LABELS = {"name": "Name", "description": "Description"}


@transaction.atomic
def save(group: Group, actor: str, directories: Collection[int] | None = None, *, via: str = "") -> None:
    """Save a group, and with ``directories`` (ids) which it is chosen for; ``via`` is the application that asks."""
    before = Group.objects.filter(pk=group.pk).values("name", "description").first() if group.pk else None
    chosen = set(group.directories.values_list("pk", flat=True)) if before else set()
    group.save()
    if directories is not None and chosen != set(directories):
        group.directories.set(directories)
    changes = _changes(before or {}, group)
    words = ""
    if before is None:
        words = f"The group {group.name} was created."
    elif before["name"] != group.name:
        words = f"The group {before['name']} was renamed to {group.name}."
    elif changes:
        words = f"The description of the group {group.name} was changed."
    if words:
        operation = Operation.UPDATE if before else Operation.CREATE
        record(_line(group, operation, words, actor=actor, via=via, changes=changes))
    # A directory that the group is no longer chosen for is one that its members lose something in.
    lane = Lane.LEAVERS if directories is not None and chosen - set(directories) else Lane.USUAL
    outbox.group_changed([group.pk], "updated" if before else "created", actor, lane=lane)
    if group.is_ours and (words or chosen != set(chosen if directories is None else directories)):
        _keep([(group, words or f"The group {group.name} is chosen for other directories.")], actor)


@transaction.atomic
def mark_privileged(group_ids: Collection[int], privileged: bool, actor: str) -> int:
    """Say that the members of these groups have special rights somewhere, or have not; return how many changed."""
    groups = list(Group.objects.filter(pk__in=group_ids).exclude(privileged=privileged))
    word = "marked as privileged" if privileged else "marked as not privileged"
    changes = {"Privileged": ("no", "yes") if privileged else ("yes", "no")}
    record_many(
        _line(group, Operation.UPDATE, f"The group {group.name} was {word}.", actor=actor, via="", changes=changes)
        for group in groups
    )
    Group.objects.filter(pk__in=[group.pk for group in groups]).update(privileged=privileged)
    for group in groups:
        group.privileged = privileged
    _keep([(group, f"The group {group.name} was {word}.") for group in groups], actor)
    return len(groups)


def delete(group_ids: Iterable[int], actor: str, *, via: str = "", cleared: bool = False) -> int:
    """Delete groups, a page a transaction, and let their directories know; return how many there were."""
    return sum(_delete_page(page, actor, via, cleared=cleared) for page in pages(group_ids))


@transaction.atomic
def _delete_page(group_ids: Collection[int], actor: str, via: str, *, cleared: bool) -> int:
    groups = list(Group.objects.filter(pk__in=group_ids))
    outbox.group_deleted(group_ids, actor, cleared=cleared)
    memberships = Membership.objects.filter(group__in=[group.pk for group in groups])
    membership_ends(memberships, ", which was deleted", actor, via)
    record_many(
        _line(
            group,
            Operation.DELETE,
            f"The group {group.name} was deleted.",
            actor=actor,
            via=via,
            changes={LABELS[name]: (value, None) for name in LABELS if (value := getattr(group, name))},
        )
        for group in groups
    )
    Group.objects.filter(pk__in=group_ids).delete()
    kept = [group for group in groups if group.is_ours or group.privileged]
    gone = [(f"{SUBJECT} {group.pk}", None, f"The group {group.name} was deleted.") for group in kept]
    evidence.changed_many(gone, actor)
    return len(groups)


def _keep(told: Iterable[tuple[Group, str]], actor: str) -> None:
    """Put into the evidence how groups are set up now: who is in them is data, and in the report."""
    said = dict(told)
    through = Group.directories.through.objects.filter(group__in=list(said)).order_by("directory__name")
    chosen: dict[int, list[str]] = {}
    for group_id, name in through.values_list("group_id", "directory__name"):
        chosen.setdefault(group_id, []).append(name)
    evidence.changed_many(
        [
            (
                f"{SUBJECT} {group.pk}",
                {
                    "name": group.name,
                    "description": group.description,
                    "directories": chosen.get(group.pk, []),
                    "privileged": group.privileged,
                },
                words,
            )
            for group, words in said.items()
        ],
        actor,
    )


def _changes(before: Mapping[str, Any], group: Group) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (before.get(name) or None, getattr(group, name) or None) for name in LABELS}
    return {LABELS[name]: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _line(
    group: Group, operation: Operation, message: str, *, actor: str, via: str, changes: Mapping[str, tuple[Any, Any]]
) -> Line:
    return Line(
        identifier=group.name,
        application=via,
        direction=Direction.IN if via else Direction.PORTAL,
        operation=operation,
        result=Result.SUCCESS,
        message=message,
        changes=changes,
        actor=actor,
        group_id=group.pk,
    )
