"""A restored backup looks first: real databases, real programs, and what the target holds read back."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import Group as Role
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from directories.models import Directory
from provisioning import services
from provisioning.imports import engine
from provisioning.models import Change, ImportRun, User
from provisioning.models.imports import RunStatus
from provisioning.outbound import outlook
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.restore import continuity, holding, marks
from provisioning.restore.models import Continuity, HeldDirectory
from provisioning.roles import AUDITOR, IT_STAFF
from provisioning.tasks import sweep
from reports.models import Event
from tests.fixtures.directories import AppsDb
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until
from tests.servers import Server

MARK = Path(str(settings.VAR_DIR)) / marks.FILE
ALL = {"create_users": True, "update_users": True, "deactivate_users": True, "delete_users": True}
PATIENCE = 120  # seconds: programs start several times, and the machine may be busy


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The portal of this process keeps marks, and believes no look of a moment ago."""
    monkeypatch.setattr(settings, "CONTINUITY", True)
    monkeypatch.setattr(continuity, "AGAIN", 0.0)
    MARK.unlink(missing_ok=True)
    yield
    MARK.unlink(missing_ok=True)


@pytest.fixture
def staff(db: None) -> Callable[[str], Client]:
    def sign_in(role: str) -> Client:
        person = User.objects.create_user(f"one-of-{role[:2].lower()}", is_staff=True, provisioned=False)
        person.groups.add(Role.objects.get(name=role))
        client = Client()
        client.force_login(person)
        return client

    return sign_in


def deliver_all(directory: Directory) -> None:
    ids = list(Change.objects.filter(directory=directory).values_list("account_id", flat=True).distinct())
    if ids:
        deliver(directory.pk, ids)


def drain(directory: Directory) -> None:
    """Deliver what is due, as a worker's drain does."""
    while due := outbox.LEASES.due(directory.pk, 100):
        if not deliver(directory.pk, due).claimed:
            break


# --- Marks ----------------------------------------------------------------------------------------------------------


def mark(**values: Any) -> marks.Mark:
    base = {"identity": "a", "beats": 5, "events": 50, "changes": 9, "runs": 2, "at": "2026-11-28T10:00:00+00:00"}
    return marks.Mark(**base | values)


@pytest.mark.parametrize("name", marks.COUNTED)
def test_each_number_that_went_back_is_a_contradiction(name: str) -> None:
    now = mark(**{name: 1})
    assert mark().contradiction(now, None) == marks.OLDER.format(at="2026-11-28 10:00 UTC")
    assert now.contradiction(mark(), None) == ""


def test_another_database_is_a_contradiction_until_it_was_said() -> None:
    now = mark(identity="b", beats=900)
    assert mark().contradiction(now, None) == marks.OTHER
    assert mark().contradiction(now, timezone.now()) == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"identity": "a"}', json.dumps({"identity": "a", "beats": "x"})])
def test_a_broken_mark_is_none(text: str) -> None:
    assert marks.Mark.parse(text) is None


def test_a_mark_in_redis(redis_server: Server) -> None:
    store = marks.RedisStore(redis_server.url)
    store.write(mark())
    assert store.read() == mark()
    away = marks.RedisStore("redis://127.0.0.1:1/0")
    away.write(mark())
    assert away.read() is None


# --- Finding it -----------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_a_fresh_install_in_an_old_folder_is_not_locked(db: None, watching: None) -> None:
    """Its first start finds another database's mark and no directory; directories added later are not kept back."""
    marks.FileStore(settings.VAR_DIR).write(mark(beats=900))
    continuity.beat()
    Directory.objects.create(name="A", kind="sqlite")
    continuity.beat()
    assert not HeldDirectory.objects.exists()


def test_a_moved_folder_is_not_locked(db: None, watching: None) -> None:
    """Without a mark there is nothing to compare with; the next beat writes one."""
    Directory.objects.create(name="A", kind="sqlite")
    continuity.beat()
    MARK.unlink()
    continuity.beat()
    assert not HeldDirectory.objects.exists()
    assert MARK.exists()


def test_rows_that_were_deleted_are_no_restored_backup(db: None, watching: None) -> None:
    """What was delivered is deleted all the time: the numbers that were given out count, not those that are there."""
    directory = Directory.objects.create(name="A", kind="sqlite")
    ImportRun.objects.create(directory=directory, status=RunStatus.FINISHED)
    continuity.beat()
    ImportRun.objects.all().delete()
    Event.objects.all().delete()
    sweep()
    assert not HeldDirectory.objects.exists()


