"""Deliveries of many accounts at once: quicker, and for each account the same as by itself."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.connectors.sql.dialects.postgresql import PostgreSQLDialect
from directories.connectors.sql.session import SqlSession
from directories.models import Directory
from provisioning import services
from provisioning.models import Account, Change, User
from provisioning.outbound import batch, dispatch
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from reports.models import Event
from tests.fixtures.directories import AppsDb
from tests.provisioning.crew import Crews, save_crew_directory

pytestmark = pytest.mark.django_db

OUT = {"create_users": True, "update_users": True, "deactivate_users": True, "delete_users": True}


def add_users(count: int) -> list[User]:
    users = User.objects.bulk_create([User(username=f"user{n}", first_name=f"First{n}") for n in range(count)])
    services.provision_many([user.pk for user in users], "test")
    return users


def deliver_all(directory: Directory) -> None:
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 500))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent to directories, a run of statements as one."""
    sent: list[str] = []
    execute, run_all = SqlSession.execute, SqlSession.run_all

    def remember(self: SqlSession, sql: str, *args: Any, **options: Any) -> Any:
        sent.append(sql)
        return execute(self, sql, *args, **options)

    def remember_run(self: SqlSession, statements: Any) -> Any:
        sent.append(f"{len(statements)} x {statements[0].sql}")
        return run_all(self, statements)

    monkeypatch.setattr(SqlSession, "execute", remember)
    monkeypatch.setattr(SqlSession, "run_all", remember_run)
    return sent


@pytest.mark.heavy
def test_neither_the_directory_nor_the_portal_is_asked_once_an_account(
    pg_appsdb: AppsDb, make_directory: Callable[..., Directory], asked: list[str]
) -> None:
    directory = make_directory(pg_appsdb, **OUT, password_storage="plain")
    sizes: dict[int, tuple[int, int, int]] = {}
    for count in (20, 60):
        User.objects.all().delete()
        deliver_all(directory)
        add_users(count)
        asked.clear()
        deliver_all(directory)
        creates = len(asked)
        User.objects.update(last_name="New")
        services.provision_many(User.objects.values_list("pk", flat=True), "test")
        asked.clear()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            deliver_all(directory)
        sizes[count] = creates, len(asked), len(queries)
        assert pg_appsdb.people() == {f"user{n}": (f"First{n}", "New", None) for n in range(count)}
        assert not Change.objects.exists()
    for small, large in zip(sizes[20], sizes[60], strict=True):
        assert large <= small + 4, sizes  # a run more, not forty accounts more


@pytest.mark.heavy
def test_a_refusal_within_a_run_is_the_accounts_own(
    pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb, **OUT, password_storage="plain")
    add_users(8)
    deliver_all(directory)
    pg_appsdb.execute("DELETE FROM USERS WHERE USERNAME = 'user2'")
    pg_appsdb.execute("ALTER TABLE USERS ADD CHECK (LASTNAME <> 'Refused')")
    User.objects.update(last_name="New")
    User.objects.filter(username="user4").update(last_name="Refused")
    User.objects.filter(username="user5").update(last_name="Nul \x01")
    services.provision_many(User.objects.values_list("pk", flat=True), "test")
    Event.objects.all().delete()
    deliver_all(directory)
    assert {name: row[1] for name, row in pg_appsdb.people().items()} == {
        **{f"user{n}": "New" for n in range(8)},
        "user4": None,
        "user5": "Nul \x01",
    }
    lines = list(Event.objects.order_by("pk").values_list("identifier", "operation", "result"))
    assert lines == [
        ("user0", "update", "success"),
        ("user1", "update", "success"),
        ("user2", "create", "success"),  # it was gone over there
        ("user3", "update", "success"),
        ("user4", "update", "failed"),
        ("user5", "update", "success"),
        ("user6", "update", "success"),
        ("user7", "update", "success"),
    ]
    assert list(Account.objects.exclude(last_result="ok").values_list("key", "last_result")) == [("user4", "parked")]


