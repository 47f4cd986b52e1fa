"""How long lines of the report are kept."""

import datetime as dt

from django.conf import settings
from django.utils import timezone

from config.database import bulk
from reports.journal import Line, record
from reports.models import Direction, Event, Operation, Result
from reports.search import EventCriteria, lines

PAGE = 2000
SIGN_INS = (Operation.SIGN_IN, Operation.SIGN_OUT)


def purge() -> int:
    """Delete lines older than ``REPORT_DAYS``, and those of sign-ins older than ``REPORT_SIGN_IN_DAYS``; 0 keeps all.

    A page a statement, each found over an index. The report gets a line that says how many are gone, so that nobody
    takes their absence for peace. Return that number.
    """
    number = 0
    if settings.REPORT_DAYS:
        number += _delete("", settings.REPORT_DAYS)
    if settings.REPORT_SIGN_IN_DAYS:
        number += sum(_delete(operation, settings.REPORT_SIGN_IN_DAYS) for operation in SIGN_INS)
    if number:
        words = f"{number:,} lines of the report were deleted, because they are older than they are kept."
        record(
            Line("", "", Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, words, actor="the policy of the report")
        )
    return number


def _delete(operation: str, days: int) -> int:
    """Delete the lines of an operation, or all, that are older than so many days."""
    old, number = EventCriteria(operation=operation, end=timezone.now() - dt.timedelta(days=days)), 0
    while ids := [event.pk for event in lines(old, PAGE)]:
        number += bulk.delete(Event.objects.filter(pk__in=ids))
    return number
