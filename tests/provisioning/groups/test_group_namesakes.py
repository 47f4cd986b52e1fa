"""A group is deleted, and another of its name is made: it gets nothing of the old one unless somebody says so."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.utils import timezone

from directories.connectors.base import ConnectorError, Entry, GroupEntry, RefusedMember, Unavailable
from directories.connectors.memory import GROUPS, Memory
from directories.models import Directory, ProvisioningSettings, QueryTemplate, TemplateOperation
from provisioning import services
from provisioning.identities import membership
from provisioning.models import Group, GroupAccount, GroupChange, PushedMember, User
from provisioning.outbound.groups import delivery, outbox
from tests.fixtures.databases import Database
from tests.fixtures.directories import AppsDb, make_appsdb, save_directory
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory
from tests.provisioning.groups.push import (
    held,
    lines,
    make_group,
    make_users,
    run,
    run_groups,
    save_memory_directory,
)

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
OUT = {
    **dict.fromkeys(("create_users", "update_users", "delete_users", "sync_groups", "delete_groups"), True),
    "push_groups": "all",
}
READING = {
    "import_groups": "SELECT NAME FROM TEAMS",
    "import_members": "SELECT USERNAME FROM MEMBERS WHERE TEAM = '##GROUP##'",
}
WRITING = {
    "create_group": "INSERT INTO TEAMS VALUES ('##GROUP##')",
    "delete_group": "DELETE FROM TEAMS WHERE NAME = '##GROUP##'",
    "add_member": "INSERT INTO MEMBERS VALUES ('##GROUP##', '##USERNAME##') ON CONFLICT DO NOTHING",
    "remove_member": "DELETE FROM MEMBERS WHERE TEAM = '##GROUP##' AND USERNAME = '##USERNAME##'",
}
LATER = " The answer was lost, and a later look found it done."
Members = Callable[[], set[str] | None]
Place = tuple[Directory, Members, Callable[[], None]]


def in_memory() -> Place:
    GROUPS.clear()
    directory = save_memory_directory()
    return directory, lambda: set(held(directory)["Developers"]) if held(directory) else None, GROUPS["MEM"].clear


def in_sql(database: Database, statements: dict[str, str]) -> Place:
    appsdb: AppsDb = make_appsdb(database)
    appsdb.execute("CREATE TABLE TEAMS (NAME VARCHAR(255) PRIMARY KEY)")
    appsdb.execute(
        "CREATE TABLE MEMBERS (TEAM VARCHAR(255) REFERENCES TEAMS ON DELETE CASCADE, USERNAME VARCHAR(255), "
        "PRIMARY KEY (TEAM, USERNAME))"
    )
    directory = save_directory(appsdb, password_storage="plain", **OUT)
    for operation, sql in statements.items():
        QueryTemplate.objects.create(directory=directory, operation=TemplateOperation(operation), sql=sql)

    def members() -> set[str] | None:
        there = appsdb.rows("SELECT NAME FROM TEAMS")
        return {name for (name,) in appsdb.rows("SELECT USERNAME FROM MEMBERS")} if there else None

    return directory, members, lambda: appsdb.execute("DELETE FROM TEAMS")


def in_ldap(unit: LdapDirectory) -> Place:
    dn = f"cn=Developers,{unit.base}"

    def members() -> set[str] | None:
        found = unit.entry(dn, "member")
        names = [member.split(",")[0].partition("=")[2] for member in (found or {}).get("member", [])]
        return None if found is None else {name for name in names if name in ("anna", "ben")}

    return save_ldap_directory(unit, **OUT), members, lambda: unit.link.delete(dn)


@pytest.fixture(params=["memory", "pg", "pg_blind", "ldap_directory", "ad_directory"])
def place(request: pytest.FixtureRequest) -> Place:
    """A directory, who is in its group Developers (None without one), and what deletes that over there."""
    if request.param == "memory":
        return in_memory()
    if request.param.startswith("pg"):
        seen = READING if request.param == "pg" else {}
        return in_sql(request.getfixturevalue("pg_directory"), {**seen, **WRITING})
    return in_ldap(request.getfixturevalue(request.param))


def pushed(directory: Directory) -> Group:
    """Push a group with anna in it."""
    anna, _ = make_users("anna", "ben")
    group = make_group("Developers")
    membership.add(group, [anna.pk], "tester")
    run(directory)
    return group


def another() -> Group:
    """Make a group of that name with ben in it."""

    group = make_group("Developers")
    membership.add(group, [User.objects.get(username="ben").pk], "tester")
    return group


def settle(directory: Directory) -> None:
    for _ in range(3):
        GroupAccount.objects.update(not_before=timezone.now())
        run_groups(directory)


def test_the_old_group_goes_first_and_a_new_one_is_made(place: Place) -> None:
    directory, members, _ = place
    services.delete_groups([pushed(directory).pk], "tester")
    new = another()
    mine = GroupAccount.objects.get(group=new)
    delivery.deliver(directory.pk, [mine.pk])  # a worker that comes before the one for leavers
    mine.refresh_from_db()
    assert (mine.last_result, "goes first" in mine.last_message) == ("waiting", True)
    assert members() == {"anna"}
    settle(directory)
    assert members() == {"ben"}
    told = [line for line in lines(result="success") if "the group Developers" in line]
    name = directory.name
    assert told == [
        f"Created the group Developers in {name}.",
        f"Deleted the group Developers from {name}.",
        f"Created the group Developers in {name}.",
    ]
    assert GroupAccount.objects.get().group == new
    assert not GroupChange.objects.exists()


def test_a_group_that_stays_is_nobody_elses_until_it_is_deleted_over_there(place: Place) -> None:
    directory, members, delete = place
    before = pushed(directory)
    ProvisioningSettings.objects.update(delete_groups=False)
    services.delete_groups([before.pk], "tester")
    run_groups(directory)
    new = another()
    settle(directory)
    change = GroupChange.objects.get()
    assert (change.parked_code, change.group_account.group) == ("other_group", new)
    assert change.parked_message == (
        f"{directory.name} still has the group Developers of a group that was deleted from the portal. Delete or "
        "rename it there, and then press Retry. If it is the same group, press Take over on the group's page."
    )
    assert members() == {"anna"}
    if directory.kind == "postgresql" and not QueryTemplate.objects.filter(operation="import_groups").exists():
        return  # nothing tells the portal that it is gone
    delete()
    services.retry(GroupChange.objects.all(), "tester")
    settle(directory)
    assert members() == {"ben"}
    assert GroupAccount.objects.get(group=new).last_result == "ok"
    assert not GroupChange.objects.exists()


def test_a_group_that_is_taken_over_goes_on_with_who_is_in_it(place: Place) -> None:
    directory, members, _ = place
    before = pushed(directory)
    ProvisioningSettings.objects.update(delete_groups=False)
    services.delete_groups([before.pk], "tester")
    run_groups(directory)
    old = GroupAccount.objects.get()
    new = another()
    settle(directory)
    mine = GroupAccount.objects.get(group=new)
    assert services.adopt_group(mine.pk, "tester")
    settle(directory)
    assert members() == {"ben"}
    account = GroupAccount.objects.get()
    assert (account.pk, account.group, account.last_result) == (old.pk, new, "ok")
    assert [member.account.key for member in PushedMember.objects.all()] == ["ben"]
    assert f"The group Developers took over the group of {directory.name} that a deleted group" in " ".join(lines())
    assert not GroupChange.objects.exists()
    assert not services.adopt_group(account.pk, "tester")


def test_a_deletion_that_is_refused_gives_the_group_to_nobody(mem: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    before = pushed(mem)

    def refuse(*_: object) -> None:
        raise ConnectorError("No rights.")

    monkeypatch.setattr(Memory, "delete_group", refuse)
    services.delete_groups([before.pk], "tester")
    another()
    settle(mem)
    assert held(mem) == {"Developers": ["anna"]}
    assert sorted(GroupChange.objects.values_list("parked_code", flat=True)) == ["other_group", "refused"]


# --- Lost answers: the twins of those of accounts --------------------------------------------------------------------


@pytest.fixture
def lose(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the directory do something once, and say nothing."""

    def once(name: str) -> None:
        real = getattr(Memory, name)

        def done(self: Memory, *args: Any) -> None:
            monkeypatch.setattr(Memory, name, real)
            real(self, *args)
            raise Unavailable("A lock.", whole_directory=False)

        monkeypatch.setattr(Memory, name, done)

    return once


