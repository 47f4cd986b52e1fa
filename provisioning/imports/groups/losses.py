"""What people lose by a plan of groups: memberships of the groups themselves, and of all that those are in."""

from collections import Counter
from collections.abc import Collection

from provisioning.groups import nesting
from provisioning.imports.groups.drift import DRIFT
from provisioning.models import Group, GroupAccount, ImportRun, Nesting, PlannedGroup, PlannedMember
from provisioning.models.imports import GroupAction

Edge = tuple[int, int]  # a group, and one in it that leaves it


def lost(run: ImportRun, direct: int) -> int:
    """Return how many memberships are lost: ``direct`` rows, of which one may be a whole group."""
    edges, rows = _edges(run)
    inside = nesting.effective_counts({child for _, child in edges})
    return direct - rows + sum(inside.get(child, 0) for _, child in edges)


def lost_by_group(run: ImportRun) -> Counter[int]:
    """Return how many memberships of each group are lost in effect, by group, itself and through those in it."""
    own: Counter[int] = Counter()
    planned = PlannedGroup.objects.filter(run=run, removed__gt=0).exclude(row__has_key=DRIFT)
    removed = dict(planned.values_list("group_account_id", "removed"))
    groups = GroupAccount.objects.filter(pk__in=removed, group__isnull=False)
    for account, group in groups.values_list("pk", "group_id"):
        own[group or 0] += removed[account]
    edges, rows = _edges(run)
    inside = nesting.effective_counts({child for _, child in edges})
    for number, (parent, child) in enumerate(edges):
        own[parent] += inside.get(child, 0) - (number < rows)  # a row of its own was counted as one
    return in_effect(own)


def lost_with(account_ids: Collection[int | None]) -> Counter[int]:
    """Return how many memberships are lost with groups that are deleted, by group: their own, and those around them."""
    groups = Group.objects.filter(accounts__in=account_ids).values_list("pk", flat=True)
    inside = nesting.effective_counts(list(groups))
    lost = Counter(inside)
    for parent, child in Nesting.objects.filter(child__in=inside).values_list("parent_id", "child_id"):
        lost[parent] += inside[child]
    return lost


def in_effect(own: Counter[int]) -> Counter[int]:
    """Return the numbers of groups with those of the groups in them."""
    found: Counter[int] = Counter()
    for group, outer in nesting.pairs_above(own):
        found[outer] += own[group]
    return found


def _edges(run: ImportRun) -> tuple[list[Edge], int]:
    """Return the groups that leave others: first those that are rows of members, and how many; others are deleted."""
    members = PlannedMember.objects.filter(planned_group__run=run, add=False, group_account_id__isnull=False)
    pairs = list(members.values_list("planned_group__group_account_id", "group_account_id"))
    accounts = GroupAccount.objects.filter(pk__in={pk for pair in pairs for pk in pair if pk}, group__isnull=False)
    groups = dict(accounts.values_list("pk", "group_id")) if pairs else {}
    edges = [(groups[parent], groups[child]) for parent, child in pairs if parent in groups and child in groups]
    rows = len(edges)
    deleted = PlannedGroup.objects.filter(run=run, action=GroupAction.DELETE).values("group_account_id")
    gone = Group.objects.filter(accounts__in=deleted)
    around = Nesting.objects.filter(child__in=gone).values_list("parent_id", "child_id")
    known = set(edges)
    edges += [edge for edge in around if edge not in known]
    return [(parent or 0, child or 0) for parent, child in edges], rows
