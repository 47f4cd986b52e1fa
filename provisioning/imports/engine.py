"""One import from claim to end: crawl, plan, guard, apply. Whatever a dead worker left, running it again is safe."""

import datetime as dt
import logging
import traceback
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from config.database import bulk
from directories import health
from directories.attributes import OF_CONTRACTS
from directories.config import DirectoryConfig, load, open_connector
from directories.connectors.base import Connector, ConnectorError, CursorLost, Page, Unavailable, without_again
from provisioning.imports import decisions, departments, incremental, plan_hash, runs
from provisioning.imports.ahead import ahead
from provisioning.imports.doors import apply as doors
from provisioning.imports.doors.again import look_again, note_refused
from provisioning.imports.groups.apply import DirectoryGroupApplier
from provisioning.imports.groups.crawl import plan_groups
from provisioning.imports.holding import CrawlCounts, judge
from provisioning.imports.runs import Cancelled, Incomplete, Lease, LeaseLost
from provisioning.imports.users import claims, leavers, records, still
from provisioning.imports.users.apply import Applier
from provisioning.imports.users.crawl import Crawler
from provisioning.imports.users.leavers import CrawlResult
from provisioning.imports.users.managers import link_managers
from provisioning.imports.users.plan import MANAGER
from provisioning.imports.users.store import gain, store
from provisioning.models import ImportRun, PlannedChange
from provisioning.models.imports import PlanPart, RunStatus, Trigger
from provisioning.outbound import dispatch
from reports.models import Result

PAGE = 2000
MANY = 2 * PAGE  # planned rows; from here on it pays to let the database look at them
SETTLE = "provisioning.tasks.settle_contracts"  # what follows from contracts that came; else the next tick does it
DECIDE = "Check the list, then approve or cancel what waits; everything else is done."
INCOMPLETE = "{name} stopped before its last user was read, so nothing was changed. Import again."
ANOTHER_PLAN = "The plan is not the one that was approved, so nothing was applied. Import again."
UNEXPECTED = "The import stopped because of a fault in the portal. The log of the worker has the details; import again."
log = logging.getLogger(__name__)


def execute(run_id: int) -> None:
    """Work on a run that is waiting or whose worker is dead; return at once when there is nothing to do.

    A database that cannot be reached raises: the run keeps its lease until that ends, and is then taken over.
    """
    lease = runs.claim(run_id)
    if lease is None:
        return
    run = ImportRun.objects.select_related("directory").get(pk=run_id)
    with bound_contextvars(run_id=run_id, **({"directory": run.directory.name} if run.directory else {})):
        _contained(run, lease)


def _contained(run: ImportRun, lease: Lease) -> None:
    """Work on a run, and end it with words for whatever stops it."""
    try:
        with lease.kept():
            _work(run, lease)
    except LeaseLost:
        log.warning("Import run %s was taken over by another worker.", run.pk)
    except Cancelled:
        _cancelled(run, lease)
    except Unavailable as error:
        _fail_for_now(run, lease, error)
    except (ConnectorError, Incomplete) as error:
        _fail(run, lease, str(error))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # The exception's text may hold values of people or statements, so only its type and place are logged.
        place = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s in import run %s:\n%s", type(error).__name__, run.pk, place)
        _fail(run, lease, UNEXPECTED)


