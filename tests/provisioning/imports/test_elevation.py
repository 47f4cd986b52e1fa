"""Whether a plan puts somebody into a privileged group: by members, by what a rule gives, or by a merge."""

from typing import Any

import pytest

from provisioning.imports.elevation import elevates
from provisioning.models import Group, GroupAccount, ImportRun, Membership, PlannedChange, PlannedGroup, PlannedMember
from provisioning.models.imports import Action, Door, GroupAction, RunStatus, Verdict
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> ImportRun:
    return ImportRun.objects.create(directory=roll.directory(), status=RunStatus.APPROVAL)


@pytest.fixture
def admins() -> Group:
    Group.objects.create(name="Everybody")
    return Group.objects.create(name="Admins", privileged=True)


def step(group: Group, **other: Any) -> dict[str, Any]:
    return {"op": "add", "entitlement": 1, "kind": "group", "group": group.pk, "member": True, **other}


def test_what_a_rule_gives(run: ImportRun, admins: Group) -> None:
    other = Group.objects.get(name="Everybody")
    for harmless in (step(other), step(admins, op="remove"), step(admins, member=False)):
        PlannedChange.objects.create(run=run, action=Action.UPDATE, key="a", row={"grants": [harmless]})
    assert not elevates(run)
    given = PlannedChange.objects.create(run=run, action=Action.UPDATE, key="b", row={"grants": [step(admins)]})
    assert elevates(run)
    PlannedChange.objects.filter(pk=given.pk).update(verdict=Verdict.REFUSED)
    assert not elevates(run)


@pytest.mark.parametrize("door", [Door.IMPORT, Door.UNDO])
def test_members_of_a_planned_group(run: ImportRun, admins: Group, door: Door) -> None:
    account = GroupAccount.objects.create(group=admins, directory=run.directory)
    of = {"group_account_id": account.pk} if door == Door.IMPORT else {"group_id": admins.pk}
    planned = PlannedGroup.objects.create(run=run, action=GroupAction.KEEP, name="Admins", **of)
    PlannedMember.objects.create(planned_group=planned, add=False, user_id=1)
    assert not elevates(run)
    PlannedMember.objects.create(planned_group=planned, add=True, user_id=1)
    assert elevates(run)


def test_whoever_stays_gets_the_groups_of_whoever_goes(run: ImportRun, admins: Group) -> None:
    anna = roll.person("anna")
    PlannedChange.objects.create(run=run, action=Action.MERGE, key="anna", user_id=anna.pk)
    assert not elevates(run)
    Membership.objects.create(group=admins, user=anna)
    assert elevates(run)
