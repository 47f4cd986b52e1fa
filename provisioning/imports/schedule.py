"""Pure: when a directory is imported next."""

import datetime as dt

from directories.models import Schedule

MIDNIGHT = dt.time(0, 0)


def next_import(
    schedule: str, time: dt.time | None, weekday: int | None, now: dt.datetime, zone: dt.tzinfo
) -> dt.datetime | None:
    """Return the first moment after ``now`` at which ``schedule`` is due in ``zone``, as UTC; None when it is off.

    Hourly is the next full hour. ``weekday`` counts from Monday, 0. A time that the clocks skip in spring runs as much
    later as they jump (02:30 becomes 03:30); one that comes twice in autumn runs the first time only.
    """
    local = now.astimezone(zone)
    match schedule:
        case Schedule.HOURLY:
            past = dt.timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
            return now.astimezone(dt.UTC) - past + dt.timedelta(hours=1)
        case Schedule.DAILY:
            days = range(2)
        case Schedule.WEEKLY:
            ahead = ((weekday or 0) - local.weekday()) % 7
            days = range(ahead, ahead + 8, 7)
        case _:
            return None
    moments = (_moment(local.date() + dt.timedelta(days=day), time or MIDNIGHT, zone) for day in days)
    return next(moment for moment in moments if moment > now)


def _moment(day: dt.date, time: dt.time, zone: dt.tzinfo) -> dt.datetime:
    """Return that wall-clock time as UTC; ``fold=0`` is the first of two, and in a gap the offset before it."""
    return dt.datetime.combine(day, time.replace(fold=0, tzinfo=None), zone).astimezone(dt.UTC)
