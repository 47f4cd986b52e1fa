"""Business rules in blueprints: the condition as one line, what a rule gives by names, and whether it is published.

What a published rule gives is evaluated as ever, and the guard looks at it. One that is taken back by a blueprint takes
away what it gave, as far as no other rule gives it.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Annotated, Any

from django.db.models import Q
from pydantic import Field, StringConstraints

from directories.described.references import Placeholders
from directories.described.schema import LEFT_OUT, Name, Strict, Text
from directories.models import Directory
from provisioning.blueprints.sections import Section
from provisioning.blueprints.state import BlueprintItem
from provisioning.blueprints.writing import PartRefused, WrittenPart, stored
from provisioning.models import Group
from provisioning.models.people import fold
from provisioning.profile.values import parse as parse_value
from provisioning.rules import fields
from provisioning.rules import services as rules
from provisioning.rules.conditions import EVERYBODY, Known, Node, from_json, parse, problems, render
from provisioning.rules.models import MOST_DAYS, BusinessRule, Entitlement
from provisioning.rules.services import RuleDraft

NAME = "rules"
NUMBERS = ("order", "days_before", "days_after")
_NEW: BlueprintItem = {
    **{"category": "", "order": 100, "days_before": 0, "days_after": 0, "condition": "", "published": False},
    **{"accounts": [], "groups": [], "values": {}},
}
LEAVING = "This rule is being removed, and goes once nothing of it is left. Choose another name."
CANNOT = "The condition cannot be used: {}"
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000)]
Days = Annotated[int, Field(ge=0, le=MOST_DAYS)]


class RuleSchema(Strict):
    """A rule. What is left out stays as it is; a list that is written is complete."""

    name: Annotated[Text, Field(max_length=150)]
    category: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)] = LEFT_OUT
    order: Annotated[int, Field(ge=0, le=1_000_000)] = LEFT_OUT
    condition: Line = LEFT_OUT
    days_before: Days = LEFT_OUT
    days_after: Days = LEFT_OUT
    published: bool = LEFT_OUT
    accounts: list[Name] = LEFT_OUT
    groups: list[Name] = LEFT_OUT
    values: dict[str, bool | int | float | str] = LEFT_OUT


def describe(rule: BusinessRule, given: Iterable[Entitlement], known: Known) -> BlueprintItem:
    """Describe a rule whole; a condition that no line can say is left out."""
    found: BlueprintItem = rules.described(rule, given, known)
    if not isinstance(found["condition"], str):
        del found["condition"]
    return found


def write(wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Create or change the rule of that name, and publish it or take it back."""
    rule = stored(BusinessRule.objects.filter(by_request=False), wanted, Q(name__iexact=wanted["name"]))
    return change(rule, wanted, actor)


def change(rule: BusinessRule | None, wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Change a rule that the caller has locked, or create one; raise PartRefused."""
    if rule is not None and rule.retired:
        raise PartRefused(LEAVING, "name")
    known = fields.known()
    before = describe(rule, rules.given([rule]), known) if rule else None
    after = {**(before or {**_NEW, "name": wanted["name"]}), **wanted}
    directories, groups = _directories(after["accounts"]), _groups(after["groups"])
    after["accounts"] = sorted(directories.values(), key=str.casefold)
    after["groups"] = sorted(groups.values(), key=str.casefold)
    draft = RuleDraft(
        name=after["name"],
        category=after["category"],
        position=after["order"],
        days_before=after["days_before"],
        days_after=after["days_after"],
        condition=_condition(
            after, rule if before and before.get("condition") == after.get("condition") else None, known
        ),
        directories=list(directories),
        groups=list(groups),
        values=values_after(before["values"] if before else {}, after["values"]),
    )
    after["values"] = {path: value for path, value in draft.values.items() if value is not None}
    with suppress(ValueError):
        after["condition"] = render(draft.condition, known)
    if before == after:
        return WrittenPart("rule", before, after)
    if before is None or any(before.get(name) != after.get(name) for name in after if name != "published"):
        rule = rules.save(rule, draft, actor)
    assert rule is not None
    if after["published"] and not rule.published:
        if wrong := problems(draft.condition, known):
            raise PartRefused(CANNOT.format(" ".join(wrong)), "condition")
        rules.publish(rule, actor)
    elif rule.published and not after["published"]:
        rules.unpublish(rule, actor, keep=False)
    return WrittenPart("rule", before, after)


def export(placeholders: Placeholders) -> list[BlueprintItem]:
    """Return every rule that is not being removed, in their order, without what is as it would be anyway."""
    held = list(BusinessRule.objects.filter(retired=False, by_request=False))
    known = fields.known() if held else None
    by_rule: dict[int, list[Entitlement]] = {}
    for one in rules.given(held):
        by_rule.setdefault(one.rule_id, []).append(one)
    return [_short(describe(rule, by_rule.get(rule.pk, []), known)) for rule in held] if known else []


SECTION = Section(NAME, RuleSchema, write, export, "rules.change_businessrule")


def _short(described: BlueprintItem) -> BlueprintItem:
    return {name: value for name, value in described.items() if name not in _NEW or value != _NEW[name]}


def _condition(after: Mapping[str, Any], same: BusinessRule | None, known: Known) -> Node:
    if same is not None:
        try:
            return from_json(same.condition)
        except ValueError:
            return EVERYBODY
    written = after.get("condition", "")
    try:
        return from_json(written) if isinstance(written, Mapping) else parse(written, known)
    except ValueError as error:
        raise PartRefused(str(error), "condition") from None


def _directories(names: Iterable[str]) -> dict[int, str]:
    """Return the directories of these names, as they are written there."""
    found = {}
    for place, name in enumerate(names):
        one = Directory.objects.filter(name__iexact=name).first()
        if one is None:
            raise PartRefused(f"There is no directory named {name}.", "accounts", place)
        found[one.pk] = one.name
    return found


def _groups(names: Iterable[str]) -> dict[int, str]:
    """Return the groups of these names, as they are written there."""
    found = {}
    for place, name in enumerate(names):
        one = Group.objects.filter(name_key=fold(name)).first()
        if one is None:
            raise PartRefused(f"There is no group named {name}.", "groups", place)
        found[one.pk] = one.name
    return found


def values_after(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they are kept, those that are ``held`` already as they are; raise PartRefused for another one.

    What is held of an attribute that is gone is dropped.
    """
    there = {path for path, _ in fields.value_attributes()} if held else set()
    same = {path for path, value in wanted.items() if path in held and held[path] == value}
    kept = {path: held[path] for path in same & there}
    return kept | values_of({path: value for path, value in wanted.items() if path not in same})


def values_of(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of attributes as they are kept, by "kind.name"; raise PartRefused."""
    attributes = dict(fields.value_attributes()) if wanted else {}
    found = {}
    for path, raw in wanted.items():
        if path not in attributes:
            raise PartRefused(f"There is no attribute {path} of which rules give values.", "values", path)
        try:
            found[path] = parse_value(attributes[path], raw)
        except ValueError as error:
            raise PartRefused(f"{attributes[path].label}: {error}", "values", path) from None
    return found
