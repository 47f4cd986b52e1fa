"""The only writer of the event table."""

import datetime as dt
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.utils import timezone

from config.database import bulk
from reports.models import Direction, Event, Operation, Result

Values = Mapping[str, Any]  # a row of the table, by column
LISTENERS: list[Callable[[Sequence[Values]], None]] = []
"""What is told of rows that were written, inside their transaction."""

PART = 500  # lines that are made ready while the database takes in those before them (see ``bulk.overlapping``)


@dataclass(slots=True)
class Line:
    """One line to record. ``changes`` maps an attribute to (before, after); secrets never belong in it."""

    identifier: str
    application: str
    direction: Direction
    operation: Operation
    result: Result
    message: str
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    actor: str = ""
    user_id: int | None = None
    account_id: int | None = None
    group_id: int | None = None
    run_id: int | None = None
    at: dt.datetime | None = None


def record(*lines: Line) -> None:
    """Write the lines in one INSERT, inside the caller's transaction."""
    record_many(lines)


def record_many(lines: Iterable[Line]) -> None:
    """Write the lines, ``PART`` a statement, inside the caller's transaction."""
    now = timezone.now()
    rows = (_values(line, now) for line in lines)
    while page := list(islice(rows, PART)):
        bulk.insert(Event, page)
        _tell(page)


def write(line: Line) -> int:
    """Write one line and return its id, for ``reword``."""
    row = _values(line, timezone.now())
    [event_id] = bulk.insert_returning(Event, [row])
    _tell([row])
    return event_id


def reword(event_id: int, message: str) -> bool:
    """Say a line anew, where it counts what goes on; False when it is gone."""
    return bool(Event.objects.filter(pk=event_id).update(message=message))


def fold(identifier: str) -> str:
    """Return the form in which identifiers are searched: NFKC, case folded, no outer space, as far as it is kept."""
    if identifier.isascii():
        return identifier.strip().lower()[:255]
    return unicodedata.normalize("NFKC", identifier).strip().casefold()[:255]


def _tell(rows: Sequence[Values]) -> None:
    for listener in LISTENERS:
        listener(rows)


def _values(line: Line, now: dt.datetime) -> dict[str, Any]:
    identifier = line.identifier[:255]
    return {
        "at": line.at or now,
        "identifier": identifier,
        "identifier_key": fold(identifier),
        "application": line.application[:100],
        "direction": line.direction,
        "operation": line.operation,
        "result": line.result,
        "message": line.message,
        "changes": dict(line.changes),
        "actor": line.actor[:255],
        "user_id": line.user_id,
        "account_id": line.account_id,
        "group_id": line.group_id,
        "run_id": line.run_id,
    }
