"""One reconciliation from claim to end: read the directory, compare, note what is not in step.

Running it again is safe: what a dead worker had found is deleted first. Nobody is called missing unless the whole
directory was read.
"""

import datetime as dt
import logging
import traceback
from contextlib import ExitStack
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Count
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from config.database import bulk
from directories import health
from directories.config import DirectoryConfig, load, open_connector
from directories.connectors.base import Connector, ConnectorError, without_again
from provisioning.imports import runs
from provisioning.imports.ahead import ahead
from provisioning.imports.runs import Cancelled, Incomplete, Lease, LeaseLost
from provisioning.imports.users.leavers import must_be_whole
from provisioning.models import Account
from provisioning.models.accounts import AccountState
from provisioning.models.imports import RunStatus
from provisioning.reconciliation import actions, pulling, summary
from provisioning.reconciliation.comparing import Comparer
from provisioning.reconciliation.memberships import compare_groups
from provisioning.reconciliation.models import Finding, FindingState, Policy, ReconcileRun
from provisioning.reconciliation.notes import Notes
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

PAGE = 2000
COUNTERS = ("seen", "in_step", "under_way", "passed_over", "groups_seen")
CUT = "{name} stopped before its last account was read, so nobody is called missing. Reconcile again."
UNEXPECTED = "It stopped because of a fault in the portal. The log of the worker has the details; reconcile again."
CANCELLED = "Cancelled before the whole directory was compared."
log = logging.getLogger(__name__)


def execute(run_id: int) -> None:
    """Work on a run that is waiting or whose worker is dead; return at once when there is nothing to do.

    A database that cannot be reached raises: the run keeps its lease until that ends, and is then taken over.
    """
    lease = runs.claim(run_id, ReconcileRun)
    if lease is None:
        return
    run = ReconcileRun.objects.select_related("directory").get(pk=run_id)
    with bound_contextvars(reconciliation_id=run_id, directory=run.directory.name):
        _contained(run, lease)


def _contained(run: ReconcileRun, lease: Lease) -> None:
    """Work on a run, and end it with words for whatever stops it."""
    try:
        with lease.kept():
            _work(run, lease)
    except LeaseLost:
        log.warning("Reconciliation %s was taken over by another worker.", run.pk)
    except Cancelled:
        _end(run, lease, RunStatus.CANCELLED, CANCELLED)
    except (ConnectorError, Incomplete) as error:
        words = without_again(str(error))
        _end(run, lease, RunStatus.FAILED, words)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # The exception's text may hold values of people or statements, so only its type and place are logged.
        place = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s in reconciliation %s:\n%s", type(error).__name__, run.pk, place)
        _end(run, lease, RunStatus.FAILED, UNEXPECTED)


def _work(run: ReconcileRun, lease: Lease) -> None:
    config = load(run.directory_id)
    bulk.delete(Finding.objects.filter(run=run))  # of a worker that died
    begun = timezone.now()
    zero: dict[str, Any] = dict.fromkeys(COUNTERS, 0)
    lease.write(status=RunStatus.CRAWLING, started_at=begun, message="", **zero)
    notes = Notes(run, lease)
    with ExitStack() as source:
        connector = source.enter_context(open_connector(config))
        lease.silence = max(runs.SILENCE, dt.timedelta(seconds=connector.patience) + runs.SILENCE / 2)
        _read(config, connector, notes, begun, source)
    health.note_answer(run.directory_id)
    _finish(run, lease, notes)


def _read(
    config: DirectoryConfig,
    connector: Connector,
    notes: Notes,
    begun: dt.datetime,
    source: ExitStack,
) -> None:
    lease = notes.lease
    counted = connector.count()
    lease.write(expected=counted)
    comparer = Comparer(config, connector, begun)
    rows, last = 0, False
    pages = connector.accounts(PAGE)
    with ahead(pages, lambda page: page, wanted=connector.reads_ahead, go_on=lease.go_on, source=source) as coming:
        for page in coming:
            notes.write(comparer.page(page.accounts))
            rows, last = rows + len(page.accounts), page.last and page.whole
    if not last:
        raise Incomplete(CUT.format(name=config.name))
    there = Account.objects.filter(directory=config.id, state=AccountState.ACTIVE, user__is_active=True)
    must_be_whole(config.name, rows=rows, known=0 if rows else there.count(), counted=counted or 0)
    for found in comparer.missing():
        notes.write(found)
    compare_groups(config, connector, comparer, notes)


def _finish(run: ReconcileRun, lease: Lease, notes: Notes) -> None:
    """Let the policies act, say what was found, and drop the findings of earlier runs."""
    counts = counted(run)
    for kind, policy in sorted(notes.policies.items()):
        if policy == Policy.PUSH and kind in actions.AUTOMATIC:
            actions.push(Finding.objects.filter(run=run, kind=kind, state=FindingState.OPEN), actions.POLICY)
            lease.write()
        if policy == Policy.PULL and kind in pulling.AUTOMATIC:
            pulling.pull(Finding.objects.filter(run=run, kind=kind, state=FindingState.OPEN), actions.POLICY)
            lease.write()
    run.refresh_from_db()
    run.counts = counts
    words = summary.sentence(run)
    earlier = ReconcileRun.objects.filter(directory=run.directory_id).exclude(pk=run.pk).values("pk")
    with transaction.atomic():
        lease.end(RunStatus.FINISHED, words, counts=counts)
        bulk.delete(Finding.objects.filter(run__in=earlier))
        _report(run, Result.SUCCESS, f"Compared {run.directory.name} with the portal: {words}")


def counted(run: ReconcileRun) -> dict[str, int]:
    """Return how many findings a run has by kind, but for the ignored ones; read from an index, once a run."""
    rows = Finding.objects.filter(run=run).exclude(state=FindingState.IGNORED).order_by()
    return dict(rows.values_list("kind").annotate(number=Count("pk")))


def _end(run: ReconcileRun, lease: Lease, status: RunStatus, message: str) -> None:
    """End a run before its time; what it found stays, as far as it came."""
    try:
        lease.end(status, message, counts=counted(run))
    except LeaseLost:
        log.warning("Reconciliation %s was taken over by another worker.", run.pk)
        return
    result = Result.SKIPPED if status == RunStatus.CANCELLED else Result.FAILED
    _report(run, result, f"Comparing {run.directory.name} with the portal: {message}")


def _report(run: ReconcileRun, result: Result, message: str) -> None:
    record(
        Line(
            identifier="",
            application=run.directory.name,
            direction=Direction.IN,
            operation=Operation.IMPORT,
            result=result,
            message=message,
            actor=run.actor,
        )
    )