def _work(run: ImportRun, lease: Lease) -> None:
    if run.directory_id is None:
        doors.work(run, lease)
        return
    config = load(run.directory_id)
    if run.status != RunStatus.APPLYING:
        with ExitStack() as source:
            connector = source.enter_context(open_connector(config))
            # The source may take as long as its own time-out for one page; a slow page is no worker that hangs.
            lease.silence = max(runs.SILENCE, dt.timedelta(seconds=connector.patience) + runs.SILENCE / 2)
            objections = _plan(run, config, connector, lease, source)
        health.note_answer(run.directory_id)
        run.refresh_from_db()
        sealed = plan_hash.sealed(run)
        if run.preview:
            lease.end(RunStatus.PLANNED, " ".join(objections), **sealed)
            return
        why = " ".join([*objections, DECIDE]) if objections else ""
        lease.write(status=RunStatus.APPLYING, apply_started_at=timezone.now(), message=why, **sealed)
        run.refresh_from_db()
    elif run.approved and not _is_as_approved(run, config, lease):
        return
    departments.apply(run, lease)
    if run.planned:
        Applier(config, run, lease).run_all()
        if any(f"{rule.kind.value}.{rule.portal_attribute}" == MANAGER for rule in config.rules):
            link_managers(run, lease)
        DirectoryGroupApplier(config, run, lease).run_all()
        run.refresh_from_db()
        if any(rule.kind in OF_CONTRACTS for rule in config.rules):
            dispatch.send(SETTLE)
    if run.message and not run.approved:  # what is held waits, and everything else is done
        run.rest_applied = True
        sealed = plan_hash.sealed(run)
        lease.end(RunStatus.APPROVAL, run.message, rest_applied=True, applied_up_to=0, **sealed)
        return
    if run.part == PlanPart.CHOSEN and _waits_again(run, lease):
        return
    message = runs.summary(run)
    with transaction.atomic():
        lease.end(RunStatus.FINISHED, message)
        if run.refused:
            runs.forget_passwords(run.pk)
        if not run.from_records:
            incremental.applied(run)
        if not incremental.is_quiet(run):
            runs.report(run, Result.PARTLY if run.errors else Result.SUCCESS, message + ".")


def _waits_again(run: ImportRun, lease: Lease) -> bool:
    """After what was approved by name is applied: let the rest wait again; False when nothing is left."""
    with transaction.atomic():
        decisions.close_chosen(run)
        if not decisions.left(run):
            return False
        message = f"What was approved is applied. {decisions.words_left(run)}"
        waits = {"approved": False, "part": PlanPart.REST, "applied_up_to": 0}
        lease.end(RunStatus.APPROVAL, message, **waits, **plan_hash.sealed(run))
    return True


def _is_as_approved(run: ImportRun, config: DirectoryConfig, lease: Lease) -> bool:
    """Look whether the plan is the approved one, and refuse those of its rows of which the source says else by now.

    Returns False, with the run waiting again, when the directory cannot be asked.
    """
    if not run.checked:
        if plan_hash.of(run) != run.plan_hash:
            raise Incomplete(ANOTHER_PLAN)
        lease.write(checked=True)
    try:
        with open_connector(config) as connector:
            lease.silence = max(runs.SILENCE, dt.timedelta(seconds=connector.patience) + runs.SILENCE / 2)
            still.refuse_changed(run, connector, Crawler(config), lease)
    except Unavailable as error:
        message = f"{without_again(error.message)} Nothing more was applied. Approve again later."
        lease.end(RunStatus.APPROVAL, message, approved=False, **plan_hash.sealed(run))
        return False
    return True


def _plan(run: ImportRun, config: DirectoryConfig, connector: Connector, lease: Lease, source: ExitStack) -> list[str]:
    """Read the whole directory, or what changed in it, and plan; return what the guard objects to.

    ``source`` closes the connector.
    """
    runs.prune_previews(run)
    if run.started_at:  # by a worker that died
        runs.drop_plans([run.pk])
    zero = dict.fromkeys((*runs.COUNTERS, *runs.GROUP_COUNTERS), 0)
    lease.write(status=RunStatus.CRAWLING, started_at=timezone.now(), message="", **zero)
    run.refresh_from_db()
    crawler = Crawler(config)
    if run.from_records:
        return _plan_again(run, crawler, lease, source)
    crawler.contracts.departments = departments.plan(run, connector, lease)
    read_with = {"mapping": crawler.mapper.version, "decided_above": crawler.decided_above}
    since = incremental.begin(run, config, connector, lease, **read_with)
    try:
        lease.write(cursor=run.cursor, expected=None if since else connector.count())
        pages = connector.changes(since, PAGE) if since else connector.accounts(PAGE)
        read = _crawl(run, crawler, pages, lease, source, ahead_wanted=connector.reads_ahead)
    except CursorLost:
        log.info("Import run %s reads everything: the directory cannot tell what changed.", run.pk)
        incremental.read_everything(run, lease)
        since = None
        lease.write(expected=connector.count())
        read = _crawl(run, crawler, connector.accounts(PAGE), lease, source, ahead_wanted=connector.reads_ahead)
    if not since:
        leavers.must_be_complete(run, read)
    leavers.plan_leavers(run, connector, crawler, lease, read)
    claims.settle(run, crawler, lease)
    lost = plan_groups(run, config, connector, lease, crawler.noted, since=since)
    objections = _judge(run, crawler, lease, read, lost)
    if read.whole and not (objections or run.preview or run.incremental):
        leavers.forget_deleted(run, crawler, lease)
        leavers.stop_deciding(crawler, lease)
    return objections


