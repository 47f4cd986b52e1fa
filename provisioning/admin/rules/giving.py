"""What a rule or a product gives, as its page has it: accounts in directories, groups, and values of attributes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from directories.models import Directory
from provisioning.profile.values import parse
from provisioning.rules import fields
from provisioning.rules.conditions import Known
from provisioning.rules.models import BusinessRule, Entitlement, EntitlementKind

LISTED = 300  # departments and groups that the boxes offer
VALUE_ROWS = 4


@dataclass(slots=True)
class GivenInForm:
    """What a form says that is given, and what is wrong with it."""

    directories: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


def offered(values: Mapping[str, Any], known: Known) -> dict[str, Any]:
    """Return what the boxes of the page offer."""
    chosen = {str(pk) for pk in values["directories"]}
    given = [*values["given"], *[("", "")] * VALUE_ROWS]
    return {
        "values": values,
        "given_values": given[: max(VALUE_ROWS, len(values["given"]) + 1)],
        "attributes": [(path, attribute.label) for path, attribute in fields.value_attributes()],
        "directories": [(one, str(one.pk) in chosen) for one in Directory.objects.order_by("name")],
        "departments": [known.departments.text(pk) for pk in list(known.departments.by_id)[:LISTED]],
        "groups": [known.groups.text(pk) for pk in list(known.groups.by_id)[:LISTED]],
    }


def categories(*, by_request: bool) -> Any:
    """Return the categories that rules, or products, have."""
    rules = BusinessRule.objects.filter(by_request=by_request).exclude(category="")
    return rules.order_by("category").values_list("category", flat=True).distinct()


def typed(data: QueryDict) -> dict[str, Any]:
    """Return what a form says, to be shown again."""
    pairs = zip(data.getlist("attribute"), data.getlist("value"), strict=False)
    given = [(name, value) for name, value in pairs if name or value]
    return {"groups": data.get("groups", ""), "directories": data.getlist("directories"), "given": given}


def stored(rule: BusinessRule | None) -> dict[str, Any]:
    """Return what is stored, as a form has it."""
    given = list(Entitlement.objects.filter(rule=rule, ended=False).select_related("group")) if rule else []
    return {
        "directories": [one.directory_id for one in given if one.kind == EntitlementKind.ACCOUNT],
        "groups": "\n".join(one.group.name for one in given if one.group),
        "given": [(one.attribute, one.value) for one in given if one.kind == EntitlementKind.VALUE],
    }


def read(data: QueryDict, known: Known) -> GivenInForm:
    """Return what a form says."""
    found = GivenInForm()
    found.groups, found.errors = groups_of(data.get("groups", ""), known)
    attributes = dict(fields.value_attributes())
    for path, raw in zip(data.getlist("attribute"), data.getlist("value"), strict=False):
        if path in attributes:
            try:
                found.values[path] = parse(attributes[path], raw)
            except ValueError as error:
                found.errors.append(f"{attributes[path].label}: {error}")
    found.values = {key: value for key, value in found.values.items() if value is not None}
    there = set(Directory.objects.values_list("pk", flat=True))
    found.directories = [int(pk) for pk in data.getlist("directories") if pk.isdecimal() and int(pk) in there]
    return found


def groups_of(text: str, known: Known) -> tuple[list[int], list[str]]:
    """Return the groups of lines of names, and what is wrong with them."""
    groups: dict[int, None] = {}
    errors: list[str] = []
    for line in text.splitlines():
        if line.strip():
            found = known.groups.ids(line)
            if found:
                groups[found[0]] = None
            else:
                errors.append(f"There is no group {line.strip()}. Write its name as it is, or add the group first.")
    return list(groups), errors


def number(text: Any) -> int | None:
    """Return a whole number that somebody typed, None when it is none."""
    held = str(text).strip()
    return int(held) if held.isdecimal() and len(held) < 8 else None
