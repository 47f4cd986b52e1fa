"""Reading many rows a page at a time, so that memory does not grow with their number."""

from collections.abc import Iterator
from typing import Any, TypeVar

from django.db import models

Row = TypeVar("Row", bound=models.Model)


def pages(rows: "models.QuerySet[Row, Any]", size: int) -> Iterator[list[Row]]:
    """Yield the rows in the order of their keys, ``size`` at a time: one query a page, asked when it is wanted."""
    ordered = rows.order_by("pk")
    last = 0
    while page := list(ordered.filter(pk__gt=last)[:size]):
        last = page[-1].pk
        yield page
