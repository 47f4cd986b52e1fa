"""The outbox of groups: the only writer of ``GroupChange``, and of a group account's lease and pauses.

It works as the outbox of accounts does. A change with an account says "look at whether this account is in the group";
one without says "look at the whole group".
"""

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from config.database import bulk
from directories.models import Directory
from provisioning.groups.nesting import above
from provisioning.models import Account, Group, GroupAccount, GroupChange, PushedMember
from provisioning.models.accounts import AccountState
from provisioning.outbound import dispatch
from provisioning.outbound.accounts.outbox import DRAINS, LEASE, PAGE, Parked, pages
from provisioning.outbound.groups import deltas, scope

WHOLE = 500  # users; when more join or leave at once, the whole group is looked at: that is one change


@dataclass(slots=True)
class GroupClaim:
    """Group accounts that this worker has to itself until ``until``, and their changes at claim time.

    ``changes`` are pairs of a change's id and its account (None: the whole group), oldest first.
    """

    until: dt.datetime
    changes: dict[int, list[tuple[int, int | None]]] = field(default_factory=dict)
    actors: dict[int, str] = field(default_factory=dict)


# --- Adding ----------------------------------------------------------------------------------------------------------


def group_changed(group_ids: Iterable[int], reason: str, actor: str = "", *, only: int | None = None) -> None:
    """Let the groups' directories look at them again: a new group, a name, where it goes, everyone in it."""
    for page in pages(group_ids):
        with transaction.atomic(savepoint=False):
            enqueue_whole(scope.accounts_for(page, only=only).by_directory, reason, actor)


def push_all(directory_id: int, actor: str) -> None:
    """Let one directory look at every group: those that belong there, and those that were pushed and do not now."""
    group_changed(Group.objects.order_by().values_list("pk", flat=True), "push", actor, only=directory_id)
    left = scope.pushed_to(directory_id).filter(group=None).values_list("pk", flat=True)
    for page in pages(left):
        with transaction.atomic(savepoint=False):
            enqueue_whole({directory_id: page}, "push", actor)


@transaction.atomic
def memberships_changed(group_ids: Collection[int], user_ids: Collection[int], reason: str, actor: str = "") -> None:
    """Let directories look at whether the users are in the groups, and in every group that those are in."""
    found = scope.accounts_for(above(group_ids))
    if not found.by_directory:
        return
    whole = {directory: [pk for pk in ids if pk in found.fresh] for directory, ids in found.by_directory.items()}
    if len(user_ids) > WHOLE:
        whole = found.by_directory
    enqueue_whole({directory: ids for directory, ids in whole.items() if ids}, reason, actor)
    if len(user_ids) <= WHOLE:
        accounts = Account.objects.filter(user__in=user_ids, directory__in=found.by_directory).order_by("pk")
        pairs: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for account, directory in accounts.values_list("pk", "directory_id"):
            pairs[directory] += [(group, account) for group in found.by_directory[directory]]
        enqueue_pairs(pairs, reason, actor)


def accounts_changed(account_ids: Iterable[int], reason: str = "account", actor: str = "") -> None:
    """Let the accounts' directories look at the groups that their users are in: accounts came into being, or back."""
    for page in pages(account_ids):
        with transaction.atomic(savepoint=False):
            enqueue_pairs(deltas.groups_of(page), reason, actor)


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


def users_leave(user_ids: Collection[int], reason: str, actor: str = "") -> None:
    """Before users are deleted: let directories look at the groups that the portal put their accounts into."""
    enqueue_pairs(deltas.pushed_groups_of(user_ids), reason, actor)


def group_deleted(group_ids: Iterable[int], actor: str = "") -> None:
    """Before groups are deleted: let directories look at them, and at the groups that lose members with them."""
    for page in pages(group_ids):
        with transaction.atomic():
            by_directory: dict[int, list[int]] = defaultdict(list)
            rows = GroupAccount.objects.filter(group__in=page).exclude(group__owner=deltas.OWN).order_by("pk")
            for pk, directory in rows.values_list("pk", "directory_id"):
                by_directory[directory].append(pk)
            enqueue_whole(by_directory, "deleted", actor)
            group_changed(above(page) - set(page), "group deleted", actor)


