"""The texts that people are found by, and what is looked for in them. Pure: no database.

A text is one space, then words between spaces, without case and accents; of a telephone number only the digits. A word
of three letters or more is looked for anywhere in a text, a shorter one where a word begins: PostgreSQL's trigrams
answer both.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.models import Q

LONGEST = 200  # characters of a search that count
MOST_WORDS = 8
ANYWHERE = 3  # letters of a word that is looked for inside of words, too
FEWEST_DIGITS = 3  # of what may be a part of a telephone number
NATIONAL = 6  # digits that are left, at the least, where a country code is taken off

# Letters that are no letter with an accent to Unicode.
ALONE = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ħ": "h", "ı": "i"})
# How they are spelt where a keyboard has none of them: Müller is Mueller, too.
SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
TELEPHONE = re.compile(r"\+?[\d\s()/.\-‐-–]+")


def plain(text: str) -> str:
    """Return the text without case and accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", _folded(text).translate(ALONE))
    return "".join(each for each in apart if not unicodedata.combining(each))


def digits(number: str) -> str:
    """Return the digits of a telephone number, without the 00 or the (0) that only some write."""
    found = "".join(str(unicodedata.decimal(each)) for each in number.replace("(0)", "") if each.isdecimal())
    return found.removeprefix("00")


def document(values: Iterable[str], telephones: Iterable[str] = ()) -> str:
    """Return the text of what has these names and numbers; each word stands there once."""
    words: dict[str, None] = {}
    for value in values:
        words |= dict.fromkeys(plain(value).split())
        if not value.isascii():
            words |= dict.fromkeys(plain(_folded(value).translate(SPELT_OUT)).split())
    words |= dict.fromkeys(filter(None, map(digits, telephones)))
    return " " + " ".join(words)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: one of the ``ways``, of which each part has to be there in one of its spellings."""

    ways: tuple[tuple[tuple[str, ...], ...], ...]

    @classmethod
    def of(cls, text: str) -> "Wanted":
        """Read what somebody typed: words, or a telephone number in any spelling, or both."""
        text = text[:LONGEST]
        words = [word for word in text.split() if plain(word)][:MOST_WORDS]
        ways = [tuple(_spellings(word) for word in words)] if words else []
        if len(words) > 1 and (numbers := _numbers(text)):
            ways.append((numbers,))
        return cls(tuple(ways))

    def condition(self, field: str) -> Q:
        """Return the condition over the column ``field``, an ORM path; nothing looked for matches nothing."""
        if not self.ways:
            return Q(pk__in=[])
        found = Q()
        for way in self.ways:
            whole = Q()
            for part in way:
                some = Q()
                for spelling in part:
                    some |= Q(**{f"{field}__contains": spelling})
                whole &= some
            found |= whole
        return found

    def matches(self, text: str) -> bool:
        """Return whether the text has what is looked for."""
        return self._all(text, lambda spelling: spelling)

    def begins_words_of(self, text: str) -> bool:
        """Return whether what is looked for stands at the beginning of words of the text."""
        return self._all(text, lambda spelling: f" {spelling.strip()}")

    def _all(self, text: str, needle: Callable[[str], str]) -> bool:
        return any(all(any(needle(each) in text for each in part) for part in way) for way in self.ways)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _spellings(word: str) -> tuple[str, ...]:
    letters = plain(word)
    as_word = letters if len(letters) >= ANYWHERE else f" {letters}"
    return tuple(dict.fromkeys([as_word, *_numbers(word)]))


def _numbers(text: str) -> tuple[str, ...]:
    """Return how a telephone number may stand in a text: whole, or without the country code that was typed."""
    text = unicodedata.normalize("NFKC", text).strip()
    if not TELEPHONE.fullmatch(text):
        return ()
    number = digits(text)
    if len(number) < FEWEST_DIGITS:
        return ()
    international = text.startswith(("+", "00"))
    shorter = [number[length:] for length in (1, 2, 3) if len(number) - length >= NATIONAL] if international else []
    return tuple(dict.fromkeys([number, *([number.lstrip("0")] if len(number.lstrip("0")) >= 3 else []), *shorter]))
