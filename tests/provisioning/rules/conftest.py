"""Rules, people and groups for the tests of evaluation."""

from typing import Any

import pytest

from directories.models import Directory
from provisioning.contracts.models import Department
from provisioning.contracts.services import DepartmentRow, write_departments
from provisioning.identities import groups as identities
from provisioning.imports.doors import rules as doors
from provisioning.imports.doors.actions import AppliedNow
from provisioning.models import Group, Membership, User
from provisioning.rules import fields
from provisioning.rules.conditions import parse, to_json
from provisioning.rules.models import BusinessRule, Entitlement, EntitlementKind, Granted
from tests.provisioning.contracts.conftest import account, clock, give, hr, others, person

__all__ = ["account", "clock", "give", "hr", "others", "person"]


def rule(name: str, line: str, *gives: Any, published: bool = True, **values: Any) -> BusinessRule:
    """Make a rule that gives groups, accounts in directories, and values as pairs of attribute and value."""
    made = BusinessRule.objects.create(
        name=name, condition=to_json(parse(line, fields.known())), published=published, **values
    )
    for one in gives:
        match one:
            case Group():
                Entitlement.objects.create(rule=made, kind=EntitlementKind.GROUP, group=one)
            case Directory():
                Entitlement.objects.create(rule=made, kind=EntitlementKind.ACCOUNT, directory=one)
            case (attribute, value):
                Entitlement.objects.create(rule=made, kind=EntitlementKind.VALUE, attribute=attribute, value=value)
    return made


def group(name: str, **values: Any) -> Group:
    """Make a group of the portal."""
    made = Group(name=name, **values)
    identities.save(made, "admin")
    return made


def members(of: Group) -> set[str]:
    """Return who is in a group."""
    return set(Membership.objects.filter(group=of).values_list("user__username", flat=True))


def given(user: User) -> list[str]:
    """Return by which rules a person has something."""
    rows = Granted.objects.filter(user=user).order_by("entitlement__rule__name")
    return [one.entitlement.rule.name for one in rows if one.entitlement]


def evaluate() -> AppliedNow | None:
    """Look at everybody."""
    return doors.evaluate("admin")


@pytest.fixture
def departments(hr: Directory) -> dict[str, Department]:
    """Care, with a ward below it, and sales."""
    rows = [DepartmentRow("C", "Care"), DepartmentRow("W", "Ward", parent="C"), DepartmentRow("S", "Sales")]
    write_departments(hr.pk, rows)
    return {one.external_id: one for one in Department.objects.all()}