def enqueue_whole(by_directory: Mapping[int, Collection[int]], reason: str, actor: str) -> None:
    """Append a change of the whole group for each group account and wake the workers after commit."""
    for directory, ids in by_directory.items():
        common = {"directory_id": directory, "reason": reason[:64], "actor": actor[:255]}
        bulk.insert(GroupChange, [{"group_account_id": pk, **common} for pk in ids])
        dispatch.deliver_groups_on_commit(directory, ids)


def enqueue_pairs(pairs: Mapping[int, Collection[tuple[int, int]]], reason: str, actor: str) -> None:
    """Append a change for each pair of group account and account, by directory; needs a transaction."""
    for directory, found in pairs.items():
        common = {"directory_id": directory, "reason": reason[:64], "actor": actor[:255]}
        rows = [{"group_account_id": group, "account_id": account, **common} for group, account in found]
        bulk.insert(GroupChange, rows)
        dispatch.deliver_groups_on_commit(directory, {group for group, _ in found})


# --- Claiming --------------------------------------------------------------------------------------------------------


def due(directory_id: int, limit: int) -> list[int]:
    """Return the group accounts of a directory whose changes wait, at most ``limit``."""
    waiting = Exists(GroupChange.objects.filter(group_account=OuterRef("pk"), parked=None))
    rows = GroupAccount.objects.filter(_free(), waiting, directory=directory_id, not_before__lte=timezone.now())
    return list(rows.order_by("not_before", "pk").values_list("pk", flat=True)[:limit])


