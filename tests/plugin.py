"""Loaded by pytest before everything else (``-p tests.plugin``): the environment of the portal under test.

Django's settings are read from the environment when pytest-django starts, so the environment has to be complete by
then. The first process of a run makes a folder, chooses the port of the portal's own PostgreSQL, starts it when the
session starts and a keeper that stops it; xdist's workers inherit the addresses.
"""

import gc
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests import servers

CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
FIRST_PROCESS = "PYTEST_XDIST_WORKER" not in os.environ
REMOVED = [
    "PYTHONDONTWRITEBYTECODE",
    "REDIS_URL",
    "CELERY_BROKER_URL",
    "DEBUG",
    "ALLOWED_HOSTS",
    "TIME_ZONE",
    "SECURE_SSL_REDIRECT",
]

# Fixtures that start programs other than the portal's PostgreSQL, or a web server, and what parameters call them.
NOT_FAST = {
    *("mariadb", "mariadb_directory", "mariadb_sql", "redis_server", "own_redis", "own_postgres"),
    *("openldap", "ldap_directory", "ldap", "own_openldap"),
    *("samba", "ad_directory", "ad", "own_samba", "active_directory"),
    *("browser", "portal", "runs", "live_server"),
    *("script", "script_source", "script_target"),
}

# The files of tests that take from half a minute to two.
LONGEST = [
    "test_run",
    "test_looks",
    "test_redis_outages",
    "test_look_first",
    "test_tester",
    "test_killed",
    "test_killed_gateways",
]

# What is made cheap for tests, as it is in production: rounds of bcrypt.
COSTS: dict[str, int] = {}


def _run_environment() -> None:
    """Set what all processes of the run share."""
    folder = Path(tempfile.mkdtemp(prefix="rollcall-test-"))
    folder.chmod(0o755)
    (folder / "static").mkdir()
    for name in REMOVED:
        os.environ.pop(name, None)
    sys.dont_write_bytecode = False  # also where the machine says otherwise: half of a start is compiling
    os.environ |= {
        "ROLLCALL_TEST_FOLDER": str(folder),
        "ROLLCALL_TEST_PORT": str(servers.free_port()),
        "ROLLCALL_TEST_PASSWORD": secrets.token_urlsafe(12),
        "ROLLCALL_ENV_FILE": str(folder / "none.env"),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "HTTPS": "false",
        "CONTINUITY": "false",
        "SQLITE_FOLDER": tempfile.gettempdir(),
        "STATIC_ROOT": str(folder / "static"),
        "LOG_LEVEL": "WARNING",
    }


def _process_environment() -> None:
    """Set what is this process's own: its folder holds the file broker, so that workers do not share queues."""
    folder = servers.shared_folder() / os.environ.get("PYTEST_XDIST_WORKER", "main")
    os.environ["ROLLCALL_VAR_DIR"] = str(folder)
    os.environ["DATABASE_URL"] = (
        f"postgres://{servers.Postgres.user}:{os.environ['ROLLCALL_TEST_PASSWORD']}"
        f"@127.0.0.1:{os.environ['ROLLCALL_TEST_PORT']}/postgres"
    )


def _start_keeper() -> "subprocess.Popen[bytes]":
    """Start the process that cleans up when this one is gone; nothing is left even when pytest fails to start."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.servers", os.environ["ROLLCALL_TEST_FOLDER"]],
        stdin=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[1],
        start_new_session=True,
    )


if FIRST_PROCESS:
    _run_environment()
    keeper = _start_keeper()
_process_environment()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--fast``."""
    parser.addoption("--fast", action="store_true", help="only the quick tests that need no server but PostgreSQL")


def is_fast(item: pytest.Item) -> bool:
    """Whether a test is quick and needs no server but PostgreSQL: told by its marker and the fixtures that it asks for.

    A fixture that asks for another one by ``getfixturevalue`` takes its name from a parameter.
    """
    asked = set(getattr(item, "fixturenames", ()))
    if "request" in asked and (call := getattr(item, "callspec", None)):
        asked |= {word for value in call.params.values() for word in re.findall(r"\w+", str(value))}
    return not asked & NOT_FAST and not item.get_closest_marker("heavy")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left alone with it; leave out what ``--fast`` does."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
    if config.option.fast:
        config.hook.pytest_deselected(items=[item for item in items if not is_fast(item)])
        items[:] = [item for item in items if is_fast(item)]
        sys.addaudithook(_refuse_programs)


def pytest_collection_finish() -> None:
    """Do not look for cycles among the modules and the thousands of tests, which stay, again and again."""
    gc.freeze()


def _refuse_programs(event: str, arguments: tuple[object, ...]) -> None:
    """Fail a fast test that starts a program; its fixtures are outside of tests, and may."""
    if event == "subprocess.Popen" and os.environ.get("PYTEST_CURRENT_TEST", "").endswith("(call)"):
        raise RuntimeError(f"A fast test starts {arguments[0]}: mark it heavy.")


def pytest_configure() -> None:
    """Make what the settings file means for production cheap for tests."""
    from django.conf import settings

    from directories import passwords

    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.SCIM_LOG_BESIDE = settings.SEND_BESIDE = False
    settings.SCIM_MAPPING_SECONDS = 0
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]
    COSTS["bcrypt"], passwords.BCRYPT_ROUNDS = passwords.BCRYPT_ROUNDS, 4  # made for each account that a test creates


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let each test begin with nobody who subscribed to events, which a process otherwise asks now and then."""
    from provisioning.events import outbox

    outbox.assume_nobody()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the portal's own database before any worker asks for it."""
    if not FIRST_PROCESS or session.config.option.collectonly:
        return
    try:
        servers.shared(servers.Postgres, int(os.environ["ROLLCALL_TEST_PORT"]), os.environ["ROLLCALL_TEST_PASSWORD"])
    except servers.Missing as missing:
        pytest.exit(f"The tests need PostgreSQL. {missing}", returncode=2)
    threading.Thread(target=_migrate_once, daemon=True).start()  # while the tests are collected


def _migrate_once() -> None:
    """Make the template; where that fails, whoever needs it tries again and says why."""
    with suppress(Exception):
        servers.template()


def pytest_unconfigure() -> None:
    """Tell the keeper that the run is over, and wait until everything is stopped."""
    if FIRST_PROCESS:
        assert keeper.stdin is not None
        keeper.stdin.close()
        keeper.wait()
