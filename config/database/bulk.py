"""New rows: on PostgreSQL by COPY, or a plain INSERT where they are few; by ``bulk_create`` elsewhere.

``bulk_create`` spends most of its time preparing fields one by one; COPY takes the same rows in a third of it, and an
import writes four rows a person (see ``docs/benchmarks.md``). This is the one place that knows of it.
"""

import json
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from itertools import repeat
from threading import local
from typing import Any, TypeAlias

import orjson
from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction
from django.utils import timezone
from psycopg import Cursor
from psycopg.copy import LibpqWriter
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus

from config.database import prepared

Values = Mapping[str, Any]
Column: TypeAlias = "Sequence[Any] | repeat[Any]"  # the value of each row, or the one that all have
Maker: TypeAlias = Callable[[Sequence[Values]], Column]
FEW = 50
NULL = "\\N"
_ESCAPED = "\\\t\n\r"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def insert(model: type[models.Model], rows: Sequence[Values], *, ignore_conflicts: bool = False) -> None:
    """Insert the rows: values by ``attname``; what is left out gets its default. Rows in conflict may be passed over.

    Like ``bulk_create`` it sends no signals; the caller holds the transaction. A field whose value follows from others
    has a method ``derive(row)``.
    """
    if connection.vendor != "postgresql":
        _create(model, rows, ignore_conflicts=ignore_conflicts)
    elif len(rows) < FEW or ignore_conflicts:
        for start in range(0, len(rows), 1000):
            _plain(model, rows[start : start + 1000], ignore_conflicts=ignore_conflicts)
    else:
        _copy(model, rows)


def learn(model: type[models.Model], *names: str) -> None:
    """Let PostgreSQL look at these columns of a table that was filled just now.

    What it knows of the table is older than the rows, so it would think that a page of them is a handful, and would
    sort all of those that are left for each page. The columns are named, because a look at JSON costs much more, and
    some hundred rows tell enough: that takes some hundredths of a second, however many there are.
    """
    if connection.vendor == "postgresql":
        quote = connection.ops.quote_name
        columns = ", ".join(quote(field.column) for field in model._meta.concrete_fields if field.name in names)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL default_statistics_target = 1")
            cursor.execute(f"ANALYZE {quote(model._meta.db_table)} ({columns})")


def delete(rows: "models.QuerySet[Any, Any]") -> int:
    """Delete the rows in one statement and return how many there were.

    ``QuerySet.delete`` reads them first where something refers to them. This sends no signals and follows no relation:
    the caller has dealt with what refers to the rows.
    """
    number: int = rows._raw_delete(rows.db)
    return number


def insert_returning(
    model: type[models.Model], rows: Sequence[Values], ids: "Ids | None" = None, *, ignore_conflicts: bool = False
) -> list[int]:
    """Do the same and return the new ids, in the order of the rows; ``ids`` are what many inserts take theirs from.

    Where rows in conflict are passed over, fewer ids than rows say that some were, or that the database does not tell.
    """
    if connection.vendor != "postgresql":
        made = _create(model, rows, ignore_conflicts=ignore_conflicts)
        return [each.pk for each in made if each.pk is not None]
    if ignore_conflicts or (len(rows) < FEW and ids is None):
        pages = (rows[start : start + 1000] for start in range(0, len(rows), 1000))
        return [pk for page in pages for pk in _plain(model, page, ignore_conflicts=ignore_conflicts, returning=True)]
    taken = (ids or Ids(model)).take(len(rows))
    if rows:
        _copy(model, rows, taken)
    return taken


class Ids:
    """Ids of a table's sequence, taken many at a time, because COPY does not return those that it would make."""

    def __init__(self, model: type[models.Model]) -> None:
        self._model = model
        self._left: list[int] = []

    def fetch(self, number: int) -> None:
        """Have so many ids at hand, so that no query comes between the inserts that take them."""
        missing = number - len(self._left)
        if missing > 0 and connection.vendor == "postgresql":
            self._left += _new_ids(self._model, missing)

    def take(self, number: int) -> list[int]:
        """Return so many ids."""
        self.fetch(number)
        taken, self._left = self._left[:number], self._left[number:]
        return taken


class _Sent(LibpqWriter):
    """A COPY whose rows are all sent: the server is told so at once, because it holds the last ones back until then.

    psycopg's own writer tells it only when it waits for the answer.
    """

    def __init__(self, cursor: Cursor[Any]) -> None:
        super().__init__(cursor)
        self.connection.pgconn.put_copy_end()
        self.connection.wait(send(self.connection.pgconn))

    def finish(self, exc: BaseException | None = None) -> None:
        """Wait for the server's answer, which does not matter any more after an error."""
        (answer,) = self.connection.wait(fetch_many(self.connection.pgconn))
        if exc is None and answer.status != ExecStatus.COMMAND_OK:
            raise error_from_result(answer)


