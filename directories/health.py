"""Whether a directory can be worked with, so that one that is down, or that only refuses, is asked now and then.

Whatever else the portal sends to (``Reachable``) is looked after in the same way: ``of`` is its model.

A directory that cannot be reached and one in quarantine, which refused everything for a while, are alike: changes wait,
one worker at a time tries one of them, and the directory is open again once that goes well. The state is eight columns
of the directory. Every write is one compare-and-swap UPDATE, made on a transition only: of many workers that fail
together one counts, and a healthy directory costs no write.
"""

import datetime as dt
import json
import random
from typing import Any

from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.crypto import salted_hmac

from directories.connectors.base import ConnectorConfig, Unavailable
from directories.models import Directory, Reachable

# Seconds between two trials, doubled with every failure in a row. A leaver's account stays open while a directory that
# is back is not tried, so the longest is short. A login that was refused is tried more rarely: many directories lock a
# login after a few wrong passwords.
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
FIRST_LOGIN_PAUSE, LONGEST_LOGIN_PAUSE = 60.0, 600.0
FIRST_QUARANTINE_PAUSE, LONGEST_QUARANTINE_PAUSE = 60.0, 600.0
REFUSALS, REFUSING = 20, dt.timedelta(minutes=10)  # so many in a row, over so long, and nothing done in between
PROBE = 90.0  # seconds for which one worker has the trial to itself

AGREEABLE: dict[str, Any] = {"quarantined": False, "refusals": 0, "refusing_since": None}


def blocked(directory_id: int) -> bool:
    """Return whether the directory is known to be unreachable and not yet due for another trial."""
    return Directory.objects.filter(pk=directory_id, retry_at__gt=timezone.now()).exists()


def to_try(of: type[Reachable] = Directory) -> list[int]:
    """Return the directories in use that could not be reached and that are due for another trial."""
    down = of._default_manager.filter(enabled=True, unreachable_since__isnull=False, retry_at__lte=timezone.now())
    return list(down.order_by("pk").values_list("pk", flat=True))


def start_probe(directory_id: int, of: type[Reachable] = Directory) -> bool:
    """Claim the trial of an unreachable directory that is due; False means that another worker has it."""
    now = timezone.now()
    due = of._default_manager.filter(pk=directory_id, unreachable_since__isnull=False, retry_at__lte=now)
    return bool(due.update(retry_at=now + dt.timedelta(seconds=PROBE)))


def record_failure(
    directory_id: int, error: Unavailable, *, probe: bool = False, of: type[Reachable] = Directory
) -> float:
    """Close the directory for a while and return for how many seconds.

    Only the first of several simultaneous failures counts, unless it is the trial's own (``probe``).
    """
    row = of._default_manager.filter(pk=directory_id).values("failures", "retry_at", "unreachable_since").first()
    if row is None:
        return LONGEST_PAUSE
    now = timezone.now()
    pause = pause_after(row["failures"], error)
    unchanged = of._default_manager.filter(pk=directory_id, failures=row["failures"])
    if not probe:
        unchanged = unchanged.filter(Q(retry_at=None) | Q(retry_at__lte=now))
    unchanged.update(
        unreachable_since=row["unreachable_since"] or now,
        retry_at=now + dt.timedelta(seconds=pause),
        failures=row["failures"] + 1,
        last_error=error.message,
    )
    return pause


def record_success(directory_id: int, of: type[Reachable] = Directory) -> bool:
    """Open the directory again; return whether it was closed until now."""
    closed = of._default_manager.filter(pk=directory_id, unreachable_since__isnull=False)
    return bool(closed.update(unreachable_since=None, retry_at=None, failures=0, last_error="", **AGREEABLE))


def record_refusals(directory_id: int, number: int, message: str, of: type[Reachable] = Directory) -> bool:
    """Count what a directory refused, with nothing done beside it; return whether it goes into quarantine by that."""
    now = timezone.now()
    directory = of._default_manager.filter(pk=directory_id, quarantined=False)
    directory.update(refusals=F("refusals") + number, refusing_since=Coalesce("refusing_since", now))
    only_refuses = directory.filter(unreachable_since=None, refusals__gte=REFUSALS, refusing_since__lte=now - REFUSING)
    pause = dt.timedelta(seconds=FIRST_QUARANTINE_PAUSE)
    return bool(
        only_refuses.update(
            quarantined=True, unreachable_since=now, retry_at=now + pause, failures=1, last_error=message
        )
    )


def forget_refusals(directory_id: int, of: type[Reachable] = Directory) -> None:
    """Begin to count anew: the directory did something."""
    of._default_manager.filter(pk=directory_id, quarantined=False, refusals__gt=0).update(**AGREEABLE)


def stay_in_quarantine(directory_id: int, message: str, of: type[Reachable] = Directory) -> None:
    """Wait longer: the trial of a directory in quarantine was refused, too."""
    held = of._default_manager.filter(pk=directory_id, quarantined=True)
    for failures in held.values_list("failures", flat=True):
        pause = min(LONGEST_QUARANTINE_PAUSE, FIRST_QUARANTINE_PAUSE * 2.0 ** min(failures, 16))
        held.update(retry_at=timezone.now() + dt.timedelta(seconds=pause), failures=failures + 1, last_error=message)


def note_answer(directory_id: int, of: type[Reachable] = Directory) -> None:
    """Note that the directory answered, as its connection is set up now."""
    of._default_manager.filter(pk=directory_id, answered_at=None).update(answered_at=timezone.now())


def proof_of_test(config: ConnectorConfig) -> str:
    """Return what shows, at the next save of the page, that the same connection was tested with success."""
    tested = json.dumps(dict(config.settings), sort_keys=True, default=str)
    return salted_hmac("directories.health.proof_of_test", tested, algorithm="sha256").hexdigest()


def retry_now(directory_id: int, of: type[Reachable] = Directory) -> None:
    """Let the next delivery try an unreachable directory at once, because someone asked for it."""
    unreachable = of._default_manager.filter(pk=directory_id, unreachable_since__isnull=False)
    unreachable.update(retry_at=timezone.now())


def pause_after(failures: int, error: Unavailable) -> float:
    """Return the seconds to wait after ``failures`` earlier ones, with jitter.

    A directory that says when to come back is not asked earlier.
    """
    first, longest = FIRST_PAUSE, LONGEST_PAUSE
    if error.code == "login":
        first, longest = FIRST_LOGIN_PAUSE, LONGEST_LOGIN_PAUSE
    pause: float = min(longest, first * 2.0 ** min(failures, 16)) * random.uniform(0.75, 1.0)  # noqa: S311
    return max(pause, error.retry_after or 0.0)
