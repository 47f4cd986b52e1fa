"""The outbox: the only writer of ``Change``, and of an account's lease and pauses.

A change is appended in the transaction of whatever it tells of. A worker claims accounts by a lease, reads the change
ids there are at that moment, and when it is done deletes exactly those: a change that commits later, even with a lower
id, stays and is looked at. Whoever holds no valid lease any more writes nothing.
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
from provisioning.models import Account, Change
from provisioning.outbound import dispatch
from provisioning.outbound.accounts import scope

LEASE = 90.0  # seconds after which another worker takes over what a dead one held
PAGE = 1000
DRAINS = 4  # workers at most on the backlog of one directory
FIRST_PAUSE = 10.0  # seconds for one account that is busy; doubled with every failure in a row
LONGEST_PAUSE = 3600.0


@dataclass(slots=True)
class Claim:
    """Accounts that this worker has to itself until ``until``, and the ids of their changes at claim time."""

    until: dt.datetime
    changes: dict[int, list[int]] = field(default_factory=dict)
    actors: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parked:
    """Why an account's changes wait for someone: a stable name of the cause, and words."""

    code: str
    message: str


# --- Adding ----------------------------------------------------------------------------------------------------------


def enqueue(account_ids: Mapping[int, Iterable[int]], reason: str, actor: str = "") -> None:
    """Append a change for each account (ids by directory) and wake the workers after commit; needs a transaction."""
    for directory_id, ids in account_ids.items():
        accounts = list(ids)
        told = {"directory_id": directory_id, "reason": reason, "actor": actor}
        for page in dispatch.chunks(accounts, PAGE):
            bulk.insert(Change, [{**told, "account_id": pk} for pk in page])
        dispatch.deliver_on_commit(directory_id, accounts)


def enqueue_users(
    user_ids: Iterable[int], reason: str, actor: str = "", *, exclude: int | None = None, only: int | None = None
) -> None:
    """Let every directory of each user look at them again, a page of users a transaction."""
    for page in pages(user_ids):
        with transaction.atomic(savepoint=False):
            enqueue(scope.accounts_for(page, exclude=exclude, only=only), reason, actor)


def pages(ids: Iterable[int]) -> Iterable[list[int]]:
    """Cut ids into sorted pages, none of them twice."""
    return dispatch.chunks(sorted(set(ids)), PAGE)


# --- Claiming --------------------------------------------------------------------------------------------------------


def due(directory_id: int, limit: int) -> list[int]:
    """Return the accounts of a directory whose changes wait, oldest change first, at most ``limit``."""
    waiting = Change.objects.filter(directory=directory_id, parked=None).filter(_free("account__"))
    oldest = waiting.filter(account__not_before__lte=timezone.now()).order_by("pk")
    return list(dict.fromkeys(oldest.values_list("account_id", flat=True)[: limit * 2]))[:limit]


