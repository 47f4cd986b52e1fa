"""Finding report lines: any combination of filters, newest first, without counting, sorting or skipping.

The table has tens of millions of lines, and an admin looks at fifty. A plain ``WHERE application = ... ORDER BY at``
is fast or takes minutes depending on how the matching lines are spread over time, because the planner must choose
between walking the newest lines and sorting the matching ones. So a search is written as a few ordered look-ups that
the database merges: one for each end user that the identifier begins, or one for each share of the lines, which is a
combination of direction, result and operation that there is. Each has all its columns in front of (at, id) in an index
and is cut at the page's size. What is left to be filtered on the way, such as the beginning of very many names, has
``PAGE_TIME_LIMIT``.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Case, Q, QuerySet, When
from django.db.models.functions import Left
from django.db.models.lookups import Exact

from reports.filters import FilterTerm, Span
from reports.journal import fold
from reports.models import Event
from reports.paging import KeysetPage, PageCursor, newer_than, older_than

PAGE_TIME_LIMIT = dt.timedelta(seconds=5)
"""How long the database may look for one page before the searcher is told to narrow the search."""

QUERY_CANCELED = "57014"

PEOPLE_LIMIT = 50
"""A text that begins more names than this is a filter, not a list of names to look up."""

MOST_SHARES = 50
"""More shares than these cost more to look up one by one than the newest lines cost to filter."""

MOST_LOOKED_AT = 1000
"""So many shares are skipped over to find those that are meant."""

FEW_LINES = 20_000
"""Lines that are quickly sorted: up to so many are all looked up for a beginning of names; more are filtered."""

OUTCOME = ("direction", "result", "operation")
"""The columns by which lines are shared out. In an index they follow a filter's own column; (at, id) follows them."""

NAMES = """
WITH RECURSIVE names(name) AS (
    SELECT MIN({column}) FROM reports_event WHERE {column} > ''
    UNION ALL
    SELECT (SELECT MIN({column}) FROM reports_event WHERE {column} > names.name) FROM names WHERE name IS NOT NULL
)
SELECT name FROM names WHERE name IS NOT NULL LIMIT %s
"""

BEGINNINGS = """
WITH RECURSIVE names(name) AS (
    (SELECT {column} FROM reports_event WHERE {column} LIKE %(start)s AND {column} ~>~ ''
     ORDER BY {column} USING ~<~ LIMIT 1)
    UNION ALL
    SELECT (SELECT {column} FROM reports_event WHERE {column} LIKE %(start)s AND {column} ~>~ name
            ORDER BY {column} USING ~<~ LIMIT 1)
    FROM names WHERE name IS NOT NULL
)
SELECT name FROM names WHERE name IS NOT NULL LIMIT %(limit)s
"""

SHARES = """
WITH RECURSIVE shares AS (
    (SELECT {columns} FROM reports_event WHERE {known} ORDER BY {columns} LIMIT 1)
    UNION ALL
    SELECT following.* FROM shares CROSS JOIN LATERAL (
        SELECT {columns} FROM reports_event WHERE {known} AND ({columns}) > ({reached}) ORDER BY {columns} LIMIT 1
    ) AS following
)
SELECT * FROM shares LIMIT {limit}
"""


class TooSlow(Exception):
    """The database gave up on a search; a narrower one will do."""


@dataclass(frozen=True, slots=True)
class EventCriteria:
    """What to look for; an empty value does not filter.

    ``end`` is exclusive; ``identifier`` and ``actor`` are the start of a name, or all of it where ``whole_identifier``
    and ``whole_actor`` say so. ``among`` are the values that a column may have. ``alternatives`` are those of a filter
    (see ``reports.filters``), one of which has to hold; ``rest`` is what no index answers.
    """

    identifier: str = ""
    application: str = ""
    operation: str = ""
    result: str = ""
    direction: str = ""
    actor: str = ""
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    user_id: int | None = None
    account_id: int | None = None
    group_id: int | None = None
    run_id: int | None = None
    whole_identifier: bool = False
    whole_actor: bool = False
    among: Mapping[str, frozenset[str]] = field(default_factory=dict)
    alternatives: Sequence[Sequence[FilterTerm]] = ()
    rest: Q = field(default_factory=Q)

    def condition(self) -> Q:
        """Return the condition of everything but the identifier and the actor."""
        exact = (*OUTCOME, "application", "user_id", "account_id", "group_id", "run_id")
        condition = Q(**{name: value for name in exact if (value := getattr(self, name)) not in ("", None)})
        if self.start:
            condition &= Q(at__gte=self.start)
        if self.end:
            condition &= Q(at__lt=self.end)
        for column, values in self.among.items():
            condition &= Q(**{f"{column}__in": sorted(values)})
        return condition & self.rest

    @property
    def of_one_subject(self) -> bool:
        """Whether it asks for one user, account or group: so few lines that nothing has to be shared out."""
        return any(number is not None for number in (self.user_id, self.account_id, self.group_id))

    def allows(self, share: Mapping[str, str]) -> bool:
        """Return whether lines of a share can be meant."""
        return all(
            getattr(self, column) in ("", value) and value in self.among.get(column, (value,))
            for column, value in share.items()
        )


