"""Pure: whether a row with somebody's name is really theirs: names are given to other people once their owners left."""

from collections.abc import Mapping
from typing import Any

from provisioning.models.people import fold

EMPLOYEE, MAIL = "profile.employee_number", "profile.email"
NAMES = ("profile.first_name", "profile.last_name")
SHOWN = "profile.display_name"


def another_person(held: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Return in words what shows that a row is another person's, "" when nothing does.

    An employee number decides by itself, where both have one. Else it takes other names (the first and the last, so
    that nobody who married is a stranger) and, where both have one, another e-mail address.
    """
    number = _differs(held, given, EMPLOYEE)
    if number is not None:
        return "another employee number" if number else ""
    names = [_differs(held, given, name) for name in NAMES]
    if None in names:
        names = [_differs(held, given, SHOWN)]
    if not all(names):
        return ""
    mail = _differs(held, given, MAIL)
    if mail is None:
        return "other names"
    return "other names and another e-mail address" if mail else ""


def _differs(held: Mapping[str, Any], given: Mapping[str, Any], name: str) -> bool | None:
    """Return whether both have another value, None when one of them has none."""
    before, now = held.get(name), given.get(name)
    if not before or not now:
        return None
    return fold(str(before)) != fold(str(now))