def test_each_step_of_a_group_is_told_when_a_later_look_finds_it_done(
    mem: Directory, lose: Callable[[str], None]
) -> None:
    lose("create_group")
    group = make_group("Developers")
    run_groups(mem)
    settle(mem)
    assert lines() == [*lines(result="waiting"), f"Created the group Developers in MEM.{LATER}"]
    lose("update_group")
    group.name = "Engineers"
    services.save_group(group, "tester")
    run_groups(mem)
    settle(mem)
    assert lines()[-1] == f"Renamed the group Developers to Engineers in MEM.{LATER}"
    assert GroupAccount.objects.get().unanswered == ""


def test_a_group_that_was_made_for_one_that_was_deleted_meanwhile_goes(
    mem: Directory, lose: Callable[[str], None]
) -> None:
    lose("create_group")
    group = make_group("Developers")
    run_groups(mem)
    services.delete_groups([group.pk], "tester")
    settle(mem)
    assert held(mem) == {}
    assert lines()[-2:] == [
        f"Created the group Developers in MEM.{LATER}",
        "Deleted the group Developers from MEM.",
    ]


@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("at_once", [1, outbox.WHOLE + 1])
def test_a_member_who_was_added_without_an_answer_and_left_meanwhile_is_taken_out(
    mem: Directory, lose: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, dies: bool, at_once: int
) -> None:
    """Be it one of a few, each of whom is a change, or of so many that they are one change of the whole group."""
    monkeypatch.setattr(outbox, "WHOLE", outbox.WHOLE // at_once)
    anna, ben = make_users("anna", "ben")
    group = make_group("Developers")
    membership.add(group, [ben.pk], "tester")
    run(mem)

    class Killed(BaseException):
        pass

    real = Memory.add_members

    def die(self: Memory, to: GroupEntry, entries: Sequence[Entry]) -> Sequence[RefusedMember]:
        monkeypatch.setattr(Memory, "add_members", real)
        real(self, to, entries)
        raise Killed

    membership.add(group, [anna.pk], "tester")
    if dies:
        monkeypatch.setattr(Memory, "add_members", die)
        with pytest.raises(Killed):
            run_groups(mem)
        GroupAccount.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    else:
        lose("add_members")
        run_groups(mem)
    assert held(mem) == {"Developers": ["anna", "ben"]}
    membership.remove(group, [anna.pk], "tester")
    settle(mem)
    assert held(mem) == {"Developers": ["ben"]}


def test_who_was_added_without_an_answer_is_taken_out_with_the_group_that_brought_them(
    mem: Directory, lose: Callable[[str], None]
) -> None:
    """Nobody's own membership of the outer group changed, so the changes do not name them."""
    anna, ben = make_users("anna", "ben")
    ProvisioningSettings.objects.update(push_groups="chosen")
    inner, outer = make_group("Inner"), make_group("Outer", [mem])
    membership.add(inner, [anna.pk, ben.pk], "tester")
    run(mem)
    lose("add_members")
    services.nest_group(outer, inner, "tester")
    run_groups(mem)
    assert held(mem) == {"Outer": ["anna", "ben"]}
    services.delete_groups([inner.pk], "tester")
    settle(mem)
    assert held(mem) == {"Outer": []}
    assert GroupAccount.objects.get(group=outer).unanswered_members == []
