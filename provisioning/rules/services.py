"""The one door by which rules are written: saved, published, taken back and removed, each with a line in the report.

What follows is not done here: everybody is to be looked at again, and ``imports.doors.rules`` evaluates it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from directories.attributes import Kind as AttributeKind
from provisioning.models import AttributeDefinition, Group
from provisioning.rules import fields, holdings, looks
from provisioning.rules.conditions import EVERYBODY, Known, Node, from_json, render, to_json
from provisioning.rules.models import BusinessRule, Entitlement, EntitlementKind, Granted, ScopeGroup
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

SUBJECT = "business rule"  # of the evidence, with its number


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule as somebody writes it; ``values`` are those of attributes, by "kind.name"."""

    name: str
    category: str = ""
    position: int = 100
    days_before: int = 0
    days_after: int = 0
    condition: Node = EVERYBODY
    directories: Sequence[int] = ()
    groups: Sequence[int] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    by_request: bool = False

    def gives(self) -> list[Entitlement]:
        """Return what the rule is to give, not yet written."""
        found = [Entitlement(kind=EntitlementKind.ACCOUNT, directory_id=pk) for pk in self.directories]
        found += [Entitlement(kind=EntitlementKind.GROUP, group_id=pk) for pk in self.groups]
        found += [
            Entitlement(kind=EntitlementKind.VALUE, attribute=name, value=value)
            for name, value in self.values.items()
            if value is not None
        ]
        return found


@transaction.atomic
def save(rule: BusinessRule | None, draft: RuleDraft, actor: str) -> BusinessRule:
    """Write a rule with what it gives. What a published rule gives no more is taken away by the next evaluation."""
    new = rule is None
    rule = rule or BusinessRule(by_request=draft.by_request, published=draft.by_request)
    for name in ("name", "category", "position", "days_before", "days_after"):
        setattr(rule, name, getattr(draft, name))
    rule.condition = to_json(draft.condition)
    rule.save()
    held = {_what(one): one for one in Entitlement.objects.filter(rule=rule)}
    wanted = {_what(one): one for one in draft.gives()}
    for what, one in wanted.items():
        mine = held.get(what)
        if mine is None:
            one.rule = rule
            one.save()
        elif mine.ended or mine.value != one.value:
            mine.ended, mine.value = False, one.value
            mine.save()
    gone = [one.pk for what, one in held.items() if what not in wanted]
    Entitlement.objects.filter(pk__in=gone).update(ended=True)
    purge()
    _told(rule, f"{actor} {'added' if new else 'changed'} the {rule.what} {rule.name}.", actor)
    if rule.published:
        _ask(rule)
    return rule


@transaction.atomic
def publish(rule: BusinessRule, actor: str) -> None:
    """Let a rule hold from the next evaluation on."""
    rule.published, rule.retired = True, False
    rule.save()
    _told(rule, f"{actor} published the rule {rule.name}.", actor)
    looks.ask_everybody()


@transaction.atomic
def unpublish(rule: BusinessRule, actor: str, *, keep: bool) -> None:
    """Take a rule back: what it gave is taken away by the next evaluation, or with ``keep`` stays and is nobody's."""
    rule.published = False
    rule.save()
    if keep:
        _keep(rule)
    how = "what it gave stays" if keep else "what it gave is taken away"
    _told(rule, f"{actor} took the rule {rule.name} back; {how}.", actor)
    looks.ask_everybody()


@transaction.atomic
def remove(rule: BusinessRule, actor: str, *, keep: bool) -> None:
    """Remove a rule: at once, or, where something of it is still to be taken away, after that."""
    rule.published, rule.retired = False, True
    rule.save()
    if keep:
        _keep(rule)
    how = "what it gave stays" if keep else "what it gave is taken away"
    _told(rule, f"{actor} removed the {rule.what} {rule.name}; {how}.", actor, gone=True)
    _ask(rule)
    purge()


def purge() -> None:
    """Forget rules that were removed, and what rules give no more, once nobody has anything of it: two statements."""
    held = Granted.objects.filter(entitlement=OuterRef("pk"))
    Entitlement.objects.filter(~Exists(held), ended=True).delete()
    mine = Granted.objects.filter(entitlement__rule=OuterRef("pk"))
    BusinessRule.objects.filter(~Exists(mine), retired=True).delete()


