"""What holds of every kind of outbound work: accounts and groups go out by one engine."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from config.database import rows
from directories import config as directory_config
from directories import health
from directories.connectors.base import Entry, RemoteAccount, Unavailable
from directories.connectors.memory import Memory
from directories.models import Directory
from provisioning import services, tasks
from provisioning.models import Account, Group, GroupAccount, User
from provisioning.models.outbox import Counterpart
from provisioning.outbound import batch, dispatch
from provisioning.outbound.accounts import outbox
from provisioning.outbound.batch import Delivered
from provisioning.outbound.groups import outbox as group_outbox
from provisioning.outbound.kinds import BY_NAME, WorkKind
from provisioning.outbound.leases import Parked
from reports.models import Event
from tests.provisioning.groups.push import mem

__all__ = ["mem"]
pytestmark = pytest.mark.django_db


@dataclass
class Bench:
    """One kind of work, and the directory MEM that it goes to."""

    kind: WorkKind
    directory: Directory
    make: Callable[[str], object]

    def run(self, limit: int = 100) -> Delivered:
        return batch.deliver(self.kind.work, self.directory.pk, self.kind.leases.due(self.directory.pk, limit))

    def row(self, name: str) -> Counterpart:
        found: Counterpart = self.kind.leases.target._default_manager.get(key=name)
        return found

    def changes(self) -> Any:
        return self.kind.change._default_manager


def make_user(name: str) -> User:
    return User.objects.create(username=name)


def make_group(name: str) -> Group:
    group = Group(name=name)
    services.save_group(group, "tester")
    return group


@pytest.fixture(params=["accounts", "groups"])
def bench(request: pytest.FixtureRequest, mem: Directory) -> Bench:
    return Bench(BY_NAME[request.param], mem, {"accounts": make_user, "groups": make_group}[request.param])


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The messages that go to workers, with what they are sent with."""
    found: list[tuple[Any, ...]] = []

    def send(task: str, *args: object, **options: object) -> bool:
        found.append((task.rpartition(".")[2], *args, options))
        return True

    monkeypatch.setattr(dispatch, "send", send)
    monkeypatch.setattr(tasks, "send", send)
    return found


def test_something_unexpected_while_opening_a_directory_parks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench.make("anna")
    words = "top secret"

    def open_connector(config: object) -> None:
        raise RuntimeError(words)

    monkeypatch.setattr(directory_config, "open_connector", open_connector)
    bench.run()
    change = bench.changes().get()
    assert (change.parked_code, bench.row("anna").last_result) == ("internal", "parked")
    assert bench.row("anna").leased_until is None
    assert words not in caplog.text + str(Event.objects.values_list())


def test_what_comes_during_an_outage_gets_one_line(bench: Bench) -> None:
    health.record_failure(bench.directory.pk, Unavailable("MEM does not answer."))
    bench.make("anna")
    for _ in range(2):
        assert bench.run().claimed == 0
    assert (bench.row("anna").last_result, bench.row("anna").last_message) == ("waiting", "MEM does not answer.")
    lines = Event.objects.filter(direction="out", result="waiting").values_list("message", flat=True)
    assert [line for line in lines if line.endswith("MEM does not answer.")] == list(lines)
    assert len(lines) == 1


def test_a_long_reason_and_a_long_name_are_cut(mem: Directory) -> None:
    account = Account.objects.create(directory=mem, key="anna")
    group = GroupAccount.objects.create(directory=mem, key="Developers")
    with transaction.atomic():
        outbox.enqueue({mem.pk: [account.pk]}, "r" * 100, "a" * 300)
        group_outbox.enqueue_whole({mem.pk: [group.pk]}, "r" * 100, "a" * 300)
        group_outbox.enqueue_pairs({mem.pk: [(group.pk, account.pk)]}, "r" * 100, "a" * 300)
    for changes in (account.changes, group.changes):
        assert {(len(change.reason), len(change.actor)) for change in changes.all()} == {(64, 255)}


def test_the_oldest_change_goes_first_and_a_limit_takes_the_first_of_them(bench: Bench) -> None:
    for name in ("carl", "anna", "ben"):
        bench.make(name)
    newest, *_ = bench.changes().order_by("pk")
    bench.changes().filter(pk=newest.pk).delete()
    ordered = [bench.row(name).pk for name in ("anna", "ben")]
    assert bench.kind.leases.due(bench.directory.pk, 10) == ordered
    assert list(bench.kind.leases.claim(ordered[::-1], 1).changes) == ordered[1:]


def test_many_changes_of_one_hide_no_other(bench: Bench) -> None:
    for name in ("anna", "ben"):
        bench.make(name)
    first, second = (bench.row(name).pk for name in ("anna", "ben"))
    link = f"{bench.kind.leases.link}_id"
    bench.changes().filter(**{link: second}).delete()
    for target, number in ((first, 50), (second, 1)):
        bench.changes().bulk_create(
            bench.kind.change(directory=bench.directory, reason="test", **{link: target}) for _ in range(number)
        )
    assert bench.kind.leases.due(bench.directory.pk, 2) == [first, second]
    assert bench.kind.leases.backlog() == [(bench.directory.pk, 1)]


