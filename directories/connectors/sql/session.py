"""One connection of a directory's pool: statements in, rows out, the database's errors in a helpdesk's words."""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg
import pymysql
from sqlalchemy import Connection, CursorResult, Engine
from sqlalchemy.exc import SQLAlchemyError

from directories.attributes import Value
from directories.connectors.base import ConnectorError, Unavailable
from directories.connectors.sql.errors import translate
from directories.connectors.sql.pool import BEGIN, engine_for
from directories.connectors.sql.settings import SqlSettings
from directories.query_templates import Bound

Row = Sequence[Any]
DRIVER_ERRORS = (SQLAlchemyError, psycopg.Error, pymysql.MySQLError, OSError, UnicodeError, ImportError)
_PLAIN = {str, int, float, bool, Decimal, dt.date, dt.datetime, type(None)}


class Undecodable(Exception):
    """A value's bytes are not text."""


class Session:
    """A connection that is taken from the pool when it is first needed and given back by ``close``."""

    def __init__(self, settings: SqlSettings, engine: Engine | None = None) -> None:
        self.settings = settings
        self._engine = engine
        self._parameter = _ADAPTERS.get(settings.kind, _standard)
        self._connection: Connection | None = None
        self._in_transaction = False

    @property
    def engine(self) -> Engine:
        """The pool: the process's own for these settings unless another was given."""
        return self._engine or engine_for(self.settings)

    def adapted(self, parameters: Sequence[Value], names: Sequence[str] = ()) -> tuple[Value, ...]:
        """Return values as the driver takes them; raise ConnectorError for one that it cannot."""
        values = tuple(map(self._parameter, parameters))
        if self.settings.kind == "postgresql":
            _refuse_nul(values, names)
        return values

    def execute(self, sql: str, parameters: Sequence[Value] = (), names: Sequence[str] = ()) -> CursorResult[Any]:
        """Run one statement; ``names`` are the parameters' names, for messages. Raise ConnectorError."""
        values = self.adapted(parameters, names)
        with self.translated():
            if self._connection is None:
                self._connection = self.engine.connect()
            return self._connection.exec_driver_sql(sql, values)

    def run(self, bound: Bound) -> CursorResult[Any]:
        """Run a template's statement."""
        return self.execute(bound.sql, bound.parameters, bound.names)

    def rows(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Return all rows of a query."""
        result = self.execute(sql, parameters)
        with self.translated():
            return list(result.fetchall())

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """Run what is inside as one transaction, rolled back on any error or when ``keep`` is False."""
        if begin := BEGIN.get(self.settings.kind):
            self.execute(begin)
        self._in_transaction = True
        try:
            yield
        except BaseException:
            self._end(commit=False)
            raise
        self._end(commit=keep)

    def _end(self, *, commit: bool) -> None:
        self._in_transaction = False
        if self._connection is not None:
            with self.translated():
                self._connection.commit() if commit else self._connection.rollback()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn a driver's error into the protocol's, without its words; give up a connection that may be broken."""
        try:
            yield
        except DRIVER_ERRORS as error:
            found = translate(error, self.settings.kind)
        else:
            return
        if isinstance(found, Unavailable) and (found.whole_directory or not self._in_transaction):
            self.discard()
        raise found from None

    def discard(self) -> None:
        """Close the connection instead of giving it back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def close(self) -> None:
        """Give the connection back to the pool."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with self.translated():
                connection.close()


def plain(value: Any) -> Value:
    """Return a driver's value as a portal's value; raise Undecodable."""
    if type(value) in _PLAIN:
        return value  # type: ignore[no-any-return]
    if isinstance(value, memoryview | bytearray):
        value = bytes(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise Undecodable from None
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    return value.isoformat() if isinstance(value, dt.time) else str(value)


def _refuse_nul(values: Sequence[Any], names: Sequence[str]) -> None:
    for position, value in enumerate(values):
        if type(value) is str and "\x00" in value:
            name = names[position] if position < len(names) else "A value"
            message = f"{name} holds a NUL character, which PostgreSQL cannot store. Remove it in the portal."
            raise ConnectorError(message, code="nul")


def _postgres(value: Value) -> Value:
    """Everything as text of no declared type, so that PostgreSQL takes the type of the column it meets."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _sqlite(value: Value) -> Value:
    """Dates as ISO 8601 text and decimals as text; SQLite has neither."""
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    return str(value) if isinstance(value, dt.date | Decimal) else value


def _standard(value: Value) -> Value:
    """Times with a zone in UTC: MySQL's DATETIME keeps no zone."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return int(value) if isinstance(value, bool) else value


_ADAPTERS: Mapping[str, Callable[[Value], Value]] = {"postgresql": _postgres, "sqlite": _sqlite}
