"""Pure: how far a run is, how fast it goes and how long it still takes, in words."""

import datetime as dt
from dataclasses import dataclass

from provisioning.guard.limits import how_many
from provisioning.models import ImportRun
from provisioning.models.imports import RunStatus

ACTIVE = (RunStatus.QUEUED, RunStatus.CRAWLING, RunStatus.APPLYING)


@dataclass(frozen=True, slots=True)
class Progress:
    """What the progress bar shows. ``percent`` is None while nothing says how much there is."""

    phase: str
    done: int
    total: int | None
    rate: float | None
    percent: int | None
    left: str


def progress_of(run: ImportRun, now: dt.datetime) -> Progress:
    """Return the progress of the phase that the run is in."""
    match run.status:
        case RunStatus.QUEUED:
            return Progress("Waiting for a worker", 0, None, None, None, "")
        case RunStatus.APPLYING:
            return _progress("Applying the changes", run.applied, run.planned, run.apply_started_at, now)
        case RunStatus.CRAWLING if run.expected and run.seen >= run.expected:
            return _progress("Looking for people who are missing", run.seen, run.seen, run.started_at, now)
    return _progress(f"Reading {run.source}", run.seen, run.expected, run.started_at, now)


def _progress(phase: str, done: int, total: int | None, since: dt.datetime | None, now: dt.datetime) -> Progress:
    seconds = (now - since).total_seconds() if since else 0
    rate = done / seconds if done and seconds > 0 else None
    percent = min(100, done * 100 // total) if total else None
    left = duration((total - done) / rate) if rate and total and total > done else ""
    return Progress(phase, done, total, rate, percent, left)


def duration(seconds: float) -> str:
    """Return a length of time as people say it."""
    whole = max(1, round(seconds))
    if whole < 60:
        return how_many(whole, "second")
    if whole < 3600:
        return how_many(round(whole / 60), "minute")
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{how_many(hours, 'hour')} {how_many(minutes, 'minute')}" if minutes else how_many(hours, "hour")
