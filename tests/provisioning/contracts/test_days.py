"""When a contract holds: the days of the person's own zone as moments, whatever the clocks do."""

import datetime as dt
from itertools import pairwise

import pytest

from provisioning.contracts import days
from provisioning.contracts.days import Interval, Term, Zone, interval, intervals, next_change, zone_of

MELBOURNE, AMSTERDAM, LOS_ANGELES = "Australia/Melbourne", "Europe/Amsterdam", "America/Los_Angeles"


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("zone", "first", "end"),
    [
        (MELBOURNE, "2026-11-01 13:00", "2026-11-30 13:00"),  # UTC+11 in summer
        (AMSTERDAM, "2026-11-01 23:00", "2026-11-30 23:00"),  # UTC+1 in winter
        (LOS_ANGELES, "2026-11-02 08:00", "2026-12-01 08:00"),  # UTC-8; the clocks went back on 1 November
        ("UTC", "2026-11-02 00:00", "2026-12-01 00:00"),
    ],
)
def test_a_term_holds_from_the_first_day_to_the_end_of_the_last_in_its_zone(zone: str, first: str, end: str) -> None:
    held = interval(Term(day("2026-11-02"), day("2026-11-30"), zone))
    assert held == Interval(utc(first), utc(end))
    assert held.holds(utc(first))
    assert not held.holds(utc(first) - dt.timedelta(microseconds=1))
    assert held.holds(utc(end) - dt.timedelta(microseconds=1))
    assert not held.holds(utc(end))


@pytest.mark.parametrize(
    ("zone", "of_the_day", "hours"),
    [
        (AMSTERDAM, "2026-03-29", 23),
        (AMSTERDAM, "2026-10-25", 25),
        (MELBOURNE, "2026-10-04", 23),
        (MELBOURNE, "2026-04-05", 25),
        (LOS_ANGELES, "2026-03-08", 23),
        (LOS_ANGELES, "2026-11-01", 25),
        ("America/Sao_Paulo", "2018-11-04", 23),  # midnight was left out
        ("America/Havana", "2026-11-01", 25),  # midnight comes twice
        ("Africa/Cairo", "2026-04-24", 23),  # midnight is left out
        ("Pacific/Apia", "2011-12-30", 0),  # the whole day was left out
    ],
)
def test_a_term_of_one_day_is_as_long_as_that_day_when_clocks_change(zone: str, of_the_day: str, hours: int) -> None:
    held = interval(Term(day(of_the_day), day(of_the_day), zone))
    assert held is not None
    assert held.start is not None
    assert held.end is not None
    assert held.end - held.start == dt.timedelta(hours=hours)


def test_the_first_of_two_midnights_begins_the_day() -> None:
    assert days.beginning(day("2026-11-01"), "America/Havana") == utc("2026-11-01 04:00")


def test_days_before_and_after_widen_a_term() -> None:
    term = Term(day("2026-03-29"), day("2026-10-25"), AMSTERDAM)
    assert interval(term, before=7, after=30) == Interval(utc("2026-03-21 23:00"), utc("2026-11-24 23:00"))


def test_an_open_term_has_no_moment_there() -> None:
    assert interval(Term(None, None, AMSTERDAM)) == Interval(None, None)
    held = interval(Term(day("2026-01-01"), None, AMSTERDAM))
    assert held == Interval(utc("2025-12-31 23:00"), None)
    assert held.holds(utc("2999-01-01"))


@pytest.mark.parametrize("ends", ["9999-12-31", "9999-01-01", "9000-01-01"])
def test_the_far_future_is_open(ends: str) -> None:
    held = interval(Term(day("2026-01-01"), day(ends), LOS_ANGELES), after=400)
    assert held is not None
    assert held.end is None


def test_the_first_day_there_is_does_not_fail() -> None:
    assert interval(Term(dt.date.min, dt.date.max, MELBOURNE), before=1000, after=1000) == Interval(None, None)


