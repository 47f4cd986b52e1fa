"""The filter language over the report: what it finds, and where it says what to write instead."""

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from reports import filters, search
from reports.filters import FilterProblem, read
from reports.models import Direction, Event, Operation, Result
from reports.search import EventCriteria, narrowed, page, stream
from tests.reports.conftest import Write

URL = "/reports/event/"


def asked(text: str, **more: Any) -> EventCriteria:
    return EventCriteria(**more, alternatives=read(text))


@pytest.fixture
def some(write: Write) -> None:
    """Lines of three people in two applications, named in their messages."""
    now = timezone.now()
    people = [("Anna", 1), ("annabel", 2), ("bob", None)]
    for number, (who, user) in enumerate(people):
        for application, direction in (("HR", Direction.IN), ("App", Direction.OUT)):
            for result in (Result.SUCCESS, Result.FAILED, Result.PARTLY):
                write(
                    identifier=who,
                    application=application,
                    direction=direction,
                    result=result,
                    operation=Operation.CREATE if who == "bob" else Operation.UPDATE,
                    message=f"{who} in {application}: {result.label}",
                    actor="HR (import)" if user else "ada",
                    user_id=user,
                    run_id=user,
                    at=now - dt.timedelta(hours=number),
                )


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('result eq "failed"', lambda e: e.result == "failed"),
        ('result eq "With errors"', lambda e: e.result == "partly"),
        ('result ne "failed" and application EQ "HR"', lambda e: e.result != "failed" and e.application == "HR"),
        ('not (result eq "failed" or direction eq "in")', lambda e: e.result != "failed" and e.direction != "in"),
        ('identifier eq "anna"', lambda e: e.identifier_key == "anna"),
        ('identifier sw "ANNA"', lambda e: e.identifier_key.startswith("anna")),
        ('identifier eq "anna" or cause eq "ada"', lambda e: e.identifier_key == "anna" or e.actor == "ada"),
        ('identifier sw "an" and identifier eq "annabel"', lambda e: e.identifier_key == "annabel"),
        ('identifier eq "an" and identifier eq "annabel"', lambda e: False),
        ('application eq "HR" and application eq "App"', lambda e: False),
        ('cause sw "HR" and (user eq 1 or run eq 2)', lambda e: e.user_id in (1, 2)),
        ("not (user pr)", lambda e: e.user_id is None),
        ('message co "ANNABEL in"', lambda e: "annabel in" in e.message.lower()),
        ('not (message co "with errors") and run ne 2', lambda e: e.result != "partly" and e.run_id != 2),
        ('identifier ew "L" and operation eq "update"', lambda e: e.identifier_key == "annabel"),
        ('user eq 1 or (result eq "failed" and (run eq 1 or direction eq "out"))',
         lambda e: e.user_id == 1 or (e.result == "failed" and (e.run_id == 1 or e.direction == "out"))),
    ],
)  # fmt: skip
def test_a_filter_finds_what_a_plain_condition_finds(some: None, text: str, holds: Any) -> None:
    expected = [event.pk for event in Event.objects.order_by("-at", "-id") if holds(event)]
    found = page(asked(text), 4)
    walked = [event.pk for event in found.rows]
    while found.older:
        found = page(asked(text), 4, older=found.older)
        walked += [event.pk for event in found.rows]
    assert walked == expected
    assert [event.pk for batch in stream(asked(text), 3) for event in batch] == expected


def test_a_filter_and_the_other_fields_both_hold(some: None) -> None:
    found = page(asked('identifier eq "anna" or run eq 2', identifier="an", application="HR", run_id=1), 50).rows
    assert {(event.identifier, event.application) for event in found} == {("Anna", "HR")}
    assert page(asked('cause eq "ada"', actor="HR"), 50).rows == []


@override_settings(TIME_ZONE="Europe/Berlin")
@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ('time ge "2026-03-01"', "2026-03-01T00:00", None),
        ('time gt "2026-03-01"', "2026-03-02T00:00", None),
        ('time le "2026-03-01"', None, "2026-03-02T00:00"),
        ('time lt "2026-03-01"', None, "2026-03-01T00:00"),
        ('time le "2026-03-01T14:30"', None, "2026-03-01T14:31"),
        ('time ge "2026-03-01T14:30:00Z"', "2026-03-01T15:30", None),
        ('not (time ge "2026-03-01")', None, "2026-03-01T00:00"),
        ('time ge "2026-03-01" and time ge "2026-02-01"', "2026-03-01T00:00", None),
    ],
)  # fmt: skip
def test_times_are_in_the_portals_zone(text: str, start: str | None, end: str | None) -> None:
    [criteria] = narrowed(asked(text))
    zone = timezone.get_default_timezone()
    bounds = [dt.datetime.fromisoformat(moment).replace(tzinfo=zone) if moment else None for moment in (start, end)]
    assert [criteria.start, criteria.end] == bounds


