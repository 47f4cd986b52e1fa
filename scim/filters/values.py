"""What a filter compares with, as the attribute's type wants it (RFC 7644 section 3.4.2.2)."""

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from scim2_models.path import ORDERING_OPERATORS, STRING_OPERATORS, CompareOperator

from scim.errors import ScimError
from scim.ids import parsed
from scim.resources.attributes import Attribute

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_BOOLEANS = {"true": True, "false": False}
_NUMBERS = frozenset({"integer", "decimal"})
_LONGEST_NUMBER = 30
NOTHING = object()  # a value that no resource has, such as an id that is no UUID


def invalid(detail: str) -> ScimError:
    """Return the error of a filter that makes no sense."""
    return ScimError(400, detail, "invalidFilter")


def check_operator(attribute: Attribute, operator: CompareOperator, *, uuid_field: bool) -> None:
    """Refuse an operator that the attribute's type does not know."""
    kind = attribute.type
    wrong = (
        (operator in ORDERING_OPERATORS and (kind in {"boolean", "binary", "complex"} or uuid_field))
        or (operator in STRING_OPERATORS and (kind in {"boolean", "dateTime", "complex", *_NUMBERS} or uuid_field))
        or kind == "complex"
    )
    if wrong:
        raise invalid(f"{attribute.path} cannot be compared with {operator.value}.")


def coerced(attribute: Attribute, value: Any, *, uuid_field: bool) -> Any:
    """Return the value in the attribute's type, None for null; raise ScimError 400 invalidFilter."""
    if value is None:
        return None
    if attribute.type == "boolean":
        return _boolean(attribute, value)
    if attribute.type in _NUMBERS:
        return _number(attribute, value)
    if not isinstance(value, str):
        raise invalid(f"{attribute.path} is compared with text in quotes.")
    if _UNSTORABLE.search(value):
        return NOTHING
    if attribute.type == "dateTime":
        return _moment(attribute, value)
    return (parsed(value) or NOTHING) if uuid_field else value


def _boolean(attribute: Attribute, value: Any) -> bool:
    """Take true and false, and in quotes too: Entra sends ``"True"``, as in ``roles[primary eq "True"]``."""
    if isinstance(value, str):
        value = _BOOLEANS.get(value.casefold(), value)
    if not isinstance(value, bool):
        raise invalid(f"{attribute.path} is compared with true or false.")
    return value


def _number(attribute: Attribute, value: Any) -> int | float:
    try:
        if isinstance(value, bool) or len(str(value)) > _LONGEST_NUMBER:
            raise ValueError
        number = Decimal(str(value))
        if not number.is_finite():
            raise ValueError
    except (InvalidOperation, ValueError):
        raise invalid(f"{attribute.path} is compared with a number.") from None
    return int(number) if number == number.to_integral_value() and abs(number) < 10**18 else float(number)


def _moment(attribute: Attribute, value: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        message = f"{attribute.path} is compared with a date and time such as 2026-05-13T04:42:34Z."
        raise invalid(message) from None
