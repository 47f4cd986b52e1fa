"""Pure: whether what a directory holds and what the portal wants mean the same."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from directories.attributes import Value


def differences(
    desired: Mapping[str, Value], held: Mapping[str, Value], known: Mapping[str, Value]
) -> tuple[dict[str, tuple[Value, Value]], bool]:
    """Return before and after of each attribute that differs, and whether an update is due.

    What the directory does not show (``held``) is compared with what it last held (``known``). When that is unknown
    too, an update is due and is shown for attributes that get a value.
    """
    # An import asks this of everybody, and mostly all is the same, or at least spelt alike.
    if desired.items() <= held.items():
        return {}, False
    alike = desired.keys() <= held.keys()
    seen = held
    if not alike:
        seen = {name.casefold(): value for source in (known, held) for name, value in source.items()}
    changes: dict[str, tuple[Value, Value]] = {}
    due = False
    for name, value in desired.items():
        key = name if alike else name.casefold()
        unknown = key not in seen
        before = seen.get(key)
        if not same(before, value):
            changes[name] = (before, value)
        due = due or unknown or name in changes
    return changes, due


def same(held: Value, wanted: Value) -> bool:
    """Return whether two values mean the same: drivers differ in the types that they give back.

    Of several values of an attribute the first counts, unless as many are wanted.
    """
    if type(held) is str and type(wanted) is str:
        return held == wanted
    if isinstance(held, tuple | list) or isinstance(wanted, tuple | list):
        return _several(held, wanted)
    if held in (None, "") or wanted in (None, ""):
        return held in (None, "") and wanted in (None, "")
    if isinstance(held, bool) or isinstance(wanted, bool):
        return _truth(held) == _truth(wanted)
    if isinstance(held, (int, float, Decimal)) or isinstance(wanted, (int, float, Decimal)):
        return _number(held) == _number(wanted)
    return _text(held) == _text(wanted)


def _several(held: Value, wanted: Value) -> bool:
    holds = list(held) if isinstance(held, tuple | list) else [held]
    wants = list(wanted) if isinstance(wanted, tuple | list) else [wanted]
    if isinstance(wanted, tuple | list):
        return sorted(map(str, holds)) == sorted(map(str, wants))
    return same(next(iter(holds), None), wanted)


def _truth(value: Value) -> bool | str:
    word = str(value).strip().casefold().removesuffix(".0")
    if word in ("true", "t", "yes", "y", "1"):
        return True
    return False if word in ("false", "f", "no", "n", "0") else word


def _number(value: Value) -> Decimal | str:
    try:
        return Decimal(str(value).strip())
    except InvalidOperation:
        return str(value)


def _text(value: Value) -> str:
    if isinstance(value, dt.datetime) and (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def loses_a_value(changes: Mapping[str, tuple[Value, Value]]) -> bool:
    """Return whether an attribute that has a value is to be empty."""
    return any(new in (None, "") and old not in (None, "") for old, new in changes.values())
