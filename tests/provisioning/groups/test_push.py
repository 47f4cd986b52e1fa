"""Groups going out: what directories end up with, and what the report says of it."""

import pytest

from directories.connectors.memory import GROUPS, STORES, Memory, StoredAccount, StoredGroup
from directories.models import Directory, ProvisioningSettings
from provisioning import services
from provisioning.identities import membership
from provisioning.imports import engine
from provisioning.models import Account, Group, GroupAccount, GroupChange, PushedMember, User
from provisioning.models.imports import RunStatus, Trigger
from reports.models import Event
from tests.provisioning.groups.push import (
    held,
    lines,
    make_group,
    make_users,
    run,
    run_groups,
    save_memory_directory,
    stored,
)

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]


def test_a_group_and_its_members_arrive_and_the_report_says_so(mem: Directory) -> None:
    anna, ben = make_users("anna", "ben")
    group = make_group("Developers", description="They write it")
    membership.add(group, [anna.pk, ben.pk], "tester")
    run(mem)
    assert held(mem) == {"Developers": ["anna", "ben"]}
    assert stored(mem, "Developers").description == "They write it"
    assert lines()[-3:] == [
        "Created the group Developers in MEM.",
        "anna was added to Developers in MEM.",
        "ben was added to Developers in MEM.",
    ]
    line = Event.objects.get(message="anna was added to Developers in MEM.")
    assert (line.identifier, line.application, line.user_id, line.actor) == ("anna", "MEM", anna.pk, "tester")
    account = GroupAccount.objects.get()
    assert (account.state, account.last_result, account.leased_until) == ("active", "ok", None)
    assert not GroupChange.objects.exists()


def test_a_member_is_added_only_once_the_account_is_there(mem: Directory) -> None:
    make_group("Developers")
    run(mem)
    anna = User.objects.create(username="anna")
    membership.add(Group.objects.get(), [anna.pk], "tester")
    run_groups(mem)  # the group's message was quicker than the account's
    assert held(mem) == {"Developers": []}
    assert not GroupChange.objects.exists()
    run(mem)
    assert held(mem) == {"Developers": ["anna"]}


def test_a_connector_is_told_when_a_member_loses_access(mem: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, bool]] = []
    for name in ("add_members", "remove_members"):
        monkeypatch.setattr(Memory, name, lambda self, *_, name=name: told.append((name, self.urgent)) or [])
    anna, ben = make_users("anna", "ben")
    group = make_group("Developers")
    membership.add(group, [anna.pk], "tester")
    run(mem)
    membership.remove(group, [anna.pk], "tester")
    run(mem)
    membership.add(group, [ben.pk], "tester")
    run(mem)
    assert told == [("add_members", False), ("remove_members", True), ("add_members", False)]


def test_who_leaves_the_group_leaves_it_there(mem: Directory) -> None:
    anna, ben = make_users("anna", "ben")
    group = make_group("Developers")
    membership.add(group, [anna.pk, ben.pk], "tester")
    run(mem)
    membership.remove(group, [anna.pk], "tester")
    run(mem)
    assert held(mem) == {"Developers": ["ben"]}
    assert lines()[-1] == "anna was removed from Developers in MEM."
    assert PushedMember.objects.count() == 1


def test_a_new_name_is_a_rename(mem: Directory) -> None:
    group = make_group("Developers")
    run(mem)
    ref = next(iter(GROUPS["MEM"]))
    group.name, group.description = "Engineers", "Now so called"
    services.save_group(group, "tester")
    run(mem)
    assert stored(mem, "Engineers").description == "Now so called"
    assert list(GROUPS["MEM"]) == [ref]
    assert lines()[-1] == "Renamed the group Developers to Engineers in MEM."
    group.description = "Different"
    services.save_group(group, "tester")
    run(mem)
    assert lines()[-1] == "Changed the description of the group Engineers in MEM."


def test_members_of_nested_groups_are_members_and_circles_end(mem: Directory) -> None:
    anna, ben = make_users("anna", "ben")
    staff, developers = make_group("Staff"), make_group("Developers")
    membership.add(developers, [anna.pk], "tester")
    membership.add(staff, [ben.pk], "tester")
    membership.add_child(staff, developers, "tester")
    membership.add_child(developers, staff, "tester")
    run(mem)
    assert held(mem) == {"Staff": ["anna", "ben"], "Developers": ["anna", "ben"]}
    membership.remove_child(developers, staff, "tester")
    run(mem)
    assert held(mem) == {"Staff": ["anna", "ben"], "Developers": ["anna"]}
    membership.remove(developers, [anna.pk], "tester")
    run(mem)
    assert held(mem) == {"Staff": ["ben"], "Developers": []}


