"""What a form, a file or a directory says, turned into the values that the portal keeps.

The roll keeps what JSON holds: text, numbers, true and false; a date is its ISO text; a blank is None.
"""

import datetime as dt
import math
import re
import zoneinfo
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from directories.attributes import Format, Kind, PortalAttribute, Type

TRUE = frozenset({"true", "yes", "y", "1", "on", "active"})
FALSE = frozenset({"false", "no", "n", "0", "off", "inactive"})
_LOCALE = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|\d{3}))?", re.IGNORECASE)
# Addresses of the usual form, each of which Django accepts: its own check takes ten times as long.
USUAL_EMAIL = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.IGNORECASE | re.ASCII
)
_MAX_EMAIL = 254
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def parse(attribute: PortalAttribute, raw: Any) -> Any:
    """Return ``raw`` as the attribute's value, None when it is blank; raise ValueError in a helpdesk's words."""
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return None
    match attribute.type:
        case Type.NUMBER:
            return _number(raw)
        case Type.DATE:
            return _date(raw)
        case Type.BOOLEAN:
            return _boolean(raw)
        case Type.CHOICE:
            return _choice(_text(raw, attribute.max_length), attribute.choices)
    text = _text(raw, attribute.max_length)
    return SPECIAL[attribute.name].read(text) if attribute.kind == Kind.PROFILE and attribute.name in SPECIAL else text


def formatted(attribute: PortalAttribute) -> PortalAttribute:
    """Return the attribute with what its texts must be, so that an import stores nothing that a form would refuse."""
    if attribute.type != Type.TEXT:
        return attribute
    if attribute.kind == Kind.PROFILE and attribute.name in SPECIAL:
        return replace(attribute, format=SPECIAL[attribute.name])
    return replace(attribute, format=PLAIN)


def _printable(text: str) -> str:
    """Return the text; raise ValueError when it holds characters that nobody sees."""
    if not text.isprintable() and _CONTROL.search(text):
        raise ValueError("The text holds characters that cannot be shown.")
    return text


def email(text: str) -> str:
    """Return the address; raise ValueError when it is none."""
    if len(text) <= _MAX_EMAIL and USUAL_EMAIL.fullmatch(text):
        return text
    try:
        validate_email(text)
    except ValidationError:
        raise ValueError(f'"{text}" is not an e-mail address.') from None
    return text


def locale(text: str) -> str:
    """Return a language tag in its usual spelling (BCP 47: en-GB, zh-Hant-TW); raise ValueError on anything else."""
    found = _LOCALE.fullmatch(text.strip().replace("_", "-"))
    if not found:
        raise ValueError(f'"{text}" is not a locale. Write a language and a country, for example en-GB or de-DE.')
    language, script, country = found.groups()
    return "-".join(filter(None, (language.lower(), script and script.title(), country and country.upper())))


@cache
def time_zones() -> tuple[str, ...]:
    """Return the names of all time zones, those of places first and without the aliases of old."""
    names = zoneinfo.available_timezones()
    return ("UTC", *sorted(name for name in names if "/" in name and not name.startswith(("Etc/", "SystemV/", "US/"))))


def time_zone(text: str) -> str:
    """Return the time zone's name; raise ValueError when there is no such zone."""
    if text not in zoneinfo.available_timezones():
        raise ValueError(f'"{text}" is not a time zone. Write it like Europe/Berlin.')
    return text


PLAIN = Format(_printable, "holds characters that cannot be shown")
SPECIAL = {
    "email": Format(email, "is not an e-mail address"),
    "locale": Format(locale, "is not a locale such as en-GB"),
    "time_zone": Format(time_zone, "is not a time zone such as Europe/Berlin"),
}


def _text(raw: Any, max_length: int | None) -> str:
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    text = raw.isoformat() if isinstance(raw, dt.date) else str(raw).strip()
    _printable(text)
    if max_length is not None and len(text) > max_length:
        raise ValueError(f"The text has {len(text)} characters; {max_length} is the most.")
    return text


def _number(raw: Any) -> int | float:
    if isinstance(raw, bool):
        raise ValueError("Write a number.")
    try:
        number = Decimal(str(raw).strip().replace(",", "."))
    except InvalidOperation:
        raise ValueError(f'"{raw}" is not a number.') from None
    if not number.is_finite() or abs(number.adjusted()) > 300:
        raise ValueError(f'"{raw}" is not a number that can be kept.')
    if number == number.to_integral_value() and abs(number) < 2**53:
        return int(number)
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f'"{raw}" is not a number that can be kept.')
    return value


def _date(raw: Any) -> str:
    if isinstance(raw, dt.datetime):
        return raw.date().isoformat()
    if isinstance(raw, dt.date):
        return raw.isoformat()
    try:
        return dt.date.fromisoformat(str(raw).strip()[:10]).isoformat()
    except ValueError:
        raise ValueError(f'"{raw}" is not a date. Write it as year-month-day, for example 2026-12-31.') from None


def _boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().casefold().removesuffix(".0")
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise ValueError(f'"{raw}" is neither yes nor no.')


def _choice(text: str, choices: tuple[str, ...]) -> str:
    by_fold = {choice.casefold(): choice for choice in choices}
    if text not in choices and text.casefold() not in by_fold:
        raise ValueError(f'"{text}" is not one of: {", ".join(choices)}.')
    return text if text in choices else by_fold[text.casefold()]
