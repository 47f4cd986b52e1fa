"""What is to be changed for one person, so that they have what the rules give: pure but for the rows that it is told.

Several rules may give the same. A membership, or a value, that was there before any rule comes back, or stays, when the
last of them stops; what a person changed meanwhile stays as they left it.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioning.contracts.models import Contract
from provisioning.rules.book import Book
from provisioning.rules.matching import Matched
from provisioning.rules.models import Entitlement, EntitlementKind, Granted
from provisioning.rules.people import RuledPerson

ADD, REMOVE, SET = "add", "remove", "set"
VALUE, MEMBER = "value", "member"  # in ``Granted.before``
GONE = "the rule is not published any more"
OVER = "its condition does not hold any more"
REMOVED = "the product was removed"
RETURNED = "it was given back, or its time is over"


@dataclass(frozen=True, slots=True)
class Because:
    """Because of which contract somebody has something, and when that begins, None where it has begun."""

    contract: Contract | None
    begins_at: dt.datetime | None = None

    @property
    def contract_id(self) -> int | None:
        """The id of the contract, None for the person alone."""
        return self.contract.pk if self.contract else None

    @property
    def begins(self) -> str:
        """When it begins, as JSON holds it."""
        return self.begins_at.isoformat() if self.begins_at else ""


@dataclass(frozen=True, slots=True)
class GrantStep:
    """One change of what is granted; as JSON it is what a planned change carries until it is applied.

    ``member``: a membership is written or erased with it. ``was`` is what a SET replaces. ``begins`` is the moment at
    which the contract begins, "" where it has begun.
    """

    op: str
    entitlement: int
    kind: str
    group: int | None = None
    directory: int | None = None
    contract: int | None = None
    value: Any = None
    before: Mapping[str, Any] = field(default_factory=dict)
    wins: bool = True
    member: bool = False
    was: Mapping[str, Any] | None = None
    begins: str = ""


@dataclass(slots=True)
class RuledChange:
    """What is to be changed for a person: the steps, values of attributes, and why in words.

    ``gained`` and ``lost`` name what it is, with the rule; ``contracts`` are quiet corrections of the contract because
    of which something is had, and of when that begins, by the id of what is granted.
    """

    steps: list[GrantStep] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    gained: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    contracts: dict[int, Because] = field(default_factory=dict)

    @property
    def memberships(self) -> tuple[int, int]:
        """How many memberships are written and erased."""
        written = [step for step in self.steps if step.member]
        return sum(step.op == ADD for step in written), sum(step.op == REMOVE for step in written)


@dataclass(frozen=True, slots=True)
class HeldNow:
    """What a person has now: what rules granted, the groups that they are in, and values by "kind.name"."""

    granted: Sequence[Granted]
    groups: frozenset[int]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Case:
    """One person while it is worked out: what they have by entitlement, and what they are to have, with why."""

    change: RuledChange
    there: Mapping[int, Granted]
    wanted: Mapping[int, Because]
    held: HeldNow


class Difference:
    """Works out changes for the rules of a book; ``groups`` and ``attributes`` are what it must be told of people."""

    def __init__(self, book: Book, stored: Mapping[int, Entitlement]) -> None:
        self.book = book
        self.entitlements = {**stored, **book.entitlements}
        self.order = {pk: place for place, pk in enumerate(book.rules)}

    def of(self, person: RuledPerson, matched: Matched, held: HeldNow) -> RuledChange:
        """Return what is to be changed."""
        change = RuledChange()
        there = {one.entitlement_id: one for one in held.granted if one.entitlement_id is not None}
        wanted: dict[int, Because] = {}
        for match in matched.matches:
            because = Because(None if match.place is None else person.contracts[match.place], match.begins_at)
            for entitlement in self.book.given.get(match.rule, ()):
                wanted[entitlement.pk] = because
        for pk, granted in there.items():
            if self.entitlements[pk].rule_id in self.book.stopped and pk not in wanted:
                wanted[pk] = Because(granted.contract, granted.begins_at)  # nobody knows whether it holds: it stays
        added = [self.entitlements[pk] for pk in wanted if pk not in there]
        removed = [self.entitlements[pk] for pk in there if pk not in wanted]
        for one in added:
            change.gained.append(named(one, wanted[one.pk].contract))
        for one in removed:
            words = named(one, there[one.pk].contract)
            change.lost.append(words)
            change.why.append(f"Loses {words}: {self._why_lost(one)}.")
        case = _Case(change, there, wanted, held)
        self._simple(case, added, removed)
        for attribute in self._attributes(there, wanted):
            self._value(case, attribute)
        for pk, because in wanted.items():
            if pk in there and (there[pk].contract_id, there[pk].begins_at) != (because.contract_id, because.begins_at):
                change.contracts[there[pk].pk] = because
        if change.gained:
            change.why.insert(0, f"Gains {'; '.join(change.gained)}.")
        return change

    def _why_lost(self, one: Entitlement) -> str:
        holds = one.rule_id in self.book.rules
        if one.rule.by_request:
            return RETURNED if holds else REMOVED
        return OVER if holds else GONE

    def _simple(self, case: _Case, added: Sequence[Entitlement], removed: Sequence[Entitlement]) -> None:
        """Plan accounts and memberships."""
        change, there, wanted, held = case.change, case.there, case.wanted, case.held
        staying = {self.entitlements[pk].group_id for pk in wanted} - {None}
        given = {self.entitlements[pk].group_id: there[pk].before for pk in there}
        written: set[int] = set()
        for one in added:
            if one.kind == EntitlementKind.VALUE:
                continue
            before: Mapping[str, Any] = {}
            member = False
            if one.group_id is not None:
                if one.group_id in given:
                    before = given[one.group_id]
                elif one.group_id in held.groups:
                    before = {MEMBER: True}
                member = one.group_id not in held.groups and one.group_id not in given and one.group_id not in written
                written.add(one.group_id)
            step = _step(
                ADD, one, wanted[one.pk].contract_id, before=before, member=member, begins=wanted[one.pk].begins
            )
            change.steps.append(step)
        erased: set[int] = set()
        for one in removed:
            if one.kind == EntitlementKind.VALUE:
                continue
            granted = there[one.pk]
            member = False
            if one.group_id is not None:
                last = one.group_id not in staying and one.group_id not in erased
                member = last and MEMBER not in granted.before and one.group_id in held.groups
                erased.add(one.group_id)
            change.steps.append(_step(REMOVE, one, granted.contract_id, before=granted.before, member=member))

    def _attributes(self, there: Mapping[int, Granted], wanted: Mapping[int, Because]) -> Iterator[str]:
        held = (self.entitlements[pk].attribute for pk in (*there, *wanted))
        return iter(dict.fromkeys(name for name in held if name))

    def _value(self, case: _Case, attribute: str) -> None:
        """Plan one attribute: the value of the rule that is first in order, else what was there before rules."""
        change, there, wanted = case.change, case.there, case.wanted
        mine = {pk: one for pk, one in there.items() if self.entitlements[pk].attribute == attribute}
        given = [pk for pk in wanted if self.entitlements[pk].attribute == attribute]
        given.sort(key=lambda pk: (self.order.get(self.entitlements[pk].rule_id, -1), pk))
        winner = given[0] if given else None
        written = next((one for one in mine.values() if one.wins), None)
        now = case.held.values.get(attribute)
        before = next(iter(mine.values())).before if mine else {VALUE: now}
        value = self.entitlements[winner].value if winner is not None else before.get(VALUE)
        same = written is not None and written.entitlement_id == winner and written.value == value
        if not same and not (winner is None and written is not None and now != written.value) and now != value:
            change.before[attribute], change.after[attribute] = now, value
        for pk in given:
            one, wins = self.entitlements[pk], pk == winner
            held_one = mine.get(pk)
            common: dict[str, Any] = {"before": before, "wins": wins, "value": value if wins else None}
            if held_one is None:
                change.steps.append(_step(ADD, one, wanted[pk].contract_id, **common))
            elif held_one.wins != wins or (wins and held_one.value != value):
                was = {"wins": held_one.wins, "value": held_one.value}
                change.steps.append(_step(SET, one, held_one.contract_id, was=was, **common))
        for pk, granted in mine.items():
            if pk not in wanted:
                step = _step(
                    REMOVE,
                    self.entitlements[pk],
                    granted.contract_id,
                    before=granted.before,
                    wins=granted.wins,
                    value=granted.value,
                )
                change.steps.append(step)


def named(one: Entitlement, contract: Contract | None) -> str:
    """Return what a rule gives in words, with the rule and the contract because of which it does."""
    because = f", contract {contract.external_id}" if contract else ""
    return f"{one} ({one.rule.what} {one.rule.name}{because})"


def _step(op: str, one: Entitlement, contract: int | None, **how: Any) -> GrantStep:
    directory = one.directory_id if one.kind == EntitlementKind.ACCOUNT else None
    return GrantStep(op, one.pk, one.kind, one.group_id, directory, contract, **how)


def inverse(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps that take back what these did."""
    found: list[dict[str, Any]] = []
    for step in steps:
        if step["op"] == SET:
            was = {"wins": step["wins"], "value": step["value"]}
            found.append({**step, **(step["was"] or {}), "was": was})
        else:
            found.append({**step, "op": REMOVE if step["op"] == ADD else ADD})
    return found