def test_only_chosen_groups_go_where_groups_are_chosen() -> None:
    directory = save_memory_directory("CHOSEN", push_groups="chosen")
    group, other = make_group("Developers", [directory]), make_group("Sales")
    run(directory)
    assert held(directory) == {"Developers": []}
    services.save_group(other, "tester", [directory.pk])
    services.save_group(group, "tester", [])
    run(directory)
    assert held(directory) == {"Sales": []}
    assert lines()[-2:] == ["Deleted the group Developers from CHOSEN.", "Created the group Sales in CHOSEN."]
    assert set(GroupAccount.objects.values_list("key", flat=True)) == {"Sales"}


def test_a_deleted_group_goes_or_stays_as_the_directory_is_set_up(mem: Directory) -> None:
    group, staff = make_group("Developers"), make_group("Staff")
    anna, *_ = make_users("anna")
    membership.add(group, [anna.pk], "tester")
    membership.add_child(staff, group, "tester")
    run(mem)
    ProvisioningSettings.objects.update(delete_groups=False)
    services.delete_groups([group.pk], "tester")
    run(mem)
    assert held(mem) == {"Developers": ["anna"], "Staff": []}
    assert "Deleting groups is switched off for MEM" in GroupAccount.objects.get(group=None).last_message
    ProvisioningSettings.objects.update(delete_groups=True)
    services.provision_directory(mem, "tester")
    run(mem)
    assert held(mem) == {"Staff": []}


def test_a_group_whose_new_name_is_taken_is_still_deleted_with_its_members(mem: Directory) -> None:
    anna, *_ = make_users("anna")
    group = make_group("Developers")
    membership.add(group, [anna.pk], "tester")
    run(mem)
    GROUPS["MEM"]["7"] = StoredGroup("Engineers")
    group.name = "Engineers"
    services.save_group(group, "tester")
    run(mem)
    assert GroupAccount.objects.get().last_result == "parked"
    services.delete_groups([group.pk], "tester")
    run(mem)
    assert held(mem) == {"Engineers": []}
    assert lines()[-1] == "Deleted the group Developers from MEM."


def test_a_group_that_is_made_again_and_deleted_at_once_leaves_the_directory(mem: Directory) -> None:
    group = make_group("Developers")
    run(mem)
    services.delete_groups([group.pk], "tester")
    services.delete_groups([make_group("Developers").pk], "tester")
    run(mem)
    assert held(mem) == {}


def test_a_group_that_is_there_already_is_linked(mem: Directory) -> None:
    GROUPS["MEM"]["7"] = StoredGroup("Developers", "", {"guest": None})
    anna, *_ = make_users("anna")
    membership.add(make_group("Developers"), [anna.pk], "tester")
    run(mem)
    assert held(mem) == {"Developers": ["anna", "guest"]}  # whom the portal did not put there stays
    assert "Linked the group Developers: MEM had this group already." in lines()


def test_the_directorys_own_group_is_never_taken_over(mem: Directory) -> None:
    GROUPS["MEM"]["7"] = StoredGroup("Developers")
    own = Group.objects.create(name="Developers (MEM)", owner=mem)
    GroupAccount.objects.create(group=own, directory=mem, key="Developers", remote_id="7", state="active")
    anna, *_ = make_users("anna")
    group = make_group("Developers")
    membership.add(group, [anna.pk], "tester")
    run(mem)
    assert held(mem) == {"Developers": []}
    change = GroupChange.objects.get()
    assert change.parked_code == "other_group"
    assert "a group of its own with this name, which the portal imports as Developers (MEM)" in change.parked_message
    assert GroupAccount.objects.get(group=group).last_result == "parked"
    group.name = "Portal developers"
    services.save_group(group, "tester")
    run(mem)
    assert held(mem) == {"Developers": [], "Portal developers": ["anna"]}
    assert not GroupChange.objects.exists()


def test_a_group_of_the_directory_is_not_sent_back_to_it_but_to_others(mem: Directory) -> None:
    other = save_memory_directory("OTHER")
    own = Group.objects.create(name="Admins", owner=mem)
    anna, *_ = make_users("anna")
    membership.write_pairs([(own.pk, anna.pk)], "import", "")
    run(mem)
    run(other)
    assert held(mem) == {}
    assert held(other) == {"Admins": ["anna"]}


