"""Limits of applications: kept to the letter, shared by everybody who asks, leavers first, and foretold."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from directories.connectors.base import Unavailable
from directories.connectors.scim import rate
from directories.connectors.scim.presets import RateLimit, ScimPreset, all_names, load
from directories.connectors.scim.rate import Bucket, Forecast, Limiter, MemoryRates, Sending, about, counts, forecast
from tests.doubles.scim.limits import StrictLimits
from tests.doubles.scim.server import Clock

CREATE = Sending("POST", "/Users", size=400)
LOOK = Sending("GET", "/Users")
DELETE = Sending("DELETE", "/Users/1", urgent=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A fake clock, on which everybody sleeps."""
    clock = Clock()
    monkeypatch.setattr(rate, "sleep", clock.sleep)
    return clock


def limiter(preset: ScimPreset, clock: Clock) -> Limiter:
    return Limiter(preset, "https://app.example.com", MemoryRates(clock))


def limited(*rate: RateLimit) -> ScimPreset:
    """Return a preset with these limits alone."""
    return replace(load("generic"), rate=rate)


def first_load(preset: ScimPreset, users: int) -> Iterator[Sending]:
    """Give the requests that bring so many users in."""
    for _ in range(users):
        yield LOOK
        yield CREATE


def spent(preset: ScimPreset, requests: Iterator[Sending], clock: Clock) -> float:
    """Send requests one after the other as fast as the limiter lets them; the product counts along. Return the time."""
    turns, product = limiter(preset, clock), StrictLimits(preset, clock)
    began = clock()
    for request in requests:
        turns.turn(request, patience=7200)
        assert product.refusal(request) is None
    return clock() - began


@pytest.mark.parametrize(("name", "users"), [("slack", 1500), ("miro", 1500), ("zoom", 200), ("github_emu", 300)])
def test_the_first_load_takes_as_long_as_was_said_and_the_product_refuses_nothing(
    name: str, users: int, clock: Clock
) -> None:
    preset = load(name)
    said = forecast(preset, users).seconds
    assert said > 60
    assert spent(preset, first_load(preset, users), clock) == pytest.approx(said, rel=0.05)


def test_groups_come_on_top(clock: Clock) -> None:
    preset = load("miro")
    said = forecast(preset, users=500, groups=40, members=4000)
    assert said.slowest is not None
    assert said.slowest.what == "questions for the groups"
    patch = Sending("PATCH", "/Groups/1", size=150 + 50 * 100, members=100)

    def requests() -> Iterator[Sending]:
        yield from first_load(preset, 500)
        for _ in range(40):
            yield Sending("GET", "/Groups")
            yield patch

    assert spent(preset, requests(), clock) == pytest.approx(said.seconds, rel=0.05)


def test_the_forecast_says_which_limit_decides() -> None:
    assert forecast(load("slack"), 10_000).words == "about 56 minutes: Slack allows 180 creations a minute"
    assert forecast(load("zoom"), 3_600).words == "about 2 hours: Zoom allows 1 request a second"
    assert forecast(load("generic"), 10_000).words == "less than a minute"


def test_without_limits_the_answers_decide() -> None:
    said = forecast(load("generic"), 10_000, answer=0.2)
    assert said == Forecast(seconds=20_000 * 0.2 / 4, slowest=None, label="Other SCIM 2.0 application")
    assert said.words == "about 17 minutes"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "less than a minute"),
        (60, "about a minute"),
        (95, "about 2 minutes"),
        (3333, "about 56 minutes"),
        (7200, "about 2 hours"),
        (37_000, "about 10.3 hours"),
        (200_000, "about 2.3 days"),
    ],
)
def test_times_are_said_in_words(seconds: float, words: str) -> None:
    assert about(seconds) == words


@pytest.mark.parametrize("name", all_names())
def test_no_request_is_ever_one_too_many(name: str, clock: Clock) -> None:
    preset = load(name)
    kinds = [CREATE, LOOK, DELETE, Sending("PATCH", "/Users/1", 300), Sending("PATCH", "/Groups/1", 700, members=7)]
    requests = (kinds[number * number % len(kinds)] for number in range(400))
    spent(preset, requests, clock)


def test_a_limit_without_a_burst_holds_for_every_stretch_of_its_period(clock: Clock) -> None:
    preset = limited(RateLimit(limit=200, per=30, what="creations"))
    taken = spent(preset, iter([CREATE] * 1000), clock)
    assert taken == pytest.approx(1000 * 30 / 200, rel=0.05)


def test_bursts_are_used(clock: Clock) -> None:
    preset = limited(RateLimit(limit=180, per=60, burst=20, what="creations"))
    assert spent(preset, iter([CREATE] * 15), clock) == 0.0


