"""The fields of a contract: what people call them, by which of them contracts are ordered, and what may follow them."""

import datetime as dt
from collections.abc import Mapping

from provisioning.contracts.primary import By

NUMBER, STARTS, ENDS, MANAGER, DEPARTMENT, LOCATION = "number", "starts", "ends", "manager", "department", "location"
CUSTOM = "custom."  # begins the name of a custom field
NAMES: Mapping[str, str] = {
    NUMBER: "number",
    STARTS: "first day",
    ENDS: "last day",
    "type": "type",
    "fte": "FTE",
    "hours": "hours a week",
    "percentage": "percentage",
    "sequence": "sequence",
    "employer": "employer",
    DEPARTMENT: "department",
    "title": "title",
    "team": "team",
    LOCATION: "location",
    "cost_centre": "cost centre",
    "division": "division",
    MANAGER: "manager",
}
ORDERED = tuple(name for name in NAMES if name not in (NUMBER, MANAGER))
_OPEN = {STARTS: dt.date.min, ENDS: dt.date.max}


def custom_name(field: str) -> str:
    """Return the name of a custom field, "" for any other."""
    return field.removeprefix(CUSTOM) if field.startswith(CUSTOM) else ""


def label(field: str) -> str:
    """Return what people call a field."""
    return NAMES.get(field) or custom_name(field) or field


def step(field: str, descending: bool) -> By:
    """Return a step of the order; an open first day is the earliest there is, and an open last day the latest."""
    return By(field, label(field), descending, _OPEN.get(field))


# Until somebody arranges another one: the largest contract, then the one that its source counts first, then the oldest.
ORDER: tuple[By, ...] = (
    step("fte", True),
    step("hours", True),
    step("percentage", True),
    step("sequence", False),
    step(STARTS, False),
)
