"""``manage.py doctor``: each mistake is seen in a broken installation, and a right one is told nothing."""

import datetime as dt
import json
import os
import smtplib
from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.fernet import Fernet
from django.core import checks
from django.core.management import call_command
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import NotSupportedError
from django.utils import timezone
from pytest_django import Settings

from config import env
from config.doctor import database, machine, mail, portal, programs, secrets, web
from config.doctor.examination import NEEDED, WITH_DATABASE, WITH_TABLES, WITHOUT_DATABASE, examine
from config.doctor.mistakes import Mistake, red, yellow
from directories.models import Directory
from provisioning import heartbeat
from provisioning.demo import DEFAULT_PASSWORD
from provisioning.models import Account, Change, User
from tests.servers import free_port


def words(check: Callable[[], Iterable[Mistake]]) -> str:
    """Return all that a check says."""
    return "\n".join(f"{one.level}: {one.what} {one.next}" for one in check())


class Installation(NamedTuple):
    """Settings that are right or wrong together, and what is said of them ("" when they are right)."""

    check: Callable[[], Iterable[Mistake]]
    settings: dict[str, Any]
    said: str = ""


RIGHT = {"HTTPS": True, "BEHIND_PROXY": True, "ALLOWED_HOSTS": ["portal.example.org", "localhost"]}
RIGHT |= {"PORTAL_URL": "https://portal.example.org", "EMAIL_HOST": "", "METRICS_TOKEN": "", "DEBUG": False}
EMBEDDED = {"HTTPS": False, "BEHIND_PROXY": False, "ALLOWED_HOSTS": ["localhost", "127.0.0.1", "[::1]"]}
EMBEDDED |= {"PORTAL_URL": "http://localhost:8000"}


@pytest.mark.parametrize(
    "installation",
    [
        *(
            Installation(check, kind)
            for kind in ({}, EMBEDDED)
            for check in (web.debug, web.allowed_hosts, web.https, web.portal_url, web.metrics_token)
        ),
        Installation(web.debug, {"DEBUG": True}, "red: DEBUG is on"),
        Installation(web.allowed_hosts, {"ALLOWED_HOSTS": ["*"]}, "red: ALLOWED_HOSTS has *"),
        Installation(web.allowed_hosts, {"ALLOWED_HOSTS": ["localhost"]}, "red: The portal answers to the names of"),
        Installation(web.https, {"HTTPS": False}, "red: HTTPS is off"),
        Installation(web.https, {"BEHIND_PROXY": False}, "yellow: HTTPS is on, but no proxy is trusted"),
        Installation(
            web.portal_url, {"PORTAL_URL": "http://localhost:8000"}, "yellow: Links that the portal sends lead"
        ),
        Installation(
            web.portal_url, EMBEDDED | {"EMAIL_HOST": "mail"}, "yellow: Links that the portal sends lead to http"
        ),
        Installation(
            web.portal_url, {"PORTAL_URL": "http://portal.example.org"}, "yellow: Links that the portal sends"
        ),
        Installation(web.metrics_token, {"METRICS_TOKEN": "short"}, "yellow: METRICS_TOKEN is so short"),
        Installation(web.metrics_token, {"METRICS_TOKEN": "0123456789abcdef0123456789abcdef"}),
        Installation(mail.mail_server, {}),
    ],
    ids=lambda one: f"{one.check.__name__}-{one.said or 'silent'}",
)
def test_what_settings_say(installation: Installation, settings: Settings) -> None:
    for name, value in (RIGHT | installation.settings).items():
        setattr(settings, name, value)
    said = words(installation.check)
    assert said.startswith(installation.said)
    assert bool(said) == bool(installation.said)
    assert "short" not in said.replace("so short", "")


