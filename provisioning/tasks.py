"""What workers run. Arguments are ids: what there is to do is read from the database."""

import time

from celery import shared_task

from provisioning import heartbeat
from provisioning.imports import engine, requests
from provisioning.outbound import full_sync
from provisioning.outbound.accounts import delivery, outbox
from provisioning.outbound.dispatch import CHUNK, DELIVER, DELIVER_GROUPS, DRAIN, DRAIN_GROUPS, GROUP_CHUNK, PUSH, send
from provisioning.outbound.groups import delivery as group_delivery
from provisioning.outbound.groups import outbox as group_outbox
from provisioning.outbound.passwords import send as passwords

PERIOD = 60.0  # seconds between two sweeps
SOON = 60.0  # a trial of an unreachable directory that is due earlier than this need not wait for the sweep


@shared_task
def deliver(directory_id: int, account_ids: list[int]) -> None:
    """Bring accounts of one directory in step."""
    _follow(directory_id, delivery.deliver(directory_id, account_ids))


@shared_task
def drain(directory_id: int, until: float = 0.0) -> None:
    """Deliver the oldest due accounts of a directory, and go on until ``until`` (seconds since 1970) or none are left.

    Each run is one short batch that queues up again behind newer messages, so a long backlog does not hold up a save.
    """
    result = delivery.deliver(directory_id, outbox.due(directory_id, 4 * CHUNK), CHUNK)
    _follow(directory_id, result)
    if result.claimed and not result.resumed and result.retry_in is None and time.time() < until:
        send(DRAIN, directory_id, until)


@shared_task
def deliver_groups(directory_id: int, group_account_ids: list[int]) -> None:
    """Bring groups of one directory in step."""
    _follow_groups(directory_id, group_delivery.deliver(directory_id, group_account_ids))


@shared_task
def drain_groups(directory_id: int, until: float = 0.0) -> None:
    """Deliver due groups of a directory, and go on as ``drain`` does."""
    due = group_outbox.due(directory_id, 4 * GROUP_CHUNK)
    result = group_delivery.deliver(directory_id, due, GROUP_CHUNK)
    _follow_groups(directory_id, result)
    if result.claimed and not result.resumed and result.retry_in is None and time.time() < until:
        send(DRAIN_GROUPS, directory_id, until)


@shared_task
def sweep() -> None:
    """Send again whatever is due: a broker may lose every message and nothing is lost."""
    heartbeat.stamp()
    passwords.sweep()
    for directory_id, workers in outbox.backlog(CHUNK):
        _drain(directory_id, workers)
    for directory_id, workers in group_outbox.backlog():
        _drain_groups(directory_id, workers)
    for directory_id in full_sync.unfinished():
        send(PUSH, directory_id)


@shared_task
def run_import(run_id: int) -> None:
    """Work on an import run, unless another worker does."""
    engine.execute(run_id)


@shared_task
def start_due_imports() -> None:
    """Start scheduled imports that are due, and take over runs whose worker or message was lost."""
    requests.start_due_imports()


@shared_task
def continue_push(directory_id: int) -> None:
    """Enqueue the next users of a push to everyone."""
    if full_sync.next_pages(directory_id):
        send(PUSH, directory_id)


def _follow(directory_id: int, result: delivery.Delivered) -> None:
    if result.again:
        send(DELIVER, directory_id, result.again)
    _follow_health(directory_id, result, DRAIN)


def _follow_groups(directory_id: int, result: delivery.Delivered) -> None:
    if result.again:
        send(DELIVER_GROUPS, directory_id, result.again)
    _follow_health(directory_id, result, DRAIN_GROUPS)


def _follow_health(directory_id: int, result: delivery.Delivered, task: str) -> None:
    """Let everything go that waited for a directory, or try it again when that is soon."""
    if result.resumed:
        _drain(directory_id, outbox.DRAINS)
        _drain_groups(directory_id, outbox.DRAINS)
    if result.retry_in is not None and result.retry_in < SOON:
        send(task, directory_id, countdown=result.retry_in + 0.1)


def _drain(directory_id: int, workers: int) -> None:
    until = time.time() + PERIOD
    for _ in range(workers):
        send(DRAIN, directory_id, until, expires=PERIOD)


def _drain_groups(directory_id: int, workers: int) -> None:
    until = time.time() + PERIOD
    for _ in range(workers):
        send(DRAIN_GROUPS, directory_id, until, expires=PERIOD)