def _plan_again(run: ImportRun, crawler: Crawler, lease: Lease, source: ExitStack) -> list[str]:
    """Plan what was read last, with the mapping as it is now; nobody is missing from that, and no group is in it."""
    pages = records.pages(run.directory_id or 0, PAGE)
    read = _crawl(run, crawler, pages, lease, source, ahead_wanted=False)
    claims.settle(run, crawler, lease)
    return _judge(run, crawler, lease, read)


def _judge(run: ImportRun, crawler: Crawler, lease: Lease, read: CrawlResult, lost: int = 0) -> list[str]:
    """Ask the guard about the finished plan; ``lost`` are the memberships that its groups lose."""
    config = crawler.config
    run.refresh_from_db()
    takes = crawler.tally.kinds or crawler.tally.changed or lost
    seen = CrawlCounts(
        rows=read.rows,
        known=leavers.known_accounts(config.id or 0) if takes else 0,
        inactive=leavers.inactive_accounts(config.id or 0) if takes else 0,
        missing=read.missing,
        unproven=read.unproven,
        labels=crawler.labels,
        lost=lost,
        joined=run.memberships_added,
    )
    return judge(run, config, lease, crawler.tally, seen)


def _crawl(
    run: ImportRun, crawler: Crawler, pages: Iterable[Page], lease: Lease, source: ExitStack, *, ahead_wanted: bool
) -> CrawlResult:
    """Plan page by page; return what was read once the last page was."""
    read, planned = CrawlResult(), 0
    with ahead(pages, crawler.digested, wanted=ahead_wanted, go_on=lease.go_on, source=source) as coming:
        for rows in coming:
            if rows.page.gone and crawler.config.features.deactivate_missing:
                read.gone.update(leavers.named(crawler.config, rows.page.gone))
            with lease.page(durable=False) as gains, bulk.overlapping():
                seen = crawler.page(rows, partial(store, run.pk, gains=gains))
                gain(gains, "seen", seen.rows)
                gain(gains, "unchanged", seen.unchanged)
            read.rows += seen.rows
            planned += seen.rows - seen.unchanged
            if rows.page.last:
                read.whole = rows.page.whole
                if planned > MANY:
                    bulk.learn(PlannedChange, "id", "run", "action", "verdict", "held")
                return read
    raise Incomplete(INCOMPLETE.format(name=run.source))


def _cancelled(run: ImportRun, lease: Lease) -> None:
    run.refresh_from_db()
    _end(run, lease, RunStatus.CANCELLED, Result.SKIPPED, runs.cancelled_message(run))


def _fail(run: ImportRun, lease: Lease, message: str) -> None:
    _end(run, lease, RunStatus.FAILED, Result.FAILED, message)


def _fail_for_now(run: ImportRun, lease: Lease, error: Unavailable) -> None:
    """End a run whose directory could not be reached; the portal tries it again, unless somebody waits for its end."""
    now, at = timezone.now(), None
    if not run.preview and run.trigger != Trigger.COMMAND:
        at = runs.retry_moment(now, run.tries, error.retry_after)
    further = f"The portal tries again at {timezone.localtime(at):%H:%M}." if at else "Import again later."
    message = f"{without_again(error.message)} {further}"
    _end(run, lease, RunStatus.FAILED, Result.FAILED, message, retry_at=at)


def _end(
    run: ImportRun,
    lease: Lease,
    status: RunStatus,
    result: Result,
    message: str,
    *,
    retry_at: dt.datetime | None = None,
) -> None:
    """End a run before its time; nothing of its plan is applied any more."""
    try:
        with transaction.atomic():
            lease.end(status, message, retry_at=retry_at)
            if status == RunStatus.FAILED:
                look_again(run, failed=True)
            elif status == RunStatus.CANCELLED:
                note_refused(run, PlannedChange.objects.all())
    except LeaseLost:
        log.warning("Import run %s was taken over by another worker.", run.pk)
        return
    runs.forget_passwords(run.pk)
    runs.report(run, result, f"Import from {run.source}: {message}")
