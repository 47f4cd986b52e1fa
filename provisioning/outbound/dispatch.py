"""The door to the broker: tasks are sent by name after commit, and a broker that is down never reaches the sender.

A message only says "now". What is to be done stands in the database, and ``tasks.sweep`` finds it without a message.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from celery import current_app
from django.conf import settings
from django.db import transaction
from structlog.contextvars import bound_contextvars, get_contextvars

from provisioning.background import Gathered

DELIVER = "provisioning.tasks.deliver"
DRAIN = "provisioning.tasks.drain"
LEAVERS = "leavers"  # the queue of those who lose access; a worker of its own serves it
USUAL = "celery"  # the queue of what was just saved
PUSH = "provisioning.tasks.continue_push"
LOOK = "provisioning.tasks.look"
SWEEP = "provisioning.tasks.sweep"

GATHER = 0.05  # seconds in which what was saved joins one message
MOST = 1000  # deliveries that are read from what has gathered
MOST_ORIGINS = 5  # ids of requests that a joined message tells the log of
MOST_WAITING = 100_000  # deliveries; the sweep finds those beyond
# So that saves stay quick, a broker that failed is not asked again for ten times as long as it took to fail, and for
# some seconds at least and at most: one that refuses connections costs nobody anything, one that hangs does.
PAUSE_TIMES, SHORTEST_PAUSE, PAUSE = 10, 1.0, 20.0

log = logging.getLogger(__name__)
_down_until = 0.0


class Delivery(NamedTuple):
    """Accounts or groups of a directory that have changes; ``size`` is how many of them go into one message.

    ``bound`` are the ids that the log has of where the changes were made.
    """

    directory_id: int
    ids: Sequence[int]
    kind: str
    queue: str | None
    size: int
    bound: Mapping[str, Any] = MappingProxyType({})


def send(
    task: str,
    *args: object,
    countdown: float | None = None,
    expires: float | None = None,
    queue: str | None = None,
) -> bool:
    """Send a task; return False, and do not raise, when the broker does not take it."""
    global _down_until  # noqa: PLW0603
    asked = time.monotonic()
    if asked < _down_until:
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
        now = time.monotonic()
        _down_until = now + min(PAUSE, max(SHORTEST_PAUSE, PAUSE_TIMES * (now - asked)))
        log.warning("The broker took no task (%s); the sweep will find the work.", type(error).__name__)
        return False
    return True


def send_on_commit(task: str, *args: object, queue: str | None = None) -> None:
    """Send a task once the current transaction is committed, or now when there is none."""
    transaction.on_commit(lambda: send(task, *args, queue=queue), robust=True)


def deliver_on_commit(delivery: Delivery) -> None:
    """Wake the workers once the current transaction is committed, without waiting for the broker.

    A message took a sixth of the time of a user's save. A thread of the process sends it, and what is saved shortly
    after one another goes into one message.
    """
    if settings.SEND_BESIDE:
        delivery = delivery._replace(bound=get_contextvars())
        transaction.on_commit(partial(_sender.put, delivery), robust=True)
    else:
        for chunk in chunks(sorted(delivery.ids), delivery.size):
            send_on_commit(DELIVER, delivery.directory_id, chunk, delivery.kind, queue=delivery.queue)


def send_gathered(deliveries: Iterable[Delivery]) -> None:
    """Send what has gathered in as few messages as can be, leavers first."""
    joined: dict[tuple[str | None, int, str, int], set[int]] = defaultdict(set)
    origins: dict[tuple[str | None, int, str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for one in deliveries:
        key = (one.queue, one.directory_id, one.kind, one.size)
        joined[key].update(one.ids)
        origins[key].append(one.bound)
    for key, found in sorted(joined.items(), key=lambda each: each[0][0] != LEAVERS):
        queue, directory_id, kind, size = key
        with bound_contextvars(**_together(origins[key])):
            for chunk in chunks(sorted(found), size):
                send(DELIVER, directory_id, chunk, kind, queue=queue)


def _together(origins: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the ids of several origins by name, the first of them joined by commas."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for ids in origins:
        for name, value in ids.items():
            found[name][str(value)] = None
    return {name: ",".join(islice(values, MOST_ORIGINS)) for name, values in found.items()}


_sender = Gathered("Messages to workers", send_gathered, pause=GATHER, most=MOST, most_waiting=MOST_WAITING)


def chunks(ids: Sequence[int], size: int) -> Iterable[list[int]]:
    """Cut ``ids`` into lists of at most ``size``."""
    return (list(ids[start : start + size]) for start in range(0, len(ids), size))
