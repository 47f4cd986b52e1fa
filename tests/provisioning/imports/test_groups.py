"""Groups in an import: what comes, changes and goes, who is in them, and what must never happen."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from directories.models import Directory, ProvisioningSettings
from provisioning import services
from provisioning.groups import nesting
from provisioning.identities import membership
from provisioning.imports import engine
from provisioning.imports.groups import apply, store
from provisioning.imports.groups import membership as groups_members
from provisioning.models import (
    Group,
    GroupAccount,
    GroupChange,
    ImportRun,
    Membership,
    Nesting,
    PlannedGroup,
    PlannedMember,
    User,
)
from provisioning.models.imports import RunStatus
from reports.models import Event
from tests.provisioning.imports.group_source import GroupSource, groups

__all__ = ["groups"]
pytestmark = [pytest.mark.django_db, pytest.mark.heavy]


def who(name: str) -> set[str]:
    """Return the user names of a group's direct members."""
    return set(User.objects.filter(memberships__group__name=name).values_list("username", flat=True))


def names() -> set[str]:
    return set(Group.objects.values_list("name", flat=True))


def planned(run: ImportRun) -> dict[str, tuple[str, int, int]]:
    rows = PlannedGroup.objects.filter(run=run)
    return {one.name: (one.action, one.added, one.removed) for one in rows}


def finished(groups: GroupSource) -> ImportRun:
    run = groups.people.run()
    assert run.status == RunStatus.FINISHED, run.message
    return run


def test_groups_come_into_being_with_people_of_the_same_run(groups: GroupSource) -> None:
    for key in ("ann", "bob"):
        groups.person(key)
    groups.put("dev", "ann", "bob", "a computer", name="Developers", description="They write")
    run = finished(groups)
    group = Group.objects.get()
    assert (group.name, group.description, group.owner) == ("Developers", "They write", groups.people.directory)
    assert not group.is_ours
    assert who("Developers") == {"ann", "bob"}
    account = GroupAccount.objects.get()
    assert (account.group, account.remote_id, account.key, account.state) == (group, "dev", "Developers", "active")
    assert (run.groups_seen, run.groups_changed, run.memberships_added, run.memberships_removed) == (1, 1, 2, 0)
    told = Event.objects.filter(run_id=run.pk, message__contains="group").exclude(identifier="")
    lines = told.values_list("identifier", "operation")
    assert set(lines) == {("Developers", "create"), ("ann", "update"), ("bob", "update")}
    assert run.message.endswith("0 errors; 1 group changed, 2 memberships added, 0 removed")


def test_an_unchanged_group_writes_nothing(groups: GroupSource) -> None:
    for number in range(30):
        groups.person(f"user{number}")
    groups.put("dev", *(f"user{n}" for n in range(30)), "nobody")
    groups.put("all", "dev", "user1")
    finished(groups)
    events = Event.objects.count()
    before = {model: model.objects.count() for model in (Membership, Nesting, PlannedMember)}
    with CaptureQueriesContext(
        connection,
    ) as captured:
        run = finished(groups)
    assert not PlannedGroup.objects.filter(run=run).exists()
    assert {model: model.objects.count() for model in before} == before
    tables = "(group|groupaccount|membership|nesting|plannedgroup|plannedmember)"
    written = re.compile(f'(INSERT INTO|COPY|UPDATE) "provisioning_{tables}"')
    assert [one["sql"] for one in captured if written.match(one["sql"])] == []
    assert (run.groups_seen, run.groups_changed, run.memberships_added) == (2, 0, 0)
    assert Event.objects.count() == events + 1  # the run's own line


def test_one_new_member_is_one_operation(groups: GroupSource) -> None:
    for number in range(20):
        groups.person(f"user{number}")
    groups.put("dev", *(f"user{n}" for n in range(19)))
    finished(groups)
    groups.members["dev"].append("user19")
    run = finished(groups)
    assert planned(run) == {"dev": ("keep", 1, 0)}
    assert PlannedMember.objects.filter(planned_group__run=run).count() == 1
    assert Event.objects.filter(run_id=run.pk, message__contains="was added to the group dev from HR").count() == 1
    assert len(who("dev")) == 20


def test_who_leaves_a_group_is_taken_out_and_nobody_else(groups: GroupSource) -> None:
    for key in ("ann", "bob", "cid"):
        groups.person(key)
    groups.put("dev", "ann", "bob")
    finished(groups)
    stranger = User.objects.create(username="stranger")  # the directory knows nothing of them
    Membership.objects.create(group=Group.objects.get(), user=stranger)
    groups.members["dev"] = ["bob", "cid"]
    run = finished(groups)
    assert planned(run) == {"dev": ("keep", 1, 1)}
    assert who("dev") == {"bob", "cid", "stranger"}
    assert (run.memberships_added, run.memberships_removed) == (1, 1)


