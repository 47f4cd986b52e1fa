"""Bitmap, schedule and progress, without a database."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.imports.bitmap import Bitmap
from provisioning.imports.progress import duration
from provisioning.imports.schedule import next_import

BERLIN = ZoneInfo("Europe/Berlin")


@given(st.lists(st.integers(min_value=0, max_value=10**12)))
def test_a_bitmap_is_a_set(numbers: list[int]) -> None:
    bitmap, known = Bitmap(), set[int]()
    for number in numbers:
        assert (number in bitmap) == (number in known)
        assert bitmap.add(number) == (number not in known)
        known.add(number)
        assert number in bitmap


def berlin(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=BERLIN)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("schedule", "time", "weekday", "now", "expected"),
    [
        ("off", None, None, (2026, 5, 1, 10, 0), None),
        ("hourly", None, None, (2026, 5, 1, 10, 0), (2026, 5, 1, 11, 0)),
        ("hourly", None, None, (2026, 5, 1, 10, 59, 59), (2026, 5, 1, 11, 0)),
        ("daily", (2, 30), None, (2026, 5, 1, 2, 29), (2026, 5, 1, 2, 30)),
        ("daily", (2, 30), None, (2026, 5, 1, 2, 30), (2026, 5, 2, 2, 30)),
        ("daily", None, None, (2026, 5, 1, 10, 0), (2026, 5, 2, 0, 0)),
        ("weekly", (6, 0), 4, (2026, 5, 1, 5, 0), (2026, 5, 1, 6, 0)),  # 1 May 2026 is a Friday
        ("weekly", (6, 0), 4, (2026, 5, 1, 6, 0), (2026, 5, 8, 6, 0)),
        ("weekly", (6, 0), 0, (2026, 5, 1, 6, 0), (2026, 5, 4, 6, 0)),
    ],
)
def test_next_import(
    schedule: str, time: tuple[int, int] | None, weekday: int | None, now: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    at = next_import(schedule, dt.time(*time) if time else None, weekday, berlin(*now), BERLIN)
    assert at == (berlin(*expected) if expected else None)


def test_a_time_that_the_clocks_skip_runs_as_much_later() -> None:
    # 29 March 2026: 02:00 becomes 03:00.
    at = next_import("daily", dt.time(2, 30), None, berlin(2026, 3, 28, 12, 0), BERLIN)
    assert at is not None
    assert at.astimezone(BERLIN).replace(tzinfo=None) == dt.datetime(2026, 3, 29, 3, 30)
    after = next_import("daily", dt.time(2, 30), None, at, BERLIN)
    assert after == berlin(2026, 3, 30, 2, 30)


def test_a_time_that_comes_twice_runs_once() -> None:
    # 25 October 2026: 03:00 becomes 02:00 again.
    first = next_import("daily", dt.time(2, 30), None, berlin(2026, 10, 24, 12, 0), BERLIN)
    assert first == dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)
    assert next_import("daily", dt.time(2, 30), None, first, BERLIN) == berlin(2026, 10, 26, 2, 30)


def test_hourly_passes_both_changes_of_the_clock() -> None:
    for start in (berlin(2026, 3, 29, 0, 0), berlin(2026, 10, 25, 0, 0)):
        at: dt.datetime = start
        for _ in range(6):
            after = next_import("hourly", None, None, at, BERLIN)
            assert after is not None
            assert after - at.astimezone(dt.UTC) == dt.timedelta(hours=1)
            at = after


@given(
    st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2035, 1, 1), timezones=st.just(dt.UTC)),
    st.times(),
    st.integers(0, 6),
    st.sampled_from(["hourly", "daily", "weekly"]),
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
)
def test_the_next_moment_is_always_later_and_never_skips_a_turn(
    now: dt.datetime, time: dt.time, weekday: int, schedule: str, zone: str
) -> None:
    at = next_import(schedule, time, weekday, now, ZoneInfo(zone))
    assert at is not None
    longest = {"hourly": dt.timedelta(hours=1), "daily": dt.timedelta(days=1), "weekly": dt.timedelta(days=7)}[schedule]
    assert now < at <= now + longest + dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (59, "59 seconds"), (61, "1 minute"), (3600, "1 hour"), (5400, "1 hour 30 minutes")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
