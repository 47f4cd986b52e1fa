"""The sets that deliveries of groups are made of, each one statement over indexes, whatever the size of the group."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from provisioning.groups.nesting import below_query
from provisioning.models import Account, Group, GroupAccount, Membership, Nesting, PushedMember
from provisioning.models.accounts import AccountState

OWN = F("directory")  # of a group account: the directory, which owns its group when an import brought it
Pairs = dict[int, list[tuple[int, int]]]  # by directory: a group account and an account

# A walk up from every account's groups at once; UNION drops what was met before, so that circles end.
_GROUPS_OF = """WITH RECURSIVE up(account, directory, id) AS (
    SELECT a.id, a.directory_id, m.group_id FROM {account} a JOIN {membership} m ON m.user_id = a.user_id
    WHERE a.id IN ({marks}) AND a.state = 'active'
    UNION SELECT up.account, up.directory, n.parent_id FROM {nesting} n JOIN up ON n.child_id = up.id)
SELECT g.directory_id, g.id, up.account FROM up
JOIN {group_account} g ON g.group_id = up.id AND g.directory_id = up.directory
JOIN {group} o ON o.id = up.id AND (o.owner_id IS NULL OR o.owner_id <> g.directory_id)
ORDER BY 2, 3"""


def groups_of(account_ids: Sequence[int]) -> Pairs:
    """Return the pushed group accounts of groups, direct or not, that the users of active accounts are in."""
    tables = {
        "account": Account._meta.db_table,
        "group": Group._meta.db_table,
        "group_account": GroupAccount._meta.db_table,
        "membership": Membership._meta.db_table,
        "nesting": Nesting._meta.db_table,
    }
    marks = ", ".join(["%s"] * len(account_ids))
    with connection.cursor() as cursor:
        cursor.execute(_GROUPS_OF.format(marks=marks, **tables), list(account_ids))
        return _pairs(cursor.fetchall())


def pushed_groups_of(**accounts: Collection[int]) -> Pairs:
    """Return the group accounts that the portal put such accounts into."""
    rows = PushedMember.objects.filter(**accounts).order_by("group_account", "account")
    return _pairs(rows.values_list("group_account__directory_id", "group_account_id", "account_id"))


def belonging(account: GroupAccount) -> QuerySet[Account]:
    """Return the accounts that are there and belong in the group, whether the portal has put them into it or not."""
    members = Membership.objects.filter(group__in=below_query(account.group_id or 0)).values("user")
    return Account.objects.filter(directory=account.directory_id, state=AccountState.ACTIVE, user__in=members)


def to_add(account: GroupAccount, after: int, among: Sequence[int] | None, limit: int) -> list[int]:
    """Return accounts that belong in the group, are there to be added and were not yet, by id from ``after`` on."""
    there = belonging(account).filter(pk__gt=after)
    missing = there.exclude(Exists(PushedMember.objects.filter(group_account=account.pk, account=OuterRef("pk"))))
    return _page(missing, among, limit)


def to_remove(
    account: GroupAccount, after: int, among: Sequence[int] | None, limit: int, *, leavers: bool = False
) -> list[int]:
    """Return accounts that the portal put into the group and that do not belong there now, by id from ``after`` on.

    ``leavers``, here and below: accounts that are disabled because their user has left do not.
    """
    held = Account.objects.filter(pushed_memberships__group_account=account.pk, pk__gt=after)
    return _page(held.filter(_out_of(account, leavers=leavers)), among, limit)


def not_belonging(account: GroupAccount, among: Sequence[int], *, leavers: bool = False) -> list[int]:
    """Return those of the accounts that are there and do not belong in the group, whoever may have put them into it."""
    there = Account.objects.filter(directory=account.directory_id).exclude(remote_id="")
    return _page(there.filter(_out_of(account, leavers=leavers)), among, len(among))


def _out_of(account: GroupAccount, *, leavers: bool) -> Q:
    member = Membership.objects.filter(group__in=below_query(account.group_id or 0), user=OuterRef("user"))
    gone = Q(user__is_active=False) | Q(user__provisioned=False) | Q(in_scope=False)
    out = Q(~Exists(member))
    return out | (gone & Q(state=AccountState.DISABLED)) if leavers else out


def _page(accounts: QuerySet[Account], among: Sequence[int] | None, limit: int) -> list[int]:
    if among is not None:
        accounts = accounts.filter(pk__in=among)
    return list(accounts.order_by("pk").values_list("pk", flat=True)[:limit])


def _pairs(rows: Iterable[Sequence[int]]) -> Pairs:
    found: Pairs = defaultdict(list)
    for directory, group, account in rows:
        found[directory].append((group, account))
    return dict(found)