def test_nested_groups_in_any_order_and_in_circles(groups: GroupSource) -> None:
    for key in ("ann", "bob"):
        groups.person(key)
    groups.put("outer", "inner", "ann")
    groups.put("inner", "bob", "outer", "inner")
    finished(groups)
    assert set(Nesting.objects.values_list("parent__name", "child__name")) == {("outer", "inner"), ("inner", "outer")}
    outer = Group.objects.get(name="outer")
    assert set(nesting.effective_users(outer.pk)) == set(User.objects.values_list("pk", flat=True))
    assert not PlannedGroup.objects.filter(run=finished(groups)).exists()
    groups.members["inner"] = ["bob"]
    run = finished(groups)
    assert set(Nesting.objects.values_list("parent__name", "child__name")) == {("outer", "inner")}
    assert (run.memberships_removed, run.memberships_added) == (1, 0)
    groups.put("third")
    groups.members["third"] = ["inner"]
    finished(groups)
    assert Nesting.objects.filter(parent__name="third", child__name="inner").exists()


def test_a_renamed_group_is_the_same_and_its_nesting_stays(groups: GroupSource) -> None:
    groups.person("ann")
    groups.put("dev", "ann", name="Developers")
    groups.put("all", "dev")
    finished(groups)
    pk = Group.objects.get(name="Developers").pk
    place = "cn=engineers,ou=elsewhere" if groups.by_place else ""
    groups.put("dev", "ann", name="Engineers", description="x", place=place)
    run = finished(groups)
    assert planned(run) == {"Developers": ("update", 0, 0)}
    assert Group.objects.get(name="Engineers").pk == pk
    assert Nesting.objects.filter(child=pk).count() == 1
    assert GroupAccount.objects.get(group=pk).key == "Engineers"
    line = Event.objects.get(run_id=run.pk, identifier="Developers")
    assert line.changes == {"Name": ["Developers", "Engineers"], "Description": ["", "x"]}


def test_who_only_moves_stays_in_their_groups(source: Any, groups: GroupSource) -> None:
    if not groups.by_place:
        pytest.skip("Only places move.")
    groups.person("ann")
    groups.person("bob")
    groups.put("dev", "ann")
    finished(groups)
    groups.rename_person("ann", "uid=ann,ou=elsewhere")
    groups.rename_person("bob", "uid=ann,ou=people")  # and somebody else stands where she stood
    run = finished(groups)
    assert planned(run) == {}
    assert (run.unchanged, run.updated) == (2, 0)
    assert who("dev") == {"ann"}
    groups.members["dev"] = ["bob"]
    finished(groups)
    assert who("dev") == {"bob"}


def test_a_place_that_nobody_stands_at_any_more_is_no_member(groups: GroupSource) -> None:
    if not groups.by_place:
        pytest.skip("Only places go stale.")
    groups.person("ann")
    groups.put("dev", "ann")
    finished(groups)
    groups.members["dev"] = [groups.person_at("ann")]
    groups.rename_person("ann", "uid=ann,ou=elsewhere")
    finished(groups)
    assert who("dev") == set()


def test_a_group_that_is_gone_is_removed_after_a_complete_crawl(groups: GroupSource) -> None:
    groups.person("ann")
    groups.put("dev", "ann")
    groups.put("ops", "ann")
    finished(groups)
    del groups.groups["dev"]
    run = finished(groups)
    assert planned(run) == {"dev": ("delete", 0, 1)}
    assert names() == {"ops"}
    assert not GroupAccount.objects.filter(key="dev").exists()
    assert User.objects.filter(username="ann").exists()
    assert "It had 1 member." in Event.objects.get(run_id=run.pk, operation="delete").message


@pytest.mark.parametrize("what", ["groups_end", "members_end"])
def test_a_crawl_that_breaks_off_changes_nothing(groups: GroupSource, what: str) -> None:
    groups.person("ann")
    groups.put("dev", "ann")
    groups.put("ops", "ann")
    finished(groups)
    del groups.groups["dev"]
    groups.members["ops"] = []
    groups.person("new")
    setattr(groups, what, False)
    run = groups.people.run()
    assert run.status == RunStatus.FAILED
    assert "groups" in run.message
    assert names() == {"dev", "ops"}
    assert Membership.objects.count() == 2
    assert not User.objects.filter(username="new").exists()


def test_a_group_that_goes_while_it_is_read_is_left_alone(groups: GroupSource) -> None:
    groups.person("ann")
    groups.put("dev", "ann")
    finished(groups)
    groups.gone = {"dev"}
    assert planned(finished(groups)) == {}
    assert who("dev") == {"ann"}


