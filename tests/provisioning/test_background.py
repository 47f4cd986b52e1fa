"""What a process does beside its requests: in order, whatever fails, and to the end."""

from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction

from directories.models import Directory
from provisioning.background import Gathered
from provisioning.models import Change, User
from provisioning.outbound import dispatch
from provisioning.outbound.dispatch import DELIVER, LEAVERS, Delivery, send_gathered
from tests.provisioning.groups.push import mem

__all__ = ["mem"]
Message = tuple[Any, ...]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Task, arguments and queue of each message."""
    found: list[Message] = []

    def send(task: str, *args: object, queue: str | None = None) -> bool:
        found.append((task, *args, queue))
        return True

    monkeypatch.setattr(dispatch, "send", send)
    return found


def test_what_waits_is_done_in_order_in_lists_of_the_greatest_length() -> None:
    begun, go, done = Event(), Event(), []

    def work(items: list[int]) -> None:
        begun.set()
        go.wait(5)
        done.append(items)

    gathered = Gathered("Test", work, pause=0.001, most=4, most_waiting=10)
    gathered.put(0)
    assert begun.wait(5)
    for number in range(1, 20):  # of which ten may wait
        gathered.put(number)
    go.set()
    gathered.close()
    assert done == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


def test_a_failure_ends_nothing() -> None:
    done = []

    def work(items: list[str]) -> None:
        if items == ["bad"]:
            raise RuntimeError
        done.extend(items)

    gathered = Gathered("Test", work, pause=0, most=1, most_waiting=10)
    for item in ("first", "bad", "last"):
        gathered.put(item)
    gathered.close()
    assert done == ["first", "last"]


def test_a_thread_that_is_gone_as_after_a_fork_begins_anew() -> None:
    done: list[int] = []
    gathered = Gathered("Test", done.extend, pause=0, most=1, most_waiting=10)
    gone = Thread(target=lambda: None)
    gone.start()
    gone.join()
    gathered._thread = gone
    gathered.put(1)
    gathered.close()
    assert done == [1]


def test_deliveries_that_gathered_are_joined_and_leavers_go_first(sent: list[Message]) -> None:
    send_gathered(
        [
            Delivery(1, [3, 1], "accounts", None, 3),
            Delivery(1, [2, 3, 7], "accounts", None, 3),
            Delivery(2, [5], "accounts", None, 3),
            Delivery(1, [9], "groups", None, 2),
            Delivery(1, [8], "accounts", LEAVERS, 3),
        ]
    )
    assert sent == [
        (DELIVER, 1, [8], "accounts", LEAVERS),
        (DELIVER, 1, [1, 2, 3], "accounts", None),
        (DELIVER, 1, [7], "accounts", None),
        (DELIVER, 2, [5], "accounts", None),
        (DELIVER, 1, [9], "groups", None),
    ]


@pytest.mark.django_db(transaction=True)
def test_users_saved_in_one_moment_go_into_one_message(
    sent: list[Message], mem: Directory, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SEND_BESIDE = True
    waiting: list[Delivery] = []
    monkeypatch.setattr(dispatch._sender, "put", waiting.append)
    with transaction.atomic():
        User.objects.create(username="first")
        User.objects.create(username="second")
        assert not waiting  # nobody knows yet whether they stay
    assert [len(each.ids) for each in waiting] == [1, 1]
    send_gathered(waiting)
    accounts = sorted(Change.objects.filter(directory=mem).values_list("account", flat=True))
    assert sent == [(DELIVER, mem.pk, accounts, "accounts", None)]


@pytest.mark.parametrize(("took", "pause"), [(0.001, 1.0), (0.5, 5.0), (4.0, 20.0)])
def test_a_broker_that_failed_is_left_alone_for_as_long_as_asking_it_costs(
    took: float, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, asked = [100.0], []

    def fail(*_: object, **__: object) -> None:
        asked.append(clock[0])
        clock[0] += took
        raise OSError

    monkeypatch.setattr(dispatch, "current_app", SimpleNamespace(tasks={}, send_task=fail))
    monkeypatch.setattr(dispatch, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(dispatch, "_down_until", 0.0)
    assert not dispatch.send(DELIVER)
    clock[0] = 100 + took + pause - 0.1
    assert not dispatch.send(DELIVER)
    assert len(asked) == 1
    clock[0] += 0.2
    assert not dispatch.send(DELIVER)
    assert len(asked) == 2
