"""Which directories a group belongs in, and the group accounts that stand for it.

The rule: every directory with group sync on that gets all groups or for which the group is chosen, but never the one
that owns the group; and every directory with group sync on that the group was pushed to before.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db.models import F, QuerySet

from directories.models import Directory, PushGroups
from provisioning.models import Group, GroupAccount


@dataclass(slots=True)
class GroupAccountsInScope:
    """Group accounts by directory; ``fresh`` are those that were made just now and need a look at the whole group."""

    by_directory: dict[int, list[int]] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)


def accounts_for(group_ids: Collection[int], *, only: int | None = None) -> GroupAccountsInScope:
    """Return the groups' accounts, making those that are missing; call it in a transaction.

    ``only`` leaves every other directory out. The number of queries does not depend on the number of groups.
    """
    syncing = _syncing(only)
    if not syncing or not group_ids:
        return GroupAccountsInScope()
    groups = list(Group.objects.filter(pk__in=group_ids).values_list("pk", "name", "owner_id"))
    chosen = _chosen(group_ids, syncing)
    names = {pk: name for pk, name, _ in groups}
    belongs = {
        (pk, directory)
        for directory, which in syncing.items()
        for pk, _, owner in groups
        if owner != directory and (which == PushGroups.ALL or (pk, directory) in chosen)
    }
    before = _existing(group_ids, syncing)
    there = {(group, directory) for _, group, directory in before}
    missing = [
        GroupAccount(group_id=group, directory_id=directory, key=names[group])
        for group, directory in sorted(belongs - there)
    ]
    rows = before
    if missing:
        # Another transaction may make the same rows: ignore those, and read what there is now.
        GroupAccount.objects.bulk_create(missing, ignore_conflicts=True, batch_size=1000)
        rows = _existing(group_ids, syncing)
    found: dict[int, list[int]] = defaultdict(list)
    for pk, _, directory in rows:
        found[directory].append(pk)
    return GroupAccountsInScope(dict(found), {row[0] for row in rows} - {row[0] for row in before})


def pushed_to(directory_id: int) -> QuerySet[GroupAccount]:
    """Return the group accounts of a directory that the portal pushes, or pushed while their group was in the portal.

    The directory's own groups, which imports brought, were never pushed and have no digest of a push.
    """
    rows = GroupAccount.objects.filter(directory=directory_id)
    return rows.exclude(group__owner=F("directory")).exclude(group=None, pushed_digest="")


def belongs(account: GroupAccount, which: str) -> bool:
    """Return whether the account's group is to be in its directory, which gets ``which`` groups."""
    group = account.group
    if group is None or group.owner_id == account.directory_id:
        return False
    return which == PushGroups.ALL or group.directories.filter(pk=account.directory_id).exists()


def _syncing(only: int | None) -> dict[int, str]:
    """Return the directories that get groups, and which. Switched off, they still collect changes, which wait."""
    found = Directory.objects.filter(provisioning__sync_groups=True).exclude(provisioning__push_groups=PushGroups.NONE)
    rows = found.order_by("pk").values_list("pk", "provisioning__push_groups")
    return {pk: which for pk, which in rows if only in (None, pk)}


def _chosen(group_ids: Collection[int], syncing: Collection[int]) -> set[tuple[int, int]]:
    rows = Group.directories.through.objects.filter(group__in=group_ids, directory__in=syncing)
    return set(rows.values_list("group_id", "directory_id"))


def _existing(group_ids: Collection[int], syncing: Collection[int]) -> list[tuple[int, int, int]]:
    rows = GroupAccount.objects.filter(group__in=group_ids, directory__in=syncing)
    theirs = rows.exclude(group__owner=F("directory")).order_by("pk")
    return [(pk, group or 0, directory) for pk, group, directory in theirs.values_list("pk", "group", "directory")]
