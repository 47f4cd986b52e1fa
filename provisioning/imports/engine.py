"""One import from claim to end: crawl, settle, guard, apply. Whatever a dead worker left, running it again is safe."""

import datetime as dt
import logging
import traceback
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from config.database import bulk
from directories.config import DirectoryConfig, load, open_connector
from directories.connectors.base import Connector, ConnectorError, CursorLost, Page
from provisioning.imports import guard, incremental, runs
from provisioning.imports.groups.apply import GroupApplier
from provisioning.imports.groups.crawl import plan_groups
from provisioning.imports.runs import Cancelled, Incomplete, Lease, LeaseLost
from provisioning.imports.users import leavers as settle
from provisioning.imports.users.apply import Applier
from provisioning.imports.users.crawl import Crawler, Seen
from provisioning.imports.users.managers import link_managers
from provisioning.imports.users.plan import ERROR, MANAGER, Planned
from provisioning.models import ImportRun, PlannedChange
from provisioning.models.imports import Action, RunStatus
from reports.models import Result

PAGE = 2000
INCOMPLETE = "{name} stopped before its last user was read, so nothing was changed. Import again."
UNEXPECTED = "The import stopped because of a fault in the portal. The log of the worker has the details; import again."
UNREADABLE = (
    "The keys of {number:,} rows cannot be read, so it is not known who is missing. Nobody is deactivated until they "
    "are corrected in the directory."
)
log = logging.getLogger(__name__)


class Read(NamedTuple):
    """What a crawl came to: its rows, and the accounts that the directory says were deleted or may have left."""

    rows: int
    gone: set[int]


def execute(run_id: int) -> None:
    """Work on a run that is waiting or whose worker is dead; return at once when there is nothing to do.

    A database that cannot be reached raises: the run keeps its lease until that ends, and is then taken over.
    """
    lease = runs.claim(run_id)
    if lease is None:
        return
    run = ImportRun.objects.select_related("directory").get(pk=run_id)
    try:
        _work(run, lease)
    except LeaseLost:
        log.warning("Import run %s was taken over by another worker.", run_id)
    except Cancelled:
        _cancelled(run, lease)
    except (ConnectorError, Incomplete) as error:
        _fail(run, lease, str(error))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # The exception's text may hold values of people or statements, so only its type and place are logged.
        place = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s in import run %s:\n%s", type(error).__name__, run_id, place)
        _fail(run, lease, UNEXPECTED)


def _work(run: ImportRun, lease: Lease) -> None:
    config = load(run.directory_id)
    if run.status != RunStatus.APPLYING:
        with open_connector(config) as connector:
            # The source may take as long as its own time-out for one page; a slow page is not a dead worker.
            lease.lasts = max(runs.LEASE, dt.timedelta(seconds=connector.patience) + runs.LEASE / 2)
            objections = _plan(run, config, connector, lease)
        if run.preview:
            lease.end(RunStatus.PLANNED, " ".join(objections))
            return
        if objections:
            lease.end(
                RunStatus.APPROVAL, " ".join([*objections, "Check the list, then approve or cancel this import."])
            )
            return
        lease.write(status=RunStatus.APPLYING, apply_started_at=timezone.now())
    Applier(config, run, lease).run_all()
    if any(f"{rule.kind.value}.{rule.portal_attribute}" == MANAGER for rule in config.rules):
        link_managers(run, lease)
    GroupApplier(config, run, lease).run_all()
    run.refresh_from_db()
    message = runs.summary(run)
    with transaction.atomic():
        lease.end(RunStatus.FINISHED, message)
        incremental.applied(run)
        if not incremental.is_quiet(run):
            runs.report(run, Result.SUCCESS, message + ".")


def _plan(run: ImportRun, config: DirectoryConfig, connector: Connector, lease: Lease) -> list[str]:
    """Read the whole directory, or what changed in it, and plan; return what the guard objects to."""
    runs.prune_previews(run)
    runs.drop_plans([run.pk])
    zero = dict.fromkeys((*runs.COUNTERS, *runs.GROUP_COUNTERS), 0)
    lease.write(status=RunStatus.CRAWLING, started_at=timezone.now(), message="", **zero)
    run.refresh_from_db()
    crawler = Crawler(config)
    since = incremental.begin(run, config, connector, lease)
    try:
        lease.write(expected=None if since else connector.count())
        read = _crawl(run, crawler, connector.changes(since, PAGE) if since else connector.accounts(PAGE), lease)
    except CursorLost:
        log.info("Import run %s reads everything: the directory cannot tell what changed.", run.pk)
        incremental.read_everything(run, lease)
        lease.write(expected=connector.count())
        read = _crawl(run, crawler, connector.accounts(PAGE), lease)
    for reason, ids in settle.duplicates(run):
        with lease.page() as gains:
            rows = PlannedChange.objects.filter(pk__in=ids)
            changed = rows.update(action=Action.ERROR, message=reason)
            gains |= {"created": -changed, "errors": changed}
    objections = _settle(run, connector, crawler, lease, read)
    since = since if run.incremental else None
    return objections + plan_groups(run, config, connector, lease, crawler.noted, since=since)


