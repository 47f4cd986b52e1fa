"""What workers run. Arguments are ids: what there is to do is read from the database."""

import time
from collections.abc import Sequence

from celery import shared_task

from directories import health
from provisioning import heartbeat
from provisioning.events import fan_out, subscriptions
from provisioning.events.delivery import EventWork
from provisioning.events.models import Subscription
from provisioning.gateway import mailbox
from provisioning.imports import deliveries, engine, requests
from provisioning.imports.doors import contracts, rules
from provisioning.notices import certificates, leavers, mail, watch
from provisioning.outbound import batch, full_sync, outlook
from provisioning.outbound.accounts import deletions
from provisioning.outbound.dispatch import DELIVER, DRAIN, LEAVERS, LOOK, PUSH, send
from provisioning.outbound.kinds import BY_NAME, KINDS
from provisioning.outbound.leases import DRAINS
from provisioning.outbound.passwords import send as passwords
from provisioning.receipts import book as receipts
from provisioning.reconciliation import engine as reconciliation
from provisioning.reconciliation import requests as reconciliations
from provisioning.recycle import retention
from provisioning.requests import due
from provisioning.restore import continuity
from provisioning.search import index as search
from provisioning.tokens import answers

PERIOD = 60.0  # seconds between two sweeps
SOON = 60.0  # a trial of an unreachable directory that is due earlier than this need not wait for the sweep
LOCKED = 0.5  # seconds after which rows that somebody had locked are tried again; doubled each time
TRIES = 6  # after so many of those the sweep is soon enough


@shared_task
def deliver(directory_id: int, ids: list[int], kind: str = KINDS[0].name, tries: int = 0) -> None:
    """Bring what is named in sync in one directory; ``tries`` is how often somebody had locked it before."""
    result = batch.deliver(BY_NAME[kind].work, directory_id, ids)
    _follow(directory_id, kind, result, tries)


@shared_task
def drain(directory_id: int, until: float = 0.0, kind: str = KINDS[0].name, leavers: bool = False) -> None:
    """Deliver what is due in a directory, and go on until ``until`` (seconds since 1970) or nothing is left.

    Each run is one short batch that queues up again behind newer messages, so a long backlog does not hold up a save.
    """
    leases = BY_NAME[kind].leases
    due = leases.due(directory_id, 4 * leases.chunk, leavers=leavers)
    result = batch.deliver(BY_NAME[kind].work, directory_id, due, leases.chunk)
    _follow(directory_id, kind, result)
    if result.claimed and not result.resumed and result.retry_in is None and time.time() < until:
        send(DRAIN, directory_id, until, kind, leavers, queue=LEAVERS if leavers else None)


@shared_task
def sweep() -> None:
    """Send again whatever is due: a broker may lose every message and nothing is lost."""
    continuity.beat()
    heartbeat.stamp()
    for directory_id in outlook.unseen():
        send(LOOK, directory_id)
    passwords.sweep()
    receipts.sweep()
    deletions.sweep()
    mailbox.sweep()
    for kind in KINDS:
        for directory_id in kind.leases.waiting_leavers():
            _drain_leavers(directory_id, kind.name)
    for kind in KINDS:
        for directory_id, workers in kind.leases.backlog():
            _drain(directory_id, kind.name, workers)
    for directory_id in health.to_try():
        _drain(directory_id, KINDS[0].name, 1)
    for directory_id in full_sync.unfinished():
        send(PUSH, directory_id)
    subscriptions.sweep()
    fan_out.fan_out()
    for subscription_id, workers in EventWork.leases.backlog():
        fan_out.send_to(subscription_id, workers)
    for subscription_id in health.to_try(Subscription):
        fan_out.send_to(subscription_id)


@shared_task
def fan_out_events() -> None:
    """Give subscriptions what happened since the last time."""
    fan_out.fan_out()


@shared_task
def send_events(subscription_id: int, until: float = 0.0) -> None:
    """Send what is due to one receiver, and go on until ``until`` (seconds since 1970) or nothing is left.

    No more than ``EventWork.leases.drains`` workers do that at once for one receiver.
    """
    leases = EventWork.leases
    if leases.workers_on(subscription_id) >= leases.drains:
        return  # whoever is at it looks again before they end
    result = batch.deliver(EventWork, subscription_id, leases.due(subscription_id, leases.chunk), leases.chunk)
    if result.retry_in is not None:
        if result.retry_in < SOON:
            fan_out.send_to(subscription_id, countdown=result.retry_in + 0.1)
    elif result.resumed:
        fan_out.send_to(subscription_id, leases.drains)
    elif (result.claimed or result.skipped) and time.time() < until:
        fan_out.send_to(subscription_id, until=until)


