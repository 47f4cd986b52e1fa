"""Programs that are started again when they end."""

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests import servers
from tests.fixtures.waiting import ROOT, wait_until

pytestmark = pytest.mark.heavy

RUN = """
import os, sys
from pathlib import Path
from config import supervisor
supervisor.FIRST_PAUSE, supervisor.START_SECONDS = 0.1, float(os.environ["START_SECONDS"])
def check(name):
    if Path("broken").exists():
        raise supervisor.CannotRun(f"No more {name}.")
folder = Path(sys.argv[1])
try:
    supervisor.Supervisor(supervisor.programs(folder / "Procfile"), os.environ, folder, check).run()
except supervisor.CannotRun as refusal:
    print(refusal)
    sys.exit(1)
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Supervise the commands of a Procfile in a folder of their own."""
    started: list[subprocess.Popen[str]] = []

    def run(start_seconds: float = 0, **commands: str) -> "subprocess.Popen[str]":
        (tmp_path / "Procfile").write_text("".join(f"{name}: {command}\n" for name, command in commands.items()))
        monkeypatch.setenv("START_SECONDS", str(start_seconds))
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(tmp_path)], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_program_that_ends_is_started_again_after_a_growing_pause(tmp_path: Path, start: Start) -> None:
    process = start(ends="date +%s.%N >> times; exit 1", stays="date >> once; exec sleep 60")
    wait_until(lambda: len(lines(tmp_path / "times")) >= 5, words="five starts")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    times = [float(line) for line in lines(tmp_path / "times")]
    pauses = [after - before for before, after in itertools.pairwise(times[:4])]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 2 * pauses[0]
    assert "ends  | The ends ended. It is started again in " in output
    assert len(lines(tmp_path / "once")) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_of_it_and_their_children(tmp_path: Path, start: Start, number: signal.Signals) -> None:
    process = start(one="sleep 60 & touch one; wait", two="touch two; exec sleep 60")
    wait_until(lambda: (tmp_path / "one").exists() and (tmp_path / "two").exists())
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(20) == 0
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def test_what_a_killed_program_left_behind_is_cleared_away(tmp_path: Path, start: Start) -> None:
    start(one="sleep 60 & echo $! $$ >> pids; wait")
    child, parent = map(int, wait_until(lambda: lines(tmp_path / "pids"))[0].split())
    psutil.Process(parent).kill()
    wait_until(lambda: len(lines(tmp_path / "pids")) == 2, words="the second start")
    assert not servers.alive(child)


def test_a_program_that_must_not_start_again_stops_all_of_it(tmp_path: Path, start: Start) -> None:
    process = start(web="sleep 0.3; exit 1", stays="exec sleep 60")
    time.sleep(0.1)
    (tmp_path / "broken").touch()
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output.splitlines()[-1] == "No more web."


def test_a_program_that_cannot_run_at_all_stops_all_of_it(start: Start) -> None:
    process = start(start_seconds=5, worker="echo No module.; exit 2", stays="exec sleep 60")
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "No module." in output
    assert output.splitlines()[-1] == "The portal's worker cannot run; the lines above say why."