def test_people_of_one_group_are_counted_and_not_requests(clock: Clock) -> None:
    preset = load("github_emu")
    one, other = Sending("PATCH", "/Groups/1", members=100), Sending("PATCH", "/Groups/2", members=100)
    turns = limiter(preset, clock)
    turns.turn(one, patience=1)
    turns.turn(other, patience=1)
    with pytest.raises(Unavailable):
        turns.turn(one, patience=60)
    assert spent(preset, iter([one] * 15), clock) == pytest.approx(15 * 360, rel=0.2)


def test_a_leaver_goes_before_those_who_were_there_first(clock: Clock) -> None:
    preset = limited(RateLimit(limit=60, per=60, what="requests"))
    turns = limiter(preset, clock)
    turns.turn(CREATE, patience=1)
    usual, urgent = turns.wait_for(CREATE), turns.wait_for(DELETE)
    assert usual == urgent > 0
    clock.sleep(usual)
    assert turns.wait_for(CREATE) > 0
    assert turns.wait_for(DELETE) == 0
    turns.turn(CREATE, patience=3)


def test_leavers_find_something_left_in_the_middle_of_a_first_load(clock: Clock) -> None:
    preset = load("slack")
    turns = limiter(preset, clock)
    for request in first_load(preset, 300):
        turns.turn(request, patience=60)
    assert turns.wait_for(Sending("PATCH", "/Users/1", urgent=True)) == 0
    assert turns.wait_for(DELETE) == 0


def test_what_the_application_asks_for_comes_first(clock: Clock) -> None:
    turns = limiter(load("slack"), clock)
    turns.turn(CREATE, patience=1)
    turns.refused(CREATE, 17.0)
    assert turns.wait_for(CREATE) == pytest.approx(17.0)
    assert turns.wait_for(DELETE) == pytest.approx(17.0)
    assert turns.wait_for(LOOK) == 0  # another limit, which nobody complained of
    clock.sleep(17.0)
    assert turns.wait_for(DELETE) == 0


def test_a_pause_is_kept_where_no_limit_is_known_either(clock: Clock) -> None:
    turns = limiter(load("generic"), clock)
    turns.refused(CREATE, 1.0)
    turns.refused(CREATE, 2.0)
    assert turns.wait_for(LOOK) == pytest.approx(2.0)
    clock.sleep(2.0)
    assert turns.wait_for(LOOK) == 0


def test_a_shared_store_is_asked_now_and_then_where_no_limit_is_known(clock: Clock) -> None:
    asked: list[str] = []

    class Counted(MemoryRates):
        def take(self, account: str, buckets: Sequence[Bucket], *, urgent: bool) -> float:
            asked.append(account)
            return super().take(account, buckets, urgent=urgent)

    store = Counted(clock)
    here, there = (Limiter(load("generic"), "a", store) for _ in range(2))
    assert [here.wait_for(LOOK) for _ in range(50)] == [0.0] * 50
    assert len(asked) < 50
    there.refused(LOOK, 9.0)
    here._free_until = 0.0
    assert here.wait_for(LOOK) == pytest.approx(9.0)


def test_who_would_wait_too_long_is_told_when_to_come_back(clock: Clock) -> None:
    turns = limiter(load("zoom"), clock)
    turns.refused(CREATE, 300.0)
    with pytest.raises(Unavailable, match="again in 300 seconds") as told:
        turns.turn(CREATE, patience=60)
    assert told.value.retry_after == pytest.approx(300.0)


def test_several_connectors_of_one_account_share_its_buckets(clock: Clock) -> None:
    preset, store = load("zoom"), MemoryRates(clock)
    here, there, elsewhere = (Limiter(preset, account, store) for account in ("a", "a", "b"))
    assert here.wait_for(CREATE) == 0
    assert there.wait_for(CREATE) > 0
    assert elsewhere.wait_for(CREATE) == 0


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        (Sending("PATCH", "/Groups/1", 500), {"small updates of groups"}),
        (Sending("PATCH", "/Groups/1", 501), {"large updates of groups"}),
        (Sending("GET", "/Groups"), {"questions for the groups"}),
        (Sending("GET", "/Groups/1"), {"looks at groups"}),
        (Sending("GET", "/Users/1"), {"questions for users"}),
        (Sending("GET", "/Schemas"), set()),
    ],
)
def test_requests_are_told_apart_by_method_path_and_size(request_: Sending, what: set[str]) -> None:
    assert {limit.what for limit in load("miro").rate if counts(limit, request_)} == what