def test_a_certificate_of_the_portal_that_expires(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PORTAL_URL = "https://portal.example.org:8443"
    asked = []
    days: list[int | None] = [30, 10, -1, None]

    def shown(host: str, port: int, seconds: float) -> dt.datetime | None:
        asked.append((host, port))
        left = days.pop(0)
        return None if left is None else timezone.now() + dt.timedelta(days=left)

    monkeypatch.setattr(web, "shown_until", shown)
    assert words(web.own_certificate) == ""
    assert words(web.own_certificate).startswith("yellow: The certificate of https://portal.example.org:8443 expires")
    assert words(web.own_certificate).startswith("red: The certificate of https://portal.example.org:8443 expired")
    assert words(web.own_certificate) == ""
    assert asked == [("portal.example.org", 8443)] * 4


def test_static_files_that_are_missing_or_old(settings: Settings, tmp_path: Path) -> None:
    source, root = tmp_path / "source", tmp_path / "collected"
    source.mkdir()
    root.mkdir()
    (source / "look.css").write_text("new")
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_DIRS, settings.STATIC_ROOT = [source], root
    assert "are not in" in words(web.static_files)
    (root / "staticfiles.json").write_text('{"paths": {}}')
    assert "of another version" in words(web.static_files)
    (root / "staticfiles.json").write_text('{"paths": {"look.css": "look.1.css"}}')
    (root / "look.css").write_text("old")
    assert "of another version" in words(web.static_files)
    (root / "look.css").write_text("new")
    assert words(web.static_files) == ""


def test_what_django_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [checks.Error("It is broken.", hint="Mend it.", id="x.E1"), checks.Warning("It may be.", id="x.W1")]
    monkeypatch.setattr(checks, "run_checks", lambda: found)
    assert words(web.django_checks) == "red: Django's check x.E1 fails: It is broken. Mend it."


def test_a_mail_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.DEFAULT_FROM_EMAIL, settings.EMAIL_HOST_PASSWORD = "rollcall@localhost", "hunter2"
    said = words(mail.mail_server)
    assert "red: The password of the mail server travels in the clear" in said
    assert "yellow: Mails are from rollcall@localhost" in said
    assert f"red: The mail server 127.0.0.1:{settings.EMAIL_PORT} does not answer" in said
    settings.EMAIL_USE_TLS, settings.DEFAULT_FROM_EMAIL = True, "portal@example.org"

    def refuse(self: object) -> None:
        raise smtplib.SMTPAuthenticationError(535, b"hunter2 is wrong")

    monkeypatch.setattr("django.core.mail.backends.smtp.EmailBackend.open", refuse)
    assert words(mail.mail_server).startswith("red: The mail server 127.0.0.1")
    assert "hunter2" not in said + words(mail.mail_server)
    monkeypatch.setattr("django.core.mail.backends.smtp.EmailBackend.open", lambda self: True)
    assert words(mail.mail_server) == ""
    settings.EMAIL_USE_SSL = True
    assert words(mail.mail_server).startswith("red: EMAIL_USE_TLS and EMAIL_USE_SSL are both on")


@pytest.mark.parametrize(("mode", "wrong"), [(0o600, False), (0o640, False), (0o644, True), (0o660, True)])
def test_the_file_of_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, wrong: bool) -> None:
    path = tmp_path / "rollcall.env"
    monkeypatch.setattr(env, "env_file", path)
    assert words(secrets.env_file) == ""
    path.touch(mode)
    path.chmod(mode)
    assert ("red: Others on this machine can read" in words(secrets.env_file)) == wrong


@pytest.mark.django_db
def test_stored_secrets_under_other_keys(settings: Settings) -> None:
    first, other = settings.ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    Directory.objects.create(name="A", kind="sqlite", secrets={"password": "hunter2"})
    assert words(secrets.stored_secrets) == ""
    settings.ENCRYPTION_KEYS = [other, first]
    assert words(secrets.stored_secrets) == (
        "yellow: Some stored secrets still need an older key. Run: manage.py reencrypt"
    )
    settings.ENCRYPTION_KEYS = [other]
    said = words(secrets.stored_secrets)
    assert said.startswith("red: Stored secrets cannot be decrypted with ENCRYPTION_KEYS (directories).")
    assert "\n" not in said


