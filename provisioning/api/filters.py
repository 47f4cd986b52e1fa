"""``filter=``: SCIM's filter language (RFC 7644 section 3.4.2.2) over the fields of a list, as they are called there.

An attribute that is not known refuses the whole filter: leaving it out would give rows that nobody asked for. ``ne`` is
the contrary of ``eq`` and holds where there is no value. Every condition is true or false, never unknown, so that
``not`` can be trusted.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db import models
from django.db.models import Q
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
)

from config.filter_syntax import WAYS, parse
from provisioning.models.people import fold

NEVER = Q(pk__in=[])
MOST = 10**18


class FilterKind(StrEnum):
    """What values of a field are: NAME is text without regard to case, FIXED one of some words."""

    TEXT = "text"
    NAME = "name"
    FIXED = "fixed"
    NUMBER = "number"
    BOOLEAN = "boolean"
    MOMENT = "moment"
    DATE = "date"


OPERATORS: Mapping[FilterKind, frozenset[str]] = {
    FilterKind.TEXT: frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"}),
    FilterKind.NAME: frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"}),
    FilterKind.FIXED: frozenset({"eq", "ne", "pr"}),
    FilterKind.NUMBER: frozenset({"eq", "ne", "gt", "ge", "lt", "le", "pr"}),
    FilterKind.BOOLEAN: frozenset({"eq", "ne"}),
    FilterKind.MOMENT: frozenset({"eq", "ne", "gt", "ge", "lt", "le", "pr"}),
    FilterKind.DATE: frozenset({"eq", "ne", "gt", "ge", "lt", "le", "pr"}),
}
SAID = {
    FilterKind.NUMBER: "a whole number",
    FilterKind.BOOLEAN: "true or false",
    FilterKind.MOMENT: "a date and time such as 2026-05-13T04:42:34Z",
    FilterKind.DATE: "a date such as 2026-05-13",
}


@dataclass(frozen=True, slots=True)
class ResourceField:
    """A field that can be filtered by: its kind, and the column where that is called otherwise.

    ``nullable``: without a value the column is NULL, else it is blank.
    """

    kind: FilterKind = FilterKind.TEXT
    column: str = ""
    nullable: bool = False


Fields = Mapping[str, ResourceField]
Inside = Mapping[str, Callable[[str], ResourceField | None]]
"""Fields with parts, such as ``custom_profile``: what returns the field of a part, None for one that is not there."""


def to_q(text: str, fields: Fields, inside: Inside | None = None) -> Q:
    """Return a filter as a condition; raise ValueError with words."""
    return condition(parse(text), fields, inside or {})


def condition(node: FilterNode, fields: Fields, inside: Inside) -> Q:
    """Return the condition of a part of a filter; raise ValueError with words."""
    if isinstance(node, LogicalExpr):
        parts = [condition(term, fields, inside) for term in node.terms]
        return reduce(and_ if node.op == LogicalOperator.and_ else or_, parts)
    if isinstance(node, Not):
        return ~condition(node.expr, fields, inside)
    if isinstance(node, Present):
        name, field = _find(node.attr_path, fields, inside)
        _check(name, field, "pr")
        return _present(name, field)
    if not isinstance(node, Comparison):
        raise ValueError("Brackets as in emails[...] are of no use here: each field has one value.")
    name, field = _find(node.attr_path, fields, inside)
    _check(name, field, node.op.value)
    if node.op == CompareOperator.ne:
        return ~_compared(name, field, CompareOperator.eq, node.value)
    return _compared(name, field, node.op, node.value)


def _find(path: AttrPath, fields: Fields, inside: Inside) -> tuple[str, ResourceField]:
    """Return the name and the field; attributes are found whatever their case (RFC 7643 section 2.1)."""
    name = path.attr.lower()
    found = None
    if not path.uri:
        found = inside[name](path.sub_attr) if path.sub_attr and name in inside else None
        found = fields.get(name) if not path.sub_attr else found
    if found is None:
        known = ", ".join([*fields, *(f"{one}.…" for one in inside)])
        raise ValueError(f"There is no field {path} to filter by. There are: {known}.")
    return str(path) if path.sub_attr else name, found


def _check(name: str, field: ResourceField, operator: str) -> None:
    if operator not in OPERATORS[field.kind]:
        allowed = ", ".join(sorted(OPERATORS[field.kind]))
        raise ValueError(f"{name} cannot be compared with {operator}. It can with: {allowed}.")


def _present(name: str, field: ResourceField) -> Q:
    column = field.column or name
    if parent := _json(column):
        return Q(**{f"{parent[0]}__has_key": parent[1]}) & ~Q(**{column: ""}) & ~Q(**{column: None})
    if field.nullable or field.kind not in (FilterKind.TEXT, FilterKind.NAME, FilterKind.FIXED):
        return Q(**{f"{column}__isnull": False})
    return ~Q(**{column: ""})


def _compared(name: str, field: ResourceField, operator: CompareOperator, asked: Any) -> Q:
    if asked is None:
        return ~_present(name, field) if operator == CompareOperator.eq else NEVER
    value = _value(name, field, asked)
    column = field.column or name
    if value == "":
        return _present(name, field) if operator.value in ("co", "sw", "ew", "gt", "ge") else NEVER
    wanted = Q(**{f"{column}__{WAYS[operator.value]}": value})
    blank_is_less = field.kind in (FilterKind.TEXT, FilterKind.NAME) and operator.value in ("lt", "le")
    return _present(name, field) & wanted if blank_is_less or _json(column) else wanted


def _value(name: str, field: ResourceField, asked: Any) -> Any:
    """Return what is asked for as the field's kind has it; raise ValueError with words."""
    if field.kind in (FilterKind.TEXT, FilterKind.NAME, FilterKind.FIXED):
        if not isinstance(asked, str):
            raise ValueError(f"{name} is compared with text in quotes.")
        return fold(asked) if field.kind == FilterKind.NAME else asked
    try:
        return _VALUES[field.kind](asked)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} is compared with {SAID[field.kind]}.") from None


