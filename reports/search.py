"""Finding report lines: any combination of filters, newest first, without counting, sorting or skipping.

The table has tens of millions of lines, and an admin looks at fifty. A plain ``WHERE application = ... ORDER BY at``
is fast or takes minutes depending on how the matching lines are spread over time, because the planner must choose
between walking the newest lines and sorting the matching ones. So a search is written as a few ordered look-ups that
the database merges: one for each end user that the identifier begins, or one for each combination of result and
operation. Each has all its columns in front of (at, id) in an index and is cut at the page's size. Only the beginning
of very many names is left to be filtered on the way.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Left
from django.db.models.lookups import Exact

from reports.journal import fold
from reports.models import Event, Operation, Result
from reports.paging import KeysetPage, PageCursor, newer_than, older_than

PAGE_TIME_LIMIT = dt.timedelta(seconds=5)
"""How long the database may look for one page before the searcher is told to narrow the search."""

QUERY_CANCELED = "57014"

NAMES = """
WITH RECURSIVE names(application) AS (
    SELECT MIN(application) FROM reports_event WHERE application > ''
    UNION ALL
    SELECT (SELECT MIN(application) FROM reports_event WHERE application > names.application)
    FROM names WHERE application IS NOT NULL
)
SELECT application FROM names WHERE application IS NOT NULL LIMIT %s
"""


PEOPLE_LIMIT = 50
"""An identifier that begins more names than this is a filter, not a list of people to look up."""

FEW_LINES = 20_000
"""Lines that are quickly sorted: up to so many are all looked up for a beginning of names; more are filtered."""

PEOPLE = """
WITH RECURSIVE people(name) AS (
    (SELECT identifier_key FROM reports_event WHERE identifier_key LIKE %(start)s
     ORDER BY identifier_key USING ~<~ LIMIT 1)
    UNION ALL
    SELECT (SELECT identifier_key FROM reports_event WHERE identifier_key LIKE %(start)s AND identifier_key ~>~ name
            ORDER BY identifier_key USING ~<~ LIMIT 1)
    FROM people WHERE name IS NOT NULL
)
SELECT name FROM people WHERE name IS NOT NULL LIMIT %(limit)s
"""


class TooSlow(Exception):
    """The database gave up on a search; a narrower one will do."""


@dataclass(frozen=True, slots=True)
class EventCriteria:
    """What to look for; an empty value does not filter. ``end`` is exclusive, ``identifier`` the start of a name."""

    identifier: str = ""
    application: str = ""
    operation: str = ""
    result: str = ""
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    user_id: int | None = None
    account_id: int | None = None
    run_id: int | None = None

    def condition(self) -> Q:
        """Return the condition of everything but the identifier."""
        exact = ("application", "operation", "result", "user_id", "account_id", "run_id")
        condition = Q(**{name: value for name in exact if (value := getattr(self, name)) not in ("", None)})
        if self.start:
            condition &= Q(at__gte=self.start)
        if self.end:
            condition &= Q(at__lt=self.end)
        return condition


def lines(
    criteria: EventCriteria, limit: int, *, older: PageCursor | None = None, newer: PageCursor | None = None
) -> QuerySet[Event]:
    """Return up to ``limit`` lines: the newest, or those next to a cursor (``newer`` gives them oldest first)."""
    order = ("at", "id") if newer else ("-at", "-id")
    base = Event.objects.filter(criteria.condition())
    if older:
        base = base.filter(older_than(older))
    elif newer:
        base = base.filter(newer_than(newer))
    look_ups = _look_ups(criteria)
    if not look_ups:
        return base.none()
    first, *rest = (base.filter(look_up).order_by(*order)[:limit] for look_up in look_ups)
    return first.union(*rest, all=True).order_by(*order)[:limit] if rest else first


def _look_ups(criteria: EventCriteria) -> list[Q]:
    """Return the conditions that share out the search; none when nobody's name begins with the identifier."""
    key = fold(criteria.identifier)
    begins = Q(identifier_key__startswith=key) if key else Q()
    of_one_user = criteria.user_id is not None or criteria.account_id is not None
    if connection.vendor != "postgresql" or of_one_user:
        return [begins]
    if not key:
        return _by_outcome(criteria, Q())
    people = _people(key)
    if len(people) <= PEOPLE_LIMIT:
        return [Q(identifier_key=person) for person in people]
    if _few(begins):
        return [begins]
    # Not the index on names: unless the database sorts by code point, it takes any beginning for a rare one.
    return _by_outcome(criteria, Q(Exact(Left("identifier_key", len(key)), key)))


def _by_outcome(criteria: EventCriteria, condition: Q) -> list[Q]:
    """Return the condition for each result and operation: what stands in front in the indexes of the other filters."""
    filtered = criteria.application or criteria.result or criteria.operation or criteria.run_id is not None
    if not filtered:
        return [condition]
    results = [criteria.result] if criteria.result else Result.values
    operations = [criteria.operation] if criteria.operation else Operation.values
    return [condition & Q(result=result, operation=operation) for result, operation in product(results, operations)]


def _few(condition: Q) -> bool:
    """Return whether at most ``FEW_LINES`` meet the condition, counting no further."""
    return Event.objects.filter(condition).order_by()[: FEW_LINES + 1].count() <= FEW_LINES


def _people(key: str) -> list[str]:
    """Return the names that begin with ``key``, at most one over the limit, by skipping from one to the next."""
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE, {"start": connection.ops.prep_for_like_query(key) + "%", "limit": PEOPLE_LIMIT + 1})
        return [row[0] for row in cursor.fetchall()]


def page(
    criteria: EventCriteria, size: int, *, older: PageCursor | None = None, newer: PageCursor | None = None
) -> KeysetPage[Event]:
    """Return one page; raise TooSlow when the database needs longer than ``PAGE_TIME_LIMIT``."""
    with limited_time():
        found = list(lines(criteria, size + 1, older=older, newer=newer))
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
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{PAGE_TIME_LIMIT.seconds}s"])
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == QUERY_CANCELED:
            raise TooSlow from error
        raise


def stream(criteria: EventCriteria, batch: int = 2000) -> Iterator[list[Event]]:
    """Yield all matching lines, newest first, a batch at a time: flat in memory and in no transaction of its own."""
    older: PageCursor | None = None
    while found := list(lines(criteria, batch, older=older)):
        yield found
        if len(found) < batch:
            return
        older = _place(found[-1])


def application_names(limit: int = 500) -> list[str]:
    """Return the names that lines carry, by skipping from one to the next in the index (a DISTINCT reads it all)."""
    with connection.cursor() as cursor:
        cursor.execute(NAMES, [limit])
        return [row[0] for row in cursor.fetchall()]


def _place(event: Event) -> PageCursor:
    return PageCursor(event.at, event.pk)