def test_a_taken_name_gets_the_directorys_name_behind_it(groups: GroupSource) -> None:
    Group.objects.create(name="developers")
    groups.put("one", name="Developers")
    groups.put("two", name="DEVELOPERS")
    finished(groups)
    assert names() == {"developers", "Developers (HR)", "DEVELOPERS (HR) 2"}
    assert not PlannedGroup.objects.filter(run=finished(groups)).exists()


def test_a_group_of_the_portals_that_is_pushed_there_is_not_imported(groups: GroupSource) -> None:
    groups.person("ann")
    ours = Group.objects.create(name="Ours")
    waiting = Group.objects.create(name="Waiting")
    directory = groups.people.directory
    GroupAccount.objects.create(group=ours, directory=directory, key="Ours", remote_id="ours", state="active")
    GroupAccount.objects.create(group=waiting, directory=directory, key="Waiting")
    groups.put("ours", "ann", name="Ours")
    groups.put("waiting", "ann", name="Waiting")
    run = finished(groups)
    assert planned(run) == {}
    assert Membership.objects.count() == 0
    assert names() == {"Ours", "Waiting"}
    groups.groups.clear()
    assert planned(finished(groups)) == {}
    assert names() == {"Ours", "Waiting"}


def test_a_group_deleted_in_the_portal_does_not_come_back(groups: GroupSource) -> None:
    GroupAccount.objects.create(directory=groups.people.directory, key="dev", remote_id="dev")
    groups.put("dev")
    run = finished(groups)
    assert planned(run) == {"dev": ("error", 0, 0)}
    assert "deleted in the portal" in PlannedGroup.objects.get().message
    assert names() == set()


def test_unusable_groups_are_errors_and_what_they_were_stays(groups: GroupSource) -> None:
    groups.person("ann")
    groups.put("dev", "ann")
    finished(groups)
    groups.put("dev", "ann", problem="It cannot be read.")
    groups.put("nul", name="a\0b")
    groups.put("blank", name="  ")
    run = finished(groups)
    assert {name: row[0] for name, row in planned(run).items()} == {"dev": "error", "a\ufffdb": "error", "  ": "error"}
    assert run.errors == 3
    assert who("dev") == {"ann"}


def test_groups_whose_id_cannot_be_read_keep_all_groups(groups: GroupSource) -> None:
    groups.put("dev")
    finished(groups)
    groups.groups.clear()
    groups.put("", name="unknown", problem="The id cannot be seen.")
    run = finished(groups)
    assert names() == {"dev"}
    assert "not known which are missing" in PlannedGroup.objects.filter(run=run, name="").get().message


@pytest.mark.parametrize(("most", "percent"), [(2, 100), (1000, 20)])
def test_the_guard_asks_before_many_memberships_are_lost(groups: GroupSource, most: int, percent: int) -> None:
    groups.people.set(max_lost_members=most, max_lost_members_percent=percent)
    for number in range(10):
        groups.person(f"user{number}")
    groups.put("dev", *(f"user{n}" for n in range(10)))
    finished(groups)
    groups.members["dev"] = ["user0"]
    run = groups.people.run()
    assert run.status == RunStatus.APPROVAL
    assert "9 memberships of 10 in groups of HR would be lost" in run.message
    assert len(who("dev")) == 10
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    assert who("dev") == {"user0"}


def test_no_groups_at_all_are_never_believed(groups: GroupSource) -> None:
    groups.put("dev")
    finished(groups)
    groups.groups.clear()
    run = groups.people.run()
    assert run.status == RunStatus.FAILED
    assert "HR gave no groups at all, although 1 came from it before. Nothing was changed." in run.message
    assert names() == {"dev"}


@pytest.mark.heavy
def test_groups_with_nobody_in_them_are_never_believed(groups: GroupSource) -> None:
    people = [f"user{number}" for number in range(8)]
    for name in people:
        groups.person(name)
    groups.put("dev", *people)
    groups.put("ops", "user0")
    finished(groups)
    groups.put("dev")
    groups.put("ops")
    run = groups.people.run()
    assert run.status == RunStatus.FAILED
    assert "gave groups with nobody in them, although there were 9 memberships before" in run.message
    assert len(who("dev")) == 8


def test_a_preview_shows_and_changes_nothing(groups: GroupSource) -> None:
    groups.person("ann")
    groups.put("dev", "ann")
    run = groups.people.run(preview=True)
    assert run.status == RunStatus.PLANNED
    assert planned(run) == {"dev": ("create", 1, 0)}
    assert names() == set()
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    assert who("dev") == {"ann"}


