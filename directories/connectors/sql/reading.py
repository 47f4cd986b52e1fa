"""Reading every account of a SQL directory: one streamed query, and a fixed number of statements a page."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, CursorResult

from directories.attributes import Value
from directories.connectors.base import Page, RemoteAccount
from directories.connectors.sql.connect import is_mariadb
from directories.connectors.sql.session import DRIVER_ERRORS, Row, Session, Undecodable, plain
from directories.query_templates import ImportPlan, PageQuery, Values

KEYS_A_STATEMENT = 1000  # what every database takes as a list of parameters (Oracle the least)
NO_NAME = "The row has no user name."


class Reader:
    """Makes accounts out of rows, a page at a time; the page's other statements run on ``session``."""

    def __init__(self, session: Session, plan: ImportPlan) -> None:
        self._session = session
        self._plan = plan
        self._first = 2 if plan.with_password else 1

    def pages(self, page_size: int) -> Iterator[Page]:
        """Stream every account. Memory holds two pages at most, whatever the number of accounts."""
        waiting: Sequence[RemoteAccount] | None = None
        for rows in streamed(self._session, self._plan.stream, (), page_size):
            accounts = self.accounts(rows)
            if waiting is not None:
                yield Page(waiting)
            waiting = accounts
        yield Page(waiting or (), last=True)

    def accounts(self, rows: Sequence[Row]) -> list[RemoteAccount]:
        """Return the accounts of one page's rows; a row that cannot be used carries its problem."""
        found: list[tuple[Row, dict[str, Value]] | RemoteAccount] = []
        for row in rows:
            try:
                found.append((row, self._attributes(row)))
            except Undecodable:
                found.append(self._unusable(row))
        good = [item for item in found if isinstance(item, tuple) and text_of(item[0][0])]
        if self._plan.pages or self._plan.each:
            self._complete({text_of(row[0]): attributes for row, attributes in good})
        return [item if isinstance(item, RemoteAccount) else self._account(*item) for item in found]

    def _attributes(self, row: Row) -> dict[str, Value]:
        plain(row[0])
        return {name: plain(value) for name, value in zip(self._plan.names, row[self._first :], strict=True)}

    def _account(self, row: Row, attributes: dict[str, Value]) -> RemoteAccount:
        ref = text_of(row[0])
        if not ref.strip():
            return RemoteAccount("", "", problem=NO_NAME)
        password = text_of(row[1]) or None if self._plan.with_password else None
        return RemoteAccount(ref, ref.strip(), attributes, None, password)

    def _unusable(self, row: Row) -> RemoteAccount:
        names = ["The user name", *self._plan.names]
        values = [row[0], *row[self._first :]]
        bad = next(name for name, value in zip(names, values, strict=True) if _undecodable(value))
        ref = text_of(row[0])
        return RemoteAccount(ref, ref.strip(), problem=f"{bad} holds bytes that are not text (UTF-8).")

    def _complete(self, wanted: dict[str, dict[str, Value]]) -> None:
        """Add the attributes of the statements for a page, and of those that run for each user."""
        keys = [*wanted]
        for query in self._plan.pages:
            rows: dict[str, Row] = {}
            for start in range(0, len(keys), KEYS_A_STATEMENT):
                chunk = keys[start : start + KEYS_A_STATEMENT]
                for row in self._session.rows(query.sql(len(chunk)), chunk):
                    rows.setdefault(text_of(row[0]), row)
            self._join(wanted, query, rows)
        for template in self._plan.each:
            for key, attributes in wanted.items():
                result = self._session.run(template.bind(Values({"USERNAME": key})))
                with self._session.translated():
                    first = result.fetchone()
                    result.close()
                for output in template.outputs:
                    attributes[output.name] = None if first is None else _lenient(first[output.position])

    def _join(self, wanted: dict[str, dict[str, Value]], query: PageQuery, rows: dict[str, Row]) -> None:
        # A database that compares without case gives the key back as the other table writes it.
        folded = {key.casefold(): row for key, row in rows.items()}
        for key, attributes in wanted.items():
            row = rows.get(key) or folded.get(key.casefold())
            values = query.missing if row is None else [_lenient(value) for value in row[1:]]
            attributes.update(zip(query.names, values, strict=True))


def streamed(session: Session, sql: str, parameters: Sequence[Value], page_size: int) -> Iterator[Sequence[Row]]:
    """Yield a query's rows in pages, on a connection of its own, which is closed and not pooled again."""
    with session.translated():
        connection = session.engine.connect()
        connection.detach()
    try:
        with session.translated():
            _prepare(connection, session.settings.kind)
            options = connection.execution_options(stream_results=True, yield_per=page_size)
            result = options.exec_driver_sql(sql, session.adapted(parameters) or None)
        while rows := _fetched(session, result, page_size):
            yield rows
    finally:
        # Closed under the cursor: closing an unread cursor first would fetch all that is left.
        with suppress(*DRIVER_ERRORS):
            connection.invalidate()
            connection.close()


def _fetched(session: Session, result: CursorResult[Any], page_size: int) -> Sequence[Row]:
    with session.translated():
        return result.fetchmany(page_size)


def _prepare(connection: Connection, kind: str) -> None:
    """Let the stream live as long as the reader needs, however slowly it takes the pages."""
    if kind == "postgresql":
        connection.exec_driver_sql("BEGIN READ ONLY")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
    elif kind in {"mysql", "mariadb"}:
        mariadb = is_mariadb(connection.connection.dbapi_connection)
        limit = "max_statement_time" if mariadb else "max_execution_time"
        connection.exec_driver_sql(f"SET SESSION {limit} = 0, net_write_timeout = 3600")


def text_of(value: Any) -> str:
    """Return a column's value as text, "" for NULL."""
    if value is None:
        return ""
    return value if type(value) is str else _decoded(value)


def _decoded(value: Any) -> str:
    try:
        return str(plain(value))
    except Undecodable:
        return bytes(value).decode(errors="replace")


def _undecodable(value: Any) -> bool:
    try:
        plain(value)
    except Undecodable:
        return True
    return False


def _lenient(value: Any) -> Value:
    return _decoded(value) if isinstance(value, bytes | bytearray | memoryview) else plain(value)
