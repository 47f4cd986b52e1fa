"""What a driver gives becomes a value of the portal: plain data, or that a cell cannot be read and why."""

import datetime as dt
import json
import math
from decimal import Decimal
from typing import Any

from directories.attributes import UnreadableValue, Value

NOT_TEXT = "holds bytes that are not text (UTF-8)"
_PLAIN = {str, int, float, bool, Decimal, dt.date, dt.datetime, type(None), UnreadableValue}


def text_or_bytes(data: bytes) -> str | bytes:
    """Return UTF-8 as text and anything else as it is."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def plain(value: Any) -> Value:
    """Return a driver's value as a portal's value. An array gives all its values, of which the first counts."""
    if type(value) in _PLAIN:
        return value  # type: ignore[no-any-return]
    if isinstance(value, bytes | bytearray | memoryview):
        text = text_or_bytes(bytes(value))
        return text if isinstance(text, str) else UnreadableValue(NOT_TEXT)
    if isinstance(value, list):
        return _array(value)
    if isinstance(value, dict | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    return value.isoformat() if isinstance(value, dt.time) else str(value)


def _array(values: list[Any]) -> Value:
    found = [plain(value) for value in values if value is not None]
    unreadable = next((value for value in found if isinstance(value, UnreadableValue)), None)
    if unreadable is not None:
        return unreadable
    return tuple("; ".join(value) if isinstance(value, tuple) else str(value) for value in found)


def text_of(value: Any) -> str:
    """Return a key as the database writes it, "" for NULL; bytes that are not text leave U+FFFD behind."""
    if value is None:
        return ""
    if type(value) is str:
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode(errors="replace")
    return str(plain(value))


def name_of(value: Any) -> str:
    """Return the user name that a key gives: trimmed, and a whole number without its decimals (2001, not 2001.00)."""
    if type(value) is str:
        return value.strip()
    if isinstance(value, Decimal | float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return text_of(value).strip()
