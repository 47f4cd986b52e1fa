"""Faults on real things: processes killed, messages lost, a database stopped, workers and writers at once."""

import datetime as dt
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery import Celery
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from directories.connectors.base import ConnectorError, Unavailable
from directories.models import Directory, QueryTemplate, TemplateOperation
from provisioning import services, tasks
from provisioning.models import Account, Change, Group, GroupChange, Membership, PushedMember, User
from provisioning.outbound import batch, dispatch
from provisioning.outbound.accounts import delivery, outbox
from provisioning.outbound.accounts.outbox import CHUNK
from provisioning.outbound.groups import outbox as group_outbox
from provisioning.outbound.kinds import KINDS
from reports.models import Event
from tests import servers
from tests.fixtures.databases import postgres_database
from tests.fixtures.directories import AppsDb, make_appsdb
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until
from tests.provisioning.crew import Crews, save_crew_directory

pytestmark = pytest.mark.heavy
CALLS = 150  # of the directory, by workers that are in each other's way

MakeDirectory = Callable[..., Directory]
OUT = {
    "create_users": True,
    "update_users": True,
    "deactivate_users": True,
    "delete_users": True,
    "initial_password": "fixed",
    "password_storage": "plain",
}
GROUPS = {
    TemplateOperation.CREATE_GROUP: "INSERT INTO TEAMS VALUES ('##GROUP##')",
    TemplateOperation.ADD_MEMBER: "INSERT INTO MEMBERS VALUES ('##GROUP##', '##USERNAME##') ON CONFLICT DO NOTHING",
    TemplateOperation.REMOVE_MEMBER: "DELETE FROM MEMBERS WHERE TEAM = '##GROUP##' AND USERNAME = '##USERNAME##'",
}


def add_users(count: int, prefix: str = "user") -> list[int]:
    users = User.objects.bulk_create(
        [User(username=f"{prefix}{n}", first_name=f"First{n}", email=f"{prefix}{n}@example.org") for n in range(count)]
    )
    ids = [user.pk for user in users]
    services.provision_many(ids, "test")
    return ids


def successes() -> Counter[str]:
    """Return how often each user has a line that says that the account is there now."""
    lines = Event.objects.filter(direction="out", result="success", operation__in=["create", "link"])
    return Counter(lines.values_list("identifier", flat=True))


def write_every_insert_down(database: AppsDb, pause: float) -> None:
    """Slow the directory down and let it keep a log, to prove that nothing was done twice."""
    database.execute("CREATE TABLE INSERTED (USERNAME VARCHAR(255))")
    database.execute(
        "CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"PERFORM pg_sleep({pause}); INSERT INTO INSERTED VALUES (NEW.USERNAME); RETURN NEW; END $$"
    )
    database.execute("CREATE TRIGGER remember BEFORE INSERT ON USERS FOR EACH ROW EXECUTE FUNCTION remember()")


