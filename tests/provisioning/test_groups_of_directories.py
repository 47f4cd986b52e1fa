"""Groups of real directories, OpenLDAP, a domain controller and PostgreSQL, brought into the portal."""

from collections.abc import Callable
from typing import Any

import pytest

from directories.models import Directory, Operation, QueryTemplate
from provisioning import services
from provisioning.groups import nesting
from provisioning.imports import engine
from provisioning.models import Group, ImportRun, Nesting, PlannedGroup, User
from provisioning.models.imports import RunStatus, Trigger
from tests.directory_servers import SUFFIX
from tests.fixtures.directories import AppsDb
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory

pytestmark = pytest.mark.django_db
FEATURES = {
    "import_users": True,
    "deactivate_missing": True,
    "max_leavers_percent": 100,
    "max_activated_percent": 100,
    "sync_groups": True,
}
GENEROUS = {"max_lost_members_percent": 100}


@pytest.fixture(params=["ldap_directory", "ad_directory"])
def unit(request: pytest.FixtureRequest) -> LdapDirectory:
    found: LdapDirectory = request.getfixturevalue(request.param)
    return found


def imported(directory: Directory, **how: Any) -> ImportRun:
    run = services.start_import(directory, preview=False, actor="tester", trigger=Trigger.COMMAND, **how)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.FINISHED, run.message
    return run


def who(name: str) -> set[str]:
    return set(User.objects.filter(memberships__group__name=name).values_list("username", flat=True))


def add_group(unit: LdapDirectory, name: str, *members: str) -> str:
    if unit.kind == "ldap":
        return unit.add(f"cn={name}", ["groupOfNames"], {"member": list(members) or [unit.base]})
    return unit.add(f"cn={name}", ["group"], {"sAMAccountName": name, "member": list(members)} if members else {})


@pytest.mark.parametrize("membership", ["user", "group"])
def test_groups_follow_the_directory(unit: LdapDirectory, membership: str) -> None:
    """The promise of the walk-through: whenever something changes in the directory, groups follow."""
    unit.settings["membership"] = membership
    directory = save_ldap_directory(unit, "Corp", **FEATURES, **GENEROUS)
    ann, bob, cid = (unit.person(name) for name in ("ann", "bob", "cid"))
    inner = add_group(unit, "Inner", bob, cid)
    outer = add_group(unit, "Outer", ann, inner)
    run = imported(directory)
    assert (run.groups_seen, run.groups_changed, run.memberships_added) == (2, 2, 4)
    assert (who("Outer"), who("Inner")) == ({"ann"}, {"bob", "cid"})
    top = Group.objects.get(name="Outer")
    assert top.owner == directory
    assert set(nesting.effective_users(top.pk)) == set(User.objects.values_list("pk", flat=True))

    again = imported(directory)
    assert (again.groups_changed, again.planned) == (0, 0)

    unit.link.modify(inner, {"member": [("MODIFY_DELETE", [cid]), ("MODIFY_ADD", [ann])]})
    run = imported(directory)
    assert (run.groups_changed, run.memberships_added, run.memberships_removed) == (1, 1, 1)
    assert who("Inner") == {"ann", "bob"}

    unit.link.modify_dn(outer, "cn=Everybody")
    imported(directory)
    assert Group.objects.get(pk=top.pk).name == "Everybody"

    unit.link.delete(inner)
    imported(directory)
    assert set(Group.objects.values_list("name", flat=True)) == {"Everybody"}
    assert not Nesting.objects.exists()


@pytest.mark.parametrize("membership", ["user", "group"])
def test_who_is_renamed_stays_in_their_groups(ad_directory: LdapDirectory, membership: str) -> None:
    """A domain controller follows the new name in its groups; that is no change of the membership."""
    unit = ad_directory
    unit.settings["membership"] = membership
    directory = save_ldap_directory(unit, "Corp", **FEATURES)
    ann = unit.person("ann")
    add_group(unit, "Dev", ann)
    imported(directory)
    elsewhere = unit.ou("elsewhere")
    unit.link.modify_dn(ann, "cn=Ann Berg", new_superior=elsewhere)
    run = imported(directory)
    assert (run.memberships_added, run.memberships_removed, run.unchanged) == (0, 0, 1)
    assert who("Dev") == {"ann"}


