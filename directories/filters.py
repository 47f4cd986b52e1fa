"""Pure: the filters that an attribute mapping's expression may use; there are no others.

Every filter gives a missing value for a missing value (``default``, ``join`` and ``lookup`` say otherwise themselves),
so that an expression need not ask first. No filter can make more than ``MAX_TEXT`` characters.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

MAX_TEXT = 10_000
MAX_FORMAT = 64
# Letters that Unicode does not decompose into a base letter and a mark.
_LETTERS = str.maketrans(
    {
        **{"ß": "ss", "ẞ": "SS", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D"},
        **{"þ": "th", "Þ": "Th", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ı": "i", "ħ": "h", "Ħ": "H"},
        **{"ŋ": "n", "Ŋ": "N", "ŧ": "t", "Ŧ": "T", "ĸ": "k", "’": "'", "‘": "'", "–": "-", "—": "-"},
    }
)
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_DIRECTIVE = re.compile(r"%[aAbBdHIjmMpSUwWyYzZ%]|[^%]")


class FilterError(ValueError):
    """A filter cannot work with what it was given; the message never holds a value."""


def is_missing(value: object) -> bool:
    """Whether ``value`` counts as missing: none, an undefined name or an empty text."""
    return value is None or value == ""


def text(value: object) -> str:
    """Return ``value`` as the text that a person would write."""
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        raise FilterError("a list is not a value: join it")
    return str(value)


def lower(value: object) -> str:
    """Return the text in small letters."""
    return text(value).lower()


def upper(value: object) -> str:
    """Return the text in capital letters."""
    return text(value).upper()


def title(value: object) -> str:
    """Return the text with each word, and each part of a double name, beginning with a capital."""
    return re.sub(r"(?<![^\W\d_])[^\W\d_]", lambda match: match.group().upper(), text(value).lower())


def capitalize(value: object) -> str:
    """Return the text with its first letter large and the others small."""
    return text(value).capitalize()


def trim(value: object, characters: str | None = None) -> str:
    """Return the text without outer space, or without the outer ``characters``."""
    return text(value).strip(characters)


def join(value: object, separator: str = " ") -> str:
    """Return the items of a list that are not missing as one text."""
    items = value if isinstance(value, list | tuple) else [value]
    return separator.join(text(item) for item in items if not is_missing(item))


def split(value: object, separator: str | None = None) -> list[str]:
    """Return the parts of the text, trimmed; without a separator the words."""
    if separator == "":
        raise FilterError("split needs a separator that is not empty")
    return [part.strip() for part in text(value).split(separator)]


def first(value: object) -> object:
    """Return the first item of a list, the first character of a text."""
    return _item(value, 0)


def last(value: object) -> object:
    """Return the last item of a list, the last character of a text."""
    return _item(value, -1)


def _item(value: object, position: int) -> object:
    items = value if isinstance(value, list | tuple) else text(value)
    return items[position] if items else None


def left(value: object, count: int = 1) -> str:
    """Return the first ``count`` characters."""
    return text(value)[: _count(count)]


def right(value: object, count: int = 1) -> str:
    """Return the last ``count`` characters."""
    return text(value)[-_count(count) :] if _count(count) else ""


def _count(count: int) -> int:
    if type(count) is not int or count < 0:
        raise FilterError("the number of characters must be a whole number")
    return count


def replace(value: object, old: str, new: str = "") -> str:
    """Return the text with ``new`` in every place of ``old``."""
    source, old, new = text(value), text(old), text(new)
    if not old:
        raise FilterError("replace needs a text to look for")
    if len(source) + source.count(old) * max(len(new) - len(old), 0) > MAX_TEXT:
        raise FilterError(f"the result is longer than {MAX_TEXT} characters")
    return source.replace(old, new)


def length(value: object) -> int:
    """Return the number of characters or items."""
    return len(value) if isinstance(value, list | tuple) else len(text(value))


def initials(value: object) -> str:
    """Return the first letter of each word and each part of a double name, in capitals."""
    return "".join(word[0] for word in re.findall(r"[^\W_]+", text(value).replace("'", ""))).upper()


def strip_accents(value: object, language: str = "") -> str:
    """Return the text without accents (ß becomes ss, ø o, ł l); for ``"de"`` an umlaut becomes two letters."""
    source = unicodedata.normalize("NFC", text(value))
    if language == "de":
        source = source.translate(_GERMAN)
    decomposed = unicodedata.normalize("NFD", source.translate(_LETTERS))
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c)))


def slug(value: object, separator: str = ".") -> str:
    """Return the text as a user name: small ASCII letters and digits, all else one ``separator``."""
    plain = strip_accents(value).lower().replace("'", "")
    return separator.join(re.findall(r"[a-z0-9]+", plain))


def digits(value: object) -> str:
    """Return only the digits of the text."""
    return re.sub(r"[^0-9]", "", text(value))


def number(value: object) -> int | float:
    """Return the number that the text holds."""
    try:
        found = float(text(value).strip())
        return int(found) if found.is_integer() else found
    except (ValueError, OverflowError):
        raise FilterError("this is not a number") from None


def _checked_format(pattern: str) -> str:
    # glibc takes a width in a directive ("%999999999d"), which would fill the memory.
    if not isinstance(pattern, str) or len(pattern) > MAX_FORMAT or _DIRECTIVE.sub("", pattern):
        raise FilterError("this date format is not understood; use for example %Y-%m-%d or %d.%m.%Y %H:%M")
    return pattern


def parse_date(value: object, pattern: str = "%Y-%m-%d") -> dt.date | dt.datetime:
    """Return the date, or the date and time, that is written in ``pattern``."""
    if isinstance(value, dt.date):
        return value
    try:
        found = dt.datetime.strptime(text(value).strip(), _checked_format(pattern))
    except (ValueError, re.error) as error:
        if isinstance(error, FilterError):
            raise
        raise FilterError(f"the date is not written as {pattern}") from None
    return found if re.search(r"%[HIMSp]", pattern) else found.date()


def format_date(value: object, pattern: str = "%Y-%m-%d") -> str:
    """Write a date, or an ISO text such as 2024-01-31, in ``pattern``."""
    pattern = _checked_format(pattern)
    if not isinstance(value, dt.date):
        try:
            value = dt.datetime.fromisoformat(text(value).strip())
        except ValueError:
            raise FilterError("this is not a date; read it with parse_date first") from None
    return value.strftime(pattern)


def default(value: object, other: object = "") -> object:
    """Return ``other`` when the value is missing."""
    return other if is_missing(value) else value


def lookup(value: object, table: Mapping[str, object], other: object = None) -> object:
    """Return what the table says for the value, without regard to case; ``other`` when it says nothing."""
    if not isinstance(table, Mapping):
        raise FilterError('lookup needs a table such as {"HR": "Human Resources"}')
    folded = {text(key).strip().casefold(): result for key, result in table.items()}
    return folded.get(text(value).strip().casefold(), other)


KEEPS_MISSING: tuple[Callable[..., Any], ...] = (default, lookup, join, length)
FILTERS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(lower, upper, title, capitalize, trim, join, split, first, last, left, right, replace, length, initials),
        *(strip_accents, slug, digits, number, parse_date, format_date, default, lookup),
    )
}
