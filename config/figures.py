"""The numbers and pictures of the start page, each for those who may open what it is about.

Whatever grows is read over an index and cut short, or was counted before (``reports.hours``); the number of queries is
the same with any number of directories and people.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, F, OuterRef, Subquery
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from config import attention
from config.attention import capped, capped_text
from directories.models import Directory, ProvisioningSettings, Schedule
from provisioning.admin.directories.state import state_of
from provisioning.admin.states import RESULT_COLOURS, State
from provisioning.contracts.due import JOINING, joining
from provisioning.models import Account, ImportRun
from provisioning.models.accounts import STALE
from provisioning.models.imports import Door, RunStatus
from provisioning.outbound.kinds import KINDS
from provisioning.receipts.models import Receipt, ReceiptStatus
from reports import charts, hours
from reports.charts import Picture, Series
from reports.hours import CountedLines
from reports.models import Event, HourCount, Result

DAY = dt.timedelta(days=1)
HOURS = 24
DIRECTORIES = 20  # shown; those in trouble come first
SOURCES = 8  # directories that are imported, shown
TREND = 8  # imports that a trend shows
PEOPLE = 5  # joiners and leavers by name
MOST = 10_000  # leavers and joiners that are counted
LIGHTS = {"success": "success", "danger": "failed", "warning": "waiting", "default": "skipped"}
ENDED_RUNS = {RunStatus.FINISHED: charts.BLUE, RunStatus.FAILED: charts.RED, RunStatus.CANCELLED: charts.GREY}
RECEIPTS = {
    ReceiptStatus.CLOSED: ("Proven", charts.GREEN),
    ReceiptStatus.OPEN: ("Open", charts.RED),
    ReceiptStatus.CANCELLED: ("Returned", charts.GREY),
}


@dataclass(frozen=True, slots=True)
class LinkedNumber:
    """A number with what it counts and where its rows are; ``tone`` is the colour of its bars in a picture."""

    text: str
    label: str
    url: str
    tone: str = ""
    wrong: bool = False  # it should be none


@dataclass(frozen=True, slots=True)
class NumberRow:
    """One row of a picture's table."""

    label: str
    cells: Sequence[LinkedNumber | None]


@dataclass(frozen=True, slots=True)
class NumbersPart:
    """A picture, its sums, and the table that says the same; ``picture`` is None where there is nothing to draw."""

    picture: Picture | None
    sums: Sequence[LinkedNumber]
    rows: Sequence[NumberRow]