def test_folders(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    var = tmp_path / "var"
    var.mkdir(0o700)
    file = var / "rollcall.sqlite3"
    file.touch(0o600)
    settings.VAR_DIR = settings.SQLITE_FOLDER = var
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}
    monkeypatch.setitem(settings.DATABASES, "default", sqlite)
    assert words(machine.folders) == ""
    var.chmod(0o777)
    assert words(machine.folders).count(f"red: Others on this machine can change what is in {var}") == 2
    var.chmod(0o1777)
    assert words(machine.folders) == ""
    file.chmod(0o644)
    assert words(machine.folders).startswith("red: Others on this machine can read the portal's database")
    var.chmod(0o700)
    assert words(machine.folders) == ""
    settings.SQLITE_FOLDER = tmp_path / "none"
    assert words(machine.folders).startswith("yellow: SQLITE_FOLDER is")


def test_a_folder_that_cannot_be_written(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VAR_DIR = settings.SQLITE_FOLDER = tmp_path
    monkeypatch.setattr(os, "access", lambda path, how: False)  # the tests may run as root, who can
    assert words(machine.folders).startswith(f"red: The portal's folder {tmp_path} cannot be written")


def test_scripts_that_others_can_change(settings: Settings, tmp_path: Path) -> None:
    settings.SOURCE_SCRIPTS_FOLDER = ""
    assert words(machine.scripts) == ""
    settings.SOURCE_SCRIPTS_FOLDER = str(tmp_path / "scripts")
    assert "there is no such folder" in words(machine.scripts)
    inner = tmp_path / "scripts" / "hr"
    inner.mkdir(0o755, parents=True)
    (inner / "people.py").touch(0o755)
    (inner / "gone.py").symlink_to("nowhere")
    assert words(machine.scripts) == ""
    (inner / "people.py").chmod(0o775)
    assert words(machine.scripts).startswith(f"red: {inner / 'people.py'} could be changed by others")


@pytest.mark.parametrize(
    ("total", "free", "said"),
    [(100, 20, ""), (1000, 30, ""), (100, 4, "yellow: The disk of"), (3, 0.1, "red: The disk of"), (3, 1, "")],
)
def test_room_on_the_disk(monkeypatch: pytest.MonkeyPatch, total: float, free: float, said: str) -> None:
    giga = machine.GIGABYTE
    disk = type("Usage", (), {"total": total * giga, "free": free * giga})
    monkeypatch.setattr("config.doctor.machine.shutil.disk_usage", lambda path: disk)
    assert words(machine.room).startswith(said)
    assert bool(words(machine.room)) == bool(said)


def test_the_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_machine_zone", lambda: "Europe/Berlin")
    assert "Set TIME_ZONE=Europe/Berlin, or TIME_ZONE=UTC" in words(machine.time_zone)
    monkeypatch.setenv("TIME_ZONE", "UTC")
    assert words(machine.time_zone) == ""
    monkeypatch.delenv("TIME_ZONE")
    monkeypatch.setattr(machine, "_machine_zone", lambda: "Etc/UTC")
    assert words(machine.time_zone) == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OperationalError("password hunter2"), "red: The portal's database does not answer ("),
        (NotSupportedError("PostgreSQL 14 or later is required"), "red: The portal's PostgreSQL is too old"),
    ],
)
def test_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, error: Exception, said: str) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("config.health.database", fail)
    found = words(database.database)
    assert found.startswith(said)
    assert "hunter2" not in found
    assert os.environ["ROLLCALL_TEST_PASSWORD"] not in found


@pytest.mark.django_db
def test_a_right_database(settings: Settings) -> None:
    """The tests' own."""
    settings.HTTPS = True
    assert [words(check) for check in (database.database, *WITH_DATABASE)] == [""] * 5