def test_only_changed_groups_are_read_between_whole_imports(unit: LdapDirectory) -> None:
    unit.settings["membership"] = "group"
    directory = save_ldap_directory(unit, "Corp", **FEATURES)
    ann, bob = unit.person("ann"), unit.person("bob")
    add_group(unit, "One", ann)
    two = add_group(unit, "Two", ann)
    imported(directory)
    unit.link.modify(two, {"member": [("MODIFY_ADD", [bob])]})
    run = imported(directory, incremental=True)
    assert run.incremental
    assert who("Two") == {"ann", "bob"}
    assert who("One") == {"ann"}
    assert (run.groups_changed, run.memberships_added) == (1, 1)


def test_new_people_find_their_groups_between_whole_imports(ldap_directory: LdapDirectory) -> None:
    """The group did not change: it named somebody before they were there."""
    unit = ldap_directory
    directory = save_ldap_directory(unit, "Corp", **FEATURES)
    ann = unit.person("ann")
    add_group(unit, "Dev", ann, f"uid=bob,{unit.base}")
    imported(directory)
    assert who("Dev") == {"ann"}
    unit.person("bob")
    assert imported(directory, incremental=True).incremental
    assert who("Dev") == {"ann", "bob"}


def test_a_server_that_cuts_the_groups_short_takes_none_away(ldap_directory: LdapDirectory) -> None:
    """Ten entries a search are enough for the users, but not for the groups."""
    unit = ldap_directory
    directory = save_ldap_directory(unit, "Corp", **FEATURES, **GENEROUS)
    ann = unit.person("ann")
    dns = [add_group(unit, f"Group {number}", ann) for number in range(12)]
    imported(directory)
    unit.link.delete(dns[0])
    Directory.objects.update(settings={**directory.settings, "user": f"cn=limited,{SUFFIX}"})
    run = services.start_import(directory, preview=False, actor="tester", trigger=Trigger.COMMAND)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert Group.objects.count() == 12
    Directory.objects.update(settings=directory.settings)
    imported(directory)
    assert Group.objects.count() == 11


def test_names_in_an_attribute_become_groups(ldap_directory: LdapDirectory) -> None:
    unit = ldap_directory
    unit.settings |= {"membership": "names", "group_attribute": "departmentNumber"}
    directory = save_ldap_directory(unit, "Corp", **FEATURES, **GENEROUS)
    ann = unit.person("ann", departmentNumber=["Sales", "Support"])
    unit.person("bob", departmentNumber=["sales"])
    imported(directory)
    assert (who("Sales"), who("Support")) == ({"ann", "bob"}, {"ann"})
    unit.link.modify(ann, {"departmentNumber": [("MODIFY_REPLACE", ["Research"])]})
    imported(directory)
    assert set(Group.objects.values_list("name", flat=True)) == {"sales", "Research"}
    assert (who("sales"), who("Research")) == ({"bob"}, {"ann"})


def test_groups_of_a_database(appsdb: AppsDb, make_directory: Callable[..., Directory]) -> None:
    directory = make_directory(appsdb, **FEATURES, **GENEROUS)
    appsdb.execute("CREATE TABLE TEAMS (NAME VARCHAR(255), NOTE VARCHAR(255))")
    appsdb.execute("CREATE TABLE TEAM_MEMBERS (TEAM VARCHAR(255), USERNAME VARCHAR(255))")
    appsdb.add_many(5)
    for operation, sql in (
        (Operation.IMPORT_GROUPS, "SELECT NAME, NOTE AS DESCRIPTION FROM TEAMS"),
        (Operation.IMPORT_MEMBERS, "SELECT USERNAME FROM TEAM_MEMBERS WHERE TEAM = '##GROUP##'"),
    ):
        QueryTemplate.objects.create(directory=directory, operation=operation, sql=sql)
    for team in ("Dev", 'Ops\' "x"'):
        appsdb.execute("INSERT INTO TEAMS VALUES (%s, %s)", team, "a note")
        for number in range(3):
            appsdb.execute("INSERT INTO TEAM_MEMBERS VALUES (%s, %s)", team, f"user{number}")
    run = imported(directory)
    assert (run.groups_seen, run.memberships_added) == (2, 6)
    assert who('Ops\' "x"') == {"user0", "user1", "user2"}
    assert Group.objects.get(name="Dev").description == "a note"
    assert not PlannedGroup.objects.filter(run=imported(directory)).exists()
    appsdb.execute("UPDATE TEAM_MEMBERS SET USERNAME = 'user4' WHERE USERNAME = 'user0' AND TEAM = 'Dev'")
    run = imported(directory)
    assert (run.memberships_added, run.memberships_removed) == (1, 1)
    assert who("Dev") == {"user1", "user2", "user4"}
