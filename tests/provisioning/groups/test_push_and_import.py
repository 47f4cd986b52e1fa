"""Groups that go out to a directory whose imports come back: nobody contradicts anybody."""

import pytest

from directories.models import ProvisioningSettings
from provisioning import services
from provisioning.identities import membership
from provisioning.imports import engine
from provisioning.models import Group, PlannedGroup, User
from provisioning.models.imports import RunStatus, Trigger
from reports.models import Event
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory
from tests.provisioning.groups.push import lines, make_group, make_users, run

pytestmark = pytest.mark.django_db
SWITCHES = {"create_users": True, "import_users": True, "sync_groups": True, "push_groups": "all"}


@pytest.fixture(params=["ldap_directory", "ad_directory"])
def unit(request: pytest.FixtureRequest) -> LdapDirectory:
    found: LdapDirectory = request.getfixturevalue(request.param)
    return found


def test_who_is_renamed_over_there_is_in_the_pushed_groups_under_the_new_name(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **SWITCHES)
    anna, *_ = make_users("anna")
    membership.add(make_group("Developers"), [anna.pk], "tester")
    run(directory)
    before = next(dn for dn in unit.dns() if dn.lower().startswith(("uid=anna", "cn=anna")))
    kind = before.partition("=")[0]
    unit.link.modify_dn(before, f"{kind}=anna berg")
    _import(directory)
    run(directory)
    group = unit.entry(f"cn=Developers,{unit.base}", "member")
    assert group is not None
    assert f"{kind}=anna berg,{unit.base}".lower() in [dn.lower() for dn in group["member"]]
    assert Group.objects.get().is_ours
    assert list(User.objects.filter(memberships__group__name="Developers")) == [anna]


def test_a_deleted_group_that_stays_over_there_is_told_once_and_left_alone(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **SWITCHES, delete_groups=False)
    anna, *_ = make_users("anna")
    group = make_group("Developers")
    membership.add(group, [anna.pk], "tester")
    run(directory)
    services.delete_groups([group.pk], "tester")
    run(directory)
    told = "The group Developers stays in Staff, where deleting groups is switched off. Imports leave it alone."
    assert lines(operation="delete") == [told]
    services.provision_directory(directory, "tester")
    run(directory)
    for _ in range(2):
        _import(directory)
    assert lines(operation="delete") == [told]
    assert not Group.objects.exists()
    assert not PlannedGroup.objects.exists()
    assert not Event.objects.filter(result="failed").exists()


def _import(directory: object) -> None:
    found = services.start_import(directory, preview=False, actor="tester", trigger=Trigger.COMMAND)  # type: ignore[arg-type]
    engine.execute(found.pk)
    found.refresh_from_db()
    assert found.status == RunStatus.FINISHED, found.message
    assert ProvisioningSettings.objects.get().sync_groups
