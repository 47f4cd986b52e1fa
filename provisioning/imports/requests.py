"""Starting, approving and cancelling imports; ``provisioning.services`` offers these to everybody else."""

import datetime as dt
import logging
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from directories.models import Directory, ProvisioningSettings, Schedule
from provisioning.contracts.models import SourceRecord
from provisioning.guard import ledger
from provisioning.guard.limits import how_many
from provisioning.imports import decisions, four_eyes, incremental, runs
from provisioning.imports.doors.again import note_refused
from provisioning.imports.facets import RowCriteria
from provisioning.imports.runs import ImportRefused
from provisioning.imports.schedule import next_import
from provisioning.models import ImportRun, PlannedChange, PlannedGroup
from provisioning.models.imports import WAITING, PlanPart, RunStatus, Trigger
from provisioning.outbound import dispatch
from reports.models import Result

RUN = "provisioning.tasks.run_import"
NOTHING_READ = "Nothing that was read from {} is kept. Import or preview it first."
ANOTHER = "The plan is another one than the one that you looked at. Look at it again, then decide."
log = logging.getLogger(__name__)


def start_import(
    directory: Directory,
    *,
    preview: bool,
    actor: str,
    trigger: Trigger = Trigger.MANUAL,
    incremental: bool = False,
    tries: int = 0,
) -> ImportRun:
    """Queue an import or a preview and wake a worker; raise ImportRefused with words when it cannot be.

    ``incremental`` reads only what changed since the last run, if the directory can tell. ``tries`` is how often it was
    tried before, in vain.
    A run of the command line is worked on by the command itself, so nobody is woken for it.
    """
    with transaction.atomic():
        how: dict[str, Any] = {"trigger": trigger, "incremental": incremental, "tries": tries}
        run = runs.create(directory, preview=preview, actor=actor, **how)
        if trigger != Trigger.COMMAND:
            dispatch.send_on_commit(RUN, run.pk)
    return run


def plan_again(directory: Directory, *, actor: str, trigger: Trigger = Trigger.MANUAL) -> ImportRun:
    """Queue a preview of what was read last, with the mapping as it is now; raise ImportRefused with words."""
    if not SourceRecord.objects.filter(source=directory).exists():
        raise ImportRefused(NOTHING_READ.format(directory.name))
    with transaction.atomic():
        run = runs.create(directory, preview=True, actor=actor, trigger=trigger, from_records=True)
        if trigger != Trigger.COMMAND:
            dispatch.send_on_commit(RUN, run.pk)
    return run


def approve_import(run: ImportRun, actor: str, *, plan_hash: str, wanted: RowCriteria | None = None) -> None:
    """Apply the very plan of a run that waits, or with ``wanted`` those of its rows; raise ImportRefused with words.

    ``plan_hash`` is that of the plan that was looked at.
    """
    if run.directory_id is not None:
        runs.must_be_on(Directory.objects.select_related("provisioning").get(pk=run.directory_id))
        if ImportRun.objects.filter(directory=run.directory_id, pk__gt=run.pk).exists():
            raise ImportRefused("A newer run of this directory exists, so this plan is out of date. Import again.")
    four_eyes.check(run, actor)
    try:
        with transaction.atomic():
            waiting = ImportRun.objects.filter(pk=run.pk, status__in=WAITING)
            found = waiting.select_for_update(no_key=True, of=("self",)).first()
            if found is None:
                raise runs.no_longer_waits(run)
            if plan_hash != found.plan_hash:
                raise ImportRefused(ANOTHER)
            decision = decisions.choose(found, wanted, actor) if wanted else decisions.all_left(found, actor)
            waiting.update(
                status=RunStatus.APPLYING,
                preview=False,
                approved=True,
                checked=False,
                part=PlanPart.CHOSEN if wanted else PlanPart.REST,
                applied_up_to=0,
                apply_started_at=timezone.now(),
                leased_until=None,
                finished_at=None,
                message="",
            )
            words = f"{actor} approved the import from {run.source}, plan {plan_hash[:12]}"
            runs.report(
                run,
                Result.SUCCESS,
                f"{words}: {decision.rows:,} of {decision.scope}." if wanted else f"{words}.",
                actor,
            )
            if wanted is None:
                PlannedGroup.objects.filter(run=run, held=True).exclude(verdict__in=decisions.OVER).update(
                    applied_at=None
                )
            ledger.agree(run.door, run.directory_id)
            runs.decided(run, "approved" if wanted is None else f"approved {decision.scope}", actor)
            dispatch.send_on_commit(RUN, run.pk)
    except IntegrityError:
        raise ImportRefused(f"Another import of {run.source} is running. Wait until it has finished.") from None


def refuse_changes(run: ImportRun, actor: str, wanted: RowCriteria, reason: str, *, groups: bool = False) -> int:
    """Refuse some of the rows of a plan that waits, and return how many; raise ImportRefused with words."""
    with transaction.atomic():
        decision = decisions.refuse(run, wanted, actor, reason, groups=groups)
        note_refused(run, PlannedChange.objects.filter(decision_id=decision.pk))
        number = how_many(decision.rows, "change")
        words = f"{actor} refused {number} from {run.source} ({decision.scope}): {decision.reason}"
        runs.report(run, Result.SKIPPED, words, actor)
        runs.decided(run, f"refused {decision.scope}: {decision.reason}", actor)
    return decision.rows


