"""The published rules made ready to be asked, with what each of them gives."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from provisioning.rules import fields
from provisioning.rules.conditions import GROUPS, FieldKind, Known, Node, from_json, leaves, problems
from provisioning.rules.matching import AskedRule, Matcher
from provisioning.rules.models import BusinessRule, Entitlement
from provisioning.rules.people import People


@dataclass(slots=True)
class Book:
    """Rules in their order. ``stopped`` cannot be used, each with why: what they gave stays, and they give no more."""

    known: Known
    rules: dict[int, BusinessRule] = field(default_factory=dict)
    stopped: dict[int, list[str]] = field(default_factory=dict)
    given: dict[int, list[Entitlement]] = field(default_factory=dict)
    conditions: dict[int, Node] = field(default_factory=dict)

    @property
    def by_request(self) -> bool:
        """Whether one of them holds for whoever asked for it."""
        return any(rule.by_request for rule in self.rules.values())

    @property
    def entitlements(self) -> dict[int, Entitlement]:
        """Everything that the rules give, by its id."""
        return {one.pk: one for held in self.given.values() for one in held}

    @property
    def kinds(self) -> Mapping[str, FieldKind]:
        """The fields that the rules ask for."""
        keys = {leaf.key for node in self.conditions.values() for leaf in leaves(node)}
        return {key: held.kind for key in sorted(keys) if (held := self.known.field(key))}

    def matcher(self) -> Matcher:
        """Return what matches people with the rules that can be used."""
        candidates = [
            AskedRule(pk, node, (self.rules[pk].days_before, self.rules[pk].days_after))
            for pk, node in self.conditions.items()
        ]
        return Matcher(candidates, self.kinds)

    def people(self) -> People:
        """Return what reads people for these rules."""
        kinds = self.kinds
        groups = {
            value
            for node in self.conditions.values()
            for leaf in leaves(node)
            if leaf.key == GROUPS
            for value in leaf.values
        }
        every = any(
            leaf.key == GROUPS and not leaf.values for node in self.conditions.values() for leaf in leaves(node)
        )
        return People(kinds, None if every else groups)


def published() -> Book:
    """Return all published rules: seven queries."""
    rules = list(BusinessRule.objects.filter(published=True))
    given = Entitlement.objects.filter(rule__in=[one.pk for one in rules], ended=False).select_related(
        "directory", "group"
    )
    return book_of(rules, given)


def book_of(rules: Sequence[BusinessRule], given: Iterable[Entitlement], known: Known | None = None) -> Book:
    """Return a book of these rules."""
    book = Book(known or fields.known())
    for entitlement in given:
        book.given.setdefault(entitlement.rule_id, []).append(entitlement)
    for rule in rules:
        book.rules[rule.pk] = rule
        for entitlement in book.given.get(rule.pk, ()):
            entitlement.rule = rule
        if rule.by_request:
            continue  # it holds for whoever was given it: ``holdings``
        try:
            node = from_json(rule.condition)
            wrong = problems(node, book.known)
        except ValueError as error:
            wrong = [str(error)]
        if wrong:
            book.stopped[rule.pk] = wrong
        else:
            book.conditions[rule.pk] = node
    return book
