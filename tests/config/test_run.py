"""``make run`` as a newcomer meets it: start, sign-in, Ctrl-C, and again."""

import os
import re
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.fixtures.documented import run_documented
from tests.fixtures.embedded import Run
from tests.fixtures.waiting import wait_until

SAVE_AND_DELIVER = """
from provisioning.models import Account, User
from provisioning.outbound.accounts.delivery import deliver
User.objects.create_user("ritchie")
account = Account.objects.get(key="ritchie")
assert not deliver(account.directory_id, [account.pk]).claimed
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[list[Run]]:
    """Portals that the test started; whatever is left of them is killed."""
    started: list[Run] = []
    yield started
    for run in started:
        if run.process.poll() is None:
            for process in run.family():
                process.kill()
            run.process.kill()


def rows(database: Path, where: str = "") -> list[tuple[str, ...]]:
    """Return the rows of the demo's table."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f"SELECT USERNAME, FIRSTNAME, LASTNAME FROM USERS {where}").fetchall()


def add(run: Run, database: Path, username: str) -> None:
    """Save a user and wait for the row, less long than until the next sweep (``make bench`` has the time it takes)."""
    fields = f"'{username}', first_name='Ada', last_name='Łovelace'"
    run.manage("shell", "-v0", "-c", f"from provisioning.models import User; User.objects.create_user({fields})")
    wait_until(lambda: rows(database, f"WHERE USERNAME = '{username}'"), words="the new row")


def stop(run: Run, number: signal.Signals) -> None:
    """End the portal by a signal; no process of it is left."""
    family = run.family()
    assert len(family) >= 5
    assert run.interrupt(number) == 0, run.text()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def test_start_the_first_five_minutes_stop_and_start_again(tmp_path: Path, runs: list[Run]) -> None:
    """The password is printed once. Import the demo's people, add one, and see the row arrive, also after a power cut
    of the worker alone. Ctrl-C leaves no process behind; the data stays. Yesterday's copy of the portal's own database,
    put back before the second start, makes it look first.
    """
    runs.append(first := Run(tmp_path))
    text = first.wait_ready()
    assert f"http://localhost:{first.port}" in text
    password = re.search(r"Password: (\S+)", text)
    assert password
    stored = [path for path in (tmp_path / "var").rglob("*") if path.is_file()]
    assert all(password[1].encode() not in path.read_bytes() for path in stored)

    database = tmp_path / "var" / "appsdb.sqlite3"
    assert len(rows(database)) == 200
    assert "200 created" in first.manage("import_directory", "APPSDB")
    assert "no directory is kept back" in first.manage("look_first", "status")
    assert " 0 red" in (said := first.manage("doctor")) or "everything is in order" in said
    python = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    shell = first.environment | {"BACKUP": str(tmp_path / "yesterday"), "PATH": python}
    assert run_documented("backup.md", "back up sqlite", shell).returncode == 0
    add(first, database, "lovelace")
    assert rows(database, "WHERE USERNAME = 'lovelace'") == [("lovelace", "Ada", "Łovelace")]
    assert "Traceback" not in first.text()

    worker = next(
        process
        for process in first.family()
        if "worker" in process.cmdline() and "--exclude-queues=imports,events" in process.cmdline()
    )
    worker.kill()
    add(first, database, "hopper")
    assert "The worker ended. It is started again in 1 s." in first.text()
    first.manage(
        "shell", "-v0", "-c", "from provisioning.models import User; User.objects.get(username='weiss').delete()"
    )
    wait_until(lambda: not rows(database, "WHERE USERNAME = 'weiss'"), words="the deleted row")
    first.manage("shell", "-v0", "-c", "from provisioning.restore.continuity import beat; beat()")
    stop(first, signal.SIGINT)
    assert "Traceback" not in first.text()

    assert run_documented("backup.md", "restore sqlite", shell).returncode == 0

    runs.append(second := Run(tmp_path))
    text = second.wait_ready()
    assert password[1] not in text
    assert "changepassword admin" in text
    held = "APPSDB is kept back. Its database is older than what the portal did until"
    assert held in second.manage("look_first", "status")
    second.manage("shell", "-v0", "-c", SAVE_AND_DELIVER)
    assert not rows(database, "WHERE USERNAME = 'ritchie'"), "nothing went out"
    assert "Look first is off" in second.manage("look_first", "off")
    wait_until(lambda: rows(database, "WHERE USERNAME = 'ritchie'"), 90, words="what waited")
    assert held.partition(" Its")[0] in second.manage("look_first", "on")
    stop(second, signal.SIGHUP)
