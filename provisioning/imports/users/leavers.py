"""Who is gone from a directory: found only after a crawl that is complete, or by the directory's own word."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from directories.config import DirectoryConfig
from directories.connectors.base import Connector, Page
from provisioning.contracts.derive import kept_elsewhere
from provisioning.guard.limits import FEW
from provisioning.imports.bitmap import Bitmap
from provisioning.imports.runs import Incomplete, Lease
from provisioning.imports.users import authority, records
from provisioning.imports.users.crawl import Crawler
from provisioning.imports.users.plan import ERROR, GONE, Planned, storable
from provisioning.imports.users.state import ABSENT, ACTIVE
from provisioning.imports.users.store import gain, store
from provisioning.models import Account, Change, ImportRun
from provisioning.models.imports import Action
from provisioning.outbound.groups import outbox as group_outbox

CHUNK = 1000
SCAN = 20_000
DRIFT = 100  # of so many counted rows one may be gone by the time that it is read
EMPTY = (
    "{name} gave no users, although {known:,} came from it before. Nothing was changed. "
    "Check its user table, its filter and the rights of its login."
)
SHORT = (
    "{name} said that it has {counted:,} users and gave {seen:,}, so it was not read to the end. Nothing was changed. "
    "Import again; if it happens again, ask who runs it."
)
IN_PART = (
    "{name} may leave people out of its list without a word. So it is not known who is missing, and nobody is "
    "deactivated."
)
UNREADABLE = (
    "Rows whose key cannot be read: {number:,}. So it is not known who is missing, and nobody is deactivated until "
    "that is corrected in the directory."
)


@dataclass(slots=True)
class CrawlResult:
    """What a crawl came to: its rows, and the accounts that the directory says were deleted or may have left.

    ``missing`` are the people who leave, and ``unproven`` those of them who could not be looked up by their lasting id.
    ``whole``: whoever was in none of its rows is not there.
    """

    rows: int = 0
    whole: bool = True
    gone: set[int] = field(default_factory=set)
    missing: int = 0
    unproven: int = 0


def must_be_complete(run: ImportRun, read: CrawlResult) -> None:
    """Raise Incomplete when a crawl of everything gave nobody, or fewer than the directory counted just before it."""
    known = 0 if read.rows else known_accounts(run.directory_id or 0)
    run.refresh_from_db(fields=["expected"])
    must_be_whole(run.source, rows=read.rows, known=known, counted=run.expected or 0)


def must_be_whole(name: str, *, rows: int, known: int, counted: int) -> None:
    """Raise Incomplete when nobody was read though some are ``known``, or fewer than were ``counted`` before."""
    if known and not rows:
        raise Incomplete(EMPTY.format(name=name, known=known))
    if counted - rows > max(FEW, counted // DRIFT):
        raise Incomplete(SHORT.format(name=name, counted=counted, seen=rows))


def plan_leavers(run: ImportRun, connector: Connector, crawler: Crawler, lease: Lease, read: CrawlResult) -> None:
    """Plan whoever left, as far as the directory's settings want that."""
    config = crawler.config
    assert config.id is not None
    if not config.features.deactivate_missing:
        return
    if run.incremental:
        missing = _not_seen(read.gone, crawler.accounts, crawler.spared)
        _plan(run, connector, crawler, lease, read=read, missing=missing)
        read.unproven = 0  # the directory itself named them
    elif crawler.unreadable or not read.whole:
        why = UNREADABLE.format(number=crawler.unreadable) if read.whole else IN_PART.format(name=config.name)
        with lease.page() as gains:
            store(run.pk, [Planned(ERROR, "", message=why)], gains)
    else:
        missing = _missing(_from(config.id), crawler.accounts, crawler.spared)
        _plan(run, connector, crawler, lease, read=read, missing=missing)


def _plan(
    run: ImportRun,
    connector: Connector,
    crawler: Crawler,
    lease: Lease,
    *,
    read: CrawlResult,
    missing: Iterable[list[int]],
) -> None:
    """Plan those who are missing, each looked up by the lasting id first, where the directory can be asked that.

    An entry that is moved or renamed while the directory is read may be in none of the pages. Such a one is a row like
    any other.
    """
    for ids in missing:
        found = connector.look_up(_remote_ids(ids))
        with lease.page() as gains:
            back = crawler.page(crawler.digested(Page(found or ())), partial(store, run.pk, gains=gains))
            gone = [pk for pk in ids if pk not in crawler.accounts and pk not in crawler.spared]
            planned = _deactivations(crawler.config, gone)
            store(run.pk, planned, gains)
            gain(gains, "seen", back.rows)
            gain(gains, "unchanged", back.unchanged)
        leaving = [one for one in planned if one.action == Action.DEACTIVATE]
        for one in leaving:
            crawler.tally.add(one)
        read.missing += len(leaving)
        read.unproven += len(leaving) if found is None else 0