def test_who_leaves_or_is_there_already_is_dealt_with_in_turn(
    pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb, **OUT, on_deactivate="delete", password_storage="plain")
    add_users(4)
    deliver_all(directory)
    pg_appsdb.add("there", "Old")
    User.objects.bulk_create([User(username=name) for name in ("new1", "there", "new2")])
    User.objects.filter(username="user1").update(is_active=False)
    User.objects.filter(username__in=["user0", "user3"]).update(last_name="New")
    services.provision_many(User.objects.values_list("pk", flat=True), "test")
    Event.objects.all().delete()
    deliver_all(directory)
    assert pg_appsdb.people() == {
        "user0": ("First0", "New", None),
        "user2": ("First2", None, None),
        "user3": ("First3", "New", None),
        "there": (None, None, None),
        "new1": (None, None, None),
        "new2": (None, None, None),
    }
    lines = list(Event.objects.order_by("pk").values_list("identifier", "operation"))
    assert lines[0] == ("user1", "delete")
    assert set(lines[1:]) == {
        ("user0", "update"),
        ("user3", "update"),
        ("new1", "create"),
        ("there", "link"),
        ("there", "update"),
        ("new2", "create"),
    }
    assert not Change.objects.exists()


@pytest.fixture
def audit(pg_appsdb: AppsDb) -> Callable[[], list[str]]:
    """Return what tells whose rows PostgreSQL has inserted and updated, as often as it has done that."""
    pg_appsdb.execute("CREATE TABLE AUDIT (NUMBER SERIAL, NAME TEXT)")
    pg_appsdb.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO AUDIT (NAME) VALUES (NEW.USERNAME); RETURN NEW; END $$"
    )
    pg_appsdb.execute("CREATE TRIGGER note AFTER INSERT OR UPDATE ON USERS FOR EACH ROW EXECUTE FUNCTION note()")
    return lambda: [row[0] for row in pg_appsdb.rows("SELECT NAME FROM AUDIT ORDER BY NUMBER")]


@pytest.mark.heavy
def test_what_was_written_together_is_written_once_whoever_is_in_sync_between(
    pg_appsdb: AppsDb, make_directory: Callable[..., Directory], audit: Callable[[], list[str]]
) -> None:
    directory = make_directory(pg_appsdb, **OUT, password_storage="plain")
    add_users(4)
    deliver_all(directory)
    User.objects.update(last_name="New")
    pg_appsdb.execute("UPDATE USERS SET LASTNAME = 'New' WHERE USERNAME = 'user1'")
    User.objects.bulk_create([User(username=f"new{n}") for n in range(4)])
    names = ["new0", "new1", "user1", "new2", "new3", "user0", "user2", "user3"]
    for name in names:
        services.provision_many([User.objects.get(username=name).pk], "test")
    pg_appsdb.execute("DELETE FROM AUDIT")
    Event.objects.all().delete()
    deliver_all(directory)
    names.remove("user1")
    assert audit() == names
    lines = list(Event.objects.order_by("pk").values_list("identifier", "operation"))
    assert lines == [(name, "create" if name.startswith("new") else "update") for name in names]
    assert not Change.objects.exists()
    assert set(Account.objects.values_list("last_result", flat=True)) == {"ok"}


