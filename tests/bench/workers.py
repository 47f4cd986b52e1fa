"""Workers as processes, for benches: what a Procfile starts, on the stage's database and broker."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def command_of(name: str) -> list[str]:
    """Return how the Procfile starts a program."""
    lines = dict(line.split(": exec ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if ": exec " in line)
    return shlex.split(lines[name].replace("${WORKER_CONCURRENCY:-4}", "4"))


@contextmanager
def running(variables: dict[str, str], *names: str) -> Iterator[None]:
    """Run these programs of the Procfile, each as often as it is named; begin when all answer."""
    started = []
    try:
        for number, name in enumerate(names):
            command = command_of(name)
            if "worker" in command:
                command += [f"--hostname={name}{number}@%h"]
            bin_folder = ROOT / ".venv" / "bin"
            command[0] = str(bin_folder / command[0])
            started.append(
                subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.DEVNULL, start_new_session=True)
            )
        _wait_for(variables, len(names))
        yield
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGTERM)
        for process in started:
            process.wait(60)


def _wait_for(variables: dict[str, str], number: int) -> None:
    """Wait until so many workers answer."""
    ask = (
        "import sys; from config.celery import app; sys.exit(len(app.control.ping(timeout=2) or []) < int(sys.argv[1]))"
    )
    for _ in range(60):
        done = subprocess.run(
            [str(ROOT / ".venv/bin/python"), "-c", ask, str(number)], cwd=ROOT, env=variables, check=False
        )
        if done.returncode == 0:
            return
        time.sleep(0.5)
    raise SystemExit(f"{number} workers did not start.")