def narrowed(criteria: EventCriteria) -> list[EventCriteria]:
    """Return the searches that it takes, one for each alternative of the filter that anything can meet."""
    if not criteria.alternatives:
        return [criteria]
    base = replace(criteria, alternatives=())
    return [found for terms in criteria.alternatives if (found := _all_hold(base, terms)) is not None]


def _all_hold(criteria: EventCriteria | None, terms: Sequence[FilterTerm]) -> EventCriteria | None:
    """Return the criteria with what each term asks besides; None where no line can meet all of it."""
    for term in terms:
        criteria = _holds(criteria, term) if criteria is not None else None
    return criteria


def _holds(criteria: EventCriteria, term: FilterTerm) -> EventCriteria | None:
    column, value = term.field.column, term.value
    if not term.indexed:
        return replace(criteria, rest=criteria.rest & _filtered(term))
    if term.field.values:
        allowed = value & criteria.among.get(column, value)
        return replace(criteria, among={**criteria.among, column: allowed}) if allowed else None
    if isinstance(value, Span):
        return _within(criteria, term.operator, value)
    if column in ("identifier_key", "actor"):
        return _named(criteria, column.removesuffix("_key"), value, whole=term.operator == "eq")
    known = getattr(criteria, column)
    return replace(criteria, **{column: value}) if known in ("", None, value) else None


def _within(criteria: EventCriteria, operator: str, span: Span) -> EventCriteria:
    """Return the criteria with a bound, if that is the narrower one."""
    bound = span.start if operator in ("ge", "lt") else span.end
    if operator in ("ge", "gt"):
        return replace(criteria, start=max(bound, criteria.start or bound))
    return replace(criteria, end=min(bound, criteria.end or bound))


def _named(criteria: EventCriteria, name: str, value: str, *, whole: bool) -> EventCriteria | None:
    """Return the criteria with a name or its beginning; None where it contradicts what they have."""
    known, known_whole = getattr(criteria, name), getattr(criteria, f"whole_{name}")
    if name == "identifier":
        known, value = fold(known), fold(value)
    longer, shorter = (known, value) if len(known) >= len(value) else (value, known)
    too_long = (whole and value != longer) or (known_whole and known != longer)
    if too_long or not longer.startswith(shorter):
        return None
    found: dict[str, Any] = {name: longer, f"whole_{name}": whole or known_whole}
    return replace(criteria, **found)


def _filtered(term: FilterTerm) -> Q:
    """Return the condition of a term that is only looked at line by line."""
    column, operator, value = term.field.column, term.operator, term.value
    if column == "identifier_key" and isinstance(value, str):
        value = fold(value)
    if operator == "pr":
        blank = Q(**{f"{column}__isnull": True}) if column.endswith("_id") else Q(**{column: ""})
        return blank if term.negated else ~blank
    look_ups = {"eq": "exact", "ne": "exact", "sw": "startswith", "co": "contains", "ew": "endswith"}
    if column in ("message", "application") and operator not in ("eq", "ne"):
        look_ups = {name: f"i{word}" for name, word in look_ups.items()}
    condition = Q(**{f"{column}__{look_ups[operator]}": value})
    return ~condition if term.negated or operator == "ne" else condition


@dataclass(frozen=True, slots=True)
class LookUps:
    """How a search is shared out: a condition for each look-up; ``walked`` says that a filter is left within them."""

    conditions: Sequence[Q]
    walked: bool = False


