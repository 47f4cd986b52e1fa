"""An upgrade with data: what a portal of 22 November 2026 held is there, and right, in the portal of today."""

import json
import os
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.fixtures.databases import postgres_database
from tests.fixtures.waiting import ROOT

pytestmark = pytest.mark.heavy


@pytest.fixture(params=["postgresql", "sqlite"], scope="module")
def upgraded(
    request: pytest.FixtureRequest, postgres: servers.Server, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What ``upgrade_of_2026_11_22`` found after the upgrade, and after the worker did what waited; once a run."""
    folder = tmp_path_factory.mktemp("upgrade")
    return dict(servers.once(f"upgraded-{request.param}", lambda: upgrade(request.param, postgres, folder)))


def upgrade(kind: str, postgres: servers.Server, folder: Path) -> dict[str, Any]:
    """Upgrade a portal on that database."""
    url = f"sqlite:///{folder / 'portal.sqlite3'}"
    if kind == "postgresql":
        name = f"upgrade_{uuid.uuid4().hex}"  # another test begins anew after a failure
        postgres_database(postgres, name).connection.close()
        url = f"postgres://{postgres.user}:{postgres.password}@127.0.0.1:{postgres.port}/{name}"
    path = folder / "directory.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE USERS (USERNAME TEXT PRIMARY KEY, FIRSTNAME TEXT)")
        connection.executemany(
            "INSERT INTO USERS VALUES (?, ?)", [("anna", "Ann"), ("bert", "Bert"), ("cleo", "Cleo"), ("gone", "Gone")]
        )
    done = subprocess.run(
        [sys.executable, "-m", "tests.config.upgrade_of_2026_11_22", str(path)],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "SQLITE_FOLDER": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_people_applications_and_what_waits_are_there(upgraded: dict[str, Any]) -> None:
    found = upgraded["upgraded"]
    assert (found["sign-in"], found["rights"]) == (302, True)  # by a name in other case and the password of that time
    assert found["anna"] == ["Sales", {"badge": "7"}, True]
    assert found["manager"] == "grace"
    assert found["group"] == {"Readers": ["Dora", "anna"]}
    assert found["group accounts"] == [["Readers", "active", "ok"]]
    assert found["scim"] == ["anna@example.org", "bert", "cleo"]  # by the token of that time; it had deleted Dora
    assert found["approval"] == ["approval", "emil"]
    assert found["events"] == ["Created anna."]
    assert found["waiting"] == {
        "anna": ["changed", False],
        "bert": ["deactivated", False],
        "Dora": ["created", False],
        "cleo": ["changed", True],
    }


def test_leavers_who_waited_go_first(upgraded: dict[str, Any]) -> None:
    assert upgraded["upgraded"]["lanes"] == {"anna": 1, "bert": 0, "Dora": 1, "cleo": 1}  # cleo waits for a person


def test_what_newer_columns_hold_follows_from_the_old_ones(upgraded: dict[str, Any]) -> None:
    """State, what the source said of it, the last result, and whether the directory did not find the account."""
    assert upgraded["upgraded"]["accounts"] == {
        "anna": ["active", "on", "ok", False],
        "bert": ["active", "on", "open", False],  # he left, and nothing has closed his account yet
        "cleo": ["disabled", "off", "parked", False],
        "Dora": ["pending", "", "", False],
        "gone": ["active", "on", "ok", False],  # whose account the directory's settings mean to keep
    }
    # Whose, brought by the application, active as it said last, deleted by it.
    assert upgraded["upgraded"]["links"] == {
        "00u1": ["anna", True, True, False],
        "00u2": ["bert", False, False, False],
        "00u3": ["Dora", False, False, True],
    }


def test_what_waited_is_delivered(upgraded: dict[str, Any]) -> None:
    assert upgraded["rows"] == {"anna": "Anna", "cleo": "Cleo", "Dora": "Dora", "gone": "Gone"}
    assert upgraded["delivered"]["waiting"] == {"cleo": ["changed", True]}
    states = {key: account[0] for key, account in upgraded["delivered"]["accounts"].items()}
    assert states == {"anna": "active", "bert": "absent", "cleo": "disabled", "Dora": "active", "gone": "active"}
