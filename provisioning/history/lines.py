"""The report lines that tell how a user, a group or a department came to be as it is; bounded, and over an index."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from provisioning.profile.facts import MEMBER
from reports.models import DEPARTMENT, Direction, Event, Operation, Result

MOST = 5000  # lines that one question reads; nobody waits for more, and the answer says so
DONE = (Result.SUCCESS, Result.PARTLY)


class Pair(NamedTuple):
    """One attribute before and after."""

    label: str
    before: Any
    after: Any


class TooManyLines(Exception):
    """There are more lines than one question reads."""


def of_user(user_id: int, *, after: dt.datetime | None = None) -> QuerySet[Event]:
    """Return the lines of a user that say what became of them in the portal and in directories, newest first."""
    return _newest(Q(user_id=user_id, result__in=DONE), after)


def of_group(group_id: int, *, after: dt.datetime | None = None) -> QuerySet[Event]:
    """Return the lines of a group and of its members, newest first."""
    return _newest(Q(group_id=group_id, result__in=DONE), after)


def of_membership(user_id: int, group_id: int) -> QuerySet[Event]:
    """Return the lines of one user in one group, newest first."""
    return _newest(Q(user_id=user_id, group_id=group_id, result__in=DONE), None)


def of_departments(after: dt.datetime) -> QuerySet[Event]:
    """Return the lines of everybody whose department came, changed or went, newest first."""
    return _newest(Q(changes__has_key=DEPARTMENT, result__in=DONE), after)


def _newest(condition: Q, after: dt.datetime | None) -> QuerySet[Event]:
    if after is not None:
        condition &= Q(at__gt=after)
    return Event.objects.filter(condition).order_by("-at", "-id")


def all_of(lines: QuerySet[Event]) -> list[Event]:
    """Return the lines; raise TooManyLines when there are more than ``MOST``."""
    found = list(lines[: MOST + 1])
    if len(found) > MOST:
        raise TooManyLines
    return found


def begins() -> dt.datetime | None:
    """Return the time of the oldest line that there is, None when there is none."""
    return Event.objects.order_by("at", "id").values_list("at", flat=True).first()


def pairs(event: Event) -> Iterator[Pair]:
    """Yield what a line says of the person or the group: blanks are None, and a switch is "yes" or "no"."""
    if event.direction == Direction.OUT or not isinstance(event.changes, dict):
        return
    for label, pair in event.changes.items():
        if isinstance(pair, list | tuple) and len(pair) == 2:
            yield Pair(str(label), plain(pair[0]), plain(pair[1]))


def after(event: Event, label: str) -> Any:
    """Return what a line says that an attribute is after it, None where it does not tell of the attribute."""
    return next((pair.after for pair in pairs(event) if pair.label == label), None)


def plain(value: Any) -> Any:
    """Return a value as it is compared and shown."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value in ("", [], {}) else value


def comes(event: Event) -> bool:
    """Whether the line tells that its user, or its group, came into being, or back."""
    return event.direction != Direction.OUT and event.operation == Operation.CREATE


def goes(event: Event) -> bool:
    """Whether the line tells that its user, or its group, is gone from the portal.

    An application that deletes somebody may only switch them off; the portal says itself when they are gone.
    """
    if event.operation != Operation.DELETE or event.direction == Direction.OUT:
        return False
    return event.direction == Direction.PORTAL or event.user_id is None


def silent(event: Event) -> bool:
    """Whether the line tells of a change without its values, as lines of memberships and deletions once did."""
    changed = event.operation in (Operation.UPDATE, Operation.DELETE) and (event.direction != Direction.OUT)
    return changed and not event.changes and (event.operation == Operation.UPDATE or goes(event))


def about_membership(event: Event) -> bool:
    """Whether the line tells of a user in a group."""
    return event.group_id is not None and event.user_id is not None and MEMBER in (event.changes or {})


def ids(events: Iterable[Event]) -> set[int]:
    """Return the users that lines are about."""
    return {event.user_id for event in events if event.user_id is not None}
