"""The sets that deliveries of groups are made of, each one statement over indexes, whatever the size of the group.

The walks over ``Nesting`` are recursive statements whose UNION drops what was found before, so that circles end.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection
from django.db.models import F

from provisioning.models import Account, Group, GroupAccount, Membership, Nesting, PushedMember

OWN = F("directory")  # of a group account: the directory, which is its group's owner when an import brought it
PAGE = 1000

_NAMES = {
    name: model._meta.db_table
    for name, model in {
        "account": Account,
        "groups": Group,
        "group_account": GroupAccount,
        "membership": Membership,
        "nesting": Nesting,
        "pushed": PushedMember,
    }.items()
}
_PARTS = {
    "down": (
        "WITH RECURSIVE down(id) AS (SELECT CAST(%s AS bigint)"
        " UNION SELECT n.child_id FROM {nesting} n JOIN down ON n.parent_id = down.id)"
    ),
    "member": (
        "EXISTS (SELECT 1 FROM {membership} m WHERE m.user_id = a.user_id AND m.group_id IN (SELECT id FROM down))"
    ),
}


def above(group_ids: Collection[int]) -> set[int]:
    """Return the groups and every group that they are in, directly or not."""
    found: set[int] = set()
    for page in _pages(group_ids):
        sql = (
            "WITH RECURSIVE up(id) AS (SELECT id FROM {groups} WHERE id IN ({ids})"
            " UNION SELECT n.parent_id FROM {nesting} n JOIN up ON n.child_id = up.id) SELECT id FROM up"
        )
        found |= {row[0] for row in _rows(sql, page, ids=page)}
    return found


def groups_of(account_ids: Sequence[int]) -> dict[int, list[tuple[int, int]]]:
    """Return pairs of group account and account by directory: the pushed groups that the accounts' users are in."""
    sql = (
        "WITH RECURSIVE up(account, directory, id) AS ("
        " SELECT a.id, a.directory_id, m.group_id FROM {account} a JOIN {membership} m ON m.user_id = a.user_id"
        " WHERE a.id IN ({ids})"
        " UNION SELECT up.account, up.directory, n.parent_id FROM {nesting} n JOIN up ON n.child_id = up.id)"
        " SELECT g.directory_id, g.id, up.account FROM up"
        " JOIN {group_account} g ON g.group_id = up.id AND g.directory_id = up.directory"
        " JOIN {groups} o ON o.id = up.id AND (o.owner_id IS NULL OR o.owner_id <> g.directory_id)"
        " ORDER BY 2, 3"
    )
    return _pairs(_rows(sql, account_ids, ids=account_ids))


def pushed_groups_of(user_ids: Collection[int]) -> dict[int, list[tuple[int, int]]]:
    """Return pairs of group account and account by directory: where the portal put the users' accounts."""
    rows = PushedMember.objects.filter(account__user__in=user_ids).order_by("group_account", "account")
    return _pairs(rows.values_list("group_account__directory_id", "group_account_id", "account_id"))


def to_add(account: GroupAccount, after: int, among: Sequence[int] | None, limit: int) -> list[int]:
    """Return accounts that belong in the group, are there to be added and were not yet, by id from ``after`` on."""
    sql = (
        "{down} SELECT a.id FROM {account} a WHERE a.directory_id = %s AND a.state = 'active' AND a.id > %s"
        " {among} AND {member}"
        " AND NOT EXISTS (SELECT 1 FROM {pushed} p WHERE p.group_account_id = %s AND p.account_id = a.id)"
        " ORDER BY a.id LIMIT %s"
    )
    values = [account.group_id, account.directory_id, after, *(among or ()), account.pk, limit]
    return [row[0] for row in _rows(sql, values, among=among)]


def to_remove(account: GroupAccount, after: int, among: Sequence[int] | None, limit: int) -> list[int]:
    """Return accounts that the portal put into the group and that do not belong there now, by id from ``after`` on."""
    sql = (
        "{down} SELECT a.id FROM {pushed} p JOIN {account} a ON a.id = p.account_id"
        " WHERE p.group_account_id = %s AND a.id > %s {among} AND NOT {member} ORDER BY a.id LIMIT %s"
    )
    values = [account.group_id, account.pk, after, *(among or ()), limit]
    return [row[0] for row in _rows(sql, values, among=among)]


def _rows(
    sql: str, values: Sequence[Any], *, ids: Sequence[int] = (), among: Sequence[int] | None = None
) -> list[tuple[Any, ...]]:
    """Run a statement of this file; only table names and the right number of %s are put into its text."""
    marks = ", ".join(["%s"] * len(ids))
    narrowed = "" if among is None else f"AND a.id IN ({', '.join(['%s'] * len(among))})"
    parts = {name: text.format(**_NAMES) for name, text in _PARTS.items()}
    with connection.cursor() as cursor:
        cursor.execute(sql.format(**_NAMES, **parts, ids=marks, among=narrowed), list(values))
        return list(cursor.fetchall())


def _pairs(rows: Any) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for directory, group, account in rows:
        found[directory].append((group, account))
    return dict(found)


def _pages(ids: Collection[int]) -> list[list[int]]:
    ordered = sorted(ids)
    return [ordered[start : start + PAGE] for start in range(0, len(ordered), PAGE)]
