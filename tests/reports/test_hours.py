"""Lines are counted by hour, once each, whatever comes late; pages add those that are not counted yet."""

import datetime as dt
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from reports import hours
from reports.journal import Line, record_many
from reports.models import Direction, Event, HourCount, Operation, Result

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2030, 1, 10, 12, 30, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)


def lines(number: int, ago: dt.timedelta, application: str = "CRM", result: Result = Result.SUCCESS) -> None:
    one = Line("ann", application, Direction.OUT, Operation.UPDATE, result, "Updated ann.", at=NOW - ago)
    record_many([one] * number)


def shown(since: dt.datetime) -> dict[int, Counter[str]]:
    """Return what a page shows, by hours before now."""
    found = hours.by_hour(since, hours.tail(since))
    return {int((hours.hour_of(NOW) - hour) / hours.HOUR): counts for hour, counts in found.items()}


MINUTES, HOURS = dt.timedelta(minutes=1), hours.HOUR
DAY_AGO = NOW - 24 * HOURS


def test_each_line_is_counted_once_and_shown_at_once() -> None:
    lines(3, 2 * HOURS)
    lines(2, 2 * HOURS, result=Result.FAILED)
    lines(4, 20 * MINUTES, "HR")
    lines(1, 1 * MINUTES, "HR")
    expected = {2: Counter(success=3, failed=2), 0: Counter(success=5)}
    assert shown(DAY_AGO) == expected, "before anything was counted"
    for _ in range(2):
        hours.count()
        assert shown(DAY_AGO) == expected
    assert sum(HourCount.objects.values_list("number", flat=True)) == 9, "the line of a minute ago has not settled"
    lines(1, 6 * MINUTES)  # came after its minute was counted: it is not, and nothing is counted twice
    assert shown(DAY_AGO) == expected


def test_the_newest_line_of_an_application_is_known() -> None:
    lines(3, 2 * HOURS)
    lines(1, 3 * HOURS)
    hours.count()
    of_two_hours_ago = Event.objects.filter(at=NOW - 2 * HOURS).latest("pk").pk
    newest = HourCount.objects.filter(application="CRM").order_by("-hour", "-newest").first()
    assert newest is not None
    assert newest.newest == of_two_hours_ago


def test_an_hour_grows_over_several_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    lines(2, 20 * MINUTES)
    hours.count()
    monkeypatch.setattr(timezone, "now", lambda: NOW + 10 * MINUTES)
    lines(3, -1 * MINUTES)
    hours.count()
    assert HourCount.objects.get().number == 5


def test_a_count_ends_though_the_clock_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(20))  # a count that ran after the clock would look at it until there is no more
    monkeypatch.setattr(timezone, "now", lambda: NOW + next(looks) * dt.timedelta(seconds=1))
    lines(2, 20 * MINUTES)
    hours.count()
    assert HourCount.objects.get().number == 2


def test_what_is_too_old_is_forgotten_and_the_first_count_begins_a_month_ago() -> None:
    lines(5, 40 * 24 * HOURS)
    HourCount.objects.create(hour=NOW - hours.KEPT - HOURS, direction="in", result="success", number=1, newest=1)
    hours.count()
    assert not HourCount.objects.exists()


def test_a_page_looks_at_few_lines_however_many_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hours, "TAIL", 10)
    for ago in range(15):
        lines(1, ago * dt.timedelta(seconds=1))
    with CaptureQueriesContext(connection) as queries:
        assert shown(DAY_AGO) == {0: Counter(success=10)}
    assert len(queries) == 4


@pytest.mark.heavy
def test_a_clock_that_was_ahead_costs_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    lines(2, 30 * MINUTES)
    monkeypatch.setattr(timezone, "now", lambda: NOW + 48 * HOURS)
    hours.count()
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    lines(3, 20 * MINUTES)
    hours.count()
    assert shown(DAY_AGO) == {0: Counter(success=5)}
