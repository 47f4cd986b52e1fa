"""Joiners, movers and leavers of a span, and accounts that lie idle."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils import timezone

from config.database import keyset
from config.overviews.access import person_url
from config.overviews.base import AskedOverview, Overview, OverviewRow
from provisioning.models import Account
from provisioning.models.accounts import LEFT_OPEN, STALE
from provisioning.receipts.models import Receipt
from reports import charts
from reports.charts import Picture, Series
from reports.models import DEPARTMENT, Direction, Event, Operation, Result
from reports.paging import PageCursor, older_than

MOST = 10_000  # of each kind are counted for the picture
COMING = Q(result=Result.SUCCESS, operation=Operation.CREATE, user_id__isnull=False) & ~Q(direction=Direction.OUT)
MOVING = Q(changes__has_key=DEPARTMENT, user_id__isnull=False) & ~Q(operation=Operation.CREATE)
DAYS = 62  # of a longer span the picture has a bar a month


def _lines(condition: Q, asked: AskedOverview) -> "QuerySet[Event]":
    return Event.objects.filter(condition, at__gte=asked.start, at__lt=asked.end).order_by("-at", "-id")


def _left(asked: AskedOverview) -> "QuerySet[Receipt]":
    return Receipt.objects.filter(learnt_at__gte=asked.start, learnt_at__lt=asked.end).order_by("-learnt_at", "-pk")


def _rows(asked: AskedOverview, size: int) -> Iterator[OverviewRow]:
    joined = (_line_row("Joined", line) for line in _stream(_lines(COMING, asked), size))
    moved = (_line_row("Moved", line) for line in _stream(_lines(MOVING, asked), size))
    return chain(joined, moved, _leaver_rows(asked, size))


def _stream(lines: "QuerySet[Event]", size: int) -> Iterator[Event]:
    """Yield the lines, the newest first, a page at a time."""
    page = list(lines[:size])
    while page:
        yield from page
        cursor = PageCursor(page[-1].at, page[-1].pk)
        page = list(lines.filter(older_than(cursor))[:size]) if len(page) == size else []


def _line_row(what: str, line: Event) -> OverviewRow:
    before, after = (line.changes.get(DEPARTMENT) or ["", ""])[:2]
    url = reverse("admin:provisioning_user_change", args=[line.user_id])
    at = f"{timezone.localtime(line.at):%Y-%m-%d %H:%M}"
    return OverviewRow((line.identifier, what, at, before or "", after or "", line.application, line.actor), url)


def _leaver_rows(asked: AskedOverview, size: int) -> Iterator[OverviewRow]:
    """Yield the leavers; of one moment there are no more than one deactivation takes, so they are read together."""
    found = _left(asked)
    page = list(found[:size])
    while page:
        for one in page:
            at = f"{timezone.localtime(one.learnt_at):%Y-%m-%d %H:%M}"
            url = reverse("admin:receipts_receipt_change", args=[one.pk])
            yield OverviewRow((one.username, "Left", at, "", "", one.origin, one.get_status_display()), url)
        last = page[-1]
        older = Q(learnt_at__lt=last.learnt_at) | Q(learnt_at=last.learnt_at, pk__lt=last.pk)
        page = list(found.filter(older, learnt_at__lte=last.learnt_at)[:size]) if len(page) == size else []


def _by_day(rows: "QuerySet[Any]", moment: str) -> Counter[dt.date]:
    """Count the newest ``MOST`` rows by day: one query."""
    some = rows.model._default_manager.filter(pk__in=rows.values("pk")[:MOST]).order_by()
    counted = some.annotate(day=TruncDate(moment)).values_list("day").annotate(Count("pk"))
    return Counter(dict(counted))


def _picture(asked: AskedOverview) -> Picture | None:
    first, last = timezone.localdate(asked.start), timezone.localdate(asked.end - dt.timedelta(minutes=1))
    days = [first + place * dt.timedelta(days=1) for place in range((last - first).days + 1)]
    by_month = len(days) > DAYS
    labels = list(dict.fromkeys(_label(day, by_month) for day in days))
    kinds = {
        "Joined": (_by_day(_lines(COMING, asked), "at"), charts.GREEN),
        "Moved": (_by_day(_lines(MOVING, asked), "at"), charts.BLUE),
        "Left": (_by_day(_left(asked), "learnt_at"), charts.RED),
    }
    series = []
    for label, (counted, tone) in kinds.items():
        sums: Counter[str] = Counter()
        for day, number in counted.items():
            sums[_label(day, by_month)] += number
        series.append(Series(label, [sums[one] for one in labels], tone))
    told = ", ".join(f"{_capped(sum(one.numbers))} {one.label.lower()}" for one in series)
    if not any(any(one.numbers) for one in series):
        return None
    return charts.bars(labels, series, f"Joiners, movers and leavers by {'month' if by_month else 'day'}: {told}")


def _capped(number: float) -> str:
    return f"at least {MOST:,}" if number >= MOST else f"{number:,.0f}"


def _label(day: dt.date, by_month: bool) -> str:
    return f"{day:%Y-%m}" if by_month else f"{day:%m-%d}"


TURNOVER = Overview(
    name="turnover",
    title="Joiners, movers and leavers",
    about="Who came, who changed department and who left in a span of time.",
    icon="sync_alt",
    permissions=("provisioning.view_user", "reports.view_event", "receipts.view_receipt"),
    head=("User name", "What", "At", "Department before", "Department after", "From", "By, or proof"),
    rows=_rows,
    picture=_picture,
    dated=True,
)


def _idle_rows(asked: AskedOverview, size: int) -> Iterator[OverviewRow]:
    for why, condition in (("Left, and can still be used", LEFT_OPEN), ("Disabled, and nothing deletes it", STALE)):
        accounts = Account.objects.filter(condition).select_related("user", "directory")
        if asked.directory:
            accounts = accounts.filter(directory=asked.directory)
        for page in keyset.pages(accounts, size):
            for one in page:
                synced = f"{timezone.localtime(one.last_synced_at):%Y-%m-%d %H:%M}" if one.last_synced_at else ""
                name = one.user.get_full_name() if one.user else ""
                cells = (one.key, name, one.directory.name, why, synced, one.last_message)
                yield OverviewRow(cells, person_url(one.user))


def _idle_picture(asked: AskedOverview) -> Picture | None:
    """Draw the same by directory, as far as it is counted: the first ``MOST`` of each kind."""
    found: dict[str, Counter[str]] = {}
    for label, condition in (("Can still be used", LEFT_OPEN), ("Disabled", STALE)):
        some = Account.objects.filter(condition).order_by().values("pk")[:MOST]
        counted = Account.objects.filter(pk__in=some).order_by().values_list("directory__name").annotate(Count("pk"))
        found[label] = Counter(dict(counted))
    names = [name for name, _ in sum(found.values(), Counter[str]()).most_common(15)]
    if asked.directory:
        names = [name for name in names if name == asked.directory.name]
    if not names:
        return None
    tones = {"Can still be used": charts.RED, "Disabled": charts.GREY}
    series = [Series(label, [counted[name] for name in names], tones[label]) for label, counted in found.items()]
    words = "Idle accounts by directory: " + "; ".join(
        f"{name} {', '.join(f'{each.label.lower()} {_capped(each.numbers[place])}' for each in series)}"
        for place, name in enumerate(names)
    )
    return charts.bars(names, series, words, height=60 + 26 * len(names), lying=True)


IDLE = Overview(
    name="idle",
    title="Inactive people’s accounts",
    about="Accounts of people who have left: those that can still be used first, then those that are only disabled.",
    icon="person_off",
    permissions=("provisioning.view_user", "provisioning.view_account"),
    head=("Account", "Name", "Directory", "Why", "In sync at", "Last message"),
    rows=_idle_rows,
    picture=_idle_picture,
    by_directory=True,
)
