"""What is shared of limits: Redis, the database and memory reckon alike, and two processes never take one token."""

import threading
from collections.abc import Callable, Sequence
from uuid import uuid4

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from directories import rate_stores
from directories.connectors.scim.rate import EVERYTHING, Bucket, MemoryRates, RateStore
from directories.models import RateLevels
from tests import servers

WIDE = Bucket("0", capacity=5.0, refill=2.0, reserve=1.0)
NARROW = Bucket("1 /Users", capacity=1.0, refill=0.5, reserve=0.0)
PEOPLE = Bucket("2 /Groups/1", capacity=10.0, refill=1.0, reserve=1.0, cost=10.0)
NO_LIMIT = Bucket(EVERYTHING, capacity=0.0, refill=0.0, reserve=0.0)

choices = st.lists(
    st.tuples(
        st.sampled_from(["usual", "urgent", "pause"]),
        st.sampled_from([(WIDE,), (WIDE, NARROW), (NARROW,), (WIDE, PEOPLE), (NO_LIMIT,)]),
        st.floats(0, 5, allow_nan=False).map(lambda number: round(number, 3)),
    ),
    min_size=5,
    max_size=40,
)


def played(
    store: RateStore, account: str, moves: Sequence[tuple[str, Sequence[Bucket], float]], clock: list[float]
) -> list[float]:
    """Return what a store answers to these moves, each some seconds after the one before."""
    answers = []
    for what, buckets, seconds in moves:
        clock[0] += seconds
        if what == "pause":
            store.pause(account, buckets, seconds)
        else:
            answers.append(store.take(account, buckets, urgent=what == "urgent"))
    return answers


def agree(make: Callable[[Callable[[], float]], RateStore], moves: list[tuple[str, Sequence[Bucket], float]]) -> None:
    account = str(uuid4())
    here, there = [1_800_000_000.0], [1_800_000_000.0]
    expected = played(MemoryRates(lambda: here[0]), account, moves, here)
    assert played(make(lambda: there[0]), account, moves, there) == pytest.approx(expected, abs=1e-4)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=choices)
def test_redis_reckons_as_memory_does(redis_server: servers.Server, moves: list) -> None:
    agree(lambda clock: rate_stores.RedisRates(redis_server.url, clock), moves)


@pytest.mark.heavy
@pytest.mark.django_db(transaction=True)
def test_the_database_reckons_as_memory_does() -> None:
    @settings(max_examples=15)
    @given(moves=choices)
    def alike(moves: list) -> None:
        agree(rate_stores.DatabaseRates, moves)

    alike()


def at_once(store: RateStore, threads: int) -> list[float]:
    """Return what several threads get that each ask ten times for one token at the same time."""
    answers: list[float] = []
    gate = threading.Barrier(threads)

    def ask() -> None:
        gate.wait()
        answers.extend(store.take("together", [WIDE._replace(refill=1e-6)], urgent=True) for _ in range(10))

    workers = [threading.Thread(target=ask) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return answers


def test_processes_never_take_the_same_token_from_redis(redis_server: servers.Server) -> None:
    answers = at_once(rate_stores.RedisRates(redis_server.url), threads=4)
    assert answers.count(0.0) == 5


@pytest.mark.heavy
@pytest.mark.django_db(transaction=True)
def test_processes_never_take_the_same_token_from_the_database() -> None:
    answers = at_once(rate_stores.DatabaseRates(), threads=4)
    assert answers.count(0.0) == 5
    assert RateLevels.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_transaction_holds_nobody_up() -> None:
    store = rate_stores.DatabaseRates()
    with transaction.atomic():
        assert store.take("a", [NARROW], urgent=False) == 0
        assert store.take("a", [NARROW], urgent=False) > 0
    assert not RateLevels.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_was_idle_for_a_day_is_forgotten() -> None:
    clock = [1_800_000_000.0]
    store = rate_stores.DatabaseRates(lambda: clock[0])
    store.take("a", [PEOPLE], urgent=False)
    clock[0] += 90_000
    store.take("a", [WIDE], urgent=False)
    assert PEOPLE.key not in RateLevels.objects.get().levels


@pytest.mark.django_db(transaction=True)
def test_a_turn_costs_one_look_and_one_write(django_assert_num_queries: Callable[[int], object]) -> None:
    store = rate_stores.DatabaseRates()
    store.take("a", [WIDE], urgent=False)
    with django_assert_num_queries(2):  # type: ignore[attr-defined]
        store.take("a", [WIDE, NARROW], urgent=False)
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        assert store.take("a", [NARROW], urgent=False) > 0
    assert connection.connection is not None


def test_without_redis_each_process_keeps_to_its_own(caplog: pytest.LogCaptureFixture) -> None:
    store = rate_stores.RedisRates(f"redis://127.0.0.1:{servers.free_port()}")
    assert store.take("a", [NARROW], urgent=False) == 0
    assert store.take("a", [NARROW], urgent=False) > 0
    store.pause("a", [WIDE], 9.0)
    assert store.take("a", [WIDE], urgent=True) == pytest.approx(9.0, abs=1)
    assert "Redis does not" in caplog.text
