"""Starting and cancelling reconciliations, by people and by the schedule."""

import datetime as dt
import logging

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from directories.config import load
from directories.connectors import connector_class
from directories.connectors.base import Capability
from directories.models import Directory, Schedule
from provisioning.imports import runs
from provisioning.imports.schedule import next_import
from provisioning.models.imports import RunStatus, Trigger
from provisioning.outbound import dispatch
from provisioning.reconciliation.engine import CANCELLED
from provisioning.reconciliation.models import ReconcileRun, ReconcileSettings

RUN = "provisioning.tasks.run_reconciliation"
WORKING = (RunStatus.QUEUED, RunStatus.CRAWLING)
OFF = "{name} is switched off. Switch it on first, on its page under Directories."
CANNOT = "{name} cannot be compared: {why}"
RUNNING = "{name} is being reconciled already. Wait until that has finished, or cancel it first."
ENDED = "This reconciliation has ended already."
log = logging.getLogger(__name__)


class RequestRefused(Exception):
    """It cannot be started or cancelled; ``message`` says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def start(directory: Directory, *, actor: str, trigger: Trigger = Trigger.MANUAL) -> ReconcileRun:
    """Queue a reconciliation and wake a worker; raise RequestRefused with words when it cannot be."""
    if not directory.enabled:
        raise RequestRefused(OFF.format(name=directory.name))
    config = load(directory.pk)
    if why := connector_class(config.kind).lacking(Capability.IMPORT, config.connector):
        raise RequestRefused(CANNOT.format(name=directory.name, why=why))
    try:
        with transaction.atomic():
            run = ReconcileRun.objects.create(directory=directory, actor=actor, trigger=trigger)
            if trigger != Trigger.COMMAND:
                dispatch.send_on_commit(RUN, run.pk)
    except IntegrityError:
        raise RequestRefused(RUNNING.format(name=directory.name)) from None
    return run


def cancel(run: ReconcileRun) -> None:
    """Cancel a run: at once when nobody works on it, else at its next page; raise RequestRefused when it has ended."""
    now = timezone.now()
    live = ReconcileRun.objects.filter(pk=run.pk, status__in=WORKING)
    idle = live.filter(Q(leased_until=None) | Q(leased_until__lt=now))
    ended = {"status": RunStatus.CANCELLED, "leased_until": None, "finished_at": now, "message": CANCELLED}
    if not idle.update(**ended) and not live.update(cancel_requested=True):
        raise RequestRefused(ENDED)


def start_due() -> None:
    """Start every reconciliation that is due, and wake a worker for runs that nobody works on."""
    now = timezone.now()
    scheduled = ReconcileSettings.objects.filter(directory__enabled=True).exclude(schedule=Schedule.OFF)
    for settings in scheduled.filter(next_run_at__lte=now).select_related("directory"):
        with transaction.atomic():
            due = ReconcileSettings.objects.filter(pk=settings.pk, next_run_at=settings.next_run_at)
            if not due.update(next_run_at=next_run(settings)):
                continue
        try:
            start(settings.directory, actor="", trigger=Trigger.SCHEDULE)
        except RequestRefused as refused:
            log.info("Directory %s was not reconciled: %s", settings.directory_id, refused.message)
    for settings in scheduled.filter(next_run_at=None):
        ReconcileSettings.objects.filter(pk=settings.pk, next_run_at=None).update(next_run_at=next_run(settings))
    alone = Q(leased_until__lt=now) | Q(leased_until=None, created_at__lt=now - runs.PATIENCE)
    for run_id in ReconcileRun.objects.filter(alone, status__in=WORKING).values_list("pk", flat=True):
        dispatch.send(RUN, run_id, queue=dispatch.USUAL)


def next_run(settings: ReconcileSettings) -> dt.datetime | None:
    """Return when the directory is reconciled next."""
    zone = timezone.get_current_timezone()
    return next_import(settings.schedule, settings.schedule_time, settings.schedule_weekday, timezone.now(), zone)
