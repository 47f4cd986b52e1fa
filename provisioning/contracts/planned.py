"""Contracts in plans: a path for each ("contract:4711") with the whole contract before and after, None where it is not.

Values are what JSON holds, by the names of ``SOURCE_ATTRIBUTES`` and "custom.NAME"; what is blank is left out. A
department, a location and a manager stand by their numbers at the source.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

from directories.attributes import SOURCE_ATTRIBUTES, Kind, Value
from directories.mapping import AttributeKey
from provisioning.contracts.fields import CUSTOM, label
from provisioning.contracts.models import Contract

PREFIX = "contract:"
ATTRIBUTE = "contract"  # what plans are filtered by: one name for all contracts
DATES = ("starts", "ends")
NUMBERS = ("fte", "hours", "percentage")
TEXTS = ("type", "employer", "title", "team", "cost_centre", "division")
MOST, LARGEST = Decimal(9999), 2**31 - 1
MAX_NUMBER = 128
_LABELS = {one.name: one.label for one in SOURCE_ATTRIBUTES if one.kind is Kind.CONTRACT}

Fields = dict[str, Any]


def path_of(number: str) -> str:
    """Return the path of a contract."""
    return f"{PREFIX}{number}"


def number_of(path: str) -> str:
    """Return the number of the contract of a path, "" for any other path."""
    return path[len(PREFIX) :] if path.startswith(PREFIX) else ""


def label_of(field: str) -> str:
    """Return what people call a field of a planned contract."""
    return _LABELS.get(field) or label(field)


def differences(before: Fields | None, after: Fields | None) -> Iterator[tuple[str, Any, Any]]:
    """Yield label, value before and value after of each field that differs, in the order of the fields."""
    held, wanted = before or {}, after or {}
    names = [*_LABELS, *sorted({*held, *wanted} - _LABELS.keys())]
    for name in names:
        if held.get(name) != wanted.get(name):
            yield label_of(name), held.get(name), wanted.get(name)


def of_mapped(values: Mapping[AttributeKey, Value]) -> Fields:
    """Return mapped values as a planned contract; raise ValueError with words for a number that cannot be kept."""
    found: Fields = {}
    for (kind, name), value in values.items():
        if value is None or value == "":
            continue
        if kind is Kind.CUSTOM_CONTRACT:
            found[f"{CUSTOM}{name}"] = value if isinstance(value, str | int | float | bool) else str(value)
        else:
            found[name] = _kept(name, value)
    for what in ("department", "location"):  # known by its name alone
        if what not in found and f"{what}_name" in found:
            found[what] = found[f"{what}_name"][:MAX_NUMBER]
    return found


def _kept(name: str, value: Value) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, str) or not isinstance(value, int | float):
        return value
    if name == "sequence":
        if value != int(value) or abs(value) > LARGEST:
            raise ValueError(f"{_LABELS[name]} is not a whole number")
        return int(value)
    rounded = round(Decimal(str(value)), 3)
    if abs(rounded) > MOST:
        raise ValueError(f"{_LABELS[name]} is larger than {MOST}")
    return _plain(rounded)


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


def of_stored(contract: Contract, names: Collection[str] = ()) -> Fields:
    """Return a stored contract as plans hold it; ``names`` are those of further fields: of places and time zones.

    Load it with its department and location.
    """
    found: Fields = {}
    for name in (*DATES, *NUMBERS, *TEXTS, "sequence"):
        value = getattr(contract, name)
        if value is None or value == "":
            continue
        if isinstance(value, dt.date):
            value = value.isoformat()
        elif isinstance(value, Decimal):
            value = _plain(value)
        found[name] = value
    place = contract.location
    others = {
        "department": contract.department_ref,
        "manager": contract.manager_ref,
        "location": place.external_id if place else "",
        "department_name": contract.department.name if contract.department else "",
        "location_name": place.name if place else "",
        "time_zone": place.time_zone if place else "",
    }
    found |= {
        name: value
        for name, value in others.items()
        if value and (name in names or not (name.endswith("_name") or name == "time_zone"))
    }
    return found | {f"{CUSTOM}{name}": value for name, value in contract.custom.items()}


def day(fields: Fields, name: str) -> dt.date | None:
    """Return a date of a planned contract."""
    return dt.date.fromisoformat(fields[name]) if fields.get(name) else None