def backlog(chunk: int) -> list[tuple[int, int]]:
    """Return the directories that can be tried and have due changes, and how many workers each is worth.

    An unreachable directory is worth one, and gets it even when nothing waits for it any more.
    """
    now = timezone.now()
    found = []
    reachable = Directory.objects.filter(Q(retry_at=None) | Q(retry_at__lte=now), enabled=True)
    for directory_id, since in reachable.order_by("pk").values_list("pk", "unreachable_since"):
        waiting = 1 if since else len(due(directory_id, chunk * (DRAINS - 1) + 1))
        if waiting:
            found.append((directory_id, -(-waiting // chunk)))
    return found


def claimable(account_ids: Collection[int]) -> QuerySet[Account]:
    """Return those of the accounts that are due and free at this moment."""
    waiting = Exists(Change.objects.filter(account=OuterRef("pk"), parked=None))
    return Account.objects.filter(_free(), waiting, pk__in=account_ids, not_before__lte=timezone.now())


def claim(account_ids: Collection[int], limit: int | None = None, seconds: float = LEASE) -> Claim:
    """Take the accounts that are due and that nobody else has.

    Rows are locked in the order of their ids and rows that another worker is claiming are skipped, so that overlapping
    batches cannot deadlock; the UPDATE with ``Exists`` checks lease and changes on the locked rows.
    """
    # The fraction is random so that two claims of one instant differ.
    until = timezone.now() + dt.timedelta(seconds=seconds, microseconds=random.randrange(10_000_000))  # noqa: S311
    with transaction.atomic():
        rows = claimable(account_ids).order_by("pk").select_for_update(skip_locked=True, no_key=True)
        locked = list(rows.values_list("pk", flat=True)[:limit])
        won = claimable(locked).update(leased_until=until) if locked else 0
    result = Claim(until)
    if won:
        waiting = Change.objects.filter(account__in=locked, account__leased_until=until, parked=None).order_by("pk")
        for account, change, actor in waiting.values_list("account_id", "pk", "actor"):
            result.changes.setdefault(account, []).append(change)
            result.actors[account] = actor or result.actors.get(account, "")
    return result


def renew(held: Claim, account_ids: Collection[int], seconds: float = LEASE) -> set[int]:
    """Give the lease on ``account_ids`` more time; return those of them that are still ours."""
    until = timezone.now() + dt.timedelta(seconds=seconds, microseconds=random.randrange(10_000_000))  # noqa: S311
    mine = Account.objects.filter(pk__in=account_ids)
    with transaction.atomic():
        rows = mine.filter(leased_until=held.until).order_by("pk").select_for_update(no_key=True)
        kept = set(rows.values_list("pk", flat=True))
        Account.objects.filter(pk__in=kept).update(leased_until=until)
    held.until = until
    return kept


def lock(held: Claim, account_ids: Collection[int]) -> set[int]:
    """Lock the accounts that are still ours until the transaction ends; only their results may be written."""
    mine = Account.objects.filter(pk__in=account_ids, leased_until=held.until)
    return set(mine.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))


# --- Ending ----------------------------------------------------------------------------------------------------------
# These run in the transaction that called ``lock``; the caller writes the accounts with ``leased_until=None``.


def finish(held: Claim, account_ids: Collection[int]) -> None:
    """Delete the claimed changes and whatever was parked before: the account is in step now."""
    claimed = [change for pk in account_ids for change in held.changes[pk]]
    Change.objects.filter(Q(pk__in=claimed) | Q(account__in=account_ids, parked__isnull=False)).delete()


def park(held: Claim, causes: Mapping[int, Parked]) -> None:
    """Keep one change of each account for someone to see to, and delete the others: they ask for the same look."""
    now = timezone.now()
    kept = {held.changes[pk][-1]: pk for pk in causes}
    claimed = [change for pk in causes for change in held.changes[pk]]
    stale = Q(pk__in=claimed) | Q(account__in=causes, parked__isnull=False)
    Change.objects.filter(stale).exclude(pk__in=kept).delete()
    by_cause: dict[Parked, list[int]] = defaultdict(list)
    for change, pk in kept.items():
        by_cause[causes[pk]].append(change)
    for cause, changes in by_cause.items():
        Change.objects.filter(pk__in=changes).update(
            parked=now, parked_code=cause.code[:32], parked_message=cause.message
        )


def pause(attempts: int, retry_after: float | None) -> dt.datetime:
    """Return when an account that was busy ``attempts`` times before may be tried again."""
    seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts, 16)) * random.uniform(0.75, 1.0)  # noqa: S311
    return timezone.now() + dt.timedelta(seconds=max(seconds, retry_after or 0.0))


def release(held: Claim, account_ids: Collection[int]) -> None:
    """Give accounts back untouched; their changes wait."""
    Account.objects.filter(pk__in=account_ids, leased_until=held.until).update(leased_until=None)


def left_over(account_ids: Collection[int]) -> list[int]:
    """Return the accounts that got another change while they were claimed: the message about it found them taken."""
    again = Change.objects.filter(account__in=account_ids, parked=None, account__not_before__lte=timezone.now())
    return list(again.order_by("account_id").values_list("account_id", flat=True).distinct())


# --- Retrying --------------------------------------------------------------------------------------------------------


def retry(changes: QuerySet[Change], actor: str = "") -> int:
    """Make the changes due now, parked or paused, a page a transaction; return how many accounts that were."""
    count, last = 0, 0
    while True:
        with transaction.atomic():
            ids = changes.filter(account__gt=last).order_by("account_id").values_list("account_id", flat=True)
            page: Sequence[int] = list(dict.fromkeys(ids[:PAGE]))
            if not page:
                return count
            accounts = Account.objects.filter(pk__in=page).order_by("pk").select_for_update(no_key=True)
            by_directory: dict[int, list[int]] = defaultdict(list)
            for pk, directory_id in accounts.values_list("pk", "directory_id"):
                by_directory[directory_id].append(pk)
            Account.objects.filter(pk__in=page).update(not_before=timezone.now(), attempts=0)
            Change.objects.filter(account__in=page).update(
                parked=None, parked_code="", parked_message="", reason="retry", actor=actor
            )
            for directory_id, pks in by_directory.items():
                dispatch.deliver_on_commit(directory_id, pks)
        count, last = count + len(page), page[-1]


def _free(prefix: str = "") -> Q:
    return Q(**{f"{prefix}leased_until": None}) | Q(**{f"{prefix}leased_until__lt": timezone.now()})