def test_what_another_worker_holds_is_not_left_over(bench: Bench) -> None:
    bench.make("anna")
    pk = bench.row("anna").pk
    bench.kind.leases.claim([pk])
    assert bench.kind.leases.left_over([pk]) == []
    bench.kind.leases.target._default_manager.update(leased_until=None)
    assert bench.kind.leases.left_over([pk]) == [pk]


def test_a_rename_during_the_call_stays(mem: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    make_user("anna")
    real = Memory.create

    def create(self: Memory, entry: Entry, password: str | None = None) -> RemoteAccount:
        Account.objects.update(key="anna.berg")
        return real(self, entry, password)

    monkeypatch.setattr(Memory, "create", create)
    Bench(BY_NAME["accounts"], mem, make_user).run()
    account = Account.objects.get()
    assert (account.key, account.state) == ("anna.berg", "active")


@pytest.mark.parametrize("gone", ["last", "all"])
def test_parking_keeps_a_change_though_some_are_done_already(bench: Bench, gone: str) -> None:
    bench.make("anna")
    row, kind = bench.row("anna"), bench.kind
    kind.change._default_manager.create(directory=bench.directory, reason="test", **{f"{kind.leases.link}_id": row.pk})
    held = kind.leases.claim([row.pk])
    first, last = held.ids([row.pk])
    bench.changes().filter(pk__in=[last] if gone == "last" else held.ids([row.pk])).delete()
    with transaction.atomic():
        kind.leases.lock(held, [row.pk])
        kind.leases.park(held, {row.pk: Parked("refused", "No.")})
    change = bench.changes().get()
    assert (change.parked_message, change.directory, change.lane) == ("No.", bench.directory, held.lane(row.pk))
    assert gone == "all" or change.pk == first


@pytest.mark.parametrize(
    "field", ["leased_until", "not_before"], ids=["a lease of a wrong clock", "a pause of a wrong clock"]
)
def test_a_time_far_ahead_blocks_nothing_for_ever(bench: Bench, field: str) -> None:
    bench.make("anna")
    bench.kind.leases.target._default_manager.update(**{field: timezone.now() + dt.timedelta(days=2)})
    assert bench.run().claimed == 1
    assert not bench.changes().exists()
    assert bench.row("anna").state == "active"


def test_leases_and_pauses_are_of_the_databases_clock(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    bench.make("anna")
    bench.kind.leases.target._default_manager.update(not_before=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))
    held = bench.kind.leases.claim([bench.row("anna").pk])
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=3)
    assert held.until < soon
    assert bench.row("anna").leased_until == held.until
    bench.kind.leases.renew(held, [bench.row("anna").pk])
    assert bench.row("anna").leased_until == held.until
    assert held.until < soon
    assert held.clock.after_pause(0, None) < soon


# --- Rows that somebody has locked -----------------------------------------------------------------------------------


@contextmanager
def other_connection() -> Iterator[Any]:
    """Open a second connection to the portal's database, in a transaction."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            yield cursor
        other.rollback()
    finally:
        other.close()


@pytest.mark.heavy
@pytest.mark.django_db(transaction=True)
def test_what_somebody_had_locked_is_sent_again_soon(bench: Bench, sent: list[tuple[Any, ...]]) -> None:
    bench.make("anna")
    bench.make("ben")
    anna, ben = bench.row("anna").pk, bench.row("ben").pk
    table = bench.kind.leases.target._meta.db_table
    sent.clear()
    with other_connection() as cursor:
        cursor.execute(f"SELECT 1 FROM {table} WHERE id = {anna} FOR NO KEY UPDATE")
        tasks.deliver(bench.directory.pk, [anna, ben], bench.kind.name)
        assert (bench.row("anna").state, bench.row("ben").state) == ("pending", "active")
        *message, options = sent.pop()
        assert message == ["deliver", bench.directory.pk, [anna], bench.kind.name, 1]
        assert options["countdown"] < 1
        tasks.deliver(bench.directory.pk, [anna], bench.kind.name, 1)
        assert sent.pop()[-1]["countdown"] > options["countdown"]
        tasks.deliver(bench.directory.pk, [anna], bench.kind.name, tasks.TRIES)
        assert sent == []  # the sweep is soon enough
    tasks.deliver(bench.directory.pk, [anna], bench.kind.name, 1)
    assert bench.row("anna").state == "active"
    assert sent == []


@pytest.mark.heavy
@pytest.mark.django_db(transaction=True)
def test_recording_members_of_a_group_locks_no_account_away_from_its_delivery(mem: Directory) -> None:
    make_user("anna")
    account = Account.objects.get()
    sql = "SELECT id FROM provisioning_account WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED"
    with transaction.atomic():
        assert rows.keep(Account, [account.pk, account.pk + 1]) == {account.pk}
        with other_connection() as cursor:
            cursor.execute(sql, [account.pk])
            assert cursor.fetchall() == [(account.pk,)]
        with other_connection() as cursor:  # and yet it is not deleted meanwhile
            cursor.execute("SELECT id FROM provisioning_account WHERE id = %s FOR UPDATE SKIP LOCKED", [account.pk])
            assert cursor.fetchall() == []