def _crawl(run: ImportRun, crawler: Crawler, pages: Iterable[Page], lease: Lease) -> Read:
    """Plan page by page; return what was read once the last page was."""
    rows = 0
    gone: set[int] = set()
    for page in pages:
        if page.gone and crawler.config.features.deactivate_missing:
            gone.update(settle.named(crawler.config, page.gone))
        seen = crawler.page(page) if page.accounts else Seen()
        with lease.page() as gains:
            _store(run, seen.planned, gains)
            gains |= {"seen": seen.rows, "unchanged": gains.get("unchanged", 0) + seen.unchanged}
        rows += seen.rows
        if page.last:
            return Read(rows, gone)
    raise Incomplete(INCOMPLETE.format(name=run.directory.name))


def _settle(run: ImportRun, connector: Connector, crawler: Crawler, lease: Lease, read: Read) -> list[str]:
    """Plan the leavers of a complete crawl, or those who are gone by what changed, and ask the guard."""
    config = crawler.config
    assert config.id is not None
    known = settle.known_accounts(config.id)
    features, leavers, seen = config.features, 0, read.rows
    if run.incremental:
        seen = max(seen, known)  # that nothing changed is no empty directory
        if features.deactivate_missing and read.gone:
            missing = settle.not_seen(read.gone, crawler.accounts, crawler.spared)
            leavers = _plan_leavers(run, connector, crawler, lease, missing)
        before = incremental.done_before(run)
        return _objections(config, crawler, lease, seen=seen, known=known, leavers=leavers, before=before)
    if seen == 0 and known and not features.deactivate_missing:
        raise Incomplete(
            f"{config.name} gave no users, although {known:,} came from it before. Nothing was changed. "
            "Check its user table, its filter and the rights of its login."
        )
    if features.deactivate_missing and crawler.unreadable:
        with lease.page() as gains:
            _store(run, [Planned(ERROR, "", message=UNREADABLE.format(number=crawler.unreadable))], gains)
    elif features.deactivate_missing:
        missing = settle.missing(config, crawler.accounts, crawler.spared)
        leavers = _plan_leavers(run, connector, crawler, lease, missing)
    return _objections(config, crawler, lease, seen=seen, known=known, leavers=leavers)


def _objections(
    config: DirectoryConfig,
    crawler: Crawler,
    lease: Lease,
    *,
    seen: int,
    known: int,
    leavers: int,
    before: guard.Before = guard.NOTHING_BEFORE,
) -> list[str]:
    found = guard.Plan(
        seen=seen,
        known=known,
        leavers=leavers,
        blanked=crawler.blanked,
        inactive=crawler.inactive,
        activated=crawler.activated,
        before=before,
    )
    lease.write(switched_off=found.switched_off, switched_on=found.activated, blanked=found.blanked)
    features = config.features
    limits = guard.Limits(
        max_leavers=features.max_leavers,
        max_leavers_percent=features.max_leavers_percent,
        max_blanked=features.max_blanked,
        max_blanked_percent=features.max_blanked_percent,
        max_activated=features.max_activated,
        max_activated_percent=features.max_activated_percent,
    )
    return guard.objections(found, limits, config.name)


def _plan_leavers(
    run: ImportRun, connector: Connector, crawler: Crawler, lease: Lease, missing: Iterable[list[int]]
) -> int:
    """Plan those who are missing, each looked up by the lasting id first; return how many leave.

    An entry that is moved or renamed while the directory is read may be in none of the pages. Such a one is a row like
    any other.
    """
    leavers = 0
    for ids in missing:
        found = connector.look_up(settle.remote_ids(ids))
        back = crawler.page(Page(found)) if found else Seen()
        gone = [pk for pk in ids if pk not in crawler.accounts and pk not in crawler.spared]
        planned = settle.leavers(crawler.config, gone)
        with lease.page() as gains:
            _store(run, [*back.planned, *planned], gains)
            gains |= {"seen": back.rows, "unchanged": gains.get("unchanged", 0) + back.unchanged}
        leavers += sum(one.action == Action.DEACTIVATE for one in planned)
    return leavers


def _store(run: ImportRun, planned: Sequence[Planned], gains: dict[str, Any]) -> None:
    rows = [
        {
            "run_id": run.pk,
            "action": one.action,
            "key": one.key,
            "match_value": one.match,
            "remote_id": one.remote_id,
            "place": one.place,
            "user_id": one.user_id,
            "account_id": one.account_id,
            "before": one.before,
            "after": one.after,
            "row": one.row,
            "message": one.message,
        }
        for one in planned
    ]
    bulk.insert(PlannedChange, rows)
    gains["planned"] = gains.get("planned", 0) + len(rows)
    for one in planned:
        counter = runs.COUNTED[Action(one.action)]
        gains[counter] = gains.get(counter, 0) + 1


def _cancelled(run: ImportRun, lease: Lease) -> None:
    run.refresh_from_db()
    _end(run, lease, RunStatus.CANCELLED, Result.SKIPPED, runs.cancelled_message(run))


def _fail(run: ImportRun, lease: Lease, message: str) -> None:
    _end(run, lease, RunStatus.FAILED, Result.FAILED, message)


def _end(run: ImportRun, lease: Lease, status: RunStatus, result: Result, message: str) -> None:
    """End a run before its time; nothing of its plan is applied any more."""
    try:
        lease.end(status, message)
    except LeaseLost:
        log.warning("Import run %s was taken over by another worker.", run.pk)
        return
    runs.forget_passwords(run.pk)
    runs.report(run, result, f"Import from {run.directory.name}: {message}")
