"""Many new rows at once: COPY where the portal runs on PostgreSQL, ``bulk_create`` elsewhere.

``bulk_create`` spends most of its time preparing fields one by one; COPY takes the same rows in a third of it (see
``docs/benchmarks.md``), and imports write four rows a person. This is the one place that knows of it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import connection, models
from django.utils import timezone

from provisioning.models.people import FoldedField, fold

Values = Mapping[str, Any]


def insert(model: type[models.Model], rows: Sequence[Values]) -> list[int]:
    """Insert the rows (values by ``attname``; defaults, folded copies and times are filled in) and return their ids.

    Like ``bulk_create`` it sends no signals; the caller holds the transaction.
    """
    if not rows:
        return []
    if connection.vendor != "postgresql":
        made = model._default_manager.bulk_create([model(**row) for row in rows], batch_size=1000)
        return [row.pk for row in made]
    ids = _new_ids(model, len(rows))
    columns = [field for field in model._meta.concrete_fields if not field.primary_key]
    makers = [_maker(field) for field in columns]
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in columns)
    table = connection.ops.quote_name(model._meta.db_table)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({connection.ops.quote_name('id')}, {names}) FROM STDIN") as copy,
    ):
        for number, row in zip(ids, rows, strict=True):
            copy.write_row((number, *[make(row) for make in makers]))
    return ids


def _new_ids(model: type[models.Model], number: int) -> list[int]:
    """Take ids from the table's sequence, because COPY does not return those that it would make."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [connection.ops.quote_name(model._meta.db_table), number],
        )
        return [row[0] for row in cursor.fetchall()]


def _maker(field: "models.Field[Any, Any]") -> Callable[[Values], Any]:
    """Return the function that makes the field's value of a row, as COPY writes it."""
    name = field.attname
    if isinstance(field, FoldedField):
        source, length = field.source, field.max_length
        return lambda row: fold(row.get(source) or "")[:length]
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False) or field.default is timezone.now:
        now = timezone.now()
        return lambda row: row.get(name) or now
    default = field.get_default
    if isinstance(field, models.JSONField):
        empty = json.dumps(default()) if field.has_default() else None
        return lambda row: json.dumps(row[name], ensure_ascii=False) if row.get(name) is not None else empty
    if callable(field.default):
        return lambda row: row[name] if name in row else default()
    constant = default()
    return lambda row: row.get(name, constant)
