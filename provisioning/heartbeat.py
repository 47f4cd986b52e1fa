"""The sign of life that the minute's sweep leaves: it proves that beat, broker, worker and database work together."""

from django.utils import timezone

from provisioning.models.heartbeat import Heartbeat

WORKER = "worker"


def stamp() -> None:
    """Note that a worker did the sweep just now."""
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=WORKER, at=timezone.now())],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["at"],
    )


def age() -> float | None:
    """Return the seconds since the last sign of life, None when there was none yet."""
    at = Heartbeat.objects.filter(name=WORKER).values_list("at", flat=True).first()
    return None if at is None else (timezone.now() - at).total_seconds()
