"""The fields that conditions may ask for, and what they read of a person and of a contract."""

from collections.abc import Callable, Mapping
from typing import Any

from directories.attributes import Kind as AttributeKind
from directories.attributes import PortalAttribute, Type
from provisioning.contracts import fields as contract_fields
from provisioning.contracts.models import Contract, Department
from provisioning.models import Group
from provisioning.profile.person import catalogue
from provisioning.rules.conditions import (
    BRANCH,
    CONTRACT,
    CUSTOM,
    DEPARTMENT,
    GROUPS,
    NAME,
    USER,
    Field,
    FieldKind,
    IdNames,
    Known,
)

_OF_TYPES = {Type.NUMBER: FieldKind.NUMBER, Type.DATE: FieldKind.DATE, Type.BOOLEAN: FieldKind.BOOLEAN}
_OF_CONTRACTS = {
    contract_fields.STARTS: FieldKind.DATE,
    contract_fields.ENDS: FieldKind.DATE,
    "fte": FieldKind.NUMBER,
    "hours": FieldKind.NUMBER,
    "percentage": FieldKind.NUMBER,
    "sequence": FieldKind.NUMBER,
    contract_fields.DEPARTMENT: FieldKind.DEPARTMENT,
}
LABELS = {BRANCH: "Department of the contract", DEPARTMENT: "Department of the contract, that one alone"}
NEVER = frozenset({contract_fields.MANAGER})  # who that is follows from more than the contract


def known() -> Known:
    """Return what conditions may name now: four queries."""
    departments = Department.objects.values_list("pk", "name", "external_id")
    return Known(
        fields=all_fields(),
        departments=IdNames({pk: (name, number) for pk, name, number in departments}),
        groups=IdNames({pk: (name, "") for pk, name in Group.objects.values_list("pk", "name")}),
    )


def all_fields() -> dict[str, Field]:
    """Return every field by its key: those of people, of contracts, and the custom ones of the newest contracts."""
    found = [Field(GROUPS, "Group", FieldKind.GROUP)]
    found += [_of_user(attribute) for attribute in catalogue().values() if attribute.name != "manager"]
    found.append(Field(BRANCH, LABELS[BRANCH], FieldKind.BRANCH))
    for name, label in contract_fields.NAMES.items():
        if name not in NEVER:
            key = f"{CONTRACT}.{name}"
            words = LABELS.get(key, f"{label[:1].upper()}{label[1:]} of the contract")
            found.append(Field(key, words, _OF_CONTRACTS.get(name, FieldKind.TEXT)))
    rows = Contract.objects.exclude(custom={}).order_by("-pk").values_list("custom", flat=True)[:200]
    for name in sorted({name for row in rows for name in row if NAME.fullmatch(f"custom_{name}")}):
        found.append(Field(f"{CUSTOM}{name}", f"{name} of the contract"))
    return {one.key: one for one in found}


def _of_user(attribute: PortalAttribute) -> Field:
    return Field(f"{USER}.{attribute.name}", attribute.label, _OF_TYPES.get(attribute.type, FieldKind.TEXT))


Reader = Callable[[Any], Any]


def reader_of_user(key: str, attributes: Mapping[str, PortalAttribute]) -> Reader:
    """Return what reads a field of a user; ``attributes`` are those of the catalogue by name."""
    name = key.removeprefix(f"{USER}.")
    if name == "active":
        return lambda user: user.is_active
    if attributes[name].kind == AttributeKind.PROFILE:
        return lambda user: getattr(user, name)
    return lambda user: user.custom_profile.get(name)


def reader_of_contract(key: str, branches: Mapping[int, frozenset[int]]) -> Reader:
    """Return what reads a field of a contract; ``branches`` are departments with all that are above them."""
    if key == BRANCH:
        return lambda contract: branches.get(contract.department_id)
    if key == DEPARTMENT:
        return lambda contract: frozenset((contract.department_id,)) if contract.department_id else None
    if key.startswith(CUSTOM):
        name = key.removeprefix(CUSTOM)
        return lambda contract: contract.custom.get(name)
    name = key.removeprefix(f"{CONTRACT}.")
    return lambda contract: contract.value(name)


def attributes_by_name() -> dict[str, PortalAttribute]:
    """Return the attributes of the catalogue by name; one of the profile goes before a custom one of its name."""
    return {attribute.name: attribute for attribute in reversed(list(catalogue().values()))}


def value_attributes() -> list[tuple[str, PortalAttribute]]:
    """Return the attributes that rules may give values of, as "kind.name"."""
    return [
        (f"{kind.value}.{name}", attribute)
        for (kind, name), attribute in catalogue().items()
        if name not in ("username", "active", "manager")
    ]
