"""What a test may take."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.waiting import ROOT

ALLOWANCE = "from tests import allowance\nallowance.FAST_SECONDS = {}"
WORK = """
import time

import pytest

@pytest.fixture(scope="session")
def made_once():
    test_long()

def test_first(made_once):
    pass

def test_long():
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass

def test_waiting():
    time.sleep(0.2)
"""


def run(folder: Path, may: float) -> "subprocess.CompletedProcess[str]":
    (folder / "conftest.py").write_text(ALLOWANCE.format(may))
    (folder / "test_work.py").write_text(WORK)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    heavy")
    plugins = ["-p", "no:django", "-p", "no:schemathesis", "-p", "tests.allowance"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTEST_XDIST_WORKER": "gw0"},  # part of this run: it starts no servers
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.heavy
def test_what_takes_more_than_it_may_is_named_and_what_takes_many_times_as_much_fails(tmp_path: Path) -> None:
    more, too_much = (run(tmp_path, may) for may in (0.1, 0.01))
    assert more.returncode == 0, more.stdout
    assert "::test_long  more than 0.1 s" in more.stdout
    assert too_much.returncode == 1
    assert "::test_long  FAILED, it may take 0.01 s" in too_much.stdout
    assert "::test_first  FAILED" not in too_much.stdout, "what others use as well does not count"
    assert "::test_waiting  FAILED" not in too_much.stdout, "the clock does not count"
