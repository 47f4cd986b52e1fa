"""Reading every account of a SQL directory: one streamed query, and a fixed number of statements a page."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import CursorResult

from directories.attributes import UnreadableValue, Value
from directories.connectors.base import ConnectorError, Page, RemoteAccount
from directories.connectors.sql.error_codes import ErrorCode
from directories.connectors.sql.errors import Parameters
from directories.connectors.sql.session import DRIVER_ERRORS, Row, SqlSession
from directories.connectors.sql.values import NOT_TEXT, name_of, plain, text_of
from directories.query_templates import ImportPlan, NamedValues, PageQuery

KEYS_A_STATEMENT = 1000  # what every database takes as a list of parameters (Oracle the least)
NO_NAME = "The row has no user name."


class SqlReader:
    """Makes accounts out of rows, a page at a time; the page's other statements run on ``session``."""

    def __init__(self, session: SqlSession, plan: ImportPlan) -> None:
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
        """Return the accounts of one page's rows; a row without a usable key carries its problem."""
        found = [(row, self._attributes(row)) for row in rows]
        if self._plan.pages or self._plan.each:
            self._complete({ref: attributes for row, attributes in found if (ref := text_of(row[0]))})
        return [self._account(row, attributes) for row, attributes in found]

    def keys_of(self, names: Sequence[str]) -> set[str]:
        """Return the keys of the user table that the database itself takes for one of the names.

        What it compares alike (padding, trailing blanks, case, accents) is the column's own affair. None are found
        where the names do not fit the column's type or character set.
        """
        found: set[str] = set()
        for start in range(0, len(names), KEYS_A_STATEMENT):
            chunk = names[start : start + KEYS_A_STATEMENT]
            try:
                found.update(text_of(row[0]) for row in self._session.rows(self._plan.keys.sql(len(chunk)), chunk))
            except ConnectorError as error:
                if error.code not in {ErrorCode.WRONG_TYPE, ErrorCode.NO_FUNCTION, ErrorCode.CHARACTER, "nul"}:
                    raise
        return found

    def _attributes(self, row: Row) -> dict[str, Value]:
        return dict(zip(self._plan.names, map(plain, row[self._first :]), strict=True))

    def _account(self, row: Row, attributes: dict[str, Value]) -> RemoteAccount:
        ref, name = text_of(row[0]), name_of(row[0])
        if type(row[0]) is not str and isinstance(plain(row[0]), UnreadableValue):
            return RemoteAccount(ref, name, problem=f"The user name {NOT_TEXT}.")
        if not name:
            return RemoteAccount("", "", problem=NO_NAME)
        password = text_of(row[1]) or None if self._plan.with_password else None
        return RemoteAccount(ref, name, attributes, None, password)

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
                result = self._session.run(template.bind(NamedValues({"USERNAME": key})))
                with self._session.translated():
                    first = result.fetchone()
                    result.close()
                for output in template.outputs:
                    attributes[output.name] = None if first is None else plain(first[output.position])

    def _join(self, wanted: dict[str, dict[str, Value]], query: PageQuery, rows: dict[str, Row]) -> None:
        # A database that compares without case gives the key back as the other table writes it.
        folded = {key.casefold(): row for key, row in rows.items()}
        for key, attributes in wanted.items():
            row = rows.get(key) or folded.get(key.casefold())
            values = query.missing if row is None else [plain(value) for value in row[1:]]
            attributes.update(zip(query.names, values, strict=True))


def streamed(session: SqlSession, sql: str, parameters: Sequence[Value], page_size: int) -> Iterator[Sequence[Row]]:
    """Yield a query's rows in pages, on a connection of its own, which is closed and not pooled again."""
    with session.translated():
        connection = session.engine.connect()
        connection.detach()
    try:
        with session.translated(Parameters(parameters)):
            session.dialect.prepare_stream(connection)
            options = connection.execution_options(stream_results=True, yield_per=page_size)
            result = options.exec_driver_sql(sql, session.adapted(parameters) or None)
        while rows := _fetched(session, result, page_size):
            yield rows
    finally:
        # Closed under the cursor: closing an unread cursor first would fetch all that is left.
        with suppress(*DRIVER_ERRORS):
            connection.invalidate()
            connection.close()


def _fetched(session: SqlSession, result: CursorResult[Any], page_size: int) -> Sequence[Row]:
    with session.translated():
        return result.fetchmany(page_size)
