"""What ``make run`` does before it starts anything."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import embedded


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_nobody_else_on_the_machine_reads_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usual_umask: None
) -> None:
    folder = tmp_path / "var"
    monkeypatch.setenv("ROLLCALL_VAR_DIR", str(folder))
    monkeypatch.setenv("ROLLCALL_ENV_FILE", str(folder / "rollcall.env"))
    monkeypatch.setattr(embedded, "check_port", lambda host, port: None)
    monkeypatch.setattr(embedded, "prepare", lambda: (folder / "rollcall.sqlite3").touch() or "")
    monkeypatch.setattr(embedded, "run", lambda host, port, password: None)

    assert embedded.main() == 0

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"var": 0o700, "run.lock": 0o600, "rollcall.env": 0o600, "rollcall.sqlite3": 0o600}


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://localhost:8000"),
        ("0.0.0.0", "http://localhost:8000"),
        ("192.0.2.7", "http://192.0.2.7:8000"),
    ],
)
def test_the_portal_is_asked_where_it_listens(host: str, address: str) -> None:
    assert embedded.own_address(host, 8000) == address
