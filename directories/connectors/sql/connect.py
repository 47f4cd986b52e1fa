"""How a connection to each kind of database is opened: time-outs everywhere, TLS as the settings want it."""

import contextlib
import os
import sqlite3
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import psycopg
import pymysql
from psycopg.abc import PQGen
from pymysql.constants import CLIENT

from directories.connectors.allowed import file_problem
from directories.connectors.base import ConnectorError
from directories.connectors.sql.certificates import ca_file
from directories.connectors.sql.settings import SqlSettings

GRACE_SECONDS = 5  # how much longer than the server's own statement time-out the client waits for it
LOCK_SECONDS = 5  # how long a statement waits for another one's lock


class _Postgres(psycopg.Connection[Any]):
    """A connection that gives up on a server that has stopped answering; a statement time-out needs a live server."""

    deadline: float | None = None

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for the server, at most ``deadline`` seconds."""
        started = time.monotonic()
        try:
            return super().wait(gen, interval, timeout or self.deadline)
        except psycopg.Error:
            if self.deadline and time.monotonic() - started >= self.deadline:
                self.pgconn.finish()
            raise


def _open_postgres(settings: SqlSettings) -> psycopg.Connection[Any]:
    if not settings.host or settings.host.startswith(("/", "@")) or "," in settings.host:
        # libpq would take a socket, on which a server may trust the portal's own system user without a password, or
        # one host of a list after another.
        raise ConnectorError("Type the name or address of one server, not the path of a socket.", code="settings")
    seconds = settings.statement_timeout
    connection = _Postgres.connect(
        host=settings.host,
        port=settings.port,
        dbname=settings.database,
        user=settings.user,
        password=settings.password,
        connect_timeout=max(settings.connect_timeout, 2),
        application_name="rollcall",
        client_encoding="UTF8",
        gssencmode="disable",
        # Prepared plans break when the admin alters a table, and poolers such as PgBouncer lose them.
        prepare_threshold=None,
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        **_postgres_tls(settings),
    )
    connection.deadline = seconds + GRACE_SECONDS
    connection.autocommit = True
    # Not as start-up options: poolers refuse those.
    connection.execute(f"SET statement_timeout = {seconds * 1000}; SET lock_timeout = {LOCK_SECONDS * 1000}".encode())
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        for name in ("text", "varchar", "bpchar", "name"):
            connection.adapters.register_loader(name, _BytesLoader)
    return connection


class _BytesLoader(psycopg.adapt.Loader):
    """Text of a database without an encoding: text where it is UTF-8, else the bytes (a problem of that row)."""

    def load(self, data: Any) -> str | bytes:
        """Return text where the bytes are text."""
        return text_or_bytes(bytes(data))


def text_or_bytes(data: bytes) -> str | bytes:
    """Return UTF-8 as text and anything else as it is."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _postgres_tls(settings: SqlSettings) -> dict[str, Any]:
    """Return libpq's TLS options."""
    options: dict[str, Any] = {"sslmode": settings.tls_mode}
    if settings.tls_mode == "verify-full":
        options["sslrootcert"] = ca_file(settings.ca) if settings.ca else "system"
    return options


def _mysql_tls(settings: SqlSettings) -> dict[str, Any]:
    """Return PyMySQL's TLS options."""
    if settings.tls_mode == "disable":
        return {"ssl_disabled": True}
    context = ssl.create_default_context(cadata=settings.ca or None)
    if settings.tls_mode == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def _open_mysql(settings: SqlSettings) -> Any:
    connection: Any = pymysql.connect(
        host=settings.host,
        port=settings.port,
        database=settings.database,
        user=settings.user,
        password=settings.password,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.statement_timeout + GRACE_SECONDS,
        write_timeout=settings.statement_timeout + GRACE_SECONDS,
        client_flag=CLIENT.FOUND_ROWS,  # an UPDATE counts the rows it finds, not those that it changes
        **_mysql_tls(settings),
    )
    seconds = settings.statement_timeout
    limit = f"max_statement_time = {seconds}" if is_mariadb(connection) else f"max_execution_time = {seconds * 1000}"
    with contextlib.closing(connection.cursor()) as cursor:
        # Strict: without it, the server cuts a value that is too long and says nothing.
        cursor.execute(
            f"SET SESSION {limit}, innodb_lock_wait_timeout = {LOCK_SECONDS}, "
            "sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
        )
    return connection


def is_mariadb(connection: Any) -> bool:
    """Return whether a PyMySQL connection is to a MariaDB."""
    return "mariadb" in str(connection.get_server_info()).lower()


class SqliteConnection(sqlite3.Connection):
    """A SQLite connection whose statements end after their time-out."""

    seconds: float = 0
    started: float = 0
    file: tuple[int, int] | None = None

    def late(self) -> bool:
        """Whether the statement that runs now has run too long."""
        return time.monotonic() - self.started > self.seconds


def file_at(path: str) -> tuple[int, int] | None:
    """Return which file is at ``path``; None when there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _open_sqlite(settings: SqlSettings) -> sqlite3.Connection:
    if problem := file_problem(settings.database):
        raise ConnectorError(problem, code="settings")
    # mode=rw: a mistyped path must fail, not create an empty database.
    connection = sqlite3.connect(
        f"file:{quote(settings.database)}?mode=rw",
        uri=True,
        timeout=LOCK_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=SqliteConnection,
    )
    connection.file = file_at(settings.database)
    connection.seconds = settings.statement_timeout
    connection.started = time.monotonic()
    connection.set_progress_handler(connection.late, 100_000)
    connection.text_factory = text_or_bytes
    return connection


OPENERS: Mapping[str, Callable[[SqlSettings], Any]] = {
    "postgresql": _open_postgres,
    "mysql": _open_mysql,
    "mariadb": _open_mysql,
    "sqlite": _open_sqlite,
}