def cancel_import(run: ImportRun, actor: str) -> None:
    """Cancel a run: at once when nobody works on it, else at its next page; raise ImportRefused when it has ended."""
    now = timezone.now()
    idle = Q(status__in=WAITING) | Q(leased_until=None) | Q(leased_until__lt=now)
    with transaction.atomic():
        live = ImportRun.objects.filter(pk=run.pk, status__in=(*runs.WORKING, *WAITING))
        run.refresh_from_db()
        message = runs.cancelled_message(run)
        if live.filter(idle).update(
            status=RunStatus.CANCELLED, leased_until=None, finished_at=now, message=message, cancel_requested=False
        ):
            if run.rest_applied:
                runs.leave_out_held(run)
            runs.forget_passwords(run.pk)
            note_refused(run, PlannedChange.objects.all())
            runs.report(run, Result.SKIPPED, f"{actor} cancelled the import from {run.source}.", actor)
            runs.decided(run, "cancelled", actor)
        elif live.update(cancel_requested=True):
            runs.decided(run, "asked to cancel", actor)
        else:
            raise runs.no_longer_waits(run)


def start_due_imports() -> None:
    """Start every import that is due, by the schedule or again, and wake a worker for runs that nobody works on.

    Called every few seconds; two callers at once do no harm, and a message that the broker lost delays a run a little.
    Where no worker for imports runs, or all of them are busy, whoever delivers what was saved takes such a run.
    """
    now = timezone.now()
    for settings in _scheduled().filter(next_import_at__lte=now).select_related("directory"):
        _start_scheduled(settings)
    for settings in _scheduled().filter(next_import_at=None):
        ProvisioningSettings.objects.filter(pk=settings.pk, next_import_at=None).update(next_import_at=_next(settings))
    for settings in incremental.due(now):
        _start(settings, incremental=True)
    for run in _to_try_again(now):
        _try_again(run)
    alone = Q(leased_until__lt=now) | Q(leased_until=None, created_at__lt=now - runs.PATIENCE)
    for run_id in ImportRun.objects.filter(alone, runs.MAY_GO_ON, status__in=runs.WORKING).values_list("pk", flat=True):
        dispatch.send(RUN, run_id, queue=dispatch.USUAL)


def _scheduled() -> QuerySet[ProvisioningSettings]:
    on = ProvisioningSettings.objects.filter(import_users=True, directory__enabled=True)
    return on.exclude(schedule=Schedule.OFF)


def _to_try_again(now: dt.datetime) -> QuerySet[ImportRun]:
    """Return the failed runs whose pause is over, where no newer import took their place.

    An import of what changed takes that of another one, and not that of a whole import.
    """
    newer = ImportRun.objects.filter(directory=OuterRef("directory"), preview=False, pk__gt=OuterRef("pk"))
    replaced = Exists(newer.filter(Q(incremental=False) | Q(incremental=OuterRef("incremental"))))
    failed = ImportRun.objects.filter(~replaced, retry_at__lte=now, status=RunStatus.FAILED)
    on = failed.filter(directory__enabled=True, directory__provisioning__import_users=True)
    return on.select_related("directory__provisioning")


def _try_again(run: ImportRun) -> None:
    """Claim the moment, and queue another run in the same transaction."""
    how: dict[str, Any] = {"trigger": Trigger(run.trigger), "incremental": run.incremental, "tries": run.tries + 1}
    try:
        with transaction.atomic():
            if ImportRun.objects.filter(pk=run.pk, retry_at=run.retry_at).update(retry_at=None):
                assert run.directory is not None
                start_import(run.directory, preview=False, actor=run.actor, **how)
    except ImportRefused as refused:
        log.info("The import of directory %s was not tried again yet: %s", run.directory_id, refused.message)


def _start_scheduled(settings: ProvisioningSettings) -> None:
    """Claim the due moment by moving it on, and queue the run in the same transaction."""
    with transaction.atomic():
        due = ProvisioningSettings.objects.filter(pk=settings.pk, next_import_at=settings.next_import_at)
        if not due.update(next_import_at=_next(settings)):
            return
        _start(settings)


def _start(settings: ProvisioningSettings, *, incremental: bool = False) -> None:
    try:
        start_import(settings.directory, preview=False, actor="", trigger=Trigger.SCHEDULE, incremental=incremental)
    except ImportRefused as refused:
        log.info("The scheduled import of directory %s was left out: %s", settings.directory_id, refused.message)


def _next(settings: ProvisioningSettings) -> dt.datetime | None:
    return next_import(
        settings.schedule,
        settings.schedule_time,
        settings.schedule_weekday,
        timezone.now(),
        timezone.get_current_timezone(),
    )