def test_a_beat_that_is_missing_is_found_once(db: None, watching: None) -> None:
    """One look-first a restore: what a person let go is not kept back again by the same mark, here or elsewhere."""
    directory = Directory.objects.create(name="A", kind="sqlite")
    continuity.beat()
    continuity.beat()
    elsewhere = marks.FileStore(settings.VAR_DIR).read()
    assert elsewhere is not None
    Continuity.objects.update(beats=1)
    continuity.look()
    held = HeldDirectory.objects.get()
    assert held.directory == directory
    assert held.why.startswith("Its database is older than what the portal did until ")
    assert Event.objects.filter(message__startswith="The portal looks first").count() == 1
    continuity.beat()
    holding.let_all_go("root")
    marks.FileStore(settings.VAR_DIR).write(elsewhere)  # another machine's
    continuity.beat()
    assert not HeldDirectory.objects.exists()


def test_the_command_that_ends_it_wakes_the_workers(
    db: None, sent_tasks: list[tuple[str, list[Any]]], django_capture_on_commit_callbacks: Any
) -> None:
    Directory.objects.create(name="A", kind="sqlite")
    call_command("look_first", "on")
    with django_capture_on_commit_callbacks(execute=True):
        call_command("look_first", "off")
    assert not HeldDirectory.objects.exists()
    assert ("provisioning.tasks.sweep", []) in sent_tasks


# --- While it is on -------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_nothing_is_claimed_while_a_directory_is_kept_back(
    pg_appsdb: AppsDb, make_directory: Callable[..., Directory], client: Client
) -> None:
    """Deliveries, a retry, imports and their approval wait; a preview works, and a save is taken."""
    directory = make_directory(pg_appsdb, import_users=True, **ALL)
    pg_appsdb.add("old", "Old", "Hand")
    waits = ImportRun.objects.create(directory=directory, status=RunStatus.QUEUED)
    planned = ImportRun.objects.create(directory=directory, status=RunStatus.PLANNED, preview=True)
    call_command("look_first", "on")
    User.objects.create_user("ada")
    services.retry(Change.objects.all(), "root")
    drain(directory)
    deliver_all(directory)
    engine.execute(waits.pk)
    assert set(pg_appsdb.people()) == {"old"}
    assert outbox.LEASES.backlog() == [] == outbox.LEASES.waiting_leavers()
    waits.refresh_from_db()
    assert waits.status == RunStatus.QUEUED
    with pytest.raises(services.ImportRefused, match="kept back"):
        services.approve_import(planned, "root", plan_hash="")
    waits.delete()
    with pytest.raises(services.ImportRefused, match="kept back"):
        services.start_import(directory, preview=False, actor="root")
    preview = services.start_import(directory, preview=True, actor="root")
    engine.execute(preview.pk)
    preview.refresh_from_db()
    assert (preview.status, preview.created) == (RunStatus.PLANNED, 1)
    part = client.get("/readyz").json()["look_first"]
    assert part == {"status": "waiting", "directories": 1}


def test_an_import_stops_where_it_is(pg_appsdb: AppsDb, make_directory: Callable[..., Directory]) -> None:
    """A worker that has an import in its hands when it is switched on by hand writes no further page."""
    from provisioning.imports import runs

    directory = make_directory(pg_appsdb, import_users=True)
    run = services.start_import(directory, preview=False, actor="root")
    lease = runs.claim(run.pk)
    assert lease is not None
    holding.hold_all("By hand.")
    with pytest.raises(runs.LeaseLost), lease.page():
        pass


@pytest.mark.heavy
@pytest.mark.parametrize(("role", "acts"), [(IT_STAFF, True), (AUDITOR, False)])
def test_the_banner_is_on_every_page(db: None, staff: Callable[[str], Client], role: str, acts: bool) -> None:
    Directory.objects.create(name="A", kind="sqlite")
    browser = staff(role)
    assert b"Nothing goes out" not in browser.get("/").content
    holding.hold_all("By hand.")
    for address in ("/", "/provisioning/user/", "/reports/event/", "/restore/helddirectory/"):
        assert b"Nothing goes out" in browser.get(address).content, address
    page = browser.get("/restore/helddirectory/").content
    assert (b"Keep it back" in page) is acts


# --- Looking and letting go -----------------------------------------------------------------------------------------


