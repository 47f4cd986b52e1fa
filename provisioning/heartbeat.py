"""The heartbeat that the minute's sweep leaves: it proves that beat, broker, worker and database work together."""

from django.utils import timezone

from provisioning.models.heartbeat import Heartbeat

WORKER = "worker"


def stamp(name: str = WORKER, message: str = "") -> None:
    """Note that a program is alive, by default that a worker did the sweep; ``message``: what keeps it from work."""
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=name, at=timezone.now(), message=message)],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["at", "message"],
    )


def last(name: str) -> Heartbeat | None:
    """Return a program's last heartbeat."""
    return Heartbeat.objects.filter(name=name).first()


def forget(name: str) -> None:
    """Forget a program that has ended for good."""
    Heartbeat.objects.filter(name=name).delete()


def age() -> float | None:
    """Return the seconds since the last heartbeat, None when there was none yet."""
    at = Heartbeat.objects.filter(name=WORKER).values_list("at", flat=True).first()
    return None if at is None else (timezone.now() - at).total_seconds()