@transaction.atomic
def choose_groups(directory_id: int, group_ids: Iterable[int], name: str, actor: str) -> set[int]:
    """Choose the groups whose members get accounts in a directory; return those that were added or taken out."""
    before = set(ScopeGroup.objects.filter(directory=directory_id).values_list("group_id", flat=True))
    wanted = set(group_ids)
    ScopeGroup.objects.filter(directory=directory_id, group__in=before - wanted).delete()
    ScopeGroup.objects.bulk_create(ScopeGroup(directory_id=directory_id, group_id=pk) for pk in wanted - before)
    if before != wanted:
        words = f"{actor} chose other groups whose members get accounts in {name}."
        record(Line("", name, Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, words, actor=actor))
        names = Group.objects.filter(pk__in=wanted).order_by("name_key").values_list("name", flat=True)
        evidence.changed(f"accounts in directory {directory_id}", {"groups": list(names)}, words, actor)
    return before ^ wanted


def _ask(rule: BusinessRule) -> None:
    """Let whom a rule may concern be looked at again: those who were given a product, and everybody for other rules."""
    if rule.by_request:
        holdings.look_again(rule)
    else:
        looks.ask_everybody()


def _what(one: Entitlement) -> tuple[str, int | None, int | None, str]:
    return one.kind, one.directory_id, one.group_id, one.attribute


def _keep(rule: BusinessRule) -> None:
    """Let what a rule gave stay as it is: accounts are in scope for good, the rest is as if it were given by hand."""
    mine = Granted.objects.filter(entitlement__rule=rule)
    others = Granted.objects.filter(user=OuterRef("user"), directory=OuterRef("directory")).exclude(
        entitlement__rule=rule
    )
    mine.exclude(directory=None).filter(~Exists(others)).update(entitlement=None)
    Granted.objects.filter(entitlement__rule=rule).delete()


def written(condition: Mapping[str, Any], known: Known) -> Any:
    """Return a stored condition as a line, and one that no line can say as it is stored."""
    try:
        return render(from_json(condition), known) if condition else ""
    except ValueError:
        return condition


def given(rules: Iterable[BusinessRule]) -> "QuerySet[Entitlement]":
    """Return what rules give, in one order."""
    found = Entitlement.objects.filter(rule__in=rules, ended=False).select_related("directory", "group")
    return found.order_by("attribute", "pk")


def given_by(definition: AttributeDefinition) -> list[str]:
    """Return the names of the rules and products that give values of a custom profile attribute."""
    path = f"{AttributeKind.CUSTOM_PROFILE.value}.{definition.name}"
    held = BusinessRule.objects.filter(entitlements__attribute=path, entitlements__ended=False, retired=False)
    return [f"the {rule.what} {rule.name}" for rule in held.order_by("name", "pk")]


def described(rule: BusinessRule, gives: Iterable[Entitlement], known: Known) -> dict[str, Any]:
    """Describe a rule whole, in the words of a blueprint."""
    found: dict[str, Any] = {
        "name": rule.name,
        "category": rule.category,
        "order": rule.position,
        "days_before": rule.days_before,
        "days_after": rule.days_after,
        "condition": written(rule.condition, known),
        "published": rule.published,
        "accounts": [],
        "groups": [],
        "values": {},
    }
    for one in gives:
        if one.directory is not None:
            found["accounts"].append(one.directory.name)
        elif one.group is not None:
            found["groups"].append(one.group.name)
        else:
            found["values"][one.attribute] = one.value
    for name in ("accounts", "groups"):
        found[name].sort(key=str.casefold)
    return found


def _told(rule: BusinessRule, words: str, actor: str, *, gone: bool = False) -> None:
    """Write a line of the report, and of a rule, which is no product, a row of the evidence."""
    record(Line(rule.name, "", Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, words, actor=actor))
    if not rule.by_request:
        state = None if gone else described(rule, given([rule]), fields.known())
        evidence.changed(f"{SUBJECT} {rule.pk}", state, words, actor)
