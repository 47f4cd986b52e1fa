"""Waking those who wait for a gateway, and what a call costs the portal's database."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from directories.connectors.gateway.calls import Answers, Call, dump_call
from directories.gateway import messages
from provisioning.gateway import bell, mailbox
from provisioning.gateway.models import Gateway
from tests.fixtures.gateways import HERE, Caller


def listens() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_listening_channels()")
        return [name for (name,) in cursor.fetchall()]


@pytest.mark.django_db(transaction=True)
def test_whoever_listens_is_woken_by_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "UNWOKEN", 60.0)
    began, woken = threading.Event(), threading.Event()
    heard: list[Any] = []

    def wait() -> None:
        with bell.listening("one", "two") as sleep:
            heard.append(sorted(listens()))
            began.set()
            sleep(60.0)
        heard.append(listens())
        connection.close()
        woken.set()

    threading.Thread(target=wait, daemon=True).start()
    assert began.wait(20)
    with transaction.atomic():
        bell.ring("two")
        assert not woken.wait(0.2), "what is not committed is not there to be looked at"
    assert woken.wait(20)
    assert heard == [["one", "two"], []]


@pytest.mark.django_db(transaction=True)
def test_without_a_bell_there_are_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a pooler, which gives the connection to somebody else between two statements."""
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "prepare_threshold", None)
    began = time.monotonic()
    with bell.listening("one") as sleep:
        assert listens() == []
        sleep(60.0)
    assert time.monotonic() - began < 10


@pytest.mark.django_db(transaction=True)
def test_the_mailbox_wakes_both_sides(office: Gateway, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "UNWOKEN", 60.0)

    def woken_by(name: str, what: Callable[[], Any]) -> Any:
        began, woken = threading.Event(), threading.Event()

        def wait() -> None:
            with bell.listening(name) as sleep:
                began.set()
                sleep(60.0)
            connection.close()
            woken.set()

        threading.Thread(target=wait, daemon=True).start()
        assert began.wait(20)
        found = what()
        assert woken.wait(20), name
        return found

    blob = messages.pack(dump_call(Call("accounts", [10])))
    number = woken_by(
        bell.of_gateway(office.pk), lambda: mailbox.put(office.pk, HERE.name, blob, writes=False, streams=True)
    )
    caller.ask()
    woken_by(bell.of_answer(number), lambda: caller.answer(number, 0, Answers([1])))
    woken_by(bell.of_room(number), lambda: mailbox.use(number, 0))


@pytest.mark.heavy
@pytest.mark.django_db
def test_what_a_call_costs_the_database(
    office: Gateway, caller: Caller, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    """Savepoints and rings are counted, too."""
    blob = messages.pack(dump_call(Call("count")))
    with django_assert_max_num_queries(6):
        number = mailbox.put(office.pk, HERE.name, blob, writes=False, streams=False)
    with django_assert_max_num_queries(10):
        assert caller.ask(tell=False).head["calls"] == [[number, HERE.name]]
    with django_assert_max_num_queries(7):
        caller.answer(number, 0, Answers([1], last=True))
    with django_assert_max_num_queries(5):
        mailbox.forget(number)
