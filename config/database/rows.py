"""Locks on rows."""

from collections.abc import Collection

from django.db import connection, models


def keep(model: type[models.Model], ids: Collection[int], *, unchanged: bool = False) -> set[int]:
    """Keep those of the rows that exist from being deleted until the transaction ends; return their ids.

    On PostgreSQL FOR KEY SHARE, as its foreign keys take it: other columns may be written meanwhile, and nobody who
    skips locked rows passes them over. With ``unchanged`` FOR SHARE, which waits for whoever writes a row, and nobody
    else does meanwhile. Where there are no row locks, a transaction that writes is alone anyway.
    """
    rows = model._default_manager.filter(pk__in=ids).order_by("pk").values_list("pk", flat=True)
    if connection.vendor != "postgresql" or not ids:
        return set(rows)
    sql, params = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} FOR {'SHARE' if unchanged else 'KEY SHARE'}", params)
        return {pk for (pk,) in cursor.fetchall()}
