"""Directories' service levels: what was delivered and refused, and how soon leavers lost their accounts."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Count, F, Q, Sum

from config.overviews.base import AskedOverview, Overview, OverviewRow, chosen
from provisioning.receipts.models import LATE, PROVEN, ReceiptAccount
from reports import charts
from reports.charts import Picture, Series
from reports.models import Direction, HourCount, Result

TARGET = LATE  # within which a leaver's account is to be closed
WITHIN = (
    ("1 minute", dt.timedelta(minutes=1)),
    ("5 minutes", TARGET),
    ("15 minutes", dt.timedelta(minutes=15)),
    ("1 hour", dt.timedelta(hours=1)),
    ("1 day", dt.timedelta(days=1)),
)


@dataclass(frozen=True, slots=True)
class ClosedAccounts:
    """Accounts of leavers: how many are closed, and of those how many within each of ``WITHIN``."""

    number: int
    within: Sequence[int]

    @property
    def in_time(self) -> str:
        """The share within the target."""
        met = self.within[[span for _, span in WITHIN].index(TARGET)]
        return f"{100 * met / self.number:.1f} %" if self.number else ""

    @property
    def p95(self) -> str:
        """Within which time 95 of 100 were closed."""
        if not self.number:
            return ""
        enough = (words for (words, _), met in zip(WITHIN, self.within, strict=True) if met >= 0.95 * self.number)
        return next((f"within {words}" for words in enough), "more than 1 day")


def _closed(asked: AskedOverview) -> dict[int, ClosedAccounts]:
    """Return it by directory of the leavers whom the portal learnt of in the span: one query."""
    span = Q(receipt__learnt_at__gte=asked.start, receipt__learnt_at__lt=asked.end)
    proven = ReceiptAccount.objects.filter(span, seen__in=PROVEN, read_at__isnull=False).order_by()
    sums = {
        f"within_{place}": Count("pk", filter=Q(read_at__lte=F("receipt__learnt_at") + span_))
        for place, (_, span_) in enumerate(WITHIN)
    }
    counted = proven.values("directory_id").annotate(number=Count("pk"), **sums)
    return {
        row["directory_id"]: ClosedAccounts(row["number"], [row[f"within_{place}"] for place in range(len(WITHIN))])
        for row in counted
    }


def _delivered(asked: AskedOverview) -> dict[str, Counter[str]]:
    """Return the lines about deliveries by application and result, by the hours of the span: one query."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    rows = HourCount.objects.filter(hour__gte=asked.start, hour__lt=asked.end, direction=Direction.OUT).order_by()
    for application, result, number in rows.values_list("application", "result").annotate(Sum("number")):
        found[application][result] = number
    return found


def _rows(asked: AskedOverview, size: int) -> Iterator[OverviewRow]:
    closed, delivered = _closed(asked), _delivered(asked)
    for directory in chosen(asked):
        mine, results = closed.get(directory.pk, ClosedAccounts(0, [0] * len(WITHIN))), delivered.get(directory.name)
        results = results or Counter()
        done, failed = results[Result.SUCCESS] + results[Result.PARTLY], results[Result.FAILED]
        share = f"{100 * done / (done + failed):.1f} %" if done + failed else ""
        yield OverviewRow((directory.name, done, failed, share, mine.number, mine.in_time, mine.p95))


def _picture(asked: AskedOverview) -> Picture | None:
    delivered, names = _delivered(asked), [one.name for one in chosen(asked)]
    shown = sorted((name for name in names if delivered.get(name)), key=lambda name: -delivered[name].total())[:15]
    if not shown:
        return None
    kinds = (Result.SUCCESS, Result.PARTLY, Result.FAILED)
    series = [
        Series(kind.label, [delivered[name][kind] for name in shown], charts.RESULT_TONES[kind]) for kind in kinds
    ]
    words = "Deliveries by directory: " + "; ".join(
        f"{name} {', '.join(f'{kind.label.lower()} {delivered[name][kind]:,}' for kind in kinds)}" for name in shown
    )
    return charts.bars(shown, series, words, height=60 + 26 * len(shown), lying=True)


SERVICE = Overview(
    name="service",
    title="Service levels of directories",
    about="What was delivered and refused in a span of time, and how soon leavers lost their accounts.",
    icon="speed",
    permissions=("directories.view_directory", "reports.view_event", "receipts.view_receipt"),
    head=(
        "Directory",
        "Delivered",
        "Refused",
        "Delivered of all",
        "Leavers’ accounts closed",
        "Within 5 minutes",
        "95 of 100",
    ),
    rows=_rows,
    picture=_picture,
    dated=True,
    by_directory=True,
    note=(
        "Deliveries are those that the report tells of, by the hour. A leaver’s account counts from when the portal "
        "learnt of the leaver until a look showed that it was closed; those still open are under Leavers."
    ),
    numbers=frozenset({"Delivered", "Refused", "Leavers’ accounts closed"}),
)
