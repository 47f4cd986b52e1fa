"""``make run`` as a newcomer meets it: start, sign-in, Ctrl-C, and again."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.fixtures.portal import ROOT, wait_until
from tests.servers import free_port


class Run:
    """One ``python -m config.embedded`` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.output = folder / "output"
        unset = {"DATABASE_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "HTTPS", "LOG_LEVEL"}
        self.environment = {name: value for name, value in os.environ.items() if name not in unset}
        self.environment |= {
            "PORT": str(self.port),
            "ROLLCALL_VAR_DIR": str(folder / "var"),
            "ROLLCALL_ENV_FILE": str(folder / "var" / "rollcall.env"),
            "STATIC_ROOT": str(folder / "static"),
        }
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.embedded"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def text(self) -> str:
        """Return what it printed so far."""
        return self.output.read_text(errors="replace")

    def wait_ready(self) -> str:
        """Wait for the welcome and return everything printed."""
        wait_until(
            lambda: "Rollcall is ready" in self.text() or self.process.poll() is not None, 90, "the portal's welcome"
        )
        assert self.process.poll() is None, self.text()
        return self.text()

    def manage(self, *arguments: str) -> str:
        """Run a management command beside the portal, with its environment."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def family(self) -> list[psutil.Process]:
        """Return every process that was started, sessions of their own included."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> int:
        """Do what Ctrl-C does, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(40)


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


def test_start_stop_and_start_again(tmp_path: Path, runs: list[Run]) -> None:
    """The password is printed once and works; Ctrl-C leaves no process behind; the data stays."""
    runs.append(first := Run(tmp_path))
    text = first.wait_ready()
    assert f"http://localhost:{first.port}" in text
    password = re.search(r"Password: (\S+)", text)
    assert password
    family = first.family()
    assert len(family) >= 5
    stored = [path for path in (tmp_path / "var").rglob("*") if path.is_file()]
    assert all(password[1].encode() not in path.read_bytes() for path in stored)

    assert first.interrupt() == 0, first.text()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    assert "Traceback" not in first.text()

    runs.append(second := Run(tmp_path))
    text = second.wait_ready()
    assert password[1] not in text
    assert "changepassword admin" in text
    family = second.family()
    assert second.interrupt(signal.SIGHUP) == 0
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def rows(database: Path, where: str = "") -> list[tuple[str, ...]]:
    """Return the rows of the demo's table."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f"SELECT USERNAME, FIRSTNAME, LASTNAME FROM USERS {where}").fetchall()


def add(run: Run, database: Path, username: str) -> float:
    """Save a user and return the seconds until the row was there."""
    code = (
        "import time; from provisioning.models import User;"
        f"User.objects.create_user('{username}', first_name='Ada', last_name='Łovelace'); print(time.time())"
    )
    saved = float(run.manage("shell", "-v0", "-c", code))
    wait_until(lambda: rows(database, f"WHERE USERNAME = '{username}'"), words="the new row")
    return time.time() - saved


def test_the_first_five_minutes(tmp_path: Path, runs: list[Run]) -> None:
    """Import the demo's people, add some, and see a row arrive within a second; a deleted user's row goes."""
    runs.append(run := Run(tmp_path))
    run.wait_ready()
    database = tmp_path / "var" / "appsdb.sqlite3"
    assert len(rows(database)) == 200

    assert "200 created" in run.manage("import_directory", "APPSDB")
    # The machine may be busy with other tests: one quick delivery of eight shows what an idle one does.
    assert any(add(run, database, f"lovelace{number}") < 1.0 for number in range(8))
    assert rows(database, "WHERE USERNAME = 'lovelace0'") == [("lovelace0", "Ada", "Łovelace")]

    run.manage(
        "shell", "-v0", "-c", "from provisioning.models import User; User.objects.get(username='weiss').delete()"
    )
    wait_until(lambda: not rows(database, "WHERE USERNAME = 'weiss'"), words="the deleted row")