def test_a_deleted_account_leaves_its_groups_and_returns_with_a_new_one(mem: Directory) -> None:
    ProvisioningSettings.objects.update(on_deactivate="delete")
    anna, *_ = make_users("anna")
    membership.add(make_group("Developers"), [anna.pk], "tester")
    run(mem)
    services.set_active([anna.pk], False, "tester")
    run(mem)
    assert held(mem) == {"Developers": []}
    assert STORES["MEM"] == {}
    assert not PushedMember.objects.exists()
    services.set_active([anna.pk], True, "tester")
    run(mem)
    assert held(mem) == {"Developers": ["anna"]}


def test_a_disabled_account_stays_in_its_groups_until_its_user_leaves_them(mem: Directory) -> None:
    anna, ben = make_users("anna", "ben")
    group = make_group("Developers")
    membership.add(group, [anna.pk, ben.pk], "tester")
    run(mem)
    services.set_active([anna.pk, ben.pk], False, "tester")
    run(mem)
    assert held(mem) == {"Developers": ["anna", "ben"]}
    membership.remove(group, [anna.pk], "tester")
    run(mem)
    assert held(mem) == {"Developers": ["ben"]}


def test_a_deleted_user_leaves_the_groups_of_an_account_that_is_kept(mem: Directory) -> None:
    ProvisioningSettings.objects.update(on_delete="leave")
    anna, *_ = make_users("anna")
    membership.add(make_group("Developers"), [anna.pk], "tester")
    run(mem)
    services.delete_users([anna.pk], "tester")
    run(mem)
    assert list(STORES["MEM"]) == ["anna"]
    assert held(mem) == {"Developers": []}


def test_a_group_that_vanished_is_made_again_with_its_members(mem: Directory) -> None:
    anna, ben = make_users("anna", "ben")
    group = make_group("Developers")
    membership.add(group, [anna.pk], "tester")
    run(mem)
    GROUPS["MEM"].clear()
    membership.add(group, [ben.pk], "tester")
    run(mem)
    assert held(mem) == {"Developers": ["anna", "ben"]}


def test_a_member_whom_the_directory_refuses_parks_alone_and_can_be_retried(mem: Directory) -> None:
    anna, ben = make_users("anna", "ben")
    group = make_group("Developers")
    run(mem)
    gone = STORES["MEM"].pop("anna")  # deleted over there, and the portal does not know yet
    membership.add(group, [anna.pk, ben.pk], "tester")
    run(mem)
    assert held(mem) == {"Developers": ["ben"]}
    assert "anna was not added to Developers in MEM: The account is not in the directory." in lines()
    change = GroupChange.objects.get()
    assert (change.account, change.parked_code) == (Account.objects.get(user=anna), "not_found")
    STORES["MEM"]["anna"] = gone
    services.retry(GroupChange.objects.filter(pk=change.pk), "tester")
    run(mem)
    assert held(mem) == {"Developers": ["anna", "ben"]}
    assert not GroupChange.objects.exists()
    assert GroupAccount.objects.get().last_result == "ok"


def test_groups_wait_while_sync_is_off(mem: Directory) -> None:
    ProvisioningSettings.objects.update(sync_groups=False)
    make_group("Developers")
    run(mem)
    assert held(mem) == {}
    ProvisioningSettings.objects.update(sync_groups=True)
    services.provision_directory(mem, "tester")
    run(mem)
    assert held(mem) == {"Developers": []}


def test_an_import_that_finds_somebodys_account_brings_them_into_their_groups(mem: Directory) -> None:
    """And one that misses it takes the groups' word back: a new account is put into them again."""
    ProvisioningSettings.objects.update(create_users=False, import_users=True, deactivate_missing=True)
    anna, *_ = make_users("anna")
    membership.add(make_group("Developers"), [anna.pk], "tester")
    STORES["MEM"]["anna"] = StoredAccount({"mail": "anna@example.org"})
    imported(mem)
    run(mem)
    assert held(mem) == {"Developers": ["anna"]}
    STORES["MEM"].clear()
    STORES["MEM"]["ben"] = StoredAccount({"mail": "ben@example.org"})
    ProvisioningSettings.objects.update(max_leavers_percent=100, max_activated_percent=100)
    imported(mem)
    assert not User.objects.get(pk=anna.pk).is_active
    assert not PushedMember.objects.exists()


def imported(directory: Directory) -> None:
    fresh = Directory.objects.get(pk=directory.pk)  # without the features that a test changed meanwhile
    started = services.start_import(fresh, preview=False, actor="tester", trigger=Trigger.COMMAND)
    engine.execute(started.pk)
    started.refresh_from_db()
    assert started.status == RunStatus.FINISHED, started.message
