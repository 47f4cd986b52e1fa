"""Queries that are compiled once: for what a service asks with every request, Django's compiler costs more than SQL.

A ``Prepared`` is made of an ordinary queryset in which ``Parameter`` stands for each value that is not known yet. The
first call compiles it; every call binds values and reads rows, as models with what ``select_related`` brings.
PostgreSQL plans it once for a connection, too: planning took five times as long as the query itself.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import Field, Model, QuerySet, Value
from django.db.models.query import get_related_populators  # type: ignore[attr-defined]

M = TypeVar("M", bound=Model)
DatabaseRow = tuple[Any, ...]


class _Preparing(psycopg.Cursor[DatabaseRow]):
    """A cursor whose statements the server prepares; Django's own writes the parameters into the text.

    A connection has one, which stays open: to make one takes as long as a small query.
    """

    def close(self) -> None:
        """Keep it for the next statement."""

    def execute(self, query: Any, params: Any = None, **_: Any) -> "_Preparing":
        try:
            return super().execute(query, params, prepare=True)
        except psycopg.errors.FeatureNotSupported:  # a migration changed the type of a column that the plan returns
            connections[DEFAULT_DB_ALIAS].close_at = 0  # after this request; the plan is the connection's own
            raise


def cursor() -> CursorWrapper:
    """Return a cursor for statements that are few and often run: on PostgreSQL the server keeps them (``prepare``).

    The rows of one statement are read before the next one is sent. With ``PREPARE_STATEMENTS=false`` statements are
    planned each time. Where Django logs queries, it is an ordinary cursor, of which it can tell what was sent.
    """
    own: Any = connections[DEFAULT_DB_ALIAS]  # each question to the proxy ``connection`` looks it up anew
    if own.vendor != "postgresql" or own.queries_logged:
        return cast(CursorWrapper, own.cursor())
    own.close_if_health_check_failed()
    own.ensure_connection()
    kept: _Preparing | None = vars(own).get("kept_cursor")
    if kept is None or kept.connection is not own.connection:
        kept = own.kept_cursor = _Preparing(own.connection)
    return cast(CursorWrapper, own._prepare_cursor(kept))


class Parameter(Value):
    """A value of a prepared query, named as the call names it."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(name, output_field=field)

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Leave the place open."""
        return "%s", [self]

    def bound(self, values: dict[str, Any], connection: BaseDatabaseWrapper) -> Any:
        """Return the call's value as the database takes it."""
        return self.output_field.get_db_prep_value(values[self.value], connection, prepared=False)


class _Compiled:
    """SQL, where its parameters come from, and how its rows become models."""

    def __init__(self, rows: "QuerySet[Any, Any]") -> None:
        compiler = rows.query.get_compiler(connection=connection)
        self.sql, self.params = compiler.as_sql()
        if connection.vendor == "postgresql":
            self.sql, self.params = _with_constants(self.sql, self.params)
        expressions = [expression for expression, *_ in compiler.select or ()]
        self.converters = [
            (position, convert, expression)
            for position, (converts, expression) in compiler.get_converters(expressions).items()
            for convert in converts
        ]
        info = compiler.klass_info
        if info:
            first, last = info["select_fields"][0], info["select_fields"][-1] + 1
            self.model = info["model"]
            self.columns = slice(first, last)
            self.names = [expression.target.attname for expression in expressions[first:last]]
            self.related = get_related_populators(info, compiler.select, DEFAULT_DB_ALIAS)

    def rows(self, values: dict[str, Any]) -> Sequence[DatabaseRow]:
        own = connections[DEFAULT_DB_ALIAS]
        params = [part.bound(values, own) if isinstance(part, Parameter) else part for part in self.params]
        with cursor() as opened:
            opened.execute(self.sql, params)
            found: Sequence[DatabaseRow] = opened.fetchall()
        return list(map(self._converted, found)) if self.converters else found

    def made(self, row: DatabaseRow) -> Any:
        model = self.model.from_db(DEFAULT_DB_ALIAS, self.names, row[self.columns])
        for populator in self.related:
            populator.populate(row, model)
        return model

    def _converted(self, row: DatabaseRow) -> DatabaseRow:
        changed = list(row)
        for position, convert, expression in self.converters:
            changed[position] = convert(changed[position], expression, connection)
        return tuple(changed)


def _with_constants(sql: str, params: Sequence[Any]) -> tuple[str, list[Any]]:
    """Write what never changes into the SQL: a plan for any parameter would use no partial index."""
    connection.ensure_connection()
    writer = psycopg.ClientCursor(connection.connection)
    texts = (
        "%s" if isinstance(part, Parameter) else writer.mogrify("%s", [part]).replace("%", "%%") for part in params
    )
    return sql.replace("%%", "%%%%") % tuple(texts), [part for part in params if isinstance(part, Parameter)]


class Prepared(Generic[M]):
    """One query; ``make`` returns its queryset."""

    def __init__(self, make: "Callable[[], QuerySet[M, Any]]") -> None:
        self._make = make
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, **values: Any) -> Sequence[DatabaseRow]:
        """Return the rows of ``values_list``."""
        return self._ready().rows(values)

    def models(self, **values: Any) -> list[M]:
        """Return the rows as models."""
        ready = self._ready()
        return [ready.made(row) for row in ready.rows(values)]

    def first(self, **values: Any) -> M | None:
        """Return the first model there is."""
        return next(iter(self.models(**values)), None)

    def _ready(self) -> _Compiled:
        """Return the query in the words of the database at hand."""
        vendor = connections[DEFAULT_DB_ALIAS].vendor
        ready = self._compiled.get(vendor)
        if ready is None:
            ready = self._compiled[vendor] = _Compiled(self._make())
        return ready
