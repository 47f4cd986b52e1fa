"""The connection test tells nothing about the portal's own machine: neither its files nor its ports."""

import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from directories.connectors import allowed, connector_class
from directories.connectors.base import Connector, ConnectorConfig, ConnectorError, Entry
from tests.servers import free_port


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of SQLite files; hosts of this machine are not allowed."""
    folder = tmp_path / "directories"
    folder.mkdir()
    monkeypatch.setattr(allowed, "_folder", folder)
    monkeypatch.setattr(allowed, "_local_hosts", False)
    return folder


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of this machine that is open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def connector(kind: str, **settings: Any) -> Connector:
    return connector_class(kind)(ConnectorConfig(settings=settings))


def failing(kind: str, **settings: Any) -> tuple[str, str]:
    """Return the first step that fails, and its words."""
    with connector(kind, **settings) as opened:
        return next((step.name, step.message) for step in opened.test().steps if step.ok is False)


def test_whether_a_file_exists_elsewhere_is_not_told(folder: Path, tmp_path: Path) -> None:
    there, missing, linked = tmp_path / "there", tmp_path / "missing", folder / "linked"
    sqlite3.connect(there).execute("CREATE TABLE USERS (USERNAME TEXT)").connection.close()
    linked.symlink_to(there)
    paths = [there, missing, linked, folder / ".." / "there", "/etc/passwd", "/etc/shadow", "/no/such", "/etc/\0passwd"]
    answers = {failing("sqlite", database=str(path), user_table="USERS") for path in paths}
    assert len(answers) == 1
    assert answers.pop()[1].startswith(f"SQLite files are opened in {folder} only.")
    settings = {"database": str(there), "user_table": "USERS", "username_column": "USERNAME"}
    with connector("sqlite", **settings) as opened, pytest.raises(ConnectorError, match="are opened in"):
        opened.find(Entry("ann"))


def test_a_file_of_the_folder_is_a_directory(folder: Path) -> None:
    path = folder / "below" / "app.sqlite3"
    path.parent.mkdir()
    sqlite3.connect(path).execute("CREATE TABLE USERS (USERNAME TEXT)").connection.close()
    with connector("sqlite", database=str(path), user_table="USERS", username_column="USERNAME") as opened:
        assert opened.test().ok


LOCAL = ["127.0.0.1", "127.1", "localhost", "0.0.0.0", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1"]


@pytest.mark.parametrize("host", [*LOCAL, "fd00:ec2::254"])
@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "mssql", "ldap", "active_directory"])
def test_open_and_closed_ports_of_this_machine_look_alike(folder: Path, listening: int, kind: str, host: str) -> None:
    answers = set()
    for port in (listening, free_port()):
        where = {"host": f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "base_dn": "dc=example"}
        if kind in {"postgresql", "mariadb", "mssql"}:
            where = {"host": host, "port": port, "database": "d", "user": "u"}  # type: ignore[dict-item]
        answers.add(failing(kind, **where))
        with connector(kind, **where, password="p") as opened, pytest.raises(ConnectorError) as refused:
            opened.find(Entry("ann"))
        assert str(port) not in refused.value.message
    assert answers == {("Name", allowed.LOCAL)}


@pytest.mark.parametrize("host", ["", "db.example.org,127.0.0.1", "/var/run/postgresql", "@socket"])
def test_no_other_way_leads_to_this_machine(folder: Path, host: str) -> None:
    with connector("postgresql", host=host, database="d", user="u") as opened, pytest.raises(ConnectorError) as refused:
        opened.find(Entry("ann"))
    assert refused.value.code == "settings"


def test_other_machines_are_told_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not known and a port that does not answer are different things to correct."""
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: (_ for _ in ()).throw(ConnectionRefusedError()))
    assert failing("postgresql", host="no-such-host.invalid", database="d", user="u")[0] == "Name"
    assert failing("ldap", host="no-such-host.invalid", base_dn="dc=example")[0] == "Name"
    assert failing("postgresql", host="203.0.113.1", port=5432, database="d", user="u")[0] == "Port"
    assert failing("ldap", host="203.0.113.1", base_dn="dc=example")[0] == "Port"