def test_a_choice_of_results_is_one_search() -> None:
    assert len(read('result eq "failed" or result eq "partly" or result eq "waiting"')) == 1
    assert len(read('result ne "failed" and not (operation eq "link")')) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('reslt eq "failed"', "Column 1: A line has no “reslt”. Do you mean result? Write one of identifier, app"),
        ('result = "failed"', "Column 8: Write “eq” instead of “=”."),
        ('result="failed"', 'Column 1: Write result eq "…", with spaces between the words.'),
        ('result co "fail"', "Column 8: “co” cannot stand after result. Write one of eq, ne."),
        ("result eq failed", 'Column 11: Write the value between double quotation marks: "failed".'),
        ("result eq 'failed'", 'Column 11: Write the value between double quotation marks: "failed".'),
        ('result eq "fail"', "Column 11: There is no result “fail”. Write one of \"success\", \"partly\", \"failed\""),
        ('result eq "failed', "Column 11: This text does not end."),
        ('identifier eq "\\x"', "Column 15: This text cannot be read."),
        ("result", "Column 7: The filter ends too early. Write one of eq, ne after result."),
        ("result eq", "Column 10: The filter ends too early. Write a value after “eq”. One of \"success\""),
        ('result eq "failed" and', "Column 23: The filter ends too early. Write a comparison here."),
        ('result eq "failed" run eq 1', "Column 20: Write “and” or “or” between two comparisons."),
        ('and result eq "failed"', "Column 1: A comparison is missing before “and”."),
        ('(result eq "failed"', "Column 1: This bracket is not closed."),
        ('result eq "failed")', "Column 19: There is no bracket to close here."),
        ('not result eq "failed"', "Column 1: Write brackets after “not”"),
        ('run eq "x"', "Column 8: Write the number of a run: run eq 12."),
        ("run eq 99999999999999999999", "Column 8: Write the number of a run"),
        ('time eq "2026-01-01"', "Column 6: “eq” cannot stand after time. Write one of ge, gt, lt, le."),
        ('time ge "yesterday"', "Column 9: This is not a time."),
        ('time ge "2026-02-30"', "Column 9: This is not a time."),
        ('time ge "9999-12-31"', "Column 9: This is not a time."),
        ('cause eq "\\u0000"', "Column 10: This text cannot be read."),
        ('identifier eq " "', "Column 15: Write a value between the quotation marks"),
        ('cause eq ""', "Column 10: Write a value between the quotation marks, or “not (cause pr)”"),
        ('emails[type eq "x"]', "Column 1: A line has no “emails”."),
        ('"failed" eq result', "Column 1: Write what to compare first."),
    ],
)  # fmt: skip
def test_what_is_refused_names_its_place_and_what_to_write(text: str, words: str) -> None:
    with pytest.raises(FilterProblem) as problem:
        read(text)
    assert str(problem.value).startswith(words)


@pytest.mark.parametrize(
    "text", ["()", "not ()", '(("', "a.b.c pr", "[", '")', "not (not) pr", "$x eq 1", '\x00 eq "x"']
)
def test_no_text_is_an_error_of_the_portal(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(text)


def test_too_many_searches_at_once_are_refused() -> None:
    people = [f'identifier eq "user{number}"' for number in range(filters.MOST_ALTERNATIVES + 1)]
    assert len(read(" or ".join(people[1:]))) == filters.MOST_ALTERNATIVES
    with pytest.raises(ValueError, match="means 13 searches at once"):
        read(" or ".join(people))
    pairs = " and ".join(f'({one} or cause eq "x")' for one in people)
    with pytest.raises(ValueError, match="searches at once"):
        read(pairs)


def test_the_page_takes_a_filter_and_shows_what_is_wrong_with_one(reader: Client, some: None) -> None:
    def shown(text: str) -> str:
        return re.sub(r"\s+", " ", reader.get(URL, {"filter": text}).content.decode())

    html = shown('message co "bob in HR: fail"')
    assert "bob in HR: Failed" in html
    assert "annabel" not in html.split("<tbody>")[1]
    html = shown("result eq failed")
    assert "Column 11: Write the value between double quotation marks: &quot;failed&quot;." in html
    assert "Nothing was searched" in html


def test_a_slow_filter_says_which_part_is_slow(reader: Client, some: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        raise search.TooSlow

    monkeypatch.setattr("reports.admin.page", slow)
    text = 'message co "x" and (result eq "failed" or identifier ne "y")'
    assert "no index answers “message co”, “identifier ne”." in reader.get(URL, {"filter": text}).content.decode()
