"""The start of the portal with missing or weak secrets, and the files of ``make run``."""

import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.embedded import CannotRun, check_port, only_one, port_number, welcome, write_secrets
from config.env import database, env, time_zone
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run the cheapest command that reads the settings."""
    given = os.environ | environment
    return subprocess.run(
        [sys.executable, "manage.py", "showmigrations", "reports", "--plan"],
        cwd=ROOT,
        env={name: value for name, value in given.items() if value != "unset"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.heavy
def test_good_secrets_start() -> None:
    """The environment of the tests is a good one."""
    assert start().returncode == 0


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "unset"),
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "a" * 60),
        ("SECRET_KEY", "django-insecure-1234567890abcdefghijklmnopqrstuvwxyz1234567890"),
        ("ENCRYPTION_KEYS", "unset"),
        ("ENCRYPTION_KEYS", ","),
        ("ENCRYPTION_KEYS", "not-a-fernet-key"),
    ],
)
def test_a_missing_or_weak_secret_stops_the_start(name: str, value: str) -> None:
    """The sentence names the setting and shows how to make a good one, and does not repeat the value."""
    done = start(**{name: value})
    assert done.returncode != 0
    assert done.stderr.startswith(f"Rollcall cannot start. {name} is missing or")
    assert "python -c" in done.stderr
    assert len(value) < 6 or value not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("READY_DUE_SECONDS", "an hour", lambda: env.int("READY_DUE_SECONDS", default=1)),
        ("DATABASE_URL", "postgres//rollcall", lambda: database(default="")),
        ("DATABASE_URL", "mysql://user@host/rollcall", lambda: database(default="")),
        ("DATABASE_URL", "postgres://user:pass/word@host:5432/rollcall", lambda: database(default="")),
        ("TIME_ZONE", "Mars/Olympus", time_zone),
        ("TIME_ZONE", "/etc/passwd", time_zone),
    ],
)
def test_a_setting_that_cannot_be_read_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: Callable[[], object]
) -> None:
    """``manage.py`` prints it (above); it names the setting and does not repeat the value."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=f"^{name} is n") as refused:
        read()
    assert value not in str(refused.value)


@pytest.mark.heavy
def test_secrets_are_made_once_and_only_for_their_owner(tmp_path: Path) -> None:
    """The second run keeps them; they are strong enough to start with."""
    path = tmp_path / "var" / "rollcall.env"
    assert write_secrets(path)
    written = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not write_secrets(path)
    assert path.read_text() == written
    done = start(ROLLCALL_ENV_FILE=str(path), SECRET_KEY="unset", ENCRYPTION_KEYS="unset")
    assert done.returncode == 0, done.stderr


@pytest.mark.heavy
def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    """It says which port, and how to take another, before anything is started or written."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "config.embedded"],
            cwd=ROOT,
            env=os.environ | {"PORT": str(port), "ROLLCALL_VAR_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    words = rf"Port {port} is taken by another program\. Choose another one, for example: make run PORT=9\d\d\d\n"
    assert re.fullmatch(words, done.stderr)
    assert (done.returncode, done.stdout) == (1, "")
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("127.0.0.1", "eighty", "PORT is no port number: eighty"),
        ("127.0.0.1", "70000", "PORT is no port number: 70000"),
        ("192.0.2.1", "8000", "HOST is no address of this machine: 192.0.2.1"),
        ("no.such.host.invalid", "8000", "HOST is no address of this machine: no.such.host.invalid"),
    ],
)
def test_what_cannot_be_listened_on_is_a_sentence(host: str, port: str, words: str) -> None:
    """It names the setting."""
    with pytest.raises(CannotRun, match=words):
        check_port(host, port_number(port))


def test_a_free_port_is_taken() -> None:
    """Nothing is said of it."""
    check_port("127.0.0.1", port_number(str(free_port())))


def test_one_portal_a_data_folder(tmp_path: Path) -> None:
    """A second one would share the first one's broker and schedule."""
    with only_one(tmp_path), pytest.raises(CannotRun, match="runs already"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_the_password_is_shown_only_when_it_is_new() -> None:
    """Later runs say how to set another."""
    assert "s3cret" in welcome("http://localhost:8000", "s3cret")
    assert "changepassword admin" in welcome("http://localhost:8000", "")
