"""Pure: which of a person's contracts is the primary one, and why, in a sentence.

Contracts that hold now go before those that do not. Among them the first field of the order that differs decides, then
the next; a contract without a value there comes last, in both directions. What is still equal is decided by the
contract's own number, so that the answer is the same every time.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from provisioning.contracts.days import day_words

SHOWN = 40  # characters of a value in the sentence


@dataclass(frozen=True, slots=True)
class By:
    """One step of the order: a field and its direction. ``open``: a date that is left out is the farthest there is."""

    field: str
    label: str
    descending: bool = False
    open: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One contract: its number at its source, whether it holds now, and its values by field."""

    number: str
    active: bool
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PrimaryChoice:
    """The place of the primary contract among the candidates, None without any, and why it is that one."""

    place: int | None
    why: str


def choose(candidates: Sequence[Candidate], order: Sequence[By]) -> PrimaryChoice:
    """Return the primary contract."""
    if not candidates:
        return PrimaryChoice(None, "There is no contract.")
    active = [place for place, one in enumerate(candidates) if one.active]
    pool = active or list(range(len(candidates)))
    if len(candidates) == 1:
        return PrimaryChoice(
            0, "It is the only contract." if active else "It is the only contract, and it does not hold now."
        )
    if len(active) == 1:
        return PrimaryChoice(active[0], f"It is the only one of {len(candidates)} contracts that holds now.")
    kind = "contracts that hold now" if active else "contracts, none of which holds now,"
    known, equal, deciding = len(pool), list[str](), ""
    for by in order:
        values = {place: _value(candidates[place], by) for place in pool}
        there = [value for value in values.values() if value is not None]
        if not there:
            continue
        best = max(there, key=_key) if by.descending else min(there, key=_key)
        left = [place for place in pool if values[place] is not None and _key(values[place]) == _key(best)]
        if len(left) < len(pool):
            deciding = f"{_superlative(best, by)} {by.label}: {_shown(best, by)}"
        else:
            equal.append(by.label)
        pool = left
        if len(pool) == 1:
            same = f" ({' and '.join(equal)} {'is' if len(equal) == 1 else 'are'} the same)" if equal else ""
            return PrimaryChoice(pool[0], f"Of {known} {kind} it has the {deciding}{same}.")
    place = min(pool, key=lambda one: (_number(candidates[one].number), one))
    rest = f"Of the {len(pool)} with the {deciding}" if deciding else f"Of {known} {kind}"
    return PrimaryChoice(place, f"{rest} it has the first number, {candidates[place].number}; all else is the same.")


def _value(candidate: Candidate, by: By) -> Any:
    value = candidate.values.get(by.field)
    if value is None or value == "":
        return by.open
    return value


def _key(value: Any) -> tuple[int, Any]:
    """Return what values are compared by: numbers before dates before texts, texts without case."""
    if isinstance(value, bool | int | float | Decimal):
        return 0, Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    if isinstance(value, dt.date):
        return 1, value.isoformat()
    return 2, str(value).casefold()


def _number(number: str) -> tuple[int, int, str]:
    """Return what numbers of contracts are compared by: 9 comes before 10, and digits before other texts."""
    return (0, int(number), number) if number.isdecimal() and len(number) < 30 else (1, 0, number)


def _superlative(value: Any, by: By) -> str:
    if isinstance(value, dt.date):
        return "latest" if by.descending else "earliest"
    if isinstance(value, bool | int | float | Decimal):
        return "highest" if by.descending else "lowest"
    return "last (by alphabet)" if by.descending else "first (by alphabet)"


def _shown(value: Any, by: By) -> str:
    if isinstance(value, dt.date):
        return "open" if value == by.open else day_words(value)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    text = str(value)
    return f"“{text[:SHOWN]}…”" if len(text) > SHOWN else text
