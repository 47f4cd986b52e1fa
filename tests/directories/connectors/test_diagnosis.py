"""The connection test against real servers: which part fails, and the words for it."""

import re
import socket
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps

from directories.connectors import allowed, outgoing
from directories.connectors.base import ConnectionTest, ConnectorError, Entry
from directories.connectors.push import store
from directories.connectors.scim import rate
from tests.directories.connectors.sql_subject import SqlSubject
from tests.servers import free_port

SERVERS = ["pg", "mariadb_sql"]
STEPS = [
    *("Name", "Port", "TLS", "Login", "Database", "User table", "Right to read", "Columns", "Right to write"),
]


def failed(found: ConnectionTest) -> tuple[str, str]:
    """Return the name and the words of the step that failed; those before it succeeded, those after were not tried."""
    marks = [step.ok for step in found.steps]
    at = marks.index(False)
    assert all(marks[:at])
    assert set(marks[at + 1 :]) <= {None}
    return found.steps[at].name, found.steps[at].message


def tried(sql: SqlSubject, **settings: Any) -> ConnectionTest:
    with sql.open(**settings) as connector:
        return connector.test()


@pytest.fixture(params=SERVERS)
def server_sql(request: pytest.FixtureRequest) -> SqlSubject:
    """A SQL directory on each kind of server."""
    found: SqlSubject = request.getfixturevalue(request.param)
    return found


def test_all_is_well(server_sql: SqlSubject) -> None:
    found = tried(server_sql)

    assert [step.name for step in found.steps] == STEPS
    assert found.ok
    assert re.match(r"(PostgreSQL|MariaDB) \d", found.version)
    assert 0 < (found.latency_ms or 0) < 5000
    assert [name.upper() for name in found.attributes][:3] == ["USERNAME", "PASSWORD", "FIRSTNAME"]


def test_the_kind_mysql_speaks_to_either_server(mariadb_sql: SqlSubject) -> None:
    mariadb_sql.database.kind = "mysql"
    with mariadb_sql.open() as connector:
        assert connector.test().ok
        assert list(connector.accounts())[-1].last


@pytest.mark.parametrize("kind", ["mssql", "oracle"])
def test_an_extra_that_is_not_installed_is_named(pg: SqlSubject, kind: str) -> None:
    pg.database.kind = kind
    name, words = failed(tried(pg))
    assert (name, words) == ("Login", f"The driver is not installed. Install Rollcall with the extra {kind}.")
    with pg.open() as connector, pytest.raises(ConnectorError, match=f"extra {kind}"):
        connector.count()


def test_text_from_a_form_will_do(server_sql: SqlSubject) -> None:
    port = str(server_sql.database.settings["port"])

    assert tried(server_sql, port=port, pool_size="", connect_timeout="5", statement_timeout=None, ca="").ok


def test_a_wrong_host(server_sql: SqlSubject) -> None:
    assert failed(tried(server_sql, host="nowhere.invalid")) == (
        "Name",
        "No server called nowhere.invalid is known. Check the spelling, or ask for its address.",
    )
    assert failed(tried(server_sql, host=""))[0] == "Name"


def test_a_wrong_port(server_sql: SqlSubject) -> None:
    port = free_port()

    assert failed(tried(server_sql, port=port)) == (
        "Port",
        f"Nothing listens on port {port}. Check the port, and that the database server runs.",
    )


