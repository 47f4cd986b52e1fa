"""Pure: what a directory gives becomes a value of the portal attribute's type.

Text is trimmed; an empty value is "" for a text attribute and None for every other. A value that does not fit raises
``BadValue``, whose words never hold the value: an admin may map a column that is secret.
"""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from directories.attributes import PortalAttribute, Type, UnreadableValue, Value

Coerce = Callable[[object], Value]

TRUE = frozenset({"true", "1", "yes", "y", "t", "on", "active", "enabled", "x"})
FALSE = frozenset({"false", "0", "no", "n", "f", "off", "inactive", "disabled"})
ZERO_DATE = "0000-00-00"  # MySQL's way to say that there is none
_LONG_DIGITS = 17


class BadValue(ValueError):
    """A value does not fit its attribute: the message is the end of a sentence that begins with its label."""


def as_text(value: object) -> str:
    """Return any value of a directory as trimmed text; "" for none."""
    if type(value) is str:
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, UnreadableValue):
        raise BadValue(str(value))
    if isinstance(value, tuple):
        return as_text(next(iter(value), None))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        raise BadValue("holds binary data, not text")
    return str(value).strip()


def coercer(attribute: PortalAttribute) -> Coerce:
    """Return the function that turns a directory's value into one of ``attribute``'s type, or raises BadValue."""
    match attribute.type:
        case Type.NUMBER:
            return _number
        case Type.DATE:
            return _date
        case Type.BOOLEAN:
            return boolean
        case Type.CHOICE:
            return _choice(attribute.choices)
    return _text(attribute.max_length)


def _text(max_length: int | None) -> Coerce:
    limit = max_length or 1_000_000

    def coerce(value: object) -> str:
        text = value.strip() if type(value) is str else as_text(value)
        if len(text) > limit:
            raise BadValue(f"is longer than {limit} characters")
        if not text.isprintable():
            _check_characters(text)
        return text

    return coerce


def _check_characters(text: str) -> None:
    """Refuse what PostgreSQL cannot store: U+0000 and lone surrogates (the traces of undecodable bytes)."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadValue("holds a character that cannot be stored")


def _number(value: object) -> int | float | None:
    """Return an int, or a float that holds the number exactly enough to be written back unchanged."""
    if value is None or isinstance(value, int):
        return value if not isinstance(value, bool) else int(value)
    text = as_text(value)
    if not text:
        return None
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise BadValue("is not a number") from None
    if not exact.is_finite() or abs(exact.adjusted()) > 300:
        raise BadValue("is not a number")
    if exact == exact.to_integral_value():
        return int(exact)
    if len(exact.as_tuple().digits) > _LONG_DIGITS:
        raise BadValue(f"has more than {_LONG_DIGITS} digits")
    return float(exact)


def _date(value: object) -> dt.date | None:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    text = as_text(value)
    if not text or text.startswith(ZERO_DATE):
        return None
    try:
        return dt.datetime.fromisoformat(text).date()
    except ValueError:
        raise BadValue("is not a date such as 2024-01-31; read another form with parse_date") from None


def boolean(value: object) -> bool | None:
    """Return what true/false, yes/no, 1/0, on/off, active/inactive and their first letters mean.

    A number is yes for 1 and for -1 (which is how Basic and Access write it) and no for 0, with or without decimals.
    """
    if value is None or isinstance(value, bool):
        return value
    text = as_text(value).casefold()
    if not text:
        return None
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    if re.fullmatch(r"[+-]?[01](\.0*)?", text):
        return abs(float(text)) == 1
    raise BadValue("is neither yes nor no (true/false, yes/no, y/n, 1/0)")


def _choice(choices: tuple[str, ...]) -> Coerce:
    by_name = {choice.casefold(): choice for choice in choices}

    def coerce(value: object) -> str | None:
        text = as_text(value)
        if not text:
            return None
        if text.casefold() not in by_name:
            raise BadValue(f"is not one of: {', '.join(choices)}")
        return by_name[text.casefold()]

    return coerce
