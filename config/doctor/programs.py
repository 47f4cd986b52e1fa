"""The portal's programs and what they talk through."""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from config import health
from config.celery import app
from config.doctor.mistakes import Mistake, red
from provisioning import heartbeat

ANSWER_SECONDS = 3.0  # that a worker has to say which queues it reads
TRIES = 2
PROGRAMS = {"imports": "imports", "events": "events", "leavers": "leavers"}  # queue -> program; others: worker
START = "Start the program {name} (config/bin/program {name}, or systemctl start rollcall@{name})."


def broker() -> Iterator[Mistake]:
    """Messages can be sent."""
    if answers():
        return
    if settings.CELERY_BROKER_URL.startswith("filesystem:"):
        folder = Path(settings.BROKER_DIR) / "queue"
        yield red(
            f"The folder of messages {folder} cannot be written.",
            "Look at its rights, and whether the disk is full.",
        )
    else:
        yield red("Redis does not answer.", "See that it runs, and that REDIS_URL or CELERY_BROKER_URL is right.")


def answers() -> bool:
    """Return whether the broker takes messages."""
    try:
        return bool(health.broker()["status"] == "ok")
    except Exception:  # each transport has errors of its own
        return False


def workers() -> Iterator[Mistake]:
    """Worker and beat are alive, and each queue has a worker."""
    if not answers():
        return  # said already
    queues = served_queues()
    worker = health.worker()
    if not queues:
        yield red("No worker runs: nothing is sent and nothing imported.", START.format(name="worker"))
        return
    if worker["status"] != "ok":
        age = heartbeat.age()
        when = "has never been done" if age is None else f"was last done {age / 60:.0f} minutes ago"
        yield red(f"The minute's sweep {when}, although a worker runs.", START.format(name="beat"))
    for queue in settings.QUEUES:
        if queue not in queues:
            name = PROGRAMS.get(queue, "worker")
            yield red(f"No worker reads the queue {queue}.", START.format(name=name))


def served_queues() -> set[str]:
    """Return the queues that workers say they read."""
    for _ in range(TRIES):
        found = app.control.inspect(timeout=ANSWER_SECONDS).active_queues()
        if found:
            return {queue["name"] for queues in found.values() for queue in queues}
    return set()


def due_changes() -> Iterator[Mistake]:
    """Nothing that could be delivered waits for long."""
    found = health.due_changes()
    if found["status"] != "ok":
        yield red(
            f"A change that could be delivered has waited for {found['oldest_seconds'] / 3600:.1f} hours.",
            "Look at the worker's log, and start more workers.",
        )
