"""Pages of a list: by index (RFC 7644 section 3.4.2.4) and by cursor (RFC 9865).

A page costs a page. By index, the rows are found by primary key alone, so that an index is skipped through and not the
table; one row more than asked for tells whether the list ends here, and then the total is known without counting. By
cursor, the page begins where the last one ended, however deep. The order always ends in a unique column, so that no
resource is shown twice or left out between requests.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, Model, Q, QuerySet

from scim.errors import ScimError
from scim.lists import cursors

DEFAULT_COUNT = 100
MAX_COUNT = 1000
FAR = 5000  # rows to skip, from which on it pays to ask how long the list is
MAX_INDEX = 2**31  # beyond it no list goes, and PostgreSQL's OFFSET ends

Instance = Any  # an instance of the source's model


@dataclass(frozen=True, slots=True)
class Order:
    """The columns that a list is sorted by, the last of them unique; all ascend, or all descend.

    ``computed`` says which of the columns are expressions.
    """

    columns: tuple[str, ...] = ("pk",)
    descending: bool = False
    computed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListSource:
    """One list: what it holds, its order, and how to count it where that is cheaper than to scan it."""

    rows: "QuerySet[Any, Any]"
    order: Order = Order()
    total: Callable[[], int] | None = None

    def count(self) -> int:
        """Return how many there are."""
        return self.total() if self.total else self.rows.order_by().count()


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is wanted; ``cursor`` is None by index and empty for the first page by cursor."""

    start_index: int = 1
    count: int = DEFAULT_COUNT
    cursor: str | None = None

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "PageRequest":
        """Read the parameters of a URL or of a SearchRequest; raise ScimError 400.

        A start below 1 means 1 and a count below 0 means 0 (RFC 7644 section 3.4.2.4); a count that is too high is
        lowered.
        """
        cursor = values.get("cursor")
        if cursor is not None and not isinstance(cursor, str):
            raise ScimError(400, "The cursor must be text.", "invalidCursor")
        if cursor is not None and values.get("startIndex") is not None:
            raise ScimError(400, "Ask for a page by startIndex or by cursor, not by both.", "invalidValue")
        start = _integer(values, "startIndex", 1, "invalidValue")
        count = _integer(values, "count", DEFAULT_COUNT, "invalidValue" if cursor is None else "invalidCount")
        return cls(max(1, min(start, MAX_INDEX)), max(0, min(count, MAX_COUNT)), cursor)


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page. ``total`` is None where a cursor goes on through a list that nobody has to count again."""

    rows: Sequence[Instance]
    total: int | None
    start_index: int | None = None
    next_cursor: str = ""
    previous_cursor: str = ""

    def body(self, resources: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the ListResponse around the resources."""
        body: dict[str, Any] = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]}
        if self.total is not None:
            body["totalResults"] = self.total
        body["itemsPerPage"] = len(resources)
        if self.start_index is not None:
            body["startIndex"] = self.start_index
        if self.next_cursor:
            body["nextCursor"] = self.next_cursor
        if self.previous_cursor:
            body["previousCursor"] = self.previous_cursor
        return {**body, "Resources": resources}


def page(sources: Sequence[ListSource], wanted: PageRequest, query: str) -> ListPage:
    """Return the page of the sources one after the other; ``query`` names what was asked, which a cursor belongs to."""
    if wanted.cursor is None:
        return _by_index(sources, wanted)
    return _by_cursor(sources, wanted, query)


def _by_index(sources: Sequence[ListSource], wanted: PageRequest) -> ListPage:
    rows: list[Instance] = []
    total, skip = 0, wanted.start_index - 1
    for source in sources:
        want = wanted.count - len(rows)
        found = _window(source, skip, want + 1) if want else []
        ends_here = want > 0 and len(found) <= want and (bool(found) or not skip)
        here = skip + len(found) if ends_here else source.count()
        rows += found[:want]
        total += here
        skip = max(0, skip - here)
    return ListPage(rows, total, wanted.start_index)


def _window(source: ListSource, skip: int, limit: int) -> list[Instance]:
    """Return ``limit`` rows after the first ``skip``."""
    ordered = _ordered(source, backwards=False)
    if not skip:
        return list(ordered[:limit])
    keys = _keys(source, skip, limit)
    found = {row.pk: row for row in source.rows.order_by().filter(pk__in=keys)} if keys else {}
    return [found[key] for key in keys if key in found]


