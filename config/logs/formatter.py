"""How a record of the log is written: as one line of JSON, or as text."""

import datetime as dt
import json
import logging
import traceback
from collections.abc import MutableMapping
from copy import copy
from typing import Any

from structlog.contextvars import get_contextvars
from structlog.processors import JSONRenderer
from structlog.stdlib import ProcessorFormatter

from config.logs.masked import chain, mask, message

IDS = ("request_id", "task", "task_id", "run_id", "reconciliation_id", "operation_id", "directory", "receiver")
"""What a line may tell of where it was written. What else is bound, or given as ``extra``, is left out."""
TYPED = {"directory", "receiver"}  # names that people typed
JSON, TEXT = "json", "text"
Fields = MutableMapping[str, Any]
_text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")


class PortalFormatter(ProcessorFormatter):
    """Formats whatever any library logs. ``kind``: "json" or "text"."""

    def __init__(self, kind: str) -> None:
        renderer = JSONRenderer(_dumps) if kind == JSON else _as_text
        super().__init__(processors=[_fields, renderer])

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        masked = copy(record)
        masked.msg, masked.args = message(record), None
        return super().format(masked)


def bound() -> dict[str, str]:
    """Return the ids that are bound now, as text."""
    found = get_contextvars()
    return {name: str(found[name]) for name in IDS if name in found}


def _fields(_logger: Any, _method: str, given: Fields) -> Fields:
    """Return what is written of a record."""
    record: logging.LogRecord = given["_record"]
    fields: dict[str, Any] = {
        "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": given["event"],
        **{name: mask(value) if name in TYPED else value for name, value in bound().items()},
    }
    error = (given.get("exc_info") or (None, None))[1]
    if error is not None:
        fields["exception"] = [type(one).__name__ for one in chain(error)]
        fields["traceback"] = mask("".join(traceback.format_tb(error.__traceback__)))
    return {**fields, "_record": record}


def _dumps(fields: dict[str, Any], **_: Any) -> str:
    del fields["_record"]
    return json.dumps(fields, ensure_ascii=False)


def _as_text(_logger: Any, _method: str, fields: Fields) -> str:
    record: logging.LogRecord = fields["_record"]
    plain = copy(record)
    plain.msg, plain.args, plain.exc_info, plain.exc_text, plain.stack_info = fields["event"], None, None, None, None
    line = _text.format(plain)
    ids = " ".join(f"{name}={fields[name]}" for name in IDS if name in fields)
    if ids:
        line = f"{line} [{ids}]"
    if "exception" in fields:
        line = f"{line}\n{fields['traceback']}{' < '.join(fields['exception'])}"
    return line
