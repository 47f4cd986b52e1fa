"""The outbox of groups: the only writer of ``GroupChange``.

It works as the outbox of accounts does. A change with an account says "look at whether this account is in the group";
one without says "look at the whole group".
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from config.database import bulk
from provisioning.groups.nesting import above
from provisioning.models import Account, Group, GroupAccount, GroupChange, PushedMember
from provisioning.models.outbox import AccountState, Lane
from provisioning.outbound.accounts.outbox import pages
from provisioning.outbound.groups import deltas, scope
from provisioning.outbound.leases import Claim, Leases, Parked

WHOLE = 500  # users; when more join or leave at once, the whole group is looked at: that is one change
CHUNK = 20  # groups a message: one may have many members
LEASES = Leases(
    name="groups", chunk=CHUNK, target=GroupAccount, change=GroupChange, link="group_account", about="account"
)

# --- Adding ----------------------------------------------------------------------------------------------------------


def group_changed(
    group_ids: Iterable[int],
    reason: str,
    actor: str = "",
    *,
    only: int | None = None,
    lane: Lane = Lane.USUAL,
    cleared: bool = False,
) -> None:
    """Let the groups' directories look at them again: a new group, a name, where it goes, everyone in it."""
    for page in pages(group_ids):
        with transaction.atomic(savepoint=False):
            enqueue_whole(scope.accounts_for(page, only=only).by_directory, reason, actor, lane, cleared=cleared)


def push_all(directory_id: int, actor: str) -> None:
    """Let one directory look at every group: those that belong there, and those that were pushed and do not now."""
    group_changed(Group.objects.order_by().values_list("pk", flat=True), "push", actor, only=directory_id)
    left = scope.pushed_to(directory_id).filter(group=None).values_list("pk", flat=True)
    for page in pages(left):
        with transaction.atomic(savepoint=False):
            enqueue_whole({directory_id: page}, "push", actor)


@transaction.atomic
def memberships_changed(
    group_ids: Collection[int],
    user_ids: Collection[int],
    reason: str,
    actor: str = "",
    lane: Lane = Lane.USUAL,
    *,
    cleared: bool = False,
) -> None:
    """Enqueue the users' memberships of the groups, and of every group that those are in.

    ``cleared``, here and below: what is lost was decided about these people, or passed the guard.
    """
    found = scope.accounts_for(above(group_ids))
    if not found.by_directory:
        return
    whole = {directory: [pk for pk in ids if pk in found.fresh] for directory, ids in found.by_directory.items()}
    if len(user_ids) > WHOLE:
        whole = found.by_directory
    enqueue_whole({directory: ids for directory, ids in whole.items() if ids}, reason, actor, lane, cleared=cleared)
    if len(user_ids) <= WHOLE:
        accounts = Account.objects.filter(user__in=user_ids, directory__in=found.by_directory).order_by("pk")
        pairs: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for account, directory in accounts.values_list("pk", "directory_id"):
            pairs[directory] += [(group, account) for group in found.by_directory[directory]]
        enqueue_pairs(pairs, reason, actor, lane, cleared=cleared)


def accounts_changed(account_ids: Iterable[int], reason: str = "account", actor: str = "") -> None:
    """Let the accounts' directories look at the groups that their users are in: accounts came into being, or back."""
    for page in pages(account_ids):
        with transaction.atomic(savepoint=False):
            enqueue_pairs(deltas.groups_of(page), reason, actor)


def accounts_left(account_ids: Collection[int], reason: str, actor: str = "", *, cleared: bool = False) -> None:
    """Enqueue the groups that the portal put accounts into whose users have left; needs a transaction."""
    if account_ids:
        enqueue_pairs(deltas.pushed_groups_of(account__in=account_ids), reason, actor, Lane.LEAVERS, cleared=cleared)


def accounts_gone(account_ids: Iterable[int]) -> None:
    """Forget in which groups those of the accounts are that are not in their directory any more."""
    for page in pages(account_ids):
        PushedMember.objects.filter(account__in=page, account__state=AccountState.ABSENT).delete()


def accounts_renamed(account_ids: Iterable[int], actor: str = "") -> None:
    """Put accounts whose entries got another name into their groups again: a server may not have followed them."""
    for page in pages(account_ids):
        with transaction.atomic(savepoint=False):
            PushedMember.objects.filter(account__in=page).delete()
            enqueue_pairs(deltas.groups_of(page), "renamed", actor)