def _keys(source: ListSource, skip: int, limit: int) -> list[Any]:
    """Return the primary keys of a page far down the list, from its end where that is nearer and known."""
    total = source.total() if source.total and skip >= FAR else 0
    forwards = _ordered(source, backwards=False).values_list("pk", flat=True)[skip : skip + limit]
    if 2 * skip < total or not total:
        return list(forwards)
    behind = max(0, total - skip - limit)
    rows = _ordered(source, backwards=True).values_list("pk", flat=True)
    keys = list(rows[behind : max(behind, total - skip)])[::-1]
    moved = source.total is not None and source.total() != total  # the end, and so the page
    return list(forwards) if moved else keys


def _by_cursor(sources: Sequence[ListSource], wanted: PageRequest, query: str) -> ListPage:
    begin = cursors.read(wanted.cursor, query) if wanted.cursor else cursors.Position(0, ())
    if begin.source >= len(sources):
        raise ScimError(400, "The cursor belongs to another list.", "invalidCursor")
    found = _walk(sources, begin, wanted.count + 1)
    more = len(found) > wanted.count
    shown = found[: wanted.count]
    if begin.backwards:
        shown.reverse()
    before, after = (more, True) if begin.backwards else (bool(wanted.cursor), more)
    first, last = (shown[0], shown[-1]) if shown else (None, None)
    return ListPage(
        [row for _, row in shown],
        sum(source.count() for source in sources) if not wanted.cursor else None,
        next_cursor=_cursor_at(sources, last, query, backwards=False) if after and last else "",
        previous_cursor=_cursor_at(sources, first, query, backwards=True) if before and first else "",
    )


def _walk(sources: Sequence[ListSource], begin: cursors.Position, limit: int) -> list[tuple[int, Instance]]:
    """Return up to ``limit`` rows from a position on, each with the number of its source."""
    found: list[tuple[int, Instance]] = []
    steps = range(begin.source, -1, -1) if begin.backwards else range(begin.source, len(sources))
    for number in steps:
        if len(found) == limit:
            break
        source = sources[number]
        rows = _ordered(source, backwards=begin.backwards)
        if number == begin.source and begin.key:
            rows = _beyond(rows, source.order, begin)
        found += [(number, row) for row in rows[: limit - len(found)]]
    return found


def _ordered(source: ListSource, *, backwards: bool) -> "QuerySet[Any, Any]":
    order = source.order
    rows = source.rows.annotate(**order.computed) if order.computed else source.rows
    down = order.descending != backwards
    return rows.order_by(*(F(column).desc() if down else F(column).asc() for column in order.columns))


def _beyond(rows: "QuerySet[Any, Any]", order: Order, begin: cursors.Position) -> "QuerySet[Any, Any]":
    """Keep the rows beyond the position: ``(a, b) > (x, y)``, in words that every database uses an index for."""
    if len(begin.key) != len(order.columns):
        raise ScimError(400, "The cursor belongs to another list.", "invalidCursor")
    operator = "lt" if order.descending != begin.backwards else "gt"
    beyond, equal = Q(), Q()
    for column, value in zip(order.columns, begin.key, strict=True):
        beyond |= equal & Q(**{f"{column}__{operator}": value})
        equal &= Q(**{column: value})
    return rows.filter(Q(**{f"{order.columns[0]}__{operator}e": begin.key[0]}) & beyond)


def _cursor_at(sources: Sequence[ListSource], at: tuple[int, Instance], query: str, *, backwards: bool) -> str:
    number, row = at
    key = tuple(_plain(row, column) for column in sources[number].order.columns)
    return cursors.write(cursors.Position(number, key, backwards), query)


def _plain(row: Model, column: str) -> Any:
    value = getattr(row, column)
    return value.isoformat() if isinstance(value, dt.datetime) else value


def _integer(values: Mapping[str, Any], name: str, default: int, scim_type: str) -> int:
    value = values.get(name)
    if value is None or value == "":
        return default
    try:
        if isinstance(value, bool) or len(str(value)) > 20:
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise ScimError(400, f"{name} must be a whole number.", scim_type) from None