def lines(
    criteria: EventCriteria,
    limit: int,
    *,
    older: PageCursor | None = None,
    newer: PageCursor | None = None,
    look_ups: LookUps | None = None,
) -> QuerySet[Event]:
    """Return up to ``limit`` lines: the newest, or those next to a cursor (``newer`` gives them oldest first)."""
    order = ("at", "id") if newer else ("-at", "-id")
    base = _from(criteria.condition(), older, newer)
    conditions = (look_ups or _look_ups(criteria)).conditions
    if not conditions:
        return base.none()
    first, *rest = (base.filter(condition).order_by(*order)[:limit] for condition in conditions)
    return first.union(*rest, all=True).order_by(*order)[:limit] if rest else first


def matching(
    criteria: EventCriteria, limit: int, *, older: PageCursor | None = None, newer: PageCursor | None = None
) -> list[Event]:
    """Return what ``lines`` finds for all alternatives of the filter together, each line once."""
    searches = narrowed(criteria)
    if len(searches) == 1:
        return _found(searches[0], limit, older, newer)
    found = {event.pk: event for one in searches for event in _found(one, limit, older, newer)}
    return sorted(found.values(), key=lambda event: (event.at, event.pk), reverse=newer is None)[:limit]


def _found(criteria: EventCriteria, limit: int, older: PageCursor | None, newer: PageCursor | None) -> list[Event]:
    """Return the lines; where a filter is left within look-ups, of the nearest lines alone if those are enough.

    A look-up ends at its first line, and one that has none would be read as a whole, while the others have a page.
    """
    look_ups = _look_ups(criteria)
    if look_ups.walked and (near := _near(criteria, older, newer)):
        found = list(lines(near, limit, older=older, newer=newer, look_ups=look_ups))
        if len(found) == limit:
            return found
    return list(lines(criteria, limit, older=older, newer=newer, look_ups=look_ups))


def _near(criteria: EventCriteria, older: PageCursor | None, newer: PageCursor | None) -> EventCriteria | None:
    """Return the search within the ``FEW_LINES`` lines of its span that come first; None where there are no more."""
    span = EventCriteria(start=criteria.start, end=criteria.end)
    order = ("at", "id") if newer else ("-at", "-id")
    times = _from(span.condition(), older, newer).order_by(*order).values_list("at", flat=True)
    for last in times[FEW_LINES : FEW_LINES + 1]:
        return replace(criteria, end=last) if newer else replace(criteria, start=last)
    return None


def _from(condition: Q, older: PageCursor | None, newer: PageCursor | None) -> QuerySet[Event]:
    """Return the lines that meet a condition, on one side of a cursor."""
    base = Event.objects.filter(condition)
    if older:
        return base.filter(older_than(older))
    return base.filter(newer_than(newer)) if newer else base


def _look_ups(criteria: EventCriteria) -> LookUps:
    """Return the conditions that share out the search; none when no line can be found."""
    key, whole = fold(criteria.identifier), criteria.whole_identifier
    begins = Q(**{f"identifier_key__{'exact' if whole else 'startswith'}": key}) if key else Q()
    exactly = "exact" if criteria.whole_actor else "startswith"
    caused = Q(**{f"actor__{exactly}": criteria.actor}) if criteria.actor else Q()
    if connection.vendor != "postgresql" or criteria.of_one_subject:
        return LookUps([begins & caused])
    walked = False
    if key:
        people = [key] if whole else _beginning("identifier_key", key, PEOPLE_LIMIT + 1)
        if len(people) <= PEOPLE_LIMIT:
            return LookUps([Q(identifier_key=person) & caused for person in people])
        if _few(begins):
            return LookUps([begins & caused])
        begins, walked = _walked("identifier_key", key), True
    if criteria.run_id is not None:
        shares = _shares(criteria, {"run_id": criteria.run_id}, OUTCOME)
        return LookUps([begins & caused & share for share in shares], walked)
    if criteria.actor:
        by_actor = _by_actor(criteria)
        if by_actor is not None:
            return LookUps([begins & share for share in by_actor], walked)
        begins &= caused if criteria.whole_actor else _walked("actor", criteria.actor)
        walked = True
    if criteria.application:
        shares = _shares(criteria, {"application": criteria.application}, OUTCOME)
    elif criteria.direction or criteria.result or criteria.operation or criteria.among:
        shares = _shares(criteria, {}, OUTCOME)
    else:
        shares = [Q()]
    return LookUps([begins & share for share in shares], walked)