@pytest.mark.heavy
def test_a_port_that_is_no_database(pg: SqlSubject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = tried(pg, port=listener.getsockname()[1], connect_timeout=2)
    assert failed(found)[0] in {"TLS", "Login"}


def test_a_wrong_password(server_sql: SqlSubject) -> None:
    name, words = failed(tried(server_sql, password="s3cret-but-wrong"))

    assert name == "Login"
    assert words.startswith(f"The server refused {server_sql.database.settings['user']}. Check user and password")
    assert "s3cret" not in words


def test_a_wrong_user(server_sql: SqlSubject) -> None:
    assert failed(tried(server_sql, user="nobody_here"))[0] == "Login"


def test_a_wrong_database(server_sql: SqlSubject) -> None:
    name, words = failed(tried(server_sql, database="NOSUCHDB"))

    assert name == "Database"
    assert words.startswith("There is no database NOSUCHDB")


def test_a_wrong_table_offers_the_nearest(server_sql: SqlSubject) -> None:
    name, words = failed(tried(server_sql, user_table="USRES"))

    assert name == "User table"
    assert words.startswith("There is no table USRES. Did you mean")
    assert "users" in words.lower()
    assert failed(tried(server_sql, user_table=""))[0] == "User table"


def test_a_table_with_capitals_is_found_in_quotes(pg: SqlSubject) -> None:
    pg.database.execute('CREATE TABLE "Staff Members" ("UserName" text)')

    assert 'Did you mean "Staff Members"?' in failed(tried(pg, user_table="staff_members"))[1]
    assert tried(pg, user_table='"Staff Members"', username_column='"UserName"', password_column="").ok


def test_a_wrong_column_offers_the_nearest(server_sql: SqlSubject) -> None:
    found = tried(server_sql, username_column="USER_NAMES")

    assert failed(found)[0] == "Columns"
    assert "Did you mean" in failed(found)[1]
    assert found.attributes


def test_a_missing_right_to_read(pg: SqlSubject, mariadb_sql: SqlSubject) -> None:
    for sql in (pg, mariadb_sql):
        settings = stranger(sql, "reader")
        name, words = failed(tried(sql, **settings))
        assert (name, words.endswith("Grant it SELECT.")) == ("Right to read", True)


def test_a_missing_right_to_write_fails_only_with_queries_for_it(server_sql: SqlSubject) -> None:
    settings = stranger(server_sql, "writer", grant="SELECT")
    name, words = failed(tried(server_sql, **settings))

    assert name == "Right to write"
    assert "INSERT, UPDATE, DELETE" in words
    found = tried(server_sql, **settings, templates={"create": [], "update": [], "delete": []})
    assert found.ok


def stranger(sql: SqlSubject, name: str, grant: str = "") -> dict[str, str]:
    """Create a user of the server with only this right to the table, and return the settings to log in with."""
    user = f"{name}_{sql.database.settings['database']}"[:30]
    if sql.database.kind == "postgresql":
        sql.database.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'word'")
        if grant:
            sql.database.execute(f"GRANT {grant} ON USERS TO {user}")
    else:
        database = sql.database.settings["database"]
        sql.database.execute(f"CREATE USER {user} IDENTIFIED BY 'word'")
        sql.database.execute("CREATE TABLE OPEN_TABLE (A INTEGER)")
        sql.database.execute(f"GRANT SELECT ON {database}.OPEN_TABLE TO {user}")
        if grant:
            sql.database.execute(f"GRANT {grant} ON {database}.USERS TO {user}")
    return {"user": user, "password": "word"}


def test_a_sqlite_file(sqlite_sql: SqlSubject, tmp_path: Path) -> None:
    assert tried(sqlite_sql).ok
    assert failed(tried(sqlite_sql, database=str(tmp_path / "missing.sqlite3")))[0] == "File"
    assert not (tmp_path / "missing.sqlite3").exists()
    (tmp_path / "text").write_text("no database, only text " * 100)
    assert failed(tried(sqlite_sql, database=str(tmp_path / "text")))[0] == "Database"
    assert failed(tried(sqlite_sql, user_table="NOWHERE"))[0] == "User table"


@pytest.mark.parametrize("link", ["itself", "symbolic", "hard", "dots"])
def test_a_file_of_the_portal_is_never_a_directory(
    sqlite_sql: SqlSubject, tmp_path: Path, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(sqlite_sql.database.settings["database"])
    monkeypatch.setattr(allowed, "_private", {own})
    path = tmp_path / "link.sqlite3"
    match link:
        case "itself":
            path = own
        case "symbolic":
            path.symlink_to(own)
        case "hard":
            path.hardlink_to(own)
        case "dots":
            path = own.parent / ".." / own.parent.name / own.name
    assert failed(tried(sqlite_sql, database=str(path))) == ("File", allowed.PRIVATE)
    with sqlite_sql.open(database=str(path)) as connector, pytest.raises(ConnectorError, match="portal's own"):
        connector.find(Entry("ann"))


def test_the_portal_tells_which_files_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path("/srv/portal.sqlite3")}}
    monkeypatch.setattr(allowed, "_private", set())
    own_settings = SimpleNamespace(
        DATABASES=own,
        CELERY_BEAT_SCHEDULE_FILENAME="/srv/schedule",
        SQLITE_FOLDER="/srv/directories",
        SOURCE_FILES_FOLDER="/srv/sources",
        SOURCE_SCRIPTS_FOLDER="",
        OUTGOING_NETWORKS=[],
        ALLOW_LOCAL_DIRECTORIES=False,
    )
    for name, value in {"_folder": None, "_source_files": None, "_source_scripts": None, "_local_hosts": True}.items():
        monkeypatch.setattr(allowed, name, value)
    monkeypatch.setattr(outgoing, "_networks", ())
    for module in (rate, store):  # what the other tests keep stays theirs
        monkeypatch.setattr(module, "_stores", [])
    monkeypatch.setattr("directories.apps.settings", own_settings)
    apps.get_app_config("directories").ready()
    assert allowed._private == {Path("/srv/portal.sqlite3"), Path("/srv/schedule")}
    assert (allowed._folder, allowed._local_hosts) == (Path("/srv/directories"), False)
    assert (allowed._source_files, allowed._source_scripts) == (Path("/srv/sources"), None)


def test_testing_changes_nothing(sqlite_sql: SqlSubject) -> None:
    path = sqlite_sql.database.settings["database"]
    sqlite_sql.database.execute("INSERT INTO USERS (USERNAME) VALUES ('ann')")
    before = Path(path).read_bytes()
    assert tried(sqlite_sql).ok
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT USERNAME FROM USERS").fetchall() == [("ann",)]
    assert Path(path).read_bytes()[:18] == before[:18]
