"""Reading a connector's settings, which come from a form and may be blank or text."""

from collections.abc import Mapping
from typing import Any

from directories.connectors.errors import ConnectorError


def text_of(values: Mapping[str, Any], name: str) -> str:
    """Return a setting without outer space, "" for a blank."""
    return str(values.get(name) or "").strip()


def number_of(values: Mapping[str, Any], name: str, default: int) -> int:
    """Return a setting as a number; raise ConnectorError."""
    try:
        return int(values.get(name) or default)
    except (TypeError, ValueError):
        label = name.replace("_", " ").capitalize()
        raise ConnectorError(f"{label} must be a whole number.", code="settings") from None
