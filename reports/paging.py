"""Pages over tables too big to count: a paginator that stops counting, and paging by key for the report."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.core.paginator import Paginator
from django.db.models import BooleanField, F, Func, Model, Q, QuerySet, Value
from django.utils.functional import cached_property

AnyRow = TypeVar("AnyRow", bound=Model)


class CappedCount(int):
    """A number that reads "10,000+" because counting stopped there."""

    def __str__(self) -> str:
        return f"{int(self):,}+"


class CappedPaginator(Paginator[Any]):
    """For admin lists of any size: counts at most ``cap`` rows, so that no page ever costs a COUNT of the whole table.

    Past the cap the list says "10,000+" and ends there; searching or filtering reaches the rest. Set it together with
    ``show_full_result_count = False``, or the admin counts everything by itself.
    """

    cap = 10_000
    template_name = "reports/capped_pagination.html"

    @cached_property
    def count(self) -> int:
        """Return the number of rows, or a CappedCount when there are more than ``cap``."""
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return min(len(rows), self.cap)
        try:
            counted = rows.order_by()[: self.cap + 1].count()
        except EmptyResultSet:
            return 0
        return CappedCount(self.cap) if counted > self.cap else counted

    @property
    def capped(self) -> bool:
        """Whether there are more rows than were counted."""
        return isinstance(self.count, CappedCount)


@dataclass(frozen=True, slots=True)
class PageCursor:
    """A place in a list ordered by time and id: the row at which a page begins or ends."""

    at: dt.datetime
    id: int

    @classmethod
    def parse(cls, text: str) -> "PageCursor | None":
        """Read what ``str()`` wrote; anything else is None, which means the newest page."""
        micros, _, number = text.partition("-")
        if not (micros.isdecimal() and number.isdecimal() and len(micros) < 18 and len(number) < 19):
            return None
        try:
            return cls(dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=int(micros)), int(number))
        except OverflowError:
            return None

    def __str__(self) -> str:
        return f"{(self.at - dt.datetime.fromtimestamp(0, dt.UTC)) // dt.timedelta(microseconds=1)}-{self.id}"


class _RowCompared(Func):
    """``(at, id) < (x, y)``: a row comparison, which both databases answer from an index that ends in (at, id)."""

    output_field = BooleanField()
    arity = 4

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, list[Any]]:
        """Write the comparison; each of the four expressions keeps its own parameters."""
        parts = [compiler.compile(source) for source in self.source_expressions]
        left, right = f"({parts[0][0]}, {parts[1][0]})", f"({parts[2][0]}, {parts[3][0]})"
        return f"{left} {self.extra['operator']} {right}", [value for part in parts for value in part[1]]


def older_than(cursor: PageCursor) -> Q:
    """Return the condition for rows after ``cursor`` in a newest-first list."""
    # The time alone is there for partitions: no comparison of rows tells the planner which of them it can pass over.
    return Q(_RowCompared(F("at"), F("id"), Value(cursor.at), Value(cursor.id), operator="<"), at__lte=cursor.at)


def newer_than(cursor: PageCursor) -> Q:
    """Return the condition for rows before ``cursor`` in a newest-first list."""
    return Q(_RowCompared(F("at"), F("id"), Value(cursor.at), Value(cursor.id), operator=">"), at__gte=cursor.at)


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[AnyRow]):
    """One page, newest first; ``newer`` and ``older`` are the cursors of its neighbours, None where there is none."""

    rows: list[AnyRow]
    newer: PageCursor | None
    older: PageCursor | None
