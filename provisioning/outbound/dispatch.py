"""The door to the broker: tasks are sent by name after commit, and a broker that is down never reaches the sender.

A message only says "now". What is to be done stands in the database, and ``tasks.sweep`` finds it without a message.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any

from celery import current_app
from django.db import transaction

DELIVER = "provisioning.tasks.deliver"
DRAIN = "provisioning.tasks.drain"
LEAVERS = "leavers"  # the queue of those who lose access; a worker of its own serves it
USUAL = "celery"  # the queue of what was just saved
PUSH = "provisioning.tasks.continue_push"

PAUSE = 20.0  # seconds during which a broker that failed is not asked again, so that saves stay quick

log = logging.getLogger(__name__)
_down_until = 0.0


def send(
    task: str,
    *args: object,
    countdown: float | None = None,
    expires: float | None = None,
    queue: str | None = None,
) -> bool:
    """Send a task; return False, and do not raise, when the broker does not take it."""
    global _down_until  # noqa: PLW0603
    if time.monotonic() < _down_until:
        return False
    try:
        known = current_app.tasks.get(task)
        options: dict[str, Any] = {"countdown": countdown, "expires": expires, "retry": False}
        if queue:
            options["queue"] = queue
        if known is not None:
            known.apply_async(args, **options)
        else:
            current_app.send_task(task, args, **options)
    except Exception as error:  # whatever the transport raises, the sender's own work is done and must stand
        _down_until = time.monotonic() + PAUSE
        log.warning("The broker took no task (%s); the sweep will find the work.", type(error).__name__)
        return False
    return True


def send_on_commit(task: str, *args: object, queue: str | None = None) -> None:
    """Send a task once the current transaction is committed, or now when there is none."""
    transaction.on_commit(lambda: send(task, *args, queue=queue), robust=True)


def chunks(ids: Sequence[int], size: int) -> Iterable[list[int]]:
    """Cut ``ids`` into lists of at most ``size``."""
    return (list(ids[start : start + size]) for start in range(0, len(ids), size))