def test_a_network_that_goes_away_in_between_is_tried_once_and_what_was_written_is_noted(
    pg_appsdb: AppsDb,
    make_directory: Callable[..., Directory],
    audit: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = make_directory(pg_appsdb, **OUT, password_storage="plain")
    add_users(9)
    deliver_all(directory)
    pg_appsdb.execute(
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.USERNAME = 'user1' THEN RAISE EXCEPTION 'locked' USING ERRCODE = 'lock_not_available'; END IF; "
        "IF NEW.USERNAME = 'user4' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END $$"
    )
    pg_appsdb.execute("CREATE TRIGGER cut BEFORE UPDATE ON USERS FOR EACH ROW EXECUTE FUNCTION cut()")
    pg_appsdb.execute("DELETE FROM AUDIT")
    User.objects.update(last_name="New")
    services.provision_many(User.objects.order_by("pk").values_list("pk", flat=True), "test")
    Event.objects.all().delete()
    tried = 0

    def away(*_: object) -> None:
        nonlocal tried
        tried += 1
        raise psycopg.OperationalError("timeout expired")

    run_all = PostgreSQLDialect.run_all

    def then_away(*args: Any) -> Any:
        monkeypatch.setattr(PostgreSQLDialect, "open", away)
        return run_all(*args)

    monkeypatch.setattr(PostgreSQLDialect, "run_all", then_away)
    deliver_all(directory)
    assert tried == 1
    assert audit() == ["user0", "user2", "user3"]
    done = Account.objects.filter(last_result="ok").order_by("pk")
    assert list(done.values_list("key", flat=True)) == audit()
    lines = Event.objects.filter(operation="update", result="success").order_by("pk")
    assert list(lines.values_list("identifier", flat=True)) == audit()
    waiting = set(Account.objects.filter(last_result="waiting").values_list("key", flat=True))
    assert waiting == {"user1", *(f"user{n}" for n in range(4, 9))}
    assert Change.objects.count() == len(waiting)


def test_a_failure_after_accounts_were_written_together_makes_none_of_them_twice(
    pg_appsdb: AppsDb,
    make_directory: Callable[..., Directory],
    audit: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = make_directory(pg_appsdb, **OUT, password_storage="plain")
    add_users(5)
    run_all = SqlSession.run_all

    def fail_late(self: SqlSession, statements: Any) -> Any:
        run_all(self, statements)
        raise RuntimeError("out of time")

    monkeypatch.setattr(SqlSession, "run_all", fail_late)
    deliver_all(directory)
    assert audit() == [f"user{n}" for n in range(5)]
    assert not Change.objects.exists()


@pytest.mark.heavy
def test_a_batch_that_takes_long_gives_half_of_it_to_others(
    crews: Crews, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    directory = save_crew_directory()
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(dispatch, "send", lambda *args, **options: sent.append(args))
    monkeypatch.setattr(batch, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(batch, "SHARE_SECONDS", 0.0)
    add_users(60)
    ids = outbox.LEASES.due(directory.pk, 100)
    with django_capture_on_commit_callbacks(execute=True):
        result = deliver(directory.pk, ids)
    done = set(Account.objects.filter(state="active").values_list("pk", flat=True))
    given = {pk for task, _, chunk, *_ in sent if task == dispatch.DELIVER for pk in chunk}  # type: ignore[attr-defined]
    assert 10 < len(done) < 40
    assert given == set(ids) - done
    assert result.again == []  # they have a message of their own
    assert not Account.objects.exclude(leased_until=None).exists()
    sent.clear()
    first, *others = outbox.LEASES.due(directory.pk, 100)
    with django_capture_on_commit_callbacks(execute=True):
        deliver(directory.pk, others)
    assert not sent, "others have the one that is free to do"
    deliver(directory.pk, [first])
    assert len(crews["CREW"].rows) == 60
    assert {name for name, _ in crews["CREW"].done()} == {"create"}


@pytest.mark.heavy
def test_what_a_worker_died_at_is_given_to_nobody_who_does_not_know_it(
    crews: Crews, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    directory = save_crew_directory()
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(dispatch, "send", lambda *args, **options: sent.append(args))
    monkeypatch.setattr(batch, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(batch, "SHARE_SECONDS", 0.0)
    add_users(60)
    ids = outbox.LEASES.due(directory.pk, 100)
    died_at = Account.objects.filter(pk__in=ids[30:])
    died_at.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        deliver(directory.pk, ids)
    given = {pk for task, _, chunk, *_ in sent if task == dispatch.DELIVER for pk in chunk}  # type: ignore[attr-defined]
    assert given
    assert not given & set(ids[30:])
    assert died_at.filter(state="active").count() == 30