def users_leave(user_ids: Collection[int], reason: str, actor: str = "", *, cleared: bool = False) -> None:
    """Before users are deleted: enqueue the groups that the portal put their accounts into."""
    enqueue_pairs(deltas.pushed_groups_of(account__user__in=user_ids), reason, actor, Lane.LEAVERS, cleared=cleared)


def group_deleted(group_ids: Iterable[int], actor: str = "", *, cleared: bool = False) -> None:
    """Before groups are deleted: enqueue them, and the groups that lose members with them."""
    for page in pages(group_ids):
        with transaction.atomic():
            by_directory: dict[int, list[int]] = defaultdict(list)
            rows = GroupAccount.objects.filter(group__in=page).exclude(group__owner=deltas.OWN).order_by("pk")
            for pk, directory in rows.values_list("pk", "directory_id"):
                by_directory[directory].append(pk)
            enqueue_whole(by_directory, "deleted", actor, Lane.LEAVERS, cleared=cleared)
            group_changed(above(page) - set(page), "group deleted", actor, lane=Lane.LEAVERS, cleared=cleared)


def enqueue_whole(
    by_directory: Mapping[int, Collection[int]],
    reason: str,
    actor: str,
    lane: Lane = Lane.USUAL,
    *,
    cleared: bool = False,
) -> None:
    """Append a change of the whole group for each group account and wake the workers after commit."""
    pairs = {directory: [(pk, None) for pk in ids] for directory, ids in by_directory.items()}
    _enqueue(pairs, {"reason": reason[:64], "actor": actor[:255], "lane": lane, "cleared": cleared})


def enqueue_pairs(
    pairs: Mapping[int, Collection[tuple[int, int]]],
    reason: str,
    actor: str,
    lane: Lane = Lane.USUAL,
    *,
    cleared: bool = False,
) -> None:
    """Append a change for each pair of group account and account, by directory; needs a transaction."""
    _enqueue(pairs, {"reason": reason[:64], "actor": actor[:255], "lane": lane, "cleared": cleared})


def _enqueue(pairs: Mapping[int, Collection[tuple[int, int | None]]], common: Mapping[str, Any]) -> None:
    if common["lane"] == Lane.LEAVERS:
        LEASES.hurry({group for found in pairs.values() for group, _ in found})  # at once: locks are taken in order
    for directory, found in pairs.items():
        rows = [
            {"group_account_id": group, "account_id": account, "directory_id": directory, **common}
            for group, account in found
        ]
        bulk.insert(GroupChange, rows)
        LEASES.wake(directory, {group for group, _ in found}, common["lane"])


# --- Ending: in the transaction that called ``LEASES.lock`` ----------------------------------------------------------


def members_seen(
    held: Claim, account: GroupAccount, member_ids: Collection[int], refused: Mapping[int, Parked]
) -> None:
    """Delete the changes of members that were looked at, and park one for each that the directory refused."""
    seen = set(member_ids)
    LEASES.delete([change.pk for change in held.changes[account.pk] if change.about in seen])
    GroupChange.objects.filter(group_account=account.pk, account__in=seen, parked__isnull=False).delete()
    common = {
        "group_account_id": account.pk,
        "directory_id": account.directory_id,
        "reason": "refused",
        "actor": held.actor(account.pk),
        "lane": held.lane(account.pk),
        "parked": timezone.now(),
    }
    bulk.insert(
        GroupChange,
        [
            {**common, "account_id": member, "parked_code": cause.code[:32], "parked_message": cause.message}
            for member, cause in refused.items()
        ],
    )


def finish(held: Claim, pk: int, refused: Collection[int]) -> None:
    """Delete the claimed changes and what was parked before: the group is in sync, but for the ``refused`` members."""
    claimed = {change.about for change in held.changes[pk]}
    LEASES.delete(held.ids([pk]))
    parked = GroupChange.objects.filter(group_account=pk, parked__isnull=False)
    if None not in claimed:
        parked = parked.filter(Q(account=None) | Q(account__in=claimed))
    parked.exclude(account__in=refused).delete()