def test_a_term_that_ends_before_it_starts_never_holds() -> None:
    term = Term(day("2026-05-02"), day("2026-05-01"), AMSTERDAM)
    assert term.backwards
    assert interval(term, before=30, after=30) is None
    assert next_change([None], utc("2026-01-01")) is None


def test_terms_that_follow_each_other_leave_no_gap() -> None:
    terms = [Term(day("2026-01-01"), day("2026-06-30"), AMSTERDAM), Term(day("2026-07-01"), None, AMSTERDAM)]
    first, second = intervals(terms)
    assert first is not None
    assert second is not None
    assert first.end == second.start


@pytest.mark.parametrize(("before", "after"), [(AMSTERDAM, LOS_ANGELES), (MELBOURNE, AMSTERDAM)])
def test_who_moves_west_between_two_terms_is_not_without_one_for_hours(before: str, after: str) -> None:
    terms = [Term(day("2026-01-01"), day("2026-06-30"), before), Term(day("2026-07-01"), None, after)]
    first, second = intervals(terms)
    assert first is not None
    assert second is not None
    assert first.end == second.start == days.beginning(day("2026-07-01"), after)


def test_who_moves_east_has_both_for_hours() -> None:
    terms = [Term(day("2026-01-01"), day("2026-06-30"), LOS_ANGELES), Term(day("2026-07-01"), None, MELBOURNE)]
    first, second = intervals(terms)
    assert first is not None
    assert second is not None
    assert first.end == days.beginning(day("2026-07-01"), LOS_ANGELES) > second.start  # type: ignore[operator]


def test_a_real_gap_stays_one() -> None:
    terms = [Term(day("2026-01-01"), day("2026-06-29"), AMSTERDAM), Term(day("2026-07-01"), None, LOS_ANGELES)]
    first = intervals(terms)[0]
    assert first is not None
    assert first.end == days.beginning(day("2026-06-30"), AMSTERDAM)


def test_the_next_change_is_the_next_begin_or_end() -> None:
    held = intervals(
        [
            Term(day("2026-01-01"), day("2026-06-30"), "UTC"),
            Term(day("2026-03-01"), None, "UTC"),
            Term(day("2026-09-01"), day("2026-08-01"), "UTC"),
        ]
    )
    assert next_change(held, utc("2025-12-31")) == utc("2026-01-01")
    assert next_change(held, utc("2026-01-01")) == utc("2026-03-01")
    assert next_change(held, utc("2026-03-02")) == utc("2026-07-01")
    assert next_change(held, utc("2026-07-01")) is None


def test_two_hundred_terms_in_a_row_are_one_without_gap() -> None:
    zones = (MELBOURNE, AMSTERDAM, LOS_ANGELES)
    starts = [day("2010-01-01") + dt.timedelta(days=30 * number) for number in range(201)]
    terms = [
        Term(start, following - days.DAY, zones[place % 3]) for place, (start, following) in enumerate(pairwise(starts))
    ]
    held = [one for one in intervals(terms) if one is not None]
    assert len(held) == 200
    for one, following in pairwise(held):
        assert one.end is not None
        assert following.start is not None
        assert one.end >= following.start


def test_the_zone_is_the_first_that_is_known() -> None:
    candidates = [("the location Delft", ""), ("the person", MELBOURNE), ("the portal", "UTC")]
    assert zone_of(candidates) == Zone(MELBOURNE)


def test_a_missing_zone_falls_back_to_the_portals_and_says_so() -> None:
    assert zone_of([("the person", ""), ("the portal", AMSTERDAM)]) == Zone(
        AMSTERDAM, "No time zone is known. That of the portal counts: Europe/Amsterdam."
    )


def test_a_wrong_zone_is_passed_over_and_named() -> None:
    found = zone_of([("the location Delft", "Europe/Delft"), ("the person", LOS_ANGELES), ("the portal", "UTC")])
    assert found == Zone(LOS_ANGELES, "“Europe/Delft” of the location Delft is no time zone.")
    found = zone_of([("the person", "../etc/passwd"), ("the portal", "UTC")])
    assert found == Zone("UTC", "“../etc/passwd” of the person is no time zone. That of the portal counts: UTC.")
