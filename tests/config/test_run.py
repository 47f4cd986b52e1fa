"""``make run`` as a newcomer meets it: start, sign-in, Ctrl-C, and again."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
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
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        environment |= {
            "PORT": str(self.port),
            "ROLLCALL_VAR_DIR": str(folder / "var"),
            "ROLLCALL_ENV_FILE": str(folder / "var" / "rollcall.env"),
            "STATIC_ROOT": str(folder / "static"),
        }
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.embedded"],
                cwd=ROOT,
                env=environment,
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
