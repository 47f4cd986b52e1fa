"""Pure: whether more would be lost than may be without being asked. There is no way to switch it off.

A limit has a number and a share; what is over either waits. A number or share of 0 means "always ask". A share only
counts above ``FEW``: one person of a small department, or of a small directory, is no accident. At 100 only the number
counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from provisioning.guard.losses import LossKind

FEW = 5


@dataclass(frozen=True, slots=True)
class Limit:
    """How much may be lost within 24 hours: a number, and a share in per cent."""

    most: int
    percent: int


@dataclass(frozen=True, slots=True)
class Counted:
    """How much of one kind a plan loses, of how many ``known``; ``words`` say it, up to the limit.

    ``scope`` is an attribute, a department or a group, "" for all. ``gone`` says that ``known`` fell by what was lost
    before, as it does where people leave and not where they change.
    """

    kind: LossKind
    number: int
    known: int
    limit: Limit
    words: str
    scope: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Objection:
    """Why something waits for a person, in a sentence, and what of the plan that is about."""

    kind: LossKind
    words: str
    scope: str = ""


Before = Mapping[tuple[str, str], int]  # what was lost in the last 24 hours, by kind and scope


def objections(counted: Iterable[Counted], before: Before) -> list[Objection]:
    """Return an objection for every limit that is passed; none means that the plan may be applied."""
    found = []
    for one in counted:
        earlier = before.get((one.kind, one.scope), 0)
        known = one.known + (earlier if one.gone else 0)
        if one.number > 0 and (over := exceeded(one.number + earlier, known, one.limit)):
            more = f", after {earlier:,} in the last 24 hours" if earlier else ""
            found.append(Objection(one.kind, f"{one.words}{more}; {over}.", one.scope))
    return found


def exceeded(number: int, known: int, limit: Limit) -> str:
    """Return which part of the limit the number is over, in words, "" when it may be."""
    if number > limit.most:
        return f"the limit is {limit.most:,}"
    share = number * 100 > known * limit.percent and limit.percent < 100
    if share and (number > FEW or not limit.percent):
        return f"the limit is {limit.percent} %"
    return ""


def how_many(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: "1 error", "2 errors"."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def most_allowed(limit: Limit, known: int) -> int:
    """Return the highest number, of so many known, that ``exceeded`` has nothing against."""
    if not limit.percent:
        return 0
    return limit.most if limit.percent == 100 else min(limit.most, max(FEW, known * limit.percent // 100))


def people(number: int) -> str:
    """Return a number of people in words."""
    return "1 person" if number == 1 else f"{number:,} people"


def memberships(number: int) -> str:
    """Return a number of memberships in words."""
    return "1 membership" if number == 1 else f"{number:,} memberships"