@pytest.mark.django_db
def test_tables_of_another_version() -> None:
    recorded = MigrationRecorder.Migration.objects
    newest = recorded.filter(app="provisioning").latest("name")
    newest.delete()
    assert words(database.migrations).startswith("red: The database is older than the code: ")
    recorded.create(app="provisioning", name=newest.name)
    recorded.create(app="provisioning", name="9999_tomorrow")
    assert words(database.migrations).startswith("red: The database was used by a newer version")


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "said"), [(0, ""), (-20, "yellow: The clocks"), (90, "red: The clocks")])
def test_clocks_that_differ(monkeypatch: pytest.MonkeyPatch, seconds: int, said: str) -> None:
    now = timezone.now
    monkeypatch.setattr("config.doctor.database.timezone.now", lambda: now() + dt.timedelta(seconds=seconds))
    assert words(database.clock).startswith(said)
    assert bool(words(database.clock)) == bool(said)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"encoding": "SQL_ASCII"}, "red: The database holds SQL_ASCII"),
        ({"collation_now": "2.36"}, "red: The machine's order of texts has changed"),
        ({"connections": 95}, "yellow: 95 of PostgreSQL's 100 connections are taken"),
        ({"trigrams": False}, "yellow: The search is slow"),
    ],
)
def test_a_postgresql_that_is_not_right(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], said: str) -> None:
    right = {"encoding": "UTF8", "collation": "2.31", "collation_now": "2.31", "connections": 10}
    right |= {"connections_allowed": 100, "trigrams": True}
    monkeypatch.setattr(database, "read_facts", lambda: database.PostgresFacts(**right))
    assert words(database.postgres) == ""
    monkeypatch.setattr(database, "read_facts", lambda: database.PostgresFacts(**right | wrong))
    assert words(database.postgres).startswith(said)


def test_sqlite_for_others(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.connection, "vendor", "sqlite")
    settings.HTTPS = False
    assert words(database.kind) == ""
    settings.HTTPS = True
    assert words(database.kind).startswith("yellow: The portal's database is SQLite")


