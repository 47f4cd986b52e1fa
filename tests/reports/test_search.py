"""Every combination of filters finds what a plain condition finds, and pages neither repeat nor lose a line."""

import datetime as dt
from itertools import product

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from reports import search
from reports.journal import fold
from reports.models import Direction, Event, Operation, Result
from reports.paging import PageCursor
from reports.search import EventCriteria, actor_names, application_names, page
from tests.reports.conftest import Write

pytestmark = pytest.mark.django_db


@pytest.fixture
def mixture(write: Write) -> dt.datetime:
    """Lines of many kinds, several at the same instant, as a bulk write leaves them."""
    now = timezone.now()
    people = ["anna", "Anna.Svensson", "annabel", "ANNA%", "bjørn", "ZOË", ""]
    for number, (name, application) in enumerate(product(people, ["APPSDB", "HR", ""])):
        for operation, result in product(list(Operation)[:3], list(Result)[:3]):
            write(
                2,
                identifier=name,
                application=application,
                operation=operation,
                result=result,
                at=now - dt.timedelta(minutes=number // 4),
                step=dt.timedelta(hours=5),
                user_id=number or None,
                account_id=number or None,
                run_id=number % 3 or None,
                direction=list(Direction)[number % 2],
                actor=["ada", "adam", "HR (import)", ""][number % 4],
            )
    return now


def newest() -> list[Event]:
    """Return all lines in the order of the pages."""
    return sorted(Event.objects.all(), key=lambda event: (event.at, event.pk), reverse=True)


def plain(criteria: EventCriteria, events: list[Event]) -> list[int]:
    """Return what should be found of ``newest()``, in order, by comparing in Python."""
    key = fold(criteria.identifier)
    exact = ("application", "operation", "result", "direction", "user_id", "account_id", "group_id", "run_id")
    wanted = {name: value for name in exact if (value := getattr(criteria, name)) not in ("", None)}
    return [
        event.pk
        for event in events
        if event.identifier_key.startswith(key)
        and event.actor.startswith(criteria.actor)
        and all(getattr(event, name) == value for name, value in wanted.items())
        and (criteria.start is None or event.at >= criteria.start)
        and (criteria.end is None or event.at < criteria.end)
    ]


@pytest.mark.heavy
def test_each_combination_finds_what_a_plain_condition_finds(mixture: dt.datetime) -> None:
    starts = [None, mixture - dt.timedelta(hours=1)]
    everything = product(
        ["", "anna", "ANNA.s", "anna%", "zoë", "nobody"], ["", "HR", "None"], ["", "update"], ["", "failed"]
    )
    events = newest()
    for (identifier, application, operation, result), start, run_id in product(everything, starts, [None, 1]):
        criteria = EventCriteria(identifier, application, operation, result, start=start, run_id=run_id)
        found = [event.pk for event in page(criteria, 10).rows]
        assert found == plain(criteria, events)[:10], criteria


@pytest.mark.heavy
@pytest.mark.parametrize("shares", [search.MOST_SHARES, 1])
def test_causes_and_directions_find_what_a_plain_condition_finds(
    mixture: dt.datetime, monkeypatch: pytest.MonkeyPatch, shares: int
) -> None:
    monkeypatch.setattr(search, "MOST_SHARES", shares)
    monkeypatch.setattr(search, "MOST_LOOKED_AT", 10 * shares)
    everything = product(["", "ad", "ada", "HR (", "ADA", "a%"], ["", "in", "portal"], ["", "HR"], ["", "failed"])
    events = newest()
    for actor, direction, application, result in everything:
        for more in ({}, {"identifier": "anna"}, {"run_id": 1}):
            criteria = EventCriteria(actor=actor, direction=direction, application=application, result=result, **more)
            assert [event.pk for event in page(criteria, 10).rows] == plain(criteria, events)[:10], criteria


@pytest.mark.heavy
@pytest.mark.parametrize(
    "criteria",
    [
        EventCriteria(),
        EventCriteria("anna"),
        EventCriteria(application="APPSDB"),
        EventCriteria(result="failed"),
        EventCriteria(user_id=3),
    ],
    ids=str,
)
def test_pages_walk_over_all_lines_and_back(mixture: dt.datetime, criteria: EventCriteria) -> None:
    expected, walked, pages = plain(criteria, newest()), [], []
    older: PageCursor | None = None
    while True:
        found = page(criteria, 7, older=older)
        walked += [event.pk for event in found.rows]
        pages.append([event.pk for event in found.rows])
        if found.older is None:
            break
        older = found.older
    assert walked == expected
    for before in reversed(pages[:-1]):
        assert found.newer is not None
        found = page(criteria, 7, newer=found.newer)
        assert [event.pk for event in found.rows] == before
    assert found.newer is None


def test_lines_that_arrive_meanwhile_do_not_move_older_pages(write: Write) -> None:
    write(30)
    first = page(EventCriteria(), 10)
    second = [event.pk for event in page(EventCriteria(), 10, older=first.older).rows]
    write(25, at=timezone.now() + dt.timedelta(seconds=1), step=dt.timedelta(0))
    assert [event.pk for event in page(EventCriteria(), 10, older=first.older).rows] == second


def test_many_people_with_one_beginning_are_found_too(write: Write) -> None:
    for number in range(search.PEOPLE_LIMIT + 5):
        write(identifier=f"user{number}", at=timezone.now() - dt.timedelta(hours=number))
    found = page(EventCriteria("user"), 100)
    assert len(found.rows) == search.PEOPLE_LIMIT + 5
    assert found.rows[0].identifier == "user0"


@pytest.mark.heavy
@pytest.mark.parametrize("few", [0, 20, 10_000])
def test_the_beginning_of_many_names_finds_what_a_plain_condition_finds(
    mixture: dt.datetime, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(search, "PEOPLE_LIMIT", 1)
    monkeypatch.setattr(search, "FEW_LINES", few)
    events = newest()
    for identifier, application, result in product(["anna", "a", "ANNA%", "x"], ["", "HR"], ["", "failed"]):
        criteria = EventCriteria(identifier, application, result=result)
        expected = plain(criteria, events)
        first = page(criteria, 10)
        assert [event.pk for event in first.rows] == expected[:10], criteria
        if first.older:
            second = page(criteria, 10, older=first.older)
            assert [event.pk for event in second.rows] == expected[10:20], criteria
            assert second.newer is not None
            assert page(criteria, 10, newer=second.newer).rows == first.rows, criteria


def test_a_share_without_a_match_is_not_read_while_the_nearest_lines_fill_the_page(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PEOPLE_LIMIT", 1)
    monkeypatch.setattr(search, "FEW_LINES", 20)
    write(30, identifier="anna.a", application="HR")
    write(30, identifier="anna.b", application="HR")
    write(5, identifier="zoe", application="HR", result=Result.FAILED, at=timezone.now() - dt.timedelta(days=9))
    with CaptureQueriesContext(connection) as near:
        assert len(page(EventCriteria("anna", "HR"), 10).rows) == 10
    assert '"at" >=' in near.captured_queries[-2]["sql"], "the last one but the end of the transaction"
    with CaptureQueriesContext(connection) as all_of_them:
        assert len(page(EventCriteria("anna", "HR"), 40).rows) == 40
    assert len(all_of_them) == len(near) + 1


@pytest.mark.heavy
def test_the_beginning_of_many_names_is_filtered_not_looked_up(
    mixture: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PEOPLE_LIMIT", 1)
    monkeypatch.setattr(search, "FEW_LINES", 0)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    for criteria in (EventCriteria("anna"), EventCriteria("anna", "HR")):
        plan = search.lines(criteria, 10).explain()
        assert "event_by_identifier" not in plan
        assert walks_in_order(plan)


def test_names_are_found_by_skipping(write: Write) -> None:
    for name in ["HR", "APPSDB", "", "Zürich", "HR"]:
        write(application=name)
    assert application_names() == sorted(["APPSDB", "HR", "Zürich"])
    assert application_names(2) == ["APPSDB", "HR"]
    for name in ["ada", "", "Zoë", "ada"]:
        write(actor=name)
    assert sorted(actor_names()) == ["Zoë", "ada"]


def walks_in_order(plan: str) -> bool:
    """Tell whether every part comes from an index in the order of the page: nothing is sorted or read whole.

    Which of the ordered indexes it is depends on what the planner knows of a table that other tests fill and empty.
    """
    return "Index Scan" in plan and "Seq Scan" not in plan and "->  Sort" not in plan


@pytest.mark.heavy
def test_a_search_by_kind_walks_indexes_only(mixture: dt.datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE reports_event")  # what was known of the table may be of another test
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    for criteria in (
        EventCriteria(application="HR", result="failed"),
        EventCriteria(direction="in"),
        EventCriteria(actor="ad"),
        EventCriteria(actor="ad", application="HR", direction="out"),
        EventCriteria(run_id=1, direction="in"),
    ):
        assert walks_in_order(search.lines(criteria, 10).explain()), criteria
    assert "event_by_identifier" in search.lines(EventCriteria("anna.s"), 10).explain()
    assert "event_newest" in search.lines(EventCriteria(), 10).explain()


@pytest.mark.heavy
def test_a_search_that_takes_too_long_says_so(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write()

    def slow(*_: object, **__: object) -> list[Event]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
        return []

    monkeypatch.setattr(search, "PAGE_TIME_LIMIT", dt.timedelta(seconds=1))
    monkeypatch.setattr(search, "lines", slow)
    with pytest.raises(search.TooSlow):
        page(EventCriteria(), 10)
    assert Event.objects.count() == 1, "the connection is usable, and the limit is gone"


@pytest.mark.parametrize(
    "text", ["", "x", "12", "12-", "-5", "1-2-3", "9" * 40 + "-1", "99999999999999999-1", "١-1", "1e5-1"]
)
def test_a_broken_cursor_is_no_error(text: str) -> None:
    cursor = PageCursor.parse(text)
    assert cursor is None or page(EventCriteria(), 10, older=cursor).rows == []