@dataclass(frozen=True, slots=True)
class DirectoryLight:
    """How one directory does, and its last result."""

    name: str
    url: str
    state: State
    light: str
    last: Event | None
    last_light: str


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One directory that is imported: its last import, how many people the last ones read, and when it is next."""

    name: str
    last: ImportRun | None
    url: str
    picture: Picture | None
    next_at: dt.datetime | None
    schedule: str


def figures(request: HttpRequest) -> dict[str, Any]:
    """Return the parts that the person who asks may see."""
    can = request.user.has_perm
    now = timezone.now()
    first = hours.hour_of(now) - dt.timedelta(hours=HOURS - 1)
    lines = hours.tail(first) if can("reports.view_event") else []
    found: dict[str, Any] = {"numbers": list(_numbers(request, now))}
    if can("reports.view_event"):
        found["operations"] = _operations(first, lines)
    if can("directories.view_directory"):
        found |= _directories(lines, told=can("reports.view_event"))
    if can("provisioning.view_importrun") and can("directories.view_provisioningsettings"):
        found["sources"] = _sources()
    if can("receipts.view_receipt"):
        found["leavers"], found["left"] = _leavers(now), list(Receipt.objects.order_by("-learnt_at", "-pk")[:PEOPLE])
    if can("contracts.view_contract") and can("provisioning.view_user"):
        coming = joining(now).select_related("user").only("next_change_at", "user__username", *_NAMES)
        found["joiners"] = list(coming.order_by("next_change_at", "pk")[:PEOPLE])
    return found


_NAMES = ("user__display_name", "user__first_name", "user__last_name")


def _numbers(request: HttpRequest, now: dt.datetime) -> Iterator[LinkedNumber]:
    """Yield what waits, and what is to be known, as numbers that stop at a cap."""
    can = request.user.has_perm
    if can("provisioning.view_importrun"):
        waiting = capped(attention.approvals())
        url = f"{_list('provisioning_importrun')}?status__exact={RunStatus.APPROVAL}"
        yield _number(waiting, "imports wait for approval", url, one="import waits for approval", wrong=True)
    if can("provisioning.view_change"):
        parked = attention.parked(kind for kind in KINDS if can(f"provisioning.view_{kind.change._meta.model_name}"))
        url = _list("provisioning_change")
        yield _number(parked, "changes wait for somebody", url, one="change waits for somebody", wrong=True)
    if can("requests.view_productrequest"):
        mine, _ = attention.requests_waiting(request)
        url = reverse("my:approvals")
        yield _number(mine, "requests wait for you", url, one="request waits for you", wrong=True)
    if can("receipts.view_receipt"):
        url = f"{_list('receipts_receipt')}?state=open"
        open_ = capped(Receipt.objects.filter(status=ReceiptStatus.OPEN))
        yield _number(open_, "leavers not proven yet", url, one="leaver not proven yet", wrong=True)
    if can("contracts.view_contract") and can("provisioning.view_user"):
        url = f"{_list('provisioning_user')}?contracts=joining"
        coming = capped(joining(now), MOST)
        label = f"joiners in the next {JOINING.days} days"
        yield _number(coming, label, url, one=label.replace("joiners", "joiner"), cap=MOST)
    if can("provisioning.view_account"):
        url = f"{_list('provisioning_user')}?account=stale"
        stale = capped(Account.objects.filter(STALE), MOST)
        label = "disabled accounts that nothing deletes"
        yield _number(stale, label, url, one="disabled account that nothing deletes", cap=MOST)


def _number(
    number: int, label: str, url: str, *, one: str, wrong: bool = False, cap: int = attention.CAP
) -> LinkedNumber:
    return LinkedNumber(capped_text(number, cap), one if number == 1 else label, url, wrong=wrong and number > 0)


def _operations(first: dt.datetime, lines: Sequence[CountedLines]) -> NumbersPart:
    """Return the lines of the report of the last hours, by result."""
    found = hours.by_hour(first, lines)
    moments = [first + place * hours.HOUR for place in range(HOURS)]
    sums = sum((found[moment] for moment in moments), Counter[str]())
    kinds = [result for result in Result if sums[result]]

    def cell(moment: dt.datetime, result: Result) -> LinkedNumber | None:
        number = found[moment][result]
        url = _report(moment, moment + hours.HOUR, result)
        return LinkedNumber(f"{number:,}", result.label, url) if number else None

    rows = [
        NumberRow(f"{timezone.localtime(moment):%H:%M}", [cell(moment, result) for result in kinds])
        for moment in reversed(moments)
        if found[moment]
    ]
    totals = [
        LinkedNumber(
            f"{sums[result]:,}",
            result.label,
            _report(first, moments[-1] + hours.HOUR, result),
            charts.RESULT_TONES[result],
        )
        for result in kinds
    ]
    words = "Operations an hour in the last 24 hours: " + _told(totals)
    series = [
        Series(result.label, [found[moment][result] for moment in moments], charts.RESULT_TONES[result])
        for result in kinds
    ]
    labels = [f"{timezone.localtime(moment):%H:%M}" for moment in moments]
    return NumbersPart(charts.bars(labels, series, words) if kinds else None, totals, rows)


def _directories(lines: Iterable[CountedLines], *, told: bool) -> dict[str, Any]:
    """Return the first directories, those in trouble before the others, and how many more there are."""
    counted = HourCount.objects.filter(application=OuterRef("name")).order_by("-hour", "-newest")
    rows = Directory.objects.select_related("provisioning").annotate(last=Subquery(counted.values("newest")[:1]))
    ordered = rows.order_by(F("unreachable_since").asc(nulls_last=True), "-enabled", "name")
    directories = list(ordered[: DIRECTORIES + 1])
    newest: dict[str, int] = {one.name: one.last for one in directories if one.last}
    for each in lines:
        newest[each.application] = max(newest.get(each.application, 0), each.newest)
    ids = [newest[one.name] for one in directories if one.name in newest] if told else []
    events = {event.pk: event for event in Event.objects.filter(pk__in=ids).defer("changes")}
    shown = [_light(one, events.get(newest.get(one.name, 0))) for one in directories[:DIRECTORIES]]
    return {"directories": shown, "more_directories": len(directories) > DIRECTORIES}


def _light(directory: Directory, last: Event | None) -> DirectoryLight:
    state = state_of(directory)
    return DirectoryLight(
        name=directory.name,
        url=reverse("admin:directories_directory_change", args=[directory.pk]),
        state=state,
        light=LIGHTS[state.colour],
        last=last,
        last_light=LIGHTS[RESULT_COLOURS.get(Result(last.result), "default")] if last else "",
    )


def _sources() -> list[SourceLine]:
    """Return the directories that are imported, by when that is due next, with their last imports: two queries."""
    ended = ImportRun.objects.filter(
        directory=OuterRef("directory"), door=Door.IMPORT, preview=False, incremental=False, status__in=ENDED_RUNS
    )
    newest = ended.order_by("-created_at").values("pk")
    found = (
        ProvisioningSettings.objects.filter(import_users=True, directory__enabled=True)
        .select_related("directory")
        .annotate(**{f"run_{place}": Subquery(newest[place : place + 1]) for place in range(TREND)})
        .only("next_import_at", "schedule", "directory__name")
        .order_by(F("next_import_at").asc(nulls_last=True), "directory__name")
    )
    sources = list(found[:SOURCES])
    ids = {one.pk: [getattr(one, f"run_{place}") for place in range(TREND)] for one in sources}
    columns = ("status", "seen", "errors", "created_at", "finished_at")
    runs = ImportRun.objects.only(*columns).in_bulk([pk for each in ids.values() for pk in each if pk])
    return [_source(one, [runs[pk] for pk in ids[one.pk] if pk in runs]) for one in sources]


def _source(settings: ProvisioningSettings, newest: Sequence[ImportRun]) -> SourceLine:
    oldest_first = newest[::-1]
    read = [run.seen for run in oldest_first]
    words = f"People read by the last {len(read)} imports: " + ", ".join(f"{number:,}" for number in read)
    labels = [f"{timezone.localtime(run.created_at):%Y-%m-%d %H:%M}" for run in oldest_first]
    series = Series("People read", read, [ENDED_RUNS[RunStatus(run.status)] for run in oldest_first])
    scheduled = settings.next_import_at if settings.schedule != Schedule.OFF else None
    return SourceLine(
        name=settings.directory.name,
        last=newest[0] if newest else None,
        url=reverse("admin:provisioning_importrun_change", args=[newest[0].pk]) if newest else "",
        picture=charts.trend(labels, series, words) if len(read) > 1 else None,
        next_at=scheduled,
        schedule=settings.get_schedule_display().lower() if scheduled else "",
    )


def _leavers(now: dt.datetime) -> NumbersPart:
    """Return the leavers of the last seven days by day and by how far the proof is: one query."""
    today = timezone.localdate(now)
    days = [today - place * DAY for place in reversed(range(7))]
    begin = timezone.make_aware(dt.datetime.combine(days[0], dt.time()))
    some = Receipt.objects.filter(learnt_at__gte=begin).order_by("-learnt_at", "-pk").values("pk")[:MOST]
    counted = Receipt.objects.filter(pk__in=some).order_by().annotate(day=TruncDate("learnt_at"))
    found: Mapping[tuple[dt.date, str], int] = {
        (day, status): number for day, status, number in counted.values_list("day", "status").annotate(Count("pk"))
    }

    def number(since: dt.date, until: dt.date, status: ReceiptStatus) -> LinkedNumber | None:
        sum_ = sum(found.get((day, status), 0) for day in days if since <= day <= until)
        label, tone = RECEIPTS[status]
        query = urlencode({"state": status, "start": since.isoformat(), "end": until.isoformat()})
        return LinkedNumber(f"{sum_:,}", label, f"{_list('receipts_receipt')}?{query}", tone) if sum_ else None

    kinds = [status for status in RECEIPTS if any((day, status) in found for day in days)]
    sums = [one for status in kinds if (one := number(days[0], today, status))]
    rows = [NumberRow(f"{day:%a %Y-%m-%d}", [number(day, day, status) for status in kinds]) for day in days[::-1]]
    series = [
        Series(RECEIPTS[kind][0], [found.get((day, kind), 0) for day in days], RECEIPTS[kind][1]) for kind in kinds
    ]
    words = "Leavers of the last seven days: " + _told(sums)
    picture = charts.bars([f"{day:%a}" for day in days], series, words, height=140) if kinds else None
    return NumbersPart(picture, sums, rows)


def _told(sums: Iterable[LinkedNumber]) -> str:
    return ", ".join(f"{one.label.lower()} {one.text}" for one in sums) or "none"


def _list(model: str) -> str:
    return reverse(f"admin:{model}_changelist")


def _report(start: dt.datetime, end: dt.datetime, result: Result) -> str:
    """Return the address of the report's lines of a span; its end is given to the minute, which counts."""
    last = end - dt.timedelta(minutes=1)
    span = {"from": f"{timezone.localtime(start):%Y-%m-%dT%H:%M}", "to": f"{timezone.localtime(last):%Y-%m-%dT%H:%M}"}
    return f"{_list('reports_event')}?{urlencode({'result': result, **span})}"