def backlog() -> list[tuple[int, int]]:
    """Return the directories that can be tried and have due group changes, and how many workers each is worth."""
    now = timezone.now()
    reachable = Directory.objects.filter(Q(retry_at=None) | Q(retry_at__lte=now), enabled=True).order_by("pk")
    waiting = reachable.filter(Exists(GroupChange.objects.filter(directory=OuterRef("pk"), parked=None)))
    found = []
    for directory, since in waiting.values_list("pk", "unreachable_since"):
        groups = len(due(directory, dispatch.GROUP_CHUNK * (DRAINS - 1) + 1))
        if groups:
            found.append((directory, 1 if since else -(-groups // dispatch.GROUP_CHUNK)))
    return found


def claimable(ids: Collection[int]) -> QuerySet[GroupAccount]:
    """Return those of the group accounts that are due and free at this moment."""
    waiting = Exists(GroupChange.objects.filter(group_account=OuterRef("pk"), parked=None))
    return GroupAccount.objects.filter(_free(), waiting, pk__in=ids, not_before__lte=timezone.now())


def claim(ids: Collection[int], limit: int | None = None, seconds: float = LEASE) -> GroupClaim:
    """Take the group accounts that are due and that nobody else has; see the outbox of accounts."""
    until = _until(seconds)
    with transaction.atomic():
        rows = claimable(ids).order_by("pk").select_for_update(skip_locked=True, no_key=True)
        locked = list(rows.values_list("pk", flat=True)[:limit])
        won = claimable(locked).update(leased_until=until) if locked else 0
    result = GroupClaim(until)
    if won:
        mine = GroupChange.objects.filter(group_account__in=locked, group_account__leased_until=until, parked=None)
        rows_of = mine.order_by("pk").values_list("group_account_id", "pk", "account_id", "actor")
        for group, change, account, actor in rows_of.iterator(chunk_size=5000):
            result.changes.setdefault(group, []).append((change, account))
            result.actors[group] = actor or result.actors.get(group, "")
    return result


def renew(held: GroupClaim, ids: Collection[int], seconds: float = LEASE) -> set[int]:
    """Give the lease on ``ids`` more time; return those of them that are still ours."""
    until = _until(seconds)
    with transaction.atomic():
        kept = lock(held, ids)
        GroupAccount.objects.filter(pk__in=kept).update(leased_until=until)
    held.until = until
    return kept


def lock(held: GroupClaim, ids: Collection[int]) -> set[int]:
    """Lock the group accounts that are still ours until the transaction ends; only their results may be written."""
    mine = GroupAccount.objects.filter(pk__in=ids, leased_until=held.until)
    return set(mine.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))


# --- Ending: in the transaction that called ``lock`` -----------------------------------------------------------------


def members_seen(
    held: GroupClaim, account: GroupAccount, member_ids: Collection[int], refused: Mapping[int, Parked]
) -> None:
    """Delete the changes of members that were looked at, and park one for each that the directory refused."""
    seen = set(member_ids)
    _delete([change for change, member in held.changes[account.pk] if member in seen])
    GroupChange.objects.filter(group_account=account.pk, account__in=seen, parked__isnull=False).delete()
    common = {
        "group_account_id": account.pk,
        "directory_id": account.directory_id,
        "reason": "refused",
        "actor": held.actors.get(account.pk, ""),
        "parked": timezone.now(),
    }
    bulk.insert(
        GroupChange,
        [
            {**common, "account_id": member, "parked_code": cause.code[:32], "parked_message": cause.message}
            for member, cause in refused.items()
        ],
    )


def finish(held: GroupClaim, pk: int, refused: Collection[int]) -> None:
    """Delete the claimed changes and what was parked before: the group is in step, but for the ``refused`` members."""
    claimed = held.changes[pk]
    _delete([change for change, _ in claimed])
    parked = GroupChange.objects.filter(group_account=pk, parked__isnull=False)
    if all(member is not None for _, member in claimed):
        parked = parked.filter(Q(account=None) | Q(account__in={member for _, member in claimed}))
    parked.exclude(account__in=refused).delete()


def park(held: GroupClaim, pk: int, cause: Parked) -> None:
    """Keep one change for someone to see to: a look at the whole group, which covers all the others."""
    kept = held.changes[pk][-1][0]
    _delete([change for change, _ in held.changes[pk] if change != kept])
    GroupChange.objects.filter(group_account=pk, parked__isnull=False).exclude(pk=kept).delete()
    GroupChange.objects.filter(pk=kept).update(
        account=None, parked=timezone.now(), parked_code=cause.code[:32], parked_message=cause.message
    )


def release(held: GroupClaim, ids: Collection[int]) -> None:
    """Give group accounts back untouched; their changes wait."""
    GroupAccount.objects.filter(pk__in=ids, leased_until=held.until).update(leased_until=None)


def left_over(ids: Collection[int]) -> list[int]:
    """Return the group accounts that got another change while they were claimed."""
    return list(claimable(ids).order_by("pk").values_list("pk", flat=True))


# --- Retrying --------------------------------------------------------------------------------------------------------


def retry(changes: QuerySet[GroupChange], actor: str = "") -> int:
    """Make the changes due now, parked or paused, a page a transaction; return how many there were."""
    count, last = 0, 0
    while True:
        with transaction.atomic():
            rows = changes.filter(pk__gt=last).order_by("pk").values_list("pk", "group_account_id", "directory_id")
            page = list(rows[:PAGE])
            if not page:
                return count
            groups = {group for _, group, _ in page}
            list(GroupAccount.objects.filter(pk__in=groups).order_by("pk").select_for_update(no_key=True))
            GroupAccount.objects.filter(pk__in=groups).update(not_before=timezone.now(), attempts=0)
            GroupChange.objects.filter(pk__in=[pk for pk, _, _ in page]).update(
                parked=None, parked_code="", parked_message="", reason="retry", actor=actor[:255]
            )
            for directory in {directory for _, _, directory in page}:
                dispatch.deliver_groups_on_commit(directory, {group for _, group, of in page if of == directory})
        count, last = count + len(page), page[-1][0]


def _delete(change_ids: Sequence[int]) -> None:
    for page in dispatch.chunks(change_ids, PAGE):
        GroupChange.objects.filter(pk__in=page).delete()


def _until(seconds: float) -> dt.datetime:
    """Return the end of a lease; the fraction is random so that two claims of one instant differ."""
    return timezone.now() + dt.timedelta(seconds=seconds, microseconds=random.randrange(10_000_000))  # noqa: S311


def _free() -> Q:
    return Q(leased_until=None) | Q(leased_until__lt=timezone.now())
