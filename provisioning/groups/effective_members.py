"""Who is in a group in effect, and by which way: what pages show."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from provisioning.groups.nesting import above, below, effective_users
from provisioning.models import Group, Membership, Nesting, User

WAYS = 5  # groups named at most


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a group: directly, or through these groups in it, or both."""

    user: User
    direct: bool
    through: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Belonging:
    """A group that a user is in: directly, or through these groups, or both."""

    group: Group
    direct: bool
    through: tuple[Group, ...]


def members_page(group: Group, after: str, limit: int) -> list[Member]:
    """Return the members in effect after a folded user name, in the order of those: four queries."""
    people = User.objects.filter(pk__in=effective_users(group.pk), username_key__gt=after).order_by("username_key")
    users = list(people[:limit])
    inside = below([group.pk])
    ways: dict[int, list[int]] = defaultdict(list)
    rows = Membership.objects.filter(user__in=users, group__in=inside).order_by("group__name_key")
    for user_id, group_id in rows.values_list("user_id", "group_id"):
        ways[user_id].append(group_id)
    named = Group.objects.in_bulk({pk for found in ways.values() for pk in found} - {group.pk})
    return [
        Member(user, group.pk in ways[user.pk], tuple(named[pk] for pk in ways[user.pk] if pk in named)[:WAYS])
        for user in users
    ]


def groups_of(user_id: int) -> list[Belonging]:
    """Return every group that the user is in, direct ones first: four queries, however deep the groups nest."""
    direct = set(Membership.objects.filter(user=user_id).values_list("group_id", flat=True))
    found = Group.objects.filter(pk__in=above(direct)).select_related("owner").in_bulk()
    ways = _ways(direct, found)
    rows = [
        Belonging(group, pk in direct, tuple(found[way] for way in sorted(ways[pk]))[:WAYS])
        for pk, group in found.items()
    ]
    return sorted(rows, key=lambda row: (not row.direct, row.group.name_key))


def _ways(direct: Collection[int], groups: Collection[int]) -> dict[int, set[int]]:
    """Return by which of the direct groups each of the groups is reached."""
    upwards: dict[int, list[int]] = defaultdict(list)
    for parent, child in Nesting.objects.filter(parent__in=groups, child__in=groups).values_list("parent", "child"):
        upwards[child].append(parent)
    ways: dict[int, set[int]] = defaultdict(set)
    for start in direct:
        waiting = list(upwards[start])
        while waiting:
            group = waiting.pop()
            if group != start and start not in ways[group]:
                ways[group].add(start)
                waiting += upwards[group]
    return ways
