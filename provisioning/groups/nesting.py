"""Groups in groups: who is in a group in effect, by one recursive query.

Circles are allowed. ``UNION`` (not ``UNION ALL``) drops a group that was met before, so a walk round a circle ends,
on PostgreSQL and on SQLite.
"""

from collections.abc import Collection, Iterable
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from provisioning.models import Group, Membership

_WALK = """WITH RECURSIVE met(id) AS (
    SELECT id FROM provisioning_group WHERE {seeds}
    UNION
    SELECT {to} FROM provisioning_nesting JOIN met ON {fro} = met.id
) SELECT id FROM met"""


# The same for many groups at once, each with what was met from it.
_PAIRS = """WITH RECURSIVE met(root, id) AS (
    SELECT id, id FROM provisioning_group WHERE id IN ({marks})
    UNION
    SELECT met.root, {to} FROM provisioning_nesting JOIN met ON {fro} = met.id
)"""
_COUNTS = """{walk} SELECT met.root, COUNT(DISTINCT m.user_id)
FROM met JOIN provisioning_membership m ON m.group_id = met.id GROUP BY met.root"""


def below(group_ids: Iterable[int]) -> set[int]:
    """Return the groups and everything nested in them, however deep."""
    return _ids(_walk(list(group_ids), "child_id", "parent_id"))


def above(group_ids: Iterable[int]) -> set[int]:
    """Return the groups and every group that they are in, however indirectly: whose members change with theirs."""
    return _ids(_walk(list(group_ids), "parent_id", "child_id"))


def below_query(group_id: int) -> RawSQL:
    """Return ``below`` of one group as a part of a larger query: ``filter(group__in=below_query(pk))``."""
    return RawSQL(*_walk([group_id], "child_id", "parent_id"))  # noqa: S611 - fixed text


def leading_to_privileged() -> set[int]:
    """Return the privileged groups and everything nested in them: whoever is in one of them has their rights."""
    found = list(Group.objects.filter(privileged=True).values_list("pk", flat=True))
    return below(found) if found else set()


def effective_counts(group_ids: Collection[int]) -> dict[int, int]:
    """Return how many users are in each of the groups in effect; one that has none is left out."""
    if not group_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS.format(walk=_pairs_walk("child_id", "parent_id", len(group_ids))), list(group_ids))
        return dict(cursor.fetchall())


def pairs_above(group_ids: Collection[int]) -> list[tuple[int, int]]:
    """Return each of the groups with itself and with every group that it is in, however indirectly."""
    if not group_ids:
        return []
    with connection.cursor() as cursor:
        walk = _pairs_walk("parent_id", "child_id", len(group_ids))
        cursor.execute(f"{walk} SELECT root, id FROM met", list(group_ids))  # noqa: S608 - fixed text
        return [(root, group) for root, group in cursor.fetchall()]


def effective_users(group_id: int, among: Collection[int] | None = None) -> "QuerySet[Membership, int]":
    """Return the ids of the users in a group, directly or through a nested one, each once; only those of ``among``.

    It is a query: filter it, page it or put it into another one. It has no order of its own.
    """
    members = Membership.objects.filter(group__in=below_query(group_id))
    if among is not None:
        members = members.filter(user__in=among)
    return members.order_by().values_list("user_id", flat=True).distinct()


def _pairs_walk(to: str, fro: str, number: int) -> str:
    return _PAIRS.format(marks=", ".join(["%s"] * number), to=to, fro=fro)


def _walk(group_ids: list[int], to: str, fro: str) -> tuple[str, tuple[Any, ...]]:
    """Return the query and its parameters; ``to`` and ``fro`` are columns, ``group_ids`` values."""
    if connection.vendor == "postgresql":
        return _WALK.format(seeds="id = ANY(%s)", to=to, fro=fro), (group_ids,)
    marks = ", ".join(["%s"] * len(group_ids))
    return _WALK.format(seeds=f"id IN ({marks})", to=to, fro=fro), tuple(group_ids)


def _ids(query: tuple[str, tuple[Any, ...]]) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(*query)
        return {row[0] for row in cursor.fetchall()}