@pytest.fixture
def target(pg_appsdb: AppsDb, make_directory: Callable[..., Directory]) -> Directory:
    """Three people with accounts; then the world goes on without this database."""
    directory = make_directory(pg_appsdb, **ALL)
    for name in ("anna", "bert", "cleo"):
        User.objects.create_user(name, first_name=name.title())
    drain(directory)
    assert set(pg_appsdb.people()) == {"anna", "bert", "cleo"}
    return directory


@pytest.mark.heavy
def test_the_look_says_what_letting_go_then_does(
    target: Directory, pg_appsdb: AppsDb, staff: Callable[[str], Client]
) -> None:
    """Deleted there: made again. Unknown: left. Whoever left here and is there: closed. Different: updated."""
    pg_appsdb.execute("DELETE FROM USERS WHERE USERNAME = %s", "anna")
    pg_appsdb.execute("UPDATE USERS SET FIRSTNAME = %s WHERE USERNAME = %s", "Changed", "cleo")
    pg_appsdb.add("new", "New", "Hire")
    holding.hold_all("By hand.")
    User.objects.get(username="bert").delete()
    held = HeldDirectory.objects.get()
    outlook.look(target.pk, read=False)
    held.refresh_from_db()
    assert held.outlook["counts"] == {"delete": 1}
    outlook.look(target.pk, read=True)
    held.refresh_from_db()
    assert held.outlook == {
        "counts": {"create": 1, "delete": 1, "update": 1, "unknown": 1},
        "samples": {"create": ["anna"], "delete": ["bert"], "update": ["cleo"], "unknown": ["new"]},
    }
    assert set(pg_appsdb.people()) == {"bert", "cleo", "new"}

    browser = staff(IT_STAFF)
    address = f"/restore/helddirectory/{held.pk}/"
    for number in ("", "1", "-2", "2.0", "9" * 30):
        browser.post(f"{address}release/", {"number": number})
        assert HeldDirectory.objects.exists(), number
    browser.post(f"{address}refuse/", {"reason": "Ask HR about anna first."})
    assert b"Ask HR about anna first." in browser.get("/restore/helddirectory/").content
    drain(target)
    assert set(pg_appsdb.people()) == {"bert", "cleo", "new"}
    browser.post(f"{address}release/", {"number": "2"})
    assert not HeldDirectory.objects.exists()
    drain(target)
    people = pg_appsdb.people()
    assert set(people) == {"anna", "cleo", "new"}
    assert people["cleo"][0] == "Cleo"
    lines = Event.objects.filter(application=target.name, actor="one-of-it").values_list("message", flat=True)
    assert any("did not let" in line for line in lines)
    assert any("1 created, 1 updated, 1 deleted" in line for line in lines)


@pytest.mark.parametrize("read", [False, True])
def test_the_look_counts_those_alone_to_whom_the_directory_gives_accounts(
    pg_appsdb: AppsDb, make_directory: Callable[..., Directory], read: bool
) -> None:
    directory = make_directory(pg_appsdb, **ALL, accounts_for="groups")
    User.objects.create_user("anna")
    holding.hold_all("By hand.")
    outlook.look(directory.pk, read=read)
    seen = HeldDirectory.objects.get().outlook
    assert (seen["counts"], any(seen["samples"].values())) == ({}, False)


def test_letting_go_asks_for_a_look(target: Directory, staff: Callable[[str], Client]) -> None:
    holding.hold_all("By hand.")
    staff(IT_STAFF).post(f"/restore/helddirectory/{HeldDirectory.objects.get().pk}/release/")
    assert HeldDirectory.objects.exists()


@pytest.mark.heavy
def test_a_look_that_failed_is_made_again_before_letting_go(
    target: Directory, pg_appsdb: AppsDb, staff: Callable[[str], Client]
) -> None:
    """What was seen before it is old: nobody lets a directory go on that."""
    holding.hold_all("By hand.")
    outlook.look(target.pk, read=True)
    pg_appsdb.execute("ALTER TABLE USERS RENAME TO ELSEWHERE")
    outlook.look(target.pk, read=True)
    held = HeldDirectory.objects.get()
    assert (held.failure != "", held.looked_at is not None) == (True, True)
    browser = staff(IT_STAFF)
    assert b"Look again before you let" in browser.get("/restore/helddirectory/").content
    said = browser.post(f"/restore/helddirectory/{held.pk}/release/", {"number": "0"}, follow=True).content
    assert b"The last look at" in said
    assert HeldDirectory.objects.exists()
    services.ask_for_outlook(held, read=False)
    browser.post(f"/restore/helddirectory/{held.pk}/release/", {"number": "0"})
    assert HeldDirectory.objects.exists()  # a worker has not looked yet
    outlook.look(target.pk, read=False)
    browser.post(f"/restore/helddirectory/{held.pk}/release/", {"number": "0"})
    assert not HeldDirectory.objects.exists()


