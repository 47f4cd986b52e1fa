"""The report as a file: CSV, Excel, JSON Lines, or events, steps and differences apart; streamed a batch at a time."""

import gzip
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from reports import workbook
from reports.csv_lines import MARK, harmless, line_writer
from reports.models import Direction, Event, Operation, Result
from reports.presentation import Viewer, difference, steps
from reports.search import EventCriteria, stream
from reports.zip_stream import zipped

COLUMNS = ["End user", "Application", "Direction", "Operation", "Result", "Message", "Differences", "Caused by"]
NUMBERS = ["User", "Account", "Group", "Run"]
TIME = "%Y-%m-%d %H:%M:%S"  # spreadsheets know it for a time; the heading says in which zone
DIRECTIONS, OPERATIONS, RESULTS = dict(Direction.choices), dict(Operation.choices), dict(Result.choices)
CHUNK = 65536  # bytes


def csv_lines(criteria: EventCriteria, viewer: Viewer) -> Iterator[bytes]:
    """Yield the file: a byte order mark, by which Excel knows UTF-8, the heading, then a text for each batch."""
    line = line_writer()
    yield (MARK + line([f"Time ({_zone()})", *COLUMNS])).encode()
    for events in stream(criteria):
        yield _csv(line, ([_time(event), *_cells(event)] for event in events))


def excel(criteria: EventCriteria, viewer: Viewer) -> Iterator[bytes]:
    """Yield an Excel file; a line for which a sheet has no place goes on the next one."""

    def rows() -> Iterator[list[workbook.Cell]]:
        for events in stream(criteria):
            for event in events:
                yield [event.at, *_cells(event)]

    return workbook.workbook("Provisioning report", [f"Time ({_zone()})", *COLUMNS], rows())


def json_lines(criteria: EventCriteria, viewer: Viewer) -> Iterator[bytes]:
    """Yield an object a line, with everything of a report line as it is stored."""
    for events in stream(criteria):
        texts = (json.dumps(_object(event), ensure_ascii=False) + "\n" for event in events)
        yield "".join(texts).encode("utf-8", "replace")


def three_files(criteria: EventCriteria, viewer: Viewer) -> Iterator[bytes]:
    """Yield an archive of events, steps and differences, which belong together by the number of the event.

    All three come of one reading, so that they hold the same events: the second and third wait on the disk, packed.
    """
    with ExitStack() as files:
        spools = [files.enter_context(tempfile.TemporaryFile()) for _ in range(2)]
        packed = [files.enter_context(gzip.GzipFile(fileobj=spool, mode="wb", compresslevel=1)) for spool in spools]

        def events_csv() -> Iterator[bytes]:
            line = line_writer()
            columns = [name for name in COLUMNS if name != "Differences"]
            yield (MARK + line(["Event", f"Time ({_zone()})", *columns, *NUMBERS])).encode()
            packed[0].write((MARK + line(["Event", "Place", "Step", "What"])).encode())
            packed[1].write((MARK + line(["Event", "Attribute", "Before", "After"])).encode())
            for events in stream(criteria):
                told = steps(events, viewer)
                packed[0].write(_csv(line, (row for event in events for row in _steps(event, told[event.pk]))))
                packed[1].write(_csv(line, (row for event in events for row in _differences(event))))
                yield _csv(line, (_event(event) for event in events))

        def unpacked(number: int) -> Iterator[bytes]:
            packed[number].close()
            spools[number].seek(0)
            with gzip.GzipFile(fileobj=spools[number]) as file:
                while part := file.read(CHUNK):
                    yield part

        members = [("events.csv", events_csv()), ("steps.csv", unpacked(0)), ("differences.csv", unpacked(1))]
        yield from zipped(members)


def _event(event: Event) -> list[Any]:
    who, where, direction, operation, result, message, _, actor = _cells(event)
    numbers = [event.user_id, event.account_id, event.group_id, event.run_id]
    return [event.pk, _time(event), who, where, direction, operation, result, message, actor, *numbers]


def _steps(event: Event, told: list[Any]) -> Iterator[list[Any]]:
    for place, step in enumerate(told, 1):
        yield [event.pk, place, step.title, step.words]


def _differences(event: Event) -> Iterator[list[Any]]:
    for name, before, after in difference(event.changes):
        yield [event.pk, name, before, after]


def _object(event: Event) -> dict[str, Any]:
    return {
        "id": event.pk,
        "time": event.at.isoformat(),
        "identifier": event.identifier,
        "application": event.application,
        "direction": event.direction,
        "operation": event.operation,
        "result": event.result,
        "message": event.message,
        "changes": event.changes,
        "cause": event.actor,
        "user": event.user_id,
        "account": event.account_id,
        "group": event.group_id,
        "run": event.run_id,
    }


def _csv(line: Callable[[Any], str], rows: Iterator[list[Any]]) -> bytes:
    texts = (line([harmless(cell) if isinstance(cell, str) else cell for cell in row]) for row in rows)
    return "".join(texts).encode("utf-8", "replace")


def _cells(event: Event) -> list[str]:
    changes = "; ".join(f"{name}: {before} → {after}" for name, before, after in difference(event.changes))
    return [
        event.identifier,
        event.application,
        DIRECTIONS.get(event.direction, event.direction),
        OPERATIONS.get(event.operation, event.operation),
        RESULTS.get(event.result, event.result),
        event.message,
        changes,
        event.actor,
    ]


def _time(event: Event) -> str:
    return timezone.localtime(event.at).strftime(TIME)


def _zone() -> str:
    return timezone.get_current_timezone_name()


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One kind of file: what it is called, its ending and type, and what makes it for a reader of the report."""

    words: str
    ending: str
    content_type: str
    make: Callable[[EventCriteria, Viewer], Iterator[bytes]]


FORMATS = {
    "csv": ExportFormat("CSV", "csv", "text/csv; charset=utf-8", csv_lines),
    "xlsx": ExportFormat("Excel (XLSX)", "xlsx", workbook.TYPE, excel),
    "jsonl": ExportFormat("JSON Lines", "jsonl", "application/x-ndjson", json_lines),
    "files": ExportFormat("Events, steps and differences (three CSV files)", "zip", "application/zip", three_files),
}