class _Copies(local):
    """The COPY that this thread's server still takes in, when ``overlapping`` is on."""

    on = False
    running: ExitStack | None = None

    def begin(self, sql: str, data: bytes) -> None:
        self.finish()
        with connection.wrap_database_errors, ExitStack() as stack:
            cursor = stack.enter_context(connection.cursor())
            copy = stack.enter_context(cursor.copy(sql))
            copy.write(data)
            copy.writer = _Sent(copy.cursor)
            self.running = stack.pop_all()

    def finish(self, *error: Any) -> None:
        """Wait until the server has all rows; after an ``error`` (``sys.exc_info()``) take them back."""
        stack, self.running = self.running, None
        if stack is not None:
            with connection.wrap_database_errors:
                stack.__exit__(*(error or (None, None, None)))

    def before(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        """Let no other statement come between: a hook of Django's."""
        self.finish()
        return execute(*arguments)


_copies = _Copies()


@contextmanager
def overlapping() -> Iterator[None]:
    """Within this, PostgreSQL takes rows in while the next ones are made ready here: ``insert`` does not wait for it.

    What it refuses is raised by the next statement, or at the end.
    """
    if _copies.on or connection.vendor != "postgresql":
        yield
        return
    _copies.on = True
    try:
        with connection.execute_wrapper(_copies.before):
            yield
            _copies.finish()
    except BaseException:
        _copies.finish(*sys.exc_info())
        raise
    finally:
        _copies.on = False


def update(rows: Sequence[models.Model], names: Sequence[str]) -> None:
    """Write these fields of existing rows that the caller has locked, in one statement; ``pre_save`` of each is called.

    ``bulk_update`` writes a CASE over every row and column, which takes ten times as long.
    """
    if not rows:
        return
    model = type(rows[0])
    if len(rows) == 1:
        _update_one(rows[0], names)
        return
    if not _with_copy(rows):
        model._default_manager.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=names)
        return
    arrays, sets, values = [], [], []
    for name in ("id", *names):
        field: models.Field[Any, Any] = model._meta.get_field(name)  # type: ignore[assignment]
        held = [field.pre_save(row, add=False) for row in rows]
        column = connection.ops.quote_name(str(field.column))
        if isinstance(field, models.JSONField):
            arrays.append("%s::text[]")
            sets.append(f"{column} = new.{column}::jsonb")
            held = [None if value is None else _encode(value) for value in held]
        else:
            # Without the length: a cast would cut off what is too long, and the column is to refuse it.
            arrays.append(f"%s::{str(field.db_type(connection)).partition('(')[0]}[]")
            sets.append(f"{column} = new.{column}")
        values.append(held)
    columns = ", ".join(text.partition(" = ")[0] for text in sets)
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {', '.join(sets[1:])} FROM unnest({', '.join(arrays)}) AS new({columns})"  # noqa: S608
            f" WHERE {table}.id = new.id",
            values,
        )


def _update_one(row: models.Model, names: Sequence[str]) -> None:
    """Write one row, by a statement that the server keeps."""
    fields: list[models.Field[Any, Any]] = [row._meta.get_field(name) for name in names]  # type: ignore[misc]
    own = connections[DEFAULT_DB_ALIAS]
    sets = ", ".join(f"{own.ops.quote_name(str(field.column))} = %s" for field in fields)
    table = own.ops.quote_name(row._meta.db_table)
    values = [field.get_db_prep_save(field.pre_save(row, add=False), own) for field in fields]
    with prepared.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {sets} WHERE id = %s", [*values, row.pk])  # noqa: S608


def _with_copy(rows: Sequence[Any]) -> bool:
    return connection.vendor == "postgresql" and len(rows) >= FEW


def _create(model: type[models.Model], rows: Sequence[Values], *, ignore_conflicts: bool = False) -> list[models.Model]:
    made = [model(**row) for row in rows]
    return model._default_manager.bulk_create(made, batch_size=1000, ignore_conflicts=ignore_conflicts)


def _plain(
    model: type[models.Model], rows: Sequence[Values], *, ignore_conflicts: bool, returning: bool = False
) -> list[int]:
    """Insert a few rows in one statement, without a model for each: a third of ``bulk_create``'s time.

    That of a single row is the same each time, so the server keeps it.
    """
    target, columns = _columns(model, rows)
    values = [value for row in zip(*columns, strict=True) for value in row]
    places = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * len(rows))
    end = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    if returning:
        end += f" RETURNING {connection.ops.quote_name(model._meta.pk.column)}"
    with prepared.cursor() if len(rows) == 1 else connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {target} VALUES {places}{end}", values)  # noqa: S608
        return [pk for (pk,) in cursor.fetchall()] if returning else []


