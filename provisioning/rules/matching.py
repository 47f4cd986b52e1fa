"""Pure: which rules hold for a person. The one evaluator, for a page of everybody and for one person alike.

Rules are found by values that a person must have (their "handles"), so that a thousand rules cost about as much as
those that can hold at all. Each is then asked in full.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from provisioning.contracts import days
from provisioning.contracts.days import Interval, Term
from provisioning.rules.conditions import CONTRACT, REFERENCES, Facts, FieldKind, Node, Test, compiled, handles, leaves

Window = tuple[int, int]  # days before the start and after the end


@dataclass(frozen=True, slots=True)
class AskedRule:
    """A rule that is asked: its condition and its window."""

    id: int
    condition: Node
    window: Window = (0, 0)


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What rules ask of one person: their own values, and their contracts with the terms of these.

    ``present``: what counts for whoever has no contract at all, as people do who were entered by hand.
    """

    id: int
    present: bool
    values: Facts
    contracts: Sequence[Facts] = ()
    terms: Sequence[Term] = ()


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """A rule that holds: ``place`` is that of the contract because of which, None for the person alone.

    ``begins_at`` is when that contract begins, None where it has begun.
    """

    rule: int
    place: int | None
    begins_at: dt.datetime | None = None


@dataclass(slots=True)
class Matched:
    """What holds for a person, in the rules' order, and when that may become another."""

    matches: list[RuleMatch] = field(default_factory=list)
    next_change_at: dt.datetime | None = None


@dataclass(slots=True)
class _Asked:
    id: int
    window: Window
    test: Test
    asks_contracts: bool


class Matcher:
    """Rules made ready to be asked about many people."""

    def __init__(self, rules: Sequence[AskedRule], kinds: Mapping[str, FieldKind]) -> None:
        self.kinds = kinds
        self.rules: list[_Asked] = []
        self.windows: set[Window] = set()
        self.always: list[int] = []  # places of rules that no value is known of
        self.by_handle: dict[str, dict[object, list[int]]] = {}
        for place, one in enumerate(rules):
            keys = {leaf.key for leaf in leaves(one.condition)}
            asks = any(key.startswith(f"{CONTRACT}.") for key in keys)
            self.rules.append(_Asked(one.id, one.window, compiled(one.condition, kinds), asks))
            self.windows.add(one.window)
            held = handles(one.condition, kinds)
            if held is None:
                self.always.append(place)
            for key, value in dict.fromkeys(held or ()):
                self.by_handle.setdefault(key, {}).setdefault(value, []).append(place)

    def match(self, person: PersonFacts, now: dt.datetime) -> Matched:
        """Return which rules hold for a person now."""
        held = _Windows(person, now)
        found = Matched()
        for place in sorted(self._possible(person)):
            rule = self.rules[place]
            if (match := _holds(rule, person, held)) is not None:
                found.matches.append(match)
        for window in self.windows if person.terms else ():
            following = days.next_change(held.intervals(window), now)
            if following is not None and (found.next_change_at is None or following < found.next_change_at):
                found.next_change_at = following
        return found

    def _possible(self, person: PersonFacts) -> set[int]:
        places = set(self.always)
        for key, by_value in self.by_handle.items():
            several = self.kinds[key] in REFERENCES
            for facts in person.contracts if key.startswith(f"{CONTRACT}.") else (person.values,):
                value = facts.get(key)
                if value is not None:
                    for one in value if several else (value,):
                        places.update(by_value.get(one, ()))
        return places


class _Windows:
    """Which contracts of a person are in each window, worked out once."""

    def __init__(self, person: PersonFacts, now: dt.datetime) -> None:
        self.person, self.now = person, now
        self._intervals: dict[Window, list[Interval | None]] = {}
        self._places: dict[Window, list[int]] = {}

    def intervals(self, window: Window) -> list[Interval | None]:
        """Return when each contract counts."""
        if window not in self._intervals:
            before, after = window
            self._intervals[window] = days.intervals(self.person.terms, before=before, after=after)
        return self._intervals[window]

    def ahead(self, place: int) -> dt.datetime | None:
        """Return when a contract begins, None where it has begun."""
        held = self.intervals((0, 0))[place]
        return held.start if held is not None and held.start is not None and held.start > self.now else None

    def places(self, window: Window) -> list[int]:
        """Return the contracts that count now."""
        if window not in self._places:
            held = self.intervals(window)
            self._places[window] = [place for place, one in enumerate(held) if one is not None and one.holds(self.now)]
        return self._places[window]


def _holds(rule: _Asked, person: PersonFacts, held: _Windows) -> RuleMatch | None:
    """Return how a rule holds; who has contracts must have one in its window, whatever the rule asks."""
    if not person.contracts:
        return RuleMatch(rule.id, None) if person.present and rule.test(person.values, ()) else None
    places = held.places(rule.window)
    if not places or not rule.test(person.values, [person.contracts[place] for place in places]):
        return None
    place = places[0]
    if rule.asks_contracts:
        place = next((one for one in places if rule.test(person.values, (person.contracts[one],))), place)
    return RuleMatch(rule.id, place, held.ahead(place) if rule.window[0] else None)
