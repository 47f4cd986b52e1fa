"""SQLite, through Python's own driver."""

import datetime as dt
import os
import sqlite3
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

from directories.attributes import Value
from directories.connectors.allowed import file_problem
from directories.connectors.base import ConnectorError
from directories.connectors.sql.dialects import base
from directories.connectors.sql.dialects.base import Dialect, Named
from directories.connectors.sql.error_codes import NAME, ErrorCode, last
from directories.connectors.sql.values import text_or_bytes

if TYPE_CHECKING:
    from directories.connectors.sql.settings import SqlSettings

# https://www.sqlite.org/rescode.html
_NAMES: Mapping[str, ErrorCode] = {
    "SQLITE_CONSTRAINT_UNIQUE": ErrorCode.DUPLICATE,
    "SQLITE_CONSTRAINT_PRIMARYKEY": ErrorCode.DUPLICATE,
    "SQLITE_CONSTRAINT_ROWID": ErrorCode.DUPLICATE,
    "SQLITE_CONSTRAINT_NOTNULL": ErrorCode.NOT_NULL,
    "SQLITE_CONSTRAINT_FOREIGNKEY": ErrorCode.REFERENCE,
    "SQLITE_CONSTRAINT_CHECK": ErrorCode.CHECK,
    "SQLITE_CONSTRAINT_DATATYPE": ErrorCode.WRONG_TYPE,
    "SQLITE_CONSTRAINT_TRIGGER": ErrorCode.RAISED,
    "SQLITE_MISMATCH": ErrorCode.WRONG_TYPE,
    "SQLITE_READONLY": ErrorCode.READ_ONLY,
    "SQLITE_READONLY_DBMOVED": ErrorCode.CONNECTION,
    "SQLITE_BUSY": ErrorCode.LOCK,
    "SQLITE_BUSY_SNAPSHOT": ErrorCode.LOCK,
    "SQLITE_LOCKED": ErrorCode.LOCK,
    "SQLITE_INTERRUPT": ErrorCode.TIMEOUT,
    "SQLITE_FULL": ErrorCode.BUSY,
    "SQLITE_CANTOPEN": ErrorCode.NO_FILE,
    "SQLITE_CANTOPEN_ISDIR": ErrorCode.NO_FILE,
    "SQLITE_NOTADB": ErrorCode.NO_FILE,
    "SQLITE_PERM": ErrorCode.NO_RIGHT,
    "SQLITE_AUTH": ErrorCode.NO_RIGHT,
}


class SQLiteDialect(Dialect):
    """A SQLite file on the portal's own machine."""

    kind = "sqlite"
    label = "SQLite"
    language = "sqlite"
    schemes = ("sqlite", "sqlite3")
    in_file = True
    begin = "BEGIN IMMEDIATE"
    ping = "SELECT 1 FROM sqlite_master"  # SQLite looks into the file only for a table
    version_query = "SELECT sqlite_version()"
    url = "sqlite://"

    def engine(self, settings: "SqlSettings") -> Engine:
        """Return a pool that notices when a statement runs too long, or when the file was replaced."""
        engine = super().engine(settings)
        event.listen(engine, "before_cursor_execute", _start_clock)
        event.listen(engine, "checkout", lambda connection, *_: _same_file(connection, settings.database))
        return engine

    def open(self, settings: "SqlSettings") -> sqlite3.Connection:
        """Open a file that is there, where files may be opened."""
        if problem := file_problem(settings.database):
            raise ConnectorError(problem, code="settings")
        # mode=rw: a mistyped path must fail, not create an empty database.
        connection = sqlite3.connect(
            f"file:{quote(settings.database)}?mode=rw",
            uri=True,
            timeout=base.LOCK_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=_SQLiteConnection,
        )
        connection.file = _file_at(settings.database)
        connection.seconds = settings.statement_timeout
        connection.started = time.monotonic()
        connection.set_progress_handler(connection.late, 100_000)
        connection.text_factory = text_or_bytes
        return connection

    def adapt(self, value: Value) -> Value:
        """Dates as ISO 8601 text and decimals as text; SQLite has neither."""
        if isinstance(value, dt.datetime):
            return value.isoformat(" ")
        return str(value) if isinstance(value, dt.date | Decimal) else value

    def cause(self, error: BaseException) -> ErrorCode:
        """Return what the error's name means; its words, which are always English, where one name is for many."""
        name = str(getattr(error, "sqlite_errorname", "") or "")
        text = str(error)
        if known := _NAMES.get(name) or (ErrorCode.BUSY if name.startswith("SQLITE_IOERR") else None):
            return known
        if text.startswith("no such table"):
            return ErrorCode.NO_TABLE
        if text.startswith("no such column") or "has no column named" in text:
            return ErrorCode.NO_COLUMN
        return ErrorCode.SYNTAX if "syntax error" in text else ErrorCode.UNKNOWN

    def names(self, error: BaseException) -> Named:
        """Return what the words name."""
        text = str(error)
        failed = last(rf"constraint failed: ({NAME})$", text).rpartition(".")[2]
        return Named(
            column=failed or last(rf"(?:no such column: |has no column named )({NAME})$", text),
            table=last(rf"no such table: ({NAME})$", text),
        )

    def said(self, error: BaseException) -> str:
        """Return the words of RAISE(ABORT, ...)."""
        return str(error) if getattr(error, "sqlite_errorname", "") == "SQLITE_CONSTRAINT_TRIGGER" else ""


class _SQLiteConnection(sqlite3.Connection):
    """A connection whose statements end after their time-out."""

    seconds: float = 0
    started: float = 0
    file: tuple[int, int] | None = None

    def late(self) -> bool:
        """Whether the statement that runs now has run too long."""
        return time.monotonic() - self.started > self.seconds


def _file_at(path: str) -> tuple[int, int] | None:
    """Return which file is at ``path``; None when there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _start_clock(connection: Any, *_: Any) -> None:
    connection.connection.dbapi_connection.started = time.monotonic()


def _same_file(connection: Any, path: str) -> None:
    """Give up a connection to a file that was moved away or replaced: it would go on reading the old one."""
    if connection.file != _file_at(path):
        raise DisconnectionError