def _copy(model: type[models.Model], rows: Sequence[Values], ids: Sequence[int] | None = None) -> None:
    target, columns = _columns(model, rows, ids)
    lines = map("\t".join, zip(*(_texts(column, len(rows)) for column in columns), strict=True))
    data = "\n".join([*lines, ""]).encode()
    _copies.begin(f"COPY {target} FROM STDIN", data)
    if not _copies.on:
        _copies.finish()


def _columns(
    model: type[models.Model], rows: Sequence[Values], ids: Sequence[int] | None = None
) -> tuple[str, list[Column]]:
    """Return the table with the names of its columns, and the values of each."""
    given = frozenset[str]().union(*rows)
    names, makers = _layout(model, given)
    columns = [make(rows) for make in makers]
    if ids is not None:
        names, columns = (connection.ops.quote_name(model._meta.pk.column), *names), [ids, *columns]
    return f"{connection.ops.quote_name(model._meta.db_table)} ({', '.join(names)})", columns


@lru_cache(maxsize=256)
def _layout(model: type[models.Model], given: frozenset[str]) -> tuple[tuple[str, ...], tuple[Maker, ...]]:
    """Return the columns of rows that give these values, quoted, and what makes each: found once for all such rows."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    names = tuple(connection.ops.quote_name(str(field.column)) for field in fields)
    return names, tuple(_maker(field, field.attname in given) for field in fields)


def _texts(column: Column, number: int) -> Iterable[str]:
    """Return a column as the text format of COPY writes it: backslashes before what ends a value or a row."""
    if isinstance(column, repeat):
        return repeat(_text(next(column)), number)
    try:
        joined = "".join(column)
    except TypeError:  # not of texts alone
        if len(set(map(id, column))) == 1:
            return repeat(_text(column[0]), number)
        return list(map(_text, column))
    if any(character in joined for character in _ESCAPED):
        return [text.translate(_ESCAPES) for text in column]
    return column


def _text(value: Any) -> str:
    if value is None:
        return NULL
    return value.translate(_ESCAPES) if isinstance(value, str) else str(value)


def _new_ids(model: type[models.Model], number: int) -> list[int]:
    """Take ids from the table's sequence."""
    with connection.cursor() as cursor:
        cursor.execute(
            # OFFSET 0 keeps the look-up of the sequence from being repeated for every row.
            "SELECT nextval(name) FROM (SELECT pg_get_serial_sequence(%s, 'id')::regclass AS name OFFSET 0) AS named,"
            " generate_series(1, %s)",
            [connection.ops.quote_name(model._meta.db_table), number],
        )
        return [row[0] for row in cursor.fetchall()]


def _encode(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a number of more than 64 bits
        return json.dumps(value, ensure_ascii=False)


def _maker(field: "models.Field[Any, Any]", given: bool) -> Maker:
    """Return what makes the field's column of rows, as SQL takes it; ``given`` is whether any row has a value."""
    name, default = field.attname, field.get_default
    derive: Callable[[Values], Any] | None = getattr(field, "derive", None)
    if derive is not None:
        return lambda rows: list(map(derive, rows))
    if isinstance(field, models.JSONField):
        empty = _encode(default()) if field.has_default() else None
        if not given:
            return lambda rows: repeat(empty, len(rows))
        return lambda rows: [empty if (value := row.get(name)) is None else _encode(value) for row in rows]
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False) or field.default is timezone.now:
        return (lambda rows: _times(name, rows)) if given else (lambda rows: repeat(timezone.now(), len(rows)))
    if field.default is uuid.uuid4 and not given:
        return lambda rows: _uuids(len(rows))
    if callable(field.default):
        return lambda rows: [row[name] if name in row else default() for row in rows]
    constant = default()
    if not given:
        return lambda rows: repeat(constant, len(rows))
    return lambda rows: [row.get(name, constant) for row in rows]


def _times(name: str, rows: Sequence[Values]) -> Column:
    """Return the times that the rows give, and this moment for the others."""
    now = timezone.now()
    return [row.get(name) or now for row in rows]


def _uuids(number: int) -> list[str]:
    """Return random UUIDs (RFC 9562, 5.4) as texts, in a fifth of the time that ``uuid4`` takes for them."""
    digits = os.urandom(16 * number).hex()
    found = []
    for start in range(0, 32 * number, 32):
        each = digits[start : start + 32]
        variant = "89ab"[int(each[16], 16) & 3]
        found.append(f"{each[:8]}-{each[8:12]}-4{each[13:16]}-{variant}{each[17:20]}-{each[20:]}")
    return found