def _number(asked: Any) -> int:
    if isinstance(asked, bool) or not isinstance(asked, int | float | Decimal):
        raise ValueError
    number = int(asked)
    if number != asked or abs(number) >= MOST:
        raise ValueError
    return number


def _boolean(asked: Any) -> bool:
    if not isinstance(asked, bool):
        raise ValueError
    return asked


def moment(asked: Any) -> dt.datetime:
    """Return a moment, in UTC where nothing else is said; raise ValueError."""
    if not isinstance(asked, str):
        raise ValueError
    found = dt.datetime.fromisoformat(asked)
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)


def _date(asked: Any) -> dt.date:
    if not isinstance(asked, str):
        raise ValueError
    return dt.date.fromisoformat(asked)


_VALUES: Mapping[FilterKind, Callable[[Any], Any]] = {
    FilterKind.NUMBER: _number,
    FilterKind.BOOLEAN: _boolean,
    FilterKind.MOMENT: moment,
    FilterKind.DATE: _date,
}


def fields_of(model: type[models.Model], names: Iterable[str]) -> dict[str, ResourceField]:
    """Return how columns of a model are filtered by, those of the names that can be."""
    found = {}
    for name in names:
        column = model._meta.get_field(name)
        kind = next((kind for of, kind in _KINDS if isinstance(column, of)), None)
        if kind is not None and isinstance(column, models.Field):
            kind = FilterKind.FIXED if kind == FilterKind.TEXT and column.choices else kind
            found[name] = ResourceField(kind, column.attname, nullable=column.null)
    return found


_KINDS: Sequence[tuple[Any, FilterKind]] = (
    (models.ForeignKey, FilterKind.NUMBER),
    (models.IntegerField, FilterKind.NUMBER),
    (models.BooleanField, FilterKind.BOOLEAN),
    (models.DateTimeField, FilterKind.MOMENT),
    (models.DateField, FilterKind.DATE),
    ((models.CharField, models.TextField), FilterKind.TEXT),
)


def _json(column: str) -> tuple[str, str] | None:
    """Return the column and the key of a value inside JSON."""
    for parent in ("custom_profile", "custom_attributes"):
        if column.startswith(f"{parent}__"):
            return parent, column.removeprefix(f"{parent}__")
    return None