def named(config: DirectoryConfig, refs: Sequence[str]) -> list[int]:
    """Return those of a page's lasting ids that are accounts imported before, as their row ids: one query."""
    assert config.id is not None
    known = [ref for ref in refs if storable(ref)]
    return list(_from(config.id).filter(remote_id__any_of=known).values_list("pk", flat=True)) if known else []


def known_accounts(directory_id: int) -> int:
    """Return how many people came from the directory before and are active: what the guard's per cent are of."""
    return _from(directory_id).count()


def inactive_accounts(directory_id: int) -> int:
    """Return how many people came from the directory before and are inactive."""
    return _from(directory_id, active=False).count()


def forget_deleted(run: ImportRun, crawler: Crawler, lease: Lease) -> None:
    """After a complete crawl: forget the deletion of people whom the directory does not show any more.

    From then on somebody who comes back there is somebody new. Accounts that delivery still works on stay. What the
    directory said of people whom it does not show is forgotten too.
    """
    if crawler.unreadable:
        return
    if crawler.contracts.on:
        with lease.page():
            records.forget_unseen(crawler.config.id or 0, run.started_at or timezone.now())
    waiting = Change.objects.filter(account=OuterRef("pk"))
    deleted = Account.objects.filter(directory=crawler.config.id, user=None).exclude(Exists(waiting)).order_by("pk")
    last = 0
    while ids := list(deleted.filter(pk__gt=last).values_list("pk", flat=True)[:SCAN]):
        last = ids[-1]
        for gone in _not_seen(ids, crawler.accounts, crawler.spared):
            with lease.page():
                group_outbox.accounts_gone(gone)
                deleted.filter(pk__in=gone).delete()


def stop_deciding(crawler: Crawler, lease: Lease) -> None:
    """After a complete crawl: let the sources below speak of people whom the directory does not show any more."""
    lower = crawler.authority.below
    if crawler.unreadable or not lower:
        return
    shown = Account.objects.filter(directory=crawler.config.id, user__isnull=False).exclude(seen_digest="")
    for ids in _missing(shown.exclude(seen_digest__startswith=GONE), crawler.accounts, crawler.spared):
        with lease.page():
            gone = Account.objects.filter(pk__in=ids)
            authority.let_speak(lower, list(gone.values_list("user_id", flat=True)))
            authority.mark(gone, GONE)


def _missing(known: QuerySet[Account], *seen: Bitmap) -> Iterator[list[int]]:
    """Yield the ids of the known accounts that a complete crawl did not see, CHUNK at a time.

    ``seen`` are the accounts that are there, in one or more bitmaps. Only ids are read of them.
    """
    accounts = known.order_by("pk").values_list("pk", flat=True)
    found: list[int] = []
    last = 0
    while ids := list(accounts.filter(pk__gt=last)[:SCAN]):
        last = ids[-1]
        found += [pk for pk in ids if not any(pk in bits for bits in seen)]
        while len(found) >= CHUNK:
            yield found[:CHUNK]
            del found[:CHUNK]
    if found:
        yield found


def _not_seen(account_ids: Collection[int], *seen: Bitmap) -> Iterator[list[int]]:
    """Yield the accounts that are in none of the bitmaps, CHUNK at a time."""
    found = sorted(pk for pk in account_ids if not any(pk in bits for bits in seen))
    for start in range(0, len(found), CHUNK):
        yield found[start : start + CHUNK]


def _remote_ids(account_ids: Collection[int]) -> list[str]:
    return list(Account.objects.filter(pk__in=account_ids).values_list("remote_id", flat=True))


def _from(directory_id: int, *, active: bool = True) -> QuerySet[Account]:
    return Account.objects.filter(~Q(seen_digest=""), directory_id=directory_id, user__is_active=active)


def _deactivations(config: DirectoryConfig, account_ids: Collection[int]) -> list[Planned]:
    accounts = list(Account.objects.filter(pk__in=account_ids).select_related("user").order_by("pk"))
    kept = kept_elsewhere([one.user_id for one in accounts if one.user_id], account_ids)
    return [
        _deactivation(config, account, kept.get(account.user_id or 0, ""))
        for account in accounts
        if account.user is not None
    ]


def _deactivation(config: DirectoryConfig, account: Account, kept: str) -> Planned:
    user = account.user
    assert user is not None
    planned = Planned(
        action=Action.DEACTIVATE,
        key=user.username,
        remote_id=account.remote_id,
        user_id=user.pk,
        account_id=account.pk,
        before={ACTIVE: True},
        after={ACTIVE: False},
        message=f"Missing from {config.name}",
        department=user.department,
    )
    if kept and not user.may_sign_in:
        planned.action, planned.before, planned.after = Action.LINK, {}, {}
        planned.row = {ABSENT: True}
        planned.message = f"Missing from {config.name}, and still active: {kept} holds."
    if user.may_sign_in:
        planned.action, planned.before, planned.after = Action.LEAVE, {}, {}
        planned.remote_id = ""  # no row of the directory, so nothing to remember of one
        planned.message = (
            f"{user.username} is missing from {config.name}, but may sign in to the portal, and an import never "
            "changes such people."
        )
    return planned
