"""What a script prints as records: one list, or one record after the other."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from directories.connectors import json_text
from directories.connectors.base import ConnectorError
from directories.connectors.records import Record

NOTHING = "The script gave nothing, which is taken for a fault. Let it print [] when there is nobody."
NO_JSON = "Line {number} of the script is no JSON. Let it print one list, or a record a line, and nothing else."


def records(lines: Iterable[bytes]) -> Iterator[Record]:
    """Stream the records: a list is read whole, a record may take several lines and ends where a line begins with }."""
    anything = False
    waiting: list[bytes] = []
    first = 0
    whole = False
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not waiting:
            text = text.strip()
            if not text:
                continue
            first, whole, anything = number, text.startswith(b"["), True
        waiting.append(text)
        if whole or not (text.startswith(b"}") or len(waiting) == 1):
            continue
        found = _parsed(b"\n".join(waiting), first)
        if found is not None:
            yield found
            waiting = []
    if not anything:
        raise ConnectorError(NOTHING, code="answer")
    if waiting:
        found = _parsed(b"\n".join(waiting), first)
        if found is None:
            raise ConnectorError(NO_JSON.format(number=first), code="answer")
        yield from found if isinstance(found, list) else [found]


def _parsed(text: bytes, number: int) -> Any:
    try:
        return json_text.read(text, f"Line {number} of the script")
    except orjson.JSONDecodeError:
        return None