def _by_actor(criteria: EventCriteria) -> list[Q] | None:
    """Return the shares of everybody whose name begins with the actor's; None where those are too many."""
    whole = criteria.whole_actor
    actors = [criteria.actor] if whole else _beginning("actor", criteria.actor, PEOPLE_LIMIT + 1)
    if len(actors) > PEOPLE_LIMIT:
        return None
    found: list[Q] = []
    for actor in actors:
        known = {"actor": actor}
        if criteria.application:
            found += _shares(criteria, known | {"application": criteria.application}, OUTCOME)
        else:
            found += _shares(criteria, known, ("application", *OUTCOME))
        if len(found) > MOST_SHARES:
            return None
    return found


def _shares(criteria: EventCriteria, known: Mapping[str, Any], columns: Sequence[str]) -> list[Q]:
    """Return the condition of each share with lines that can be meant, by skipping from one to the next.

    ``known`` are the columns in front of ``columns`` in an index, with the value of each.
    """
    sql = SHARES.format(
        columns=", ".join(columns),
        known=" AND ".join(f"{column} = %(_{column})s" for column in known) or "TRUE",
        reached=", ".join(f"shares.{column}" for column in columns),
        limit=MOST_LOOKED_AT + 1,
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, {f"_{column}": value for column, value in known.items()})
        shares = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    if len(shares) > MOST_LOOKED_AT:
        return [Q(**known)]
    return [Q(**known, **share) for share in shares if criteria.allows(share)]


def _walked(column: str, start: str) -> Q:
    """Return the condition of a beginning that many names have, which is looked at line by line.

    It is written so that the planner takes it for half of the lines: it takes any beginning for a rare one, unless the
    database sorts by code point, and would sort all lines of a share, or those of an index on names.
    """
    return Q(Case(When(Exact(Left(column, len(start)), start), then=True), default=False))


def _few(condition: Q) -> bool:
    """Return whether at most ``FEW_LINES`` meet the condition, counting no further."""
    return Event.objects.filter(condition).order_by()[: FEW_LINES + 1].count() <= FEW_LINES


def _beginning(column: str, start: str, limit: int) -> list[str]:
    """Return names in a column that begin with ``start``, by skipping from one to the next in its index."""
    with connection.cursor() as cursor:
        pattern = connection.ops.prep_for_like_query(start) + "%"
        cursor.execute(BEGINNINGS.format(column=column), {"start": pattern, "limit": limit})
        return [row[0] for row in cursor.fetchall()]


def page(
    criteria: EventCriteria, size: int, *, older: PageCursor | None = None, newer: PageCursor | None = None
) -> KeysetPage[Event]:
    """Return one page; raise TooSlow when the database needs longer than ``PAGE_TIME_LIMIT``."""
    with limited_time():
        found = matching(criteria, size + 1, older=older, newer=newer)
    more, found = len(found) > size, found[:size]
    if newer:
        found.reverse()
        has_newer, has_older = more, True
    else:
        has_newer, has_older = older is not None, more
    return KeysetPage(
        rows=found,
        newer=_place(found[0]) if found and has_newer else None,
        older=_place(found[-1]) if found and has_older else None,
    )


@contextmanager
def limited_time() -> Iterator[None]:
    """Let PostgreSQL give up after ``PAGE_TIME_LIMIT``; a transaction bounds the setting to these statements."""
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # No search is long enough to be worth compiling, which takes the server a tenth of a second.
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('jit', 'off', true)",
                [f"{PAGE_TIME_LIMIT.seconds}s"],
            )
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == QUERY_CANCELED:
            raise TooSlow from error
        raise


def stream(criteria: EventCriteria, batch: int = 2000) -> Iterator[list[Event]]:
    """Yield all matching lines, newest first, a batch at a time: flat in memory and in no transaction of its own."""
    older: PageCursor | None = None
    while found := matching(criteria, batch, older=older):
        yield found
        if len(found) < batch:
            return
        older = _place(found[-1])


def application_names(limit: int = 500) -> list[str]:
    """Return the names that lines carry, by skipping from one to the next in the index (a DISTINCT reads it all)."""
    return _names("application", limit)


def actor_names(limit: int = 100) -> list[str]:
    """Return some of those who caused something."""
    return _beginning("actor", "", limit) if connection.vendor == "postgresql" else _names("actor", limit)


def _names(column: str, limit: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(NAMES.format(column=column), [limit])
        return [row[0] for row in cursor.fetchall()]


def _place(event: Event) -> PageCursor:
    return PageCursor(event.at, event.pk)
