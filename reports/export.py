"""The report as CSV: streamed a batch at a time, safe to open in a spreadsheet."""

from collections.abc import Iterator

from django.utils import timezone

from reports.csv_lines import MARK, harmless, line_writer
from reports.models import Direction, Event, Operation, Result
from reports.presentation import difference
from reports.search import EventCriteria, stream

COLUMNS = ["End user", "Application", "Direction", "Operation", "Result", "Message", "Differences", "Caused by"]
TIME = "%Y-%m-%d %H:%M:%S"  # spreadsheets know it for a time; the heading says in which zone
DIRECTIONS, OPERATIONS, RESULTS = dict(Direction.choices), dict(Operation.choices), dict(Result.choices)


def csv_lines(criteria: EventCriteria) -> Iterator[str]:
    """Yield the file: a byte order mark, by which Excel knows UTF-8, the heading, then a text for each batch."""
    line = line_writer()
    zone = timezone.get_current_timezone_name()
    yield MARK + line([f"Time ({zone})", *COLUMNS])
    for events in stream(criteria):
        yield "".join(line([harmless(cell) for cell in _cells(event)]) for event in events)


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
