"""How long lines of the report are kept."""

import datetime as dt
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from config import env
from reports import retention
from reports.models import Direction, Event, Operation
from tests.reports.conftest import Write

pytestmark = pytest.mark.django_db


def at(days: float) -> dt.datetime:
    return timezone.now() - dt.timedelta(days=days)


def messages() -> list[str]:
    return list(Event.objects.values_list("message", flat=True))


def test_nothing_is_deleted_unless_somebody_says_so(write: Write) -> None:
    write(message="Old.", at=at(5000))
    assert retention.purge() == 0
    assert messages() == ["Old."]


def test_what_is_older_is_deleted_and_told_of(write: Write, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REPORT_DAYS, settings.REPORT_SIGN_IN_DAYS = 365, 30
    monkeypatch.setattr(retention, "PAGE", 4)
    write(10, message="Old.", at=at(366))
    write(message="Young.", at=at(364))
    write(5, message="Old sign-in.", operation=Operation.SIGN_IN, direction=Direction.PORTAL, at=at(31))
    write(message="Young sign-in.", operation=Operation.SIGN_OUT, direction=Direction.PORTAL, at=at(29))
    assert retention.purge() == 15
    told = "15 lines of the report were deleted, because they are older than they are kept."
    assert messages() == [told, "Young sign-in.", "Young."]
    assert retention.purge() == 0
    assert len(messages()) == 3


def test_a_page_of_old_lines_costs_a_look_and_a_statement(
    write: Write, settings: Any, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.REPORT_DAYS = 365
    monkeypatch.setattr(retention, "PAGE", 5)
    write(20, at=at(366))
    with django_assert_num_queries(4 * 2 + 1 + 1):  # four pages, one that is empty, and the line about it
        assert retention.purge() == 20


@pytest.mark.parametrize("value", ["1", "29", "-5"])
def test_a_time_that_is_too_short_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("REPORT_DAYS", value)
    with pytest.raises(ImproperlyConfigured, match="Set it to 30 days or more, or to 0"):
        env.days_kept("REPORT_DAYS")
    monkeypatch.setenv("REPORT_DAYS", "30")
    assert env.days_kept("REPORT_DAYS") == 30
