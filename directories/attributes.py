"""The portal's attributes: the three kinds of the product, and what a value of each type looks like.

A *default profile attribute* is a field of the portal's user; a *custom profile attribute* is defined by the admin and
appears on every user; a *custom attribute* is a free key and value on one user.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

# A tuple holds the values of an attribute that has several, such as LDAP's; where one is wanted, the first counts.
Value = str | int | float | bool | Decimal | dt.date | dt.datetime | tuple[str, ...] | None


class UnreadableValue(str):
    """A value that a directory holds and the portal cannot read: why, as the end of a sentence. It fails when used."""

    __slots__ = ()


class Kind(StrEnum):
    """Which of the three kinds a portal attribute is, or what a source of truth says besides.

    CONTRACT and CUSTOM_CONTRACT are fields of each of a person's contracts, RECORD what is said of the person's row.
    """

    PROFILE = "profile"
    CUSTOM_PROFILE = "custom_profile"
    CUSTOM = "custom"
    CONTRACT = "contract"
    CUSTOM_CONTRACT = "custom_contract"
    RECORD = "record"


class Type(StrEnum):
    """The type of a portal attribute's value."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    BOOLEAN = "boolean"
    CHOICE = "choice"


class Format(NamedTuple):
    """What a text must be beyond its length: ``read`` gives it in its usual form or raises ValueError."""

    read: Callable[[str], str]
    words: str  # the end of a sentence such as "E-mail is not ..."


@dataclass(frozen=True, slots=True)
class PortalAttribute:
    """One attribute that a user of the portal has. ``max_length`` is in characters; None is unlimited."""

    kind: Kind
    name: str
    label: str
    type: Type = Type.TEXT
    max_length: int | None = 255
    choices: tuple[str, ...] = ()
    required: bool = False
    format: Format | None = field(default=None, repr=False, compare=False)


def _profile(name: str, label: str, max_length: int = 255, type: Type = Type.TEXT) -> PortalAttribute:
    return PortalAttribute(Kind.PROFILE, name, label, type, max_length, required=name == "username")


PROFILE_ATTRIBUTES: tuple[PortalAttribute, ...] = (
    _profile("username", "User name", 150),
    _profile("email", "E-mail", 254),
    _profile("first_name", "First name", 150),
    _profile("last_name", "Last name", 150),
    _profile("display_name", "Display name", 300),
    _profile("phone", "Phone", 64),
    _profile("mobile", "Mobile", 64),
    _profile("title", "Title", 150),
    _profile("department", "Department", 150),
    _profile("division", "Division", 150),
    _profile("organization", "Organization", 150),
    _profile("cost_center", "Cost centre", 64),
    _profile("employee_number", "Employee number", 64),
    _profile("employee_type", "Employee type", 64),
    _profile("manager", "Manager (user name)", 150),
    _profile("street_address", "Street address"),
    _profile("locality", "City", 150),
    _profile("region", "Region", 150),
    _profile("postal_code", "Postal code", 64),
    _profile("country", "Country", 64),
    _profile("locale", "Locale", 16),
    _profile("time_zone", "Time zone", 64),
    _profile("active", "Active", type=Type.BOOLEAN),
)


def _contract(name: str, label: str, max_length: int | None = 150, type: Type = Type.TEXT) -> PortalAttribute:
    return PortalAttribute(Kind.CONTRACT, name, label, type, max_length)


FREE = frozenset({Kind.CUSTOM, Kind.CUSTOM_CONTRACT})  # kinds whose names are anybody's choice
OF_CONTRACTS = frozenset({Kind.CONTRACT, Kind.CUSTOM_CONTRACT})
FROM_SOURCES = OF_CONTRACTS | {Kind.RECORD}  # what only comes in
BLOCKED, REASON = "blocked", "reason"
SOURCE_ATTRIBUTES: tuple[PortalAttribute, ...] = (
    _contract("starts", "First day", type=Type.DATE),
    _contract("ends", "Last day", type=Type.DATE),
    _contract("type", "Type", 64),
    _contract("fte", "FTE", type=Type.NUMBER),
    _contract("hours", "Hours a week", type=Type.NUMBER),
    _contract("percentage", "Percentage", type=Type.NUMBER),
    _contract("sequence", "Sequence", type=Type.NUMBER),
    _contract("employer", "Employer"),
    _contract("department", "Department (number)", 128),
    _contract("department_name", "Department (name)"),
    _contract("title", "Title"),
    _contract("team", "Team"),
    _contract("location", "Location (number)", 128),
    _contract("location_name", "Location (name)"),
    _contract("time_zone", "Time zone of the location", 64),
    _contract("cost_centre", "Cost centre", 64),
    _contract("division", "Division"),
    _contract("manager", "Manager (number)", 512),
    PortalAttribute(Kind.RECORD, BLOCKED, "Blocked by HR", Type.BOOLEAN),
    PortalAttribute(Kind.RECORD, REASON, "Why HR blocked"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the portal as plain data: the values of the three kinds of attribute, by name."""

    profile: Mapping[str, Value] = field(default_factory=dict)
    custom_profile: Mapping[str, Value] = field(default_factory=dict)
    custom: Mapping[str, Value] = field(default_factory=dict)

    def get(self, kind: Kind, name: str) -> Value:
        """Return the value of the attribute ``name``, or None when the person has none."""
        values: Mapping[str, Value] = getattr(self, kind)
        return values.get(name)

    def flat(self) -> dict[str, Value]:
        """Return every value by its bare name; a profile attribute wins over a custom one of the same name."""
        return {**self.custom, **self.custom_profile, **self.profile}