def test_a_directory_that_cannot_be_read_says_so(target: Directory, pg_appsdb: AppsDb) -> None:
    holding.hold_all("By hand.")
    pg_appsdb.execute("ALTER TABLE USERS RENAME TO ELSEWHERE")
    outlook.look(target.pk, read=True)
    held = HeldDirectory.objects.get()
    assert held.failure
    assert held.looked_at is None


# --- The whole of it ------------------------------------------------------------------------------------------------


def copy_database(name: str, template: str, login: dict[str, Any]) -> None:
    """Make one database a copy of another, which nobody uses meanwhile."""
    with psycopg.connect(
        host=login["HOST"],
        port=login["PORT"],
        user=login["USER"],
        password=login["PASSWORD"],
        dbname="template1",
        autocommit=True,
    ) as link:
        for one in (name, template):
            link.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [one],
            )
        link.execute(f'DROP DATABASE IF EXISTS "{name}"')
        link.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')


@pytest.mark.heavy
def test_a_restored_backup(
    portal: Portal, pg_appsdb: AppsDb, make_directory: Callable[..., Directory], it_client: Client
) -> None:
    """Yesterday's copy is put back; its programs start and send nothing until a person lets the directory go."""
    portal.environment["CONTINUITY"] = "true"
    MARK.unlink(missing_ok=True)
    make_directory(pg_appsdb, **ALL)
    login = connection.settings_dict
    backup = f"{login['NAME']}_backup"
    worker = portal.worker("--pool=threads")
    wait_until(portal.swept, PATIENCE, words="the worker's start")
    for name in ("anna", "bert"):
        User.objects.create_user(name)
    wait_until(lambda: set(pg_appsdb.people()) == {"anna", "bert"}, PATIENCE, words="the first people")
    portal.stop(worker)
    connection.close()
    copy_database(backup, login["NAME"], login)
    try:
        worker = portal.worker("--pool=threads")
        User.objects.get(username="anna").delete()
        User.objects.create_user("later")
        wait_until(lambda: set(pg_appsdb.people()) == {"bert", "later"}, PATIENCE, words="what happened since")
        portal.stop(worker)
        portal.manage("shell", "-c", "from provisioning.restore.continuity import beat; beat()")
        connection.close()
        copy_database(login["NAME"], backup, login)
        User.objects.filter(username="anna").update(first_name="Anna")
        outbox.enqueue_users(
            list(User.objects.filter(username__in=["anna", "bert"]).values_list("pk", flat=True)), "test"
        )
        worker = portal.worker("--pool=threads")
        wait_until(lambda: bool(HeldDirectory.objects.exclude(looked_at=None).count()), PATIENCE, words="a look")
        held = HeldDirectory.objects.get()
        assert held.why.startswith("Its database is older")
        assert set(pg_appsdb.people()) == {"bert", "later"}, "nothing went out"
        it_client.post(f"/restore/helddirectory/{held.pk}/look/", {"read": "1"})
        wait_until(lambda: HeldDirectory.objects.filter(was_read=True).exists(), PATIENCE, words="the directory read")
        page = it_client.get("/restore/helddirectory/").content.decode()
        assert "anna" in page
        held.refresh_from_db()
        assert held.outlook["samples"]["create"] == ["anna"]
        assert held.outlook["samples"]["unknown"] == ["later"]
        assert set(pg_appsdb.people()) == {"bert", "later"}, "nothing went out"
        it_client.post(f"/restore/helddirectory/{held.pk}/release/", {"number": "1"})
        wait_until(lambda: set(pg_appsdb.people()) == {"anna", "bert", "later"}, PATIENCE, words="what was shown")
    finally:
        portal.stop(worker)
        connection.close()
        with (
            psycopg.connect(
                host=login["HOST"],
                port=login["PORT"],
                user=login["USER"],
                password=login["PASSWORD"],
                dbname="template1",
                autocommit=True,
            ) as link,
            suppress(psycopg.Error),
        ):
            link.execute(f'DROP DATABASE IF EXISTS "{backup}"')
        MARK.unlink(missing_ok=True)


@pytest.fixture
def it_client(portal: Portal) -> Client:
    person = User.objects.create_user("grace", is_staff=True, provisioned=False)
    person.groups.add(Role.objects.get(name=IT_STAFF))
    client = Client()
    client.force_login(person)
    return client