@pytest.mark.parametrize("switch", ["sync_groups", "import_groups"])
def test_switched_off_groups_stay_as_they_are(groups: GroupSource, switch: str) -> None:
    groups.person("ann")
    groups.put("dev", "ann")
    finished(groups)
    groups.people.set(**{switch: False})
    groups.groups.clear()
    run = finished(groups)
    assert (run.groups_seen, planned(run)) == (0, {})
    assert who("dev") == {"ann"}


def test_a_crash_while_members_are_written_is_resumed(groups: GroupSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "MEMBERS", 4)
    for number in range(10):
        groups.person(f"user{number}")
    groups.put("big", *(f"user{n}" for n in range(10)))
    groups.put("small", "user1", "user2")
    run = groups.people.start()
    pages: list[int] = []
    write = membership.write_pairs

    def failing(*args: Any, **more: Any) -> Any:
        pages.append(1)
        if len(pages) == 2:
            raise KeyboardInterrupt
        return write(*args, **more)

    monkeypatch.setattr(membership, "write_pairs", failing)
    with pytest.raises(KeyboardInterrupt):
        engine.execute(run.pk)
    assert len(who("big")) == 4
    ImportRun.objects.filter(pk=run.pk).update(leased_until=None)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.FINISHED, run.message
    assert (len(who("big")), len(who("small"))) == (10, 2)
    assert run.applied == run.planned == 10 + 2 + 12
    assert Event.objects.filter(run_id=run.pk, message__contains="to the group").count() == 12
    assert not PlannedGroup.objects.filter(run=run, applied_at=None).exists()


def test_small_pages_come_to_the_same(groups: GroupSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every buffer overflows and every page ends in the middle of something."""
    for module, name, size in (
        *((apply, "MEMBERS", 3), (apply, "PAGE", 2), (store, "FULL", 2)),
        *((groups_members, "SCAN", 2), (groups_members, "CHUNK", 1)),
    ):
        monkeypatch.setattr(module, name, size)
    groups.people.page_size = 2
    for number in range(9):
        groups.person(f"user{number}")
    for number in range(5):
        groups.put(f"group{number}", *(f"user{n}" for n in range(number * 2)), f"group{(number + 1) % 5}")
    run = finished(groups)
    assert [len(who(f"group{n}")) for n in range(5)] == [0, 2, 4, 6, 8]
    assert Nesting.objects.count() == 5
    assert run.memberships_added == 20 + 5
    for number in range(5):
        groups.members[f"group{number}"] = [f"user{n}" for n in range(8 - number * 2, 9)]
    run = finished(groups)
    assert [len(who(f"group{n}")) for n in range(5)] == [1, 3, 5, 7, 9]
    assert not Nesting.objects.exists()
    assert planned(finished(groups)) == {}


def test_groups_without_nesting_are_read_once(groups: GroupSource) -> None:
    groups.nested = False
    groups.person("ann")
    groups.put("ops")
    groups.put("dev", "ann", "ops")  # somebody unknown, who has the name of a group
    finished(groups)
    assert who("dev") == {"ann"}
    assert not Nesting.objects.exists()
    assert planned(finished(groups)) == {}


def test_other_directories_hear_of_what_changed(groups: GroupSource) -> None:
    other = Directory.objects.create(name="Other", kind="memory", enabled=False)
    ProvisioningSettings.objects.create(directory=other, sync_groups=True, push_groups="all")
    groups.person("ann")
    groups.put("dev", "ann")
    finished(groups)
    assert set(GroupChange.objects.values_list("group_account__key", "directory__name")) == {("dev", "Other")}
    GroupChange.objects.all().delete()
    finished(groups)
    assert not GroupChange.objects.exists()
    del groups.groups["dev"]
    groups.put("keep")
    finished(groups)
    assert GroupChange.objects.filter(group_account__key="dev", directory=other).exists()


def test_a_user_deleted_between_plan_and_approval_is_left_out(groups: GroupSource) -> None:
    groups.person("ann")
    groups.person("bob")
    groups.put("dev")
    finished(groups)
    groups.members["dev"] = ["ann", "bob"]
    run = groups.people.run(preview=True)
    services.delete_users(User.objects.filter(username="ann").values_list("pk", flat=True), "boss")
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    assert who("dev") == {"bob"}


def test_big_groups_cost_pages_not_rows(groups: GroupSource) -> None:
    number = 2500
    groups.people.put_many(number)
    groups.by_place = False
    groups.put("dev", *(f"user{n}" for n in range(number)))
    finished(groups)
    assert Membership.objects.count() == number
    with CaptureQueriesContext(connection) as captured:
        finished(groups)
    about = [one["sql"] for one in captured if "group" in one["sql"].lower() or "member" in one["sql"].lower()]
    assert len(about) < 40