def test_a_broker_that_is_gone(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> None:
    assert words(programs.broker) == ""
    monkeypatch.setattr(settings, "BROKER_DIR", tmp_path)
    assert words(programs.broker).startswith(f"red: The folder of messages {tmp_path}/queue cannot be written")

    def fail() -> None:
        raise ConnectionError("redis://:hunter2@host")

    settings.CELERY_BROKER_URL = "redis://:hunter2@host"
    monkeypatch.setattr("config.health.broker", fail)
    assert words(programs.broker).startswith("red: Redis does not answer.")
    assert "hunter2" not in words(programs.broker)
    assert words(programs.workers) == ""


@pytest.mark.django_db
def test_programs_that_do_not_run(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    queues = set(settings.QUEUES)
    monkeypatch.setattr(programs, "served_queues", lambda: queues)
    assert words(programs.workers).startswith("red: The minute's sweep has never been done, although a worker runs.")
    heartbeat.stamp()
    assert words(programs.workers) == ""
    queues -= {"imports", "backlog"}
    said = words(programs.workers)
    assert "No worker reads the queue imports. Start the program imports (" in said
    assert "No worker reads the queue backlog. Start the program worker (" in said
    heartbeat.Heartbeat.objects.update(at=timezone.now() - dt.timedelta(minutes=10))
    assert "was last done 10 minutes ago, although a worker runs. Start the program beat" in words(programs.workers)
    queues.clear()
    assert words(programs.workers).startswith("red: No worker runs")


@pytest.mark.django_db
def test_what_waits_for_too_long() -> None:
    assert words(programs.due_changes) == ""
    directory = Directory.objects.create(name="A", kind="sqlite")
    user = User(username="ada")
    User.objects.bulk_create([user])
    account = Account.objects.create(user=user, directory=directory, key="ada")
    Change.objects.all().delete()
    old = timezone.now() - dt.timedelta(hours=2)
    Account.objects.update(not_before=old)
    Change.objects.create(account=account, directory=directory, reason="test", created_at=old)
    assert words(programs.due_changes).startswith("red: A change that could be delivered has waited for 2.0 hours")


@pytest.mark.django_db
def test_administrators() -> None:
    assert words(portal.administrators).startswith("red: There is no superuser.")
    User.objects.create_superuser("root", "kJ8-much-better")
    assert words(portal.administrators) == ""
    User.objects.create_user("ann", DEFAULT_PASSWORD)  # not staff: the demo's people have it
    assert words(portal.administrators) == ""
    User.objects.create_superuser("admin", DEFAULT_PASSWORD)
    User.objects.create_user("help", "help", is_staff=True)
    before = list(User.objects.values_list("password", flat=True))
    said = words(portal.administrators)
    assert "admin signs in with a password that everybody can guess. Run: manage.py changepassword admin" in said
    assert "help signs in with" in said
    assert DEFAULT_PASSWORD not in said
    assert list(User.objects.values_list("password", flat=True)) == before


@pytest.mark.django_db
def test_the_demo_in_a_portal_for_others(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    Directory.objects.create(name="A", kind="sqlite", settings={"database": str(tmp_path / "appsdb.sqlite3")})
    assert words(portal.demo) == ""
    settings.HTTPS = True
    assert words(portal.demo).startswith("yellow: The demo is in this portal.")


@pytest.mark.django_db
def test_what_notices_tell() -> None:
    directory = Directory.objects.create(name="CRM", kind="sqlite", enabled=True)
    assert words(portal.notices) == ""
    Directory.objects.filter(pk=directory.pk).update(unreachable_since=timezone.now())
    assert words(portal.notices) == "red: CRM cannot be reached. Its changes wait and go out when it returns."


def test_what_needs_the_database_is_left_out_while_it_is_away() -> None:
    made = []

    def database() -> Iterable[Mistake]:
        return [red("It is away.", "Bring it back.")]

    def broken() -> Iterable[Mistake]:
        raise RuntimeError("hunter2")

    def later() -> Iterable[Mistake]:
        made.append(1)
        return []

    result = examine([(broken, database), (later,)])
    assert not made
    assert result.left_out == ["later"]
    assert result.found["broken"][0].what == "The check broken could not be made."


def test_every_check_has_a_name_of_its_own() -> None:
    names = [check.__name__ for check in (*WITHOUT_DATABASE, *WITH_DATABASE, *WITH_TABLES)]
    assert len(set(names)) == len(names)
    assert set(NEEDED) <= set(names)


@pytest.mark.parametrize(
    ("mistakes", "code", "last"),
    [
        ([], 0, "1 checks: everything is in order."),
        ([yellow("It is odd.", "Look.")], 0, "1 checks: 0 red, 1 yellow."),
        ([yellow("It is odd.", "Look."), red("It is broken.", "Mend it.")], 1, "1 checks: 1 red, 1 yellow."),
    ],
)
def test_the_command(monkeypatch: pytest.MonkeyPatch, mistakes: list[Mistake], code: int, last: str) -> None:
    def look() -> list[Mistake]:
        return mistakes

    monkeypatch.setattr("config.management.commands.doctor.examine", lambda: examine([(look,)]))

    def run(*options: str) -> str:
        out, found = StringIO(), 0
        try:
            call_command("doctor", *options, stdout=out)
        except SystemExit as end:
            found = int(str(end.code))
        assert found == code
        return out.getvalue()

    lines = run().splitlines()
    assert lines[-1] == last
    if code:
        assert lines[:2] == ["red    It is broken. Mend it.", "yellow It is odd. Look."]
    told = json.loads(run("--json"))
    assert told["healthy"] == (code == 0)
    assert told["checks"] == ["look"]
    assert [(one["check"], one["level"], one["what"], one["next"]) for one in told["mistakes"]] == [
        ("look", one.level, one.what, one.next) for one in mistakes
    ]
