"""Pure: whether a plan does more than an import may do without being asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from provisioning.imports.follows import Follows


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one run may take away or give back, absolute and as a percentage of the accounts known before it."""

    max_leavers: int
    max_leavers_percent: int
    max_blanked: int
    max_blanked_percent: int
    max_activated: int = 50
    max_activated_percent: int = 10


@dataclass(frozen=True, slots=True)
class Before:
    """What imports of changes did already since the last whole import, or since somebody approved one.

    Each does little; without this they could take away everybody in small steps.
    """

    switched_off: int = 0
    switched_on: int = 0
    blanked: int = 0
    renamed: int = 0
    lost_members: int = 0


NOTHING_BEFORE = Before()


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """What the guard looks at: rows read, accounts known before, people who leave, people who lose a value.

    ``known`` are of people who are active, which is what deactivating and activating is compared with. What is done to
    a name or a value is compared with everybody, also with those who were inactive before (``inactive_before``).
    ``inactive`` are people who are there and whom the directory has switched off since, ``activated`` those whom it
    gives back, ``renamed`` those who get another user name: as many as may be deactivated.
    """

    seen: int
    known: int
    leavers: int
    blanked: int
    inactive: int = 0
    activated: int = 0
    renamed: int = 0
    inactive_before: int = 0
    before: Before = NOTHING_BEFORE

    @property
    def everybody(self) -> int:
        """How many people came from the directory before."""
        return self.known + self.inactive_before

    @property
    def switched_off(self) -> int:
        """How many people would be deactivated."""
        return self.leavers + self.inactive


def objections(plan: PlanCounts, limits: Limits, directory: str) -> list[str]:
    """Return a sentence for every limit that the plan is over; none means that it may be applied."""
    found = []
    if plan.seen == 0 and plan.known:
        found.append(f"{directory} gave no users at all, although {_people(plan.known)} came from it before.")
    off = plan.switched_off
    found += _over(
        off,
        plan.before.switched_off,
        plan.known + plan.before.switched_off,
        (limits.max_leavers, limits.max_leavers_percent),
        f"{_people(off)} of {plan.known:,} would be deactivated because {_why(plan, directory)}",
    )
    found += _over(
        plan.activated,
        plan.before.switched_on,
        plan.known + plan.activated,
        (limits.max_activated, limits.max_activated_percent),
        f"{_people(plan.activated)} would be activated again because {directory} has them active again",
    )
    found += _over(
        plan.renamed,
        plan.before.renamed,
        plan.everybody,
        (limits.max_leavers, limits.max_leavers_percent),
        f"{_people(plan.renamed)} of {plan.everybody:,} would be renamed because {directory} names them otherwise",
    )
    found += _over(
        plan.blanked,
        plan.before.blanked,
        plan.everybody,
        (limits.max_blanked, limits.max_blanked_percent),
        f"{_people(plan.blanked)} of {plan.everybody:,} would lose a value because it is empty in {directory}",
    )
    return found


def opening_objections(elsewhere: Sequence[Follows], most: int) -> list[str]:
    """Return a sentence when a plan opens more accounts in other directories than an import may."""
    opened = sum(one.opened for one in elsewhere)
    if opened <= most:
        return []
    where = ", ".join(f"{one.opened:,} in {one.directory}" for one in elsewhere if one.opened)
    return [f"{opened:,} accounts would be opened in other directories ({where}); the limit is {most:,}."]


def group_objections(
    lost: int, known: int, limit: tuple[int, int], directory: str, before: Before = NOTHING_BEFORE
) -> list[str]:
    """Return a sentence when a plan takes away more of the ``known`` memberships than an import may."""
    what = f"{_memberships(lost)} of {known:,} in groups of {directory} would be lost"
    return _over(lost, before.lost_members, known + before.lost_members, limit, what)


def _memberships(number: int) -> str:
    return "1 membership" if number == 1 else f"{number:,} memberships"


def _over(number: int, before: int, known: int, limit: tuple[int, int], what: str) -> list[str]:
    if not number:
        return []
    most, percent = limit
    more = f", after {before:,} since the last import of everything" if before else ""
    if number + before > most:
        return [f"{what}{more}; the limit is {most:,}."]
    if (number + before) * 100 > known * percent:
        return [f"{what}{more}; the limit is {percent} %."]
    return []


def _why(plan: PlanCounts, directory: str) -> str:
    if not plan.inactive:
        return f"they are missing from {directory}"
    return (
        f"they are missing from {directory} or inactive there" if plan.leavers else f"they are inactive in {directory}"
    )


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number:,} people"
