"""How many lines of the report each hour has, counted once each, so that no page counts millions of them.

A worker counts every minute what has settled since the last time. A line's time is earlier than the end of the
transaction that wrote it, so lines are left to settle first; pages look at those few themselves, at ``TAIL`` at most.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Max, Min, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from reports.models import CountedUntil, Event, HourCount

HOUR = dt.timedelta(hours=1)
SETTLED = dt.timedelta(minutes=5)
FIRST = dt.timedelta(days=31)  # how far back the first count of an older portal goes
KEPT = dt.timedelta(days=400)
TAIL = 10_000  # lines that are not counted yet and that a page looks at


@dataclass(frozen=True, slots=True)
class CountedLines:
    """Lines of one application, direction and result in one hour: how many, and the id of the newest."""

    hour: dt.datetime
    application: str
    direction: str
    result: str
    number: int
    newest: int


def hour_of(moment: dt.datetime) -> dt.datetime:
    """Return the beginning of the hour, in UTC."""
    return moment.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


def count() -> None:
    """Count what has settled, an hour a transaction, and forget what is too old; one worker at a time does."""
    now = timezone.now()  # looked at once: the end must not move away
    while _count_next(now - SETTLED):
        pass
    HourCount.objects.filter(hour__lt=now - KEPT).delete()


def _count_next(settled: dt.datetime) -> bool:
    """Count up to the end of the hour at which the last count stopped; False when nothing more has settled."""
    with transaction.atomic():
        CountedUntil.objects.get_or_create(pk=1, defaults={"at": _first(settled)})
        mark = CountedUntil.objects.select_for_update().get(pk=1)
        if mark.at > settled + HOUR:  # the clock was ahead
            mark.at = hour_of(settled)
            HourCount.objects.filter(hour__gte=mark.at).delete()
        end = min(settled, hour_of(mark.at) + HOUR)
        if end <= mark.at:
            return False
        _add(hour_of(mark.at), _grouped(mark.at, end))
        mark.at = end
        mark.save(update_fields=["at"])
        return True


def _first(settled: dt.datetime) -> dt.datetime:
    """Return where the first count begins."""
    oldest: dt.datetime | None = Event.objects.filter(at__gte=settled - FIRST).aggregate(oldest=Min("at"))["oldest"]
    return min(hour_of(oldest), settled) if oldest else settled


def _grouped(start: dt.datetime, end: dt.datetime) -> Iterable[tuple[str, str, str, int, int]]:
    rows = Event.objects.filter(at__gte=start, at__lt=end).order_by()
    return rows.values_list("application", "direction", "result").annotate(Count("pk"), Max("pk"))


def _add(hour: dt.datetime, found: Iterable[tuple[str, str, str, int, int]]) -> None:
    known = {(row.application, row.direction, row.result): row for row in HourCount.objects.filter(hour=hour)}
    new, changed = [], []
    for application, direction, result, number, newest in found:
        row = known.get((application, direction, result))
        if row is None:
            kind = {"application": application, "direction": direction, "result": result}
            new.append(HourCount(hour=hour, **kind, number=number, newest=newest))
            continue
        row.number, row.newest = row.number + number, max(row.newest, newest)
        changed.append(row)
    HourCount.objects.bulk_create(new)
    HourCount.objects.bulk_update(changed, ["number", "newest"])


def tail(since: dt.datetime) -> list[CountedLines]:
    """Return the lines from ``since`` on that are not counted yet, about ``TAIL`` at most: three queries."""
    counted = CountedUntil.objects.values_list("at", flat=True).first()
    start = max(since, counted) if counted else since
    last = Event.objects.filter(at__gte=start).order_by("-at", "-id").values_list("at", flat=True)[TAIL - 1 : TAIL]
    rows = Event.objects.filter(at__gte=next(iter(last), start)).order_by()
    hourly = rows.annotate(hour=TruncHour("at", tzinfo=dt.UTC))
    grouped = hourly.values_list("hour", "application", "direction", "result").annotate(Count("pk"), Max("pk"))
    return [CountedLines(*row) for row in grouped]


def by_hour(since: dt.datetime, uncounted: Collection[CountedLines]) -> dict[dt.datetime, Counter[str]]:
    """Return the lines by result of each hour from ``since`` on that has any; ``uncounted`` is its ``tail``."""
    found: dict[dt.datetime, Counter[str]] = defaultdict(Counter)
    stored = HourCount.objects.filter(hour__gte=since).order_by()
    for hour, result, number in stored.values_list("hour", "result").annotate(Sum("number")):
        found[hour][result] += number
    for lines in uncounted:
        found[lines.hour][lines.result] += lines.number
    return found
