"""Groups of real directories, OpenLDAP, a domain controller and PostgreSQL, brought into the portal."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps as django_apps

from directories.models import AttributeMapping, Directory, QueryTemplate, TemplateOperation
from provisioning import services
from provisioning.groups import nesting
from provisioning.imports import engine
from provisioning.models import Account, Group, GroupAccount, ImportRun, Nesting, PlannedGroup, User
from provisioning.models.imports import RunStatus, Trigger
from tests.directory_servers import SUFFIX
from tests.fixtures.databases import Database
from tests.fixtures.directories import AppsDb, make_appsdb
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
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
        (TemplateOperation.IMPORT_GROUPS, "SELECT NAME, NOTE AS DESCRIPTION FROM TEAMS"),
        (TemplateOperation.IMPORT_MEMBERS, "SELECT USERNAME FROM TEAM_MEMBERS WHERE TEAM = '##GROUP##'"),
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


def save_teams(directory: Directory, key: str) -> None:
    """Keep groups in a table TEAMS and their members in TEAM_MEMBERS."""
    for operation, sql in (
        (TemplateOperation.IMPORT_GROUPS, "SELECT NAME FROM TEAMS"),
        (TemplateOperation.IMPORT_MEMBERS, f"SELECT {key} FROM TEAM_MEMBERS WHERE TEAM = '##GROUP##'"),
    ):
        QueryTemplate.objects.create(directory=directory, operation=operation, sql=sql)


MEMBERS = {
    "pg": ("gm.ann", "GM.BOB", "gm.cy ", "ghost", "GHOST", "other"),
    "mariadb": ("GM.ANN", "gm.bob ", "gm.cy", "gm.dee", "ghost", "other"),
    "sqlite": ("gm.ann", "GM.BOB", " gm.cy", "ghost", "GHOST", "other"),
}
MATCHED = {"mariadb": {"gm.ann", "gm.bob", "gm.cy", "gm.dée"}}


@pytest.mark.parametrize("kind", MEMBERS)
def test_members_are_matched_as_the_database_compares_names(
    request: pytest.FixtureRequest, kind: str, make_directory: Callable[..., Directory]
) -> None:
    appsdb = make_appsdb(request.getfixturevalue(f"{kind}_directory"))
    directory = make_directory(appsdb, **FEATURES, **GENEROUS)
    save_teams(directory, "LOGIN")
    appsdb.execute("CREATE TABLE TEAMS (NAME CHAR(10))")
    appsdb.execute("CREATE TABLE TEAM_MEMBERS (TEAM CHAR(10), LOGIN VARCHAR(20))")
    for name in ("gm.ann", "gm.bob", "gm.cy", "gm.dée"):
        appsdb.add(name)
    appsdb.execute("INSERT INTO TEAMS VALUES ('Qa')")
    for name in MEMBERS[kind]:
        appsdb.execute("INSERT INTO TEAM_MEMBERS VALUES ('Qa', %s)", name)
    run = imported(directory)
    expected = MATCHED.get(kind, {"gm.ann", "gm.bob", "gm.cy"})
    if kind != "mariadb":  # not on a run that brings the people: their names are compared once they are here
        run = imported(directory)
    assert who("Qa") == expected
    assert run.message.endswith("; 2 members of Qa have no account here")
    # A member who is spelled in another way later stays one.
    appsdb.execute("UPDATE TEAM_MEMBERS SET LOGIN = upper(LOGIN)")
    run = imported(directory)
    assert (run.memberships_added, run.memberships_removed) == (0, 0)
    assert who("Qa") == expected
    # So does one whose own row is spelled in another way.
    appsdb.execute("UPDATE USERS SET USERNAME = upper(USERNAME)")
    run = imported(directory)
    assert (run.created, run.deactivated, run.memberships_added, run.memberships_removed) == (0, 0, 0, 0)
    assert who("Qa") == expected


def test_char_columns_are_compared_and_noted_without_their_blanks(
    pg_directory: Database, make_directory: Callable[..., Directory]
) -> None:
    pg_directory.execute("CREATE TABLE PU (LOGIN char(20) PRIMARY KEY, NM varchar(20))")
    pg_directory.execute("CREATE TABLE TEAMS (NAME char(10))")
    pg_directory.execute("CREATE TABLE TEAM_MEMBERS (TEAM char(10), LOGIN varchar(20))")
    pg_directory.settings |= {"user_table": "PU", "username_column": "LOGIN"}
    directory = make_directory(pg_directory, **FEATURES, **GENEROUS)
    save_teams(directory, "LOGIN")
    directory.query_templates.exclude(operation__in=["import_groups", "import_members"]).delete()
    for name in ("pm.ann", "pm.bob"):
        pg_directory.execute("INSERT INTO PU VALUES (%s, 'x')", name)
        pg_directory.execute("INSERT INTO TEAM_MEMBERS VALUES ('Qb', %s)", name)
    pg_directory.execute("INSERT INTO TEAMS VALUES ('Qb')")
    imported(directory)
    assert who("Qb") == {"pm.ann", "pm.bob"}
    assert set(Account.objects.values_list("remote_id", flat=True)) == {"pm.ann", "pm.bob"}
    assert GroupAccount.objects.get().remote_id == "Qb"
    # What was noted with the blanks is the same account and group.
    Account.objects.filter(remote_id="pm.ann").update(remote_id="pm.ann              ", seen_digest="")
    GroupAccount.objects.update(remote_id="Qb        ")
    migration = importlib.import_module("provisioning.migrations.0014_unmatched_members")
    migration.trim(django_apps, None)
    run = imported(directory)
    assert (run.created, run.deactivated, run.errors, run.groups_changed) == (0, 0, 0, 0)
    assert set(Account.objects.values_list("remote_id", flat=True)) == {"pm.ann", "pm.bob"}


def test_one_name_that_is_no_key_hides_no_other(
    pg_directory: Database, make_directory: Callable[..., Directory]
) -> None:
    pg_directory.execute("CREATE TABLE PU (ID integer PRIMARY KEY, LOGIN varchar(20))")
    pg_directory.execute("CREATE TABLE TEAMS (NAME varchar(10))")
    pg_directory.execute("CREATE TABLE TEAM_MEMBERS (TEAM varchar(10), WHO varchar(20))")
    pg_directory.settings |= {"user_table": "PU", "username_column": "ID"}
    directory = make_directory(pg_directory, **FEATURES, **GENEROUS)
    save_teams(directory, "WHO")
    directory.query_templates.filter(operation="import").delete()
    sql = "SELECT LOGIN FROM PU WHERE ID='##ID##'"
    QueryTemplate.objects.create(directory=directory, operation=TemplateOperation.IMPORT, position=9, sql=sql)
    AttributeMapping.objects.create(
        directory=directory, directory_attribute="LOGIN", kind="profile", portal_attribute="username"
    )
    pg_directory.execute("INSERT INTO PU VALUES (1, 'ann'), (2, 'bob')")
    pg_directory.execute("INSERT INTO TEAMS VALUES ('Qc')")
    pg_directory.execute("INSERT INTO TEAM_MEMBERS VALUES ('Qc', '1'), ('Qc', '2')")
    imported(directory)
    assert who("Qc") == {"ann", "bob"}
    pg_directory.execute("INSERT INTO TEAM_MEMBERS VALUES ('Qc', 'all')")
    run = imported(directory)
    assert who("Qc") == {"ann", "bob"}
    assert run.message.endswith("; 1 member of Qc has no account here")
