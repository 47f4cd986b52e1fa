"""The report as CSV: streamed a batch at a time, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from reports.models import Direction, Event, Operation, Result
from reports.presentation import difference
from reports.search import Criteria, stream

COLUMNS = ["End user", "Application", "Direction", "Operation", "Result", "Message", "Differences", "Caused by"]
TIME = "%Y-%m-%d %H:%M:%S"  # spreadsheets know it for a time; the heading says in which zone
DIRECTIONS, OPERATIONS, RESULTS = dict(Direction.choices), dict(Operation.choices), dict(Result.choices)


class _Echo:
    """A file for csv.writer that hands back what it is given."""

    def write(self, text: str) -> str:
        """Return the line."""
        return text


def harmless(value: str) -> str:
    """Return the text so that no spreadsheet takes it for a formula (OWASP: a leading apostrophe)."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else value


def csv_lines(criteria: Criteria) -> Iterator[str]:
    """Yield the file: a byte order mark, by which Excel knows UTF-8, the heading, then a text for each batch."""
    writer = csv.writer(_Echo())
    zone = timezone.get_current_timezone_name()
    yield "\ufeff" + _written(writer, [f"Time ({zone})", *COLUMNS])
    for events in stream(criteria):
        yield "".join(_written(writer, [harmless(cell) for cell in _cells(event)]) for event in events)


def _written(writer: Any, cells: list[str]) -> str:
    line: str = writer.writerow(cells)
    return line


def _cells(event: Event) -> list[str]:
    changes = "; ".join(f"{name}: {before} → {after}" for name, before, after in difference(event.changes))
    return [
        timezone.localtime(event.at).strftime(TIME),
        event.identifier,
        event.application,
        DIRECTIONS.get(event.direction, event.direction),
        OPERATIONS.get(event.operation, event.operation),
        RESULTS.get(event.result, event.result),
        event.message,
        changes,
        event.actor,
    ]
