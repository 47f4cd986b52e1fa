"""The counting itself: plain rules, without a database."""

import datetime as dt
from dataclasses import dataclass

import pytest

from config.signin import limits
from config.signin.limits import TryLimit

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
NONE = dt.timedelta()
RULE = TryLimit(most=3, window=10 * MINUTE, pause=5 * MINUTE, longest=30 * MINUTE)


@dataclass
class Counting:
    since: dt.datetime = NOW
    number: int = 0
    until: dt.datetime | None = None
    pauses: int = 0


def add(count: Counting, rule: TryLimit, now: dt.datetime) -> dt.timedelta:
    """Count a try that is wrong; return the pause after it."""
    limits.add(count, rule, now)
    return limits.stop(count, rule, now)


def fill(count: Counting, now: dt.datetime, rule: TryLimit = RULE) -> dt.timedelta:
    """Try until none is allowed; return the pause."""
    while not (pause := add(count, rule, now)):
        pass
    return pause


def test_the_last_try_of_a_window_begins_the_pause() -> None:
    count = Counting()
    assert [add(count, RULE, NOW) for _ in range(3)] == [NONE, NONE, 5 * MINUTE]
    assert limits.wait(count, NOW + MINUTE) == 4 * MINUTE
    assert limits.wait(count, NOW + 5 * MINUTE) == NONE


def test_pauses_grow_up_to_the_longest_and_are_forgotten_after_a_quiet_day() -> None:
    count, now, pauses = Counting(), NOW, []
    for _ in range(5):
        pauses.append(fill(count, now) // MINUTE)
        assert count.until is not None
        now = count.until
    assert pauses == [5, 10, 20, 30, 30]
    assert fill(count, now + limits.FORGOTTEN) == 5 * MINUTE


def test_few_tries_in_each_window_are_never_too_many() -> None:
    count = Counting()
    for number in range(20):
        assert add(count, RULE, NOW + number * 5 * MINUTE) == NONE


def test_a_rule_without_a_pause_waits_for_the_end_of_the_window() -> None:
    rule, count = TryLimit(most=2, window=MINUTE), Counting()
    assert add(count, rule, NOW) == NONE
    assert add(count, rule, NOW + MINUTE / 2) == MINUTE / 2
    assert add(count, rule, NOW + MINUTE) == NONE


def test_a_right_try_gives_back_what_it_took() -> None:
    count = Counting()
    fill(count, NOW)
    limits.give_back(count, NOW)
    assert (count.number, count.until, count.pauses) == (2, None, 0)
    add(count, RULE, NOW)
    limits.give_back(count, NOW + 6 * MINUTE)
    assert count.pauses == 1, "a pause that is over stays one"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "1 minute"), (60, "1 minute"), (61, "2 minutes"), (300, "5 minutes")]
)
def test_a_wait_in_words(seconds: int, words: str) -> None:
    assert limits.duration(dt.timedelta(seconds=seconds)) == words
