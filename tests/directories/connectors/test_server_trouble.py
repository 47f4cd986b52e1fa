"""Servers that stop answering, vanish, come back, or want TLS otherwise than the settings."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from directories.connectors.base import Capability, ConnectionTest, Entry, RemoteAccount, Unavailable, Write
from directories.connectors.server_certificate import OTHER_NAME
from tests import servers
from tests.directories.connectors.sql_subject import SqlSubject
from tests.fixtures.databases import Database, postgres_database
from tests.servers import Server

ANN = Entry("ann", "", {"FIRSTNAME": "Ann"}, {"username": "ann"})


@pytest.fixture
def own(own_postgres: servers.Program) -> Iterator[SqlSubject]:
    """A SQL directory on a PostgreSQL of this test alone."""
    database = postgres_database(own_postgres, "trouble")
    yield SqlSubject(database)
    database.connection.close()


def pids(database: Database) -> list[int]:
    """Return the server's process and those of its connections."""
    children = database.rows("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
    ours = database.rows("SELECT pg_backend_pid()")[0][0]
    with open(f"/proc/{ours}/stat") as stat:
        return [int(stat.read().rpartition(")")[2].split()[1]), *(pid for (pid,) in children)]


def failure(found: ConnectionTest) -> str:
    return next((step.name for step in found.steps if step.ok is False), "")


def test_a_server_that_hangs_is_given_up_and_found_again(own: SqlSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("directories.connectors.sql.dialects.base.GRACE_SECONDS", 1)
    stopped = pids(own.database)
    with own.open(statement_timeout=1, connect_timeout=2) as connector:
        connector.create(ANN, "x")
        stopped = pids(own.database)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            for _ in range(2):  # the open connection, then a new one
                with pytest.raises(Unavailable) as caught:
                    connector.find(ANN)
                assert caught.value.whole_directory
            assert time.monotonic() - started < 15
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        assert connector.find(ANN) is not None


def test_a_server_that_restarts_is_used_again(own: SqlSubject, own_postgres: servers.Program) -> None:
    with own.open() as connector:
        connector.create(ANN, "x")
    own_postgres.stop()
    with own.open() as connector, pytest.raises(Unavailable) as caught:
        connector.find(ANN)
    assert caught.value.code in {"unreachable", "connection"}
    assert failure(connector.test()) == "Port"
    own_postgres.start()
    with own.open() as connector:
        assert connector.find(ANN) is not None


@pytest.mark.parametrize("letters", [1, 1_000_000])  # the server dies before, or while, all of it is sent
def test_a_server_that_is_killed_in_between_tells_what_was_done_before(own: SqlSubject, letters: int) -> None:
    for sql in (
        "ALTER DATABASE trouble SET synchronous_commit = on",
        "ALTER TABLE USERS ALTER FIRSTNAME TYPE TEXT",
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.USERNAME = 'user4' THEN COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER die BEFORE INSERT ON USERS FOR EACH ROW EXECUTE FUNCTION die()",
    ):
        own.database.execute(sql)
    names = [f"user{n}" for n in range(20)]
    people = [Entry(name, "", {"FIRSTNAME": "x" * letters}, {"username": name}) for name in names]
    with own.open() as connector:
        answers = connector.write_many([Write(Capability.CREATE, person, None) for person in people])
    assert [answer.ref for answer in answers if isinstance(answer, RemoteAccount)] == names[:4]
    assert all(isinstance(answer, Unavailable) for answer in answers[4:])
    assert _names(own) == set(names[:4])


def _names(own: SqlSubject) -> set[str]:
    """Return who is in the table, once the server is back."""
    for _ in range(100):
        try:
            with own.open() as connector:
                return {name for (name,) in connector.session.rows("SELECT USERNAME FROM USERS")}
        except Unavailable:
            time.sleep(0.1)
    raise TimeoutError


def test_a_server_that_wants_tls_otherwise(
    own: SqlSubject, own_postgres: servers.Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = own_postgres.folder / "data" / "pg_hba.conf"
    rules.write_text("hostssl all all all scram-sha-256\n")
    own.database.execute("SELECT pg_reload_conf()")
    eventually(lambda: failure(tried(own, tls_mode="disable")) == "TLS")
    assert tried(own, tls_mode="require").ok
    rules.write_text("host all all all scram-sha-256\n")
    own_postgres.stop()
    command = [part.replace("ssl=on", "ssl=off") for part in own_postgres.command()]
    monkeypatch.setattr(own_postgres, "command", lambda: command)
    own_postgres.start()
    assert tried(own, tls_mode="disable").ok
    assert failure(tried(own, tls_mode="require")) == "TLS"


def test_a_refused_login_holds_the_whole_directory_up(pg: SqlSubject) -> None:
    with pg.open(password="s3cret-but-wrong") as connector, pytest.raises(Unavailable) as caught:
        connector.find(ANN)
    assert caught.value.whole_directory
    assert caught.value.code == "login"
    assert "s3cret" not in repr(caught.value)


@pytest.mark.parametrize("kind", ["pg", "mariadb_sql"])
def test_a_certificate_is_checked_with_the_authority_given(
    request: pytest.FixtureRequest, kind: str, postgres: Server, mariadb: Server
) -> None:
    sql: SqlSubject = request.getfixturevalue(kind)
    server = postgres if kind == "pg" else mariadb
    assert tried(sql, tls_mode="require").ok
    assert tried(sql, tls_mode="verify-full", ca=server.ca).ok
    assert failure(tried(sql, tls_mode="verify-full")) == "TLS"
    assert failure(tried(sql, tls_mode="verify-full", ca="no certificate")) == "TLS"
    shown = tried(sql, tls_mode="verify-full").certificate
    assert shown is not None
    assert (shown.subject, shown.issuer, shown.problem) == ("CN=localhost", "itself", "")
    assert tried(sql, tls_mode="verify-full", ca=shown.pem).ok
    shown = tried(sql, tls_mode="verify-full", host="127.1").certificate  # an address that it is not for
    assert shown is not None
    assert (shown.pem, shown.problem) == ("", OTHER_NAME)


def test_a_user_that_must_use_tls_is_told_so(mariadb_sql: SqlSubject) -> None:
    sql = mariadb_sql.database
    user = f"tls_{sql.settings['database']}"
    sql.execute(f"CREATE USER {user} IDENTIFIED BY 'word' REQUIRE SSL")
    sql.execute(f"GRANT ALL ON {sql.settings['database']}.* TO {user}")
    assert failure(tried(mariadb_sql, user=user, password="word")) == "TLS"
    assert tried(mariadb_sql, user=user, password="word", tls_mode="require").ok


def tried(sql: SqlSubject, **settings: Any) -> ConnectionTest:
    with sql.open(**settings) as connector:
        return connector.test()


def eventually(holds: Any, seconds: float = 10) -> None:
    """Wait until a changed setting has reached the server."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_sqlite_file_that_is_moved_away_is_out_of_reach_until_it_is_back(sqlite_directory: Database) -> None:
    """A pooled connection would go on reading the moved file, and its writes would be refused as read-only."""
    subject, path = SqlSubject(sqlite_directory), Path(sqlite_directory.settings["database"])
    away = path.with_suffix(".away")
    with subject.open() as connector:
        connector.create(ANN, "x")
    path.rename(away)
    with subject.open() as connector:
        for attempt in (connector.find, connector.update):
            with pytest.raises(Unavailable) as caught:
                attempt(ANN)
            assert caught.value.whole_directory
            assert "The database file is not there" in caught.value.message
    away.rename(path)
    with subject.open() as connector:
        assert connector.find(ANN) is not None


def test_a_sqlite_file_that_is_replaced_is_read_anew(sqlite_directory: Database) -> None:
    subject, path = SqlSubject(sqlite_directory), Path(sqlite_directory.settings["database"])
    before = path.with_suffix(".before")
    before.write_bytes(path.read_bytes())
    with subject.open() as connector:
        connector.create(ANN, "x")
    before.replace(path)
    with subject.open() as connector:
        assert connector.find(ANN) is None