@shared_task
def purge_events() -> None:
    """Forget events, and the log of their deliveries, that are old."""
    subscriptions.purge()


@shared_task
def forget_answers() -> None:
    """Forget what requests of the API with an Idempotency-Key were answered, a day later."""
    answers.forget()


@shared_task
def run_import(run_id: int) -> None:
    """Work on an import run, unless another worker does."""
    engine.execute(run_id)


@shared_task
def start_due_imports() -> None:
    """Start imports that are due or of what was pushed, and take over runs whose worker or message was lost."""
    requests.start_due_imports()
    deliveries.start_waiting()


@shared_task
def purge_recycle_bin() -> None:
    """Forget users who were deleted long ago."""
    retention.purge()


@shared_task
def run_reconciliation(run_id: int) -> None:
    """Compare a directory with the portal, unless another worker does."""
    reconciliation.execute(run_id)


@shared_task
def start_due_reconciliations() -> None:
    """Start scheduled reconciliations that are due, and take over runs whose worker or message was lost."""
    reconciliations.start_due()


@shared_task
def settle_contracts() -> None:
    """Bring what follows from contracts up to date for everybody whose moment has come."""
    contracts.settle()


@shared_task
def evaluate_rules() -> None:
    """Plan what rules give and take for everybody whose moment has come."""
    rules.evaluate_due()


@shared_task
def look_after_requests() -> None:
    """Take back what people asked for and is over, find anew who decides what is open, and send the mails."""
    due.look()


@shared_task
def continue_push(directory_id: int) -> None:
    """Enqueue the next users of a push to everyone."""
    if full_sync.next_pages(directory_id):
        send(PUSH, directory_id)


@shared_task
def look(directory_id: int, read: bool = False) -> None:
    """Reckon what letting a directory go would change that is kept back; with ``read`` by reading the directory."""
    outlook.look(directory_id, read=read)


@shared_task
def notices() -> None:
    """Open and close notices, and send the mails that are due, also to managers of leavers."""
    watch.watch()
    mail.send_due()
    leavers.look()


@shared_task
def look_at_certificates() -> None:
    """Look, once a day, until when the certificates of directories are valid."""
    certificates.look_at_due()


@shared_task
def refresh_search() -> None:
    """Let people and groups be found by what they are called now."""
    search.refresh()


def _follow(directory_id: int, kind: str, result: batch.Delivered, tries: int = 0) -> None:
    """Send again what is left to do now, let everything go that waited for a directory, or try it again soon."""
    if result.again:
        _deliver_again(directory_id, kind, result.again)
    if result.skipped and tries < TRIES:
        _deliver_again(directory_id, kind, result.skipped, tries + 1, countdown=LOCKED * 2.0**tries)
    if result.resumed:
        for each in KINDS:
            _drain_leavers(directory_id, each.name)
        for each in KINDS:
            _drain(directory_id, each.name, DRAINS)
    if result.retry_in is not None and result.retry_in < SOON:
        send(DRAIN, directory_id, 0.0, kind, countdown=result.retry_in + 0.1)


def _deliver_again(
    directory_id: int, kind: str, ids: Sequence[int], tries: int = 0, countdown: float | None = None
) -> None:
    leavers = BY_NAME[kind].leases.leavers_among(ids)
    first, usual = [pk for pk in ids if pk in leavers], [pk for pk in ids if pk not in leavers]
    for found, queue in ((first, LEAVERS), (usual, None)):
        if found:
            send(DELIVER, directory_id, found, kind, tries, countdown=countdown, queue=queue)


def _drain_leavers(directory_id: int, kind: str) -> None:
    send(DRAIN, directory_id, time.time() + PERIOD, kind, True, expires=PERIOD, queue=LEAVERS)


def _drain(directory_id: int, kind: str, workers: int) -> None:
    until = time.time() + PERIOD
    for _ in range(workers):
        send(DRAIN, directory_id, until, kind, expires=PERIOD)