@pytest.fixture
def two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches, so that the threads of a test meet often."""
    monkeypatch.setattr(batch, "FLUSH_ITEMS", 3)


def fill_a_group(directory: Directory, database: AppsDb, size: int) -> None:
    """Queue a group of so many people who are in the directory already, which takes members slowly."""
    QueryTemplate.objects.bulk_create(
        QueryTemplate(directory=directory, operation=operation, sql=sql) for operation, sql in GROUPS.items()
    )
    database.execute("CREATE TABLE TEAMS (NAME VARCHAR(255) PRIMARY KEY)")
    database.execute("CREATE TABLE MEMBERS (TEAM VARCHAR(255), USERNAME VARCHAR(255), PRIMARY KEY (TEAM, USERNAME))")
    database.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END $$"
    )
    database.execute("CREATE TRIGGER slow BEFORE INSERT ON MEMBERS FOR EACH ROW EXECUTE FUNCTION slow()")
    users = User.objects.bulk_create(User(username=f"member{n}") for n in range(size))
    Account.objects.bulk_create(
        Account(user=user, directory=directory, key=user.username, remote_id=user.username, state="active")
        for user in users
    )
    group = Group.objects.create(name="Everyone")
    Membership.objects.bulk_create(Membership(group=group, user=user) for user in users)
    group_outbox.group_changed([group.pk], "test")


def test_a_worker_killed_in_the_middle_of_accounts_and_a_group_loses_nothing_and_repeats_nothing(
    portal: Portal, pg_appsdb: AppsDb, make_directory: MakeDirectory
) -> None:
    directory = make_directory(pg_appsdb, **OUT, sync_groups=True, push_groups="all")
    write_every_insert_down(pg_appsdb, 0.01)
    fill_a_group(directory, pg_appsdb, 2500)
    add_users(400)
    first = portal.worker("--pool=threads")
    held = [kind.leases.target.objects.filter(leased_until__gt=timezone.now()) for kind in KINDS]

    def in_the_middle() -> bool:
        some = pg_appsdb.rows("SELECT count(*) FROM USERS")[0][0] > 100 and PushedMember.objects.exists()
        return some and all(leased.exists() for leased in held)

    wait_until(in_the_middle, 90, "some accounts and members, and more of both in the worker's hands")
    portal.kill(first)
    done, pushed = pg_appsdb.rows("SELECT count(*) FROM USERS")[0][0], PushedMember.objects.count()
    assert 100 < done < 400, done
    assert 0 < pushed < 2500, pushed
    for leased in held:
        assert leased.update(leased_until=timezone.now() - dt.timedelta(seconds=1))  # it died with both in its hands
    portal.empty_broker()
    portal.worker("--pool=threads")
    tasks.sweep()
    wait_until(lambda: not Change.objects.exists() and not GroupChange.objects.exists(), 90, "the rest")
    names = {f"user{n}" for n in range(400)}
    assert set(pg_appsdb.people()) == names
    assert [row for row in pg_appsdb.rows("SELECT USERNAME, count(*) FROM INSERTED GROUP BY 1") if row[1] != 1] == []
    assert successes() == Counter([*names, "Everyone"])
    assert Account.objects.filter(user__username__in=names, state="active", last_result="ok").count() == 400
    assert pg_appsdb.rows("SELECT count(*) FROM MEMBERS") == [(2500,)]
    assert PushedMember.objects.count() == 2500
    told = Event.objects.filter(message__contains="was added to Everyone")
    assert told.count() == told.values("identifier").distinct().count() == 2500
    assert not Event.objects.filter(result="failed").exists()
    assert not Account.objects.exclude(leased_until=None).exists()


def test_an_emptied_broker_loses_nothing(portal: Portal, pg_appsdb: AppsDb, make_directory: MakeDirectory) -> None:
    make_directory(pg_appsdb, **OUT)
    add_users(300)
    assert portal.empty_broker() == -(-300 // CHUNK)
    portal.worker()
    time.sleep(1)
    assert pg_appsdb.people() == {}
    tasks.sweep()
    wait_until(lambda: len(pg_appsdb.people()) == 300, 60, "300 accounts")
    wait_until(lambda: not Change.objects.exists(), 10, "the records")


def test_what_only_the_sweep_knows_does_not_wait_for_the_end_of_a_long_queue(
    portal: Portal, pg_appsdb: AppsDb, make_directory: MakeDirectory
) -> None:
    make_directory(pg_appsdb, **OUT)
    write_every_insert_down(pg_appsdb, 0.1)
    add_users(1, "lost")
    assert portal.empty_broker() == 1
    for n in range(60):
        User.objects.create(username=f"queued{n}")
    dispatch.send("provisioning.tasks.sweep", expires=60)
    portal.worker("--pool=threads", "--concurrency=1")
    wait_until(lambda: "lost0" in pg_appsdb.people(), 60, "the account whose message was lost")
    assert len(pg_appsdb.people()) < 30
    wait_until(lambda: len(pg_appsdb.people()) == 61, 60, "all the others")


def test_a_saved_user_is_in_the_directory_at_once(
    portal: Portal, pg_appsdb: AppsDb, make_directory: MakeDirectory
) -> None:
    make_directory(pg_appsdb, **OUT)
    portal.worker()
    add_users(1, "warm")
    wait_until(lambda: len(pg_appsdb.people()) == 1, 60, "the worker")
    started = time.monotonic()
    User.objects.create(username="anna.berg", first_name="Anna")
    wait_until(lambda: "anna.berg" in pg_appsdb.people(), 30, "the row")
    print(f"In the directory after {time.monotonic() - started:.2f} s.")


def test_a_stopped_directory_holds_up_no_other_and_catches_up_in_order(
    portal: Portal, own_postgres: servers.Program, pg_appsdb: AppsDb, make_directory: MakeDirectory
) -> None:
    stopped = make_appsdb(postgres_database(own_postgres, "appsdb"))
    directory = make_directory(stopped, name="STOPPED", **OUT)
    make_directory(pg_appsdb, name="OTHER", **OUT)
    portal.worker()
    add_users(10, "before")
    wait_until(lambda: len(stopped.people()) == 10, 60, "the first ten")
    stopped.connection.close()
    own_postgres.stop()

    started = time.monotonic()
    for n in range(30):
        User.objects.create(username=f"during{n:02}")
    assert time.monotonic() - started < 10  # saving never waits for a directory
    wait_until(lambda: len(pg_appsdb.people()) == 40, 60, "the other directory")
    directory.refresh_from_db()
    assert directory.unreachable_since is not None
    assert "reached" in directory.last_error or "lost" in directory.last_error
    waiting = Event.objects.filter(application="STOPPED", result="waiting")
    wait_until(lambda: Account.objects.filter(directory=directory, last_result="waiting").count() == 30)
    assert waiting.count() == 30

    own_postgres.start()
    again = psycopg_again(own_postgres)
    wait_until(lambda: again("SELECT count(*) FROM USERS")[0][0] == 40, 90, "the rest")
    order = [
        row[0] for row in again("SELECT USERNAME FROM USERS WHERE USERNAME LIKE 'during%' ORDER BY xmin::text::int")
    ]
    assert order[0] == "during00"
    wait_until(lambda: Directory.objects.filter(unreachable_since=None).count() == 2, 10, "the banner to go")
    assert waiting.count() == 30


def psycopg_again(server: servers.Program) -> Callable[[str], list[tuple[object, ...]]]:
    import psycopg

    link = psycopg.connect(
        host="127.0.0.1",
        port=server.port,
        user=server.user,
        password=server.password,
        dbname="appsdb",
        autocommit=True,
    )
    return lambda sql: link.execute(sql).fetchall()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("two_workers")
def test_many_workers_and_writers_never_meet_on_one_account(crews: Crews, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = save_crew_directory()
    monkeypatch.setattr(dispatch, "send", lambda *args, **options: True)
    users = add_users(12)
    inside: Counter[str] = Counter()
    overlaps: list[str] = []
    guard = threading.Lock()
    owner: dict[str, int] = {}

    def fail(call: str, key: str) -> None:
        me = threading.get_ident()
        with guard:
            if owner.get(key, me) != me:
                overlaps.append(key)
            owner[key] = me
        time.sleep(random.random() / 500)
        with guard:
            owner.pop(key, None)
        inside[key] += 1
        if random.random() < 0.1:
            raise random.choice([ConnectorError("No."), Unavailable("Locked.", whole_directory=False)])

    crews["CREW"].fail = fail

    until = time.monotonic() + 120

    def ended() -> bool:
        return sum(inside.copy().values()) >= CALLS or time.monotonic() > until

    def write() -> None:
        try:
            while not ended():
                try:
                    with transaction.atomic():
                        user = User.objects.get(pk=random.choice(users))
                        user.email = f"{random.random()}@example.org"
                        user.save()
                        if random.random() < 0.1:
                            raise InterruptedError
                except InterruptedError:
                    pass
        finally:
            connection.close()

    def work() -> None:
        try:
            while not ended():
                ids = list(Account.objects.order_by("?").values_list("pk", flat=True)[:6])
                delivery.deliver(directory.pk, ids)
                Account.objects.filter(leased_until=None).update(not_before=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(9) as pool:
        jobs = [pool.submit(job) for job in [work] * 5 + [write] * 4]
    for job in jobs:
        job.result()  # no deadlock, no error
    assert overlaps == []
    assert sum(inside.values()) >= CALLS

    crews["CREW"].fail = lambda call, key: None
    outbox.LEASES.retry(Change.objects.all())
    while outbox.LEASES.due(directory.pk, 100):
        delivery.deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    assert not Change.objects.exists()
    for user in User.objects.all():
        assert crews["CREW"].rows[user.username]["EMAIL_ADDRESS"] == user.email


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield server.getsockname()[1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_a_save_survives_a_broker_that_is_down(
    kind: str, silent_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    directory = save_crew_directory()
    port = silent_port if kind == "silent" else servers.free_port()
    broken = Celery("broken", broker=f"redis://127.0.0.1:{port}/0", set_as_current=False)
    broken.conf.broker_transport_options = settings.REDIS_OPTIONS
    monkeypatch.setattr(dispatch, "current_app", broken)
    monkeypatch.setattr(dispatch, "_down_until", 0.0)
    started = time.monotonic()
    for n in range(20):
        User.objects.create(username=f"user{n}")
    assert time.monotonic() - started < 10
    assert Change.objects.filter(directory=directory).count() == 20
    assert outbox.LEASES.backlog() == [(directory.pk, 1)]
    assert "The broker took no task" in caplog.text
