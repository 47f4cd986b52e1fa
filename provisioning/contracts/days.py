"""Pure: from when until when a contract holds, as moments in UTC.

A contract says days. It holds from the start of its first day to the end of its last one, in a time zone. A day begins
at its first moment, whatever the clocks do: where midnight is left out it begins when they are put forward, and where
midnight comes twice it begins with the first.
"""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

FOREVER = dt.date(9000, 1, 1)  # HR systems write 9999-12-31 for "open"
LONG_AGO = dt.date(2, 1, 1)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Term:
    """The first and the last day, None where it is open, and the name of the time zone whose days they are."""

    starts: dt.date | None
    ends: dt.date | None
    zone: str

    @property
    def backwards(self) -> bool:
        """Whether it ends before it starts, so that it never holds."""
        return self.starts is not None and self.ends is not None and self.ends < self.starts


@dataclass(frozen=True, slots=True)
class Interval:
    """From the moment ``start`` until just before ``end``, both in UTC, None where it is open."""

    start: dt.datetime | None
    end: dt.datetime | None

    def holds(self, now: dt.datetime) -> bool:
        """Return whether a moment is in it."""
        return (self.start is None or self.start <= now) and (self.end is None or now < self.end)


@dataclass(frozen=True, slots=True)
class Zone:
    """The name of the zone that counts, and what is to be said about it, "" when it is as expected."""

    name: str
    note: str = ""


def zone_of(candidates: Sequence[tuple[str, str]]) -> Zone:
    """Return the first zone of the candidates (whose it is, its name) that exists; the last one is the portal's own.

    A wrong name is passed over, and that is said. So is that nobody but the portal has a zone.
    """
    wrong: list[str] = []
    for whose, name in candidates[:-1]:
        if name.strip():
            if exists(name.strip()):
                return Zone(name.strip(), " ".join(wrong))
            wrong.append(f"“{name.strip()}” of {whose} is no time zone.")
    whose, name = candidates[-1]
    used = name if exists(name) else "UTC"
    return Zone(used, f"{' '.join(wrong) or 'No time zone is known.'} That of {whose} counts: {used}.")


@lru_cache(maxsize=1024)
def exists(name: str) -> bool:
    """Return whether there is a time zone of that name."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@lru_cache(maxsize=65536)
def beginning(day: dt.date, zone: str) -> dt.datetime:
    """Return the first moment of a day in a time zone, in UTC."""
    local = dt.datetime(day.year, day.month, day.day, tzinfo=zoneinfo.ZoneInfo(zone))
    return local.astimezone(dt.UTC)  # fold=0: of two midnights the first, and one that is left out is when it would be


def interval(term: Term, *, before: int = 0, after: int = 0) -> Interval | None:
    """Return when a term holds, so many days before its start and after its end; None when it ends before it starts.

    Days from the year 9000 on, and before the year 2, are open.
    """
    if term.backwards:
        return None
    start, end = term.starts, term.ends
    first = None if start is None or start < LONG_AGO + before * DAY else beginning(start - before * DAY, term.zone)
    last = None if end is None or end >= FOREVER - after * DAY else beginning(end + (after + 1) * DAY, term.zone)
    return Interval(first, last)


def intervals(terms: Sequence[Term], *, before: int = 0, after: int = 0) -> list[Interval | None]:
    """Return when each of a person's terms holds.

    Of two that follow each other day by day, the first holds until the second does, whatever their time zones are: who
    moves from Amsterdam to Los Angeles on the first of the month is not without a contract for nine hours.
    """
    found = [interval(term, before=before, after=after) for term in terms]
    if len({term.zone for term in terms}) < 2:
        return found
    bridged = list(found)
    for place, (term, held) in enumerate(zip(terms, found, strict=True)):
        if held is None or held.end is None or term.ends is None:
            continue
        next_day = term.ends + DAY
        later = [
            other.start
            for each, other in zip(terms, found, strict=True)
            if other is not None
            and other.start is not None
            and other.start > held.end
            and each.starts is not None
            and each.starts <= next_day
        ]
        if later:
            bridged[place] = replace(held, end=min(later))
    return bridged


def next_change(held: Iterable[Interval | None], now: dt.datetime) -> dt.datetime | None:
    """Return the next moment at which any of the intervals begins or ends, None when none does."""
    moments = (moment for one in held if one is not None for moment in (one.start, one.end))
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def day_words(day: dt.date | None) -> str:
    """Return a day in words, "30 Nov 2026"; "open" for none."""
    return f"{day.day} {day:%b} {day.year}" if day is not None else "open"
