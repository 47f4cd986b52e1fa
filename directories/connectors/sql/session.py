"""One connection of a directory's pool: statements in, rows out, the database's errors in a helpdesk's words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pymysql
from sqlalchemy import Connection, CursorResult, Engine
from sqlalchemy.exc import SQLAlchemyError

from directories.attributes import Value
from directories.connectors.base import ConnectorError, Unavailable
from directories.connectors.sql.errors import Parameters, translate
from directories.connectors.sql.pool import engine_for
from directories.connectors.sql.settings import SqlSettings
from directories.query_templates import Bound

Row = Sequence[Any]
DRIVER_ERRORS = (SQLAlchemyError, psycopg.Error, pymysql.MySQLError, OSError, UnicodeError, ImportError)
_NONE = Parameters()


class SqlSession:
    """A connection that is taken from the pool when it is first needed and given back by ``close``."""

    def __init__(self, settings: SqlSettings, engine: Engine | None = None) -> None:
        self.settings = settings
        self.dialect = settings.dialect
        self._engine = engine
        self._connection: Connection | None = None
        self._in_transaction = False

    @property
    def engine(self) -> Engine:
        """The pool: the process's own for these settings unless another was given."""
        return self._engine or engine_for(self.settings)

    def adapted(self, parameters: Sequence[Value], names: Sequence[str] = ()) -> tuple[Value, ...]:
        """Return values as the driver takes them; raise ConnectorError for one that it cannot."""
        values = tuple(map(self.dialect.adapt, parameters))
        self.dialect.refuse(values, names)
        return values

    def execute(self, sql: str, parameters: Sequence[Value] = (), names: Sequence[str] = ()) -> CursorResult[Any]:
        """Run one statement; ``names`` are the parameters' names, for messages. Raise ConnectorError."""
        values = self.adapted(parameters, names)
        with self.translated(Parameters(parameters, names)):
            return self._connected().exec_driver_sql(sql, values)

    def run_all(self, statements: Sequence[Bound]) -> list[int | ConnectorError]:
        """Run statements with adapted values, each as a transaction of its own, as ``Dialect.run_all`` does.

        Return how many rows each found, or why it was not done.
        """
        sent = [(bound.sql, bound.parameters) for bound in statements]
        with self.translated():
            driver: Any = self._connected().connection.driver_connection
            try:
                answers = self.dialect.run_all(self.settings, driver, sent)
            finally:
                if driver.closed:
                    self.discard()
        return [
            answer
            if isinstance(answer, int)
            else translate(answer, self.dialect, Parameters(bound.parameters, bound.names))
            for bound, answer in zip(statements, answers, strict=True)
        ]

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self.engine.connect()
        return self._connection

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
        if self.dialect.begin:
            self.execute(self.dialect.begin)
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
    def translated(self, parameters: Parameters = _NONE) -> Iterator[None]:
        """Turn a driver's error into the protocol's; give up a connection that may be broken."""
        try:
            yield
        except DRIVER_ERRORS as error:
            found = translate(error, self.dialect, parameters)
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
