"""The page of a group: groups in groups, who is in it in effect, where it goes; and the groups on a user's page."""

import pytest
from django.utils.html import strip_tags

from directories.models import Directory, ProvisioningSettings
from provisioning.identities import membership
from provisioning.models import Group, GroupAccount, GroupChange, ImportRun, Nesting, PlannedGroup, PlannedMember
from provisioning.models.imports import RunStatus
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db


def text(response) -> str:
    return " ".join(strip_tags(response.content.decode()).split()).replace(" ,", ",")


def panel(group: Group) -> str:
    return f"/provisioning/group/{group.pk}/panel/"


@pytest.fixture
def tree() -> tuple[Group, Group]:
    """Outer holds Ann and the group Inner, which holds Ann and Ben."""
    ann, ben = roll.person("ann"), roll.person("ben")
    outer, inner = Group.objects.create(name="Outer"), Group.objects.create(name="Inner")
    membership.add(outer, [ann.pk], "tester")
    membership.add(inner, [ann.pk, ben.pk], "tester")
    membership.add_child(outer, inner, "tester")
    return outer, inner


def test_the_panel_says_who_is_in_it_and_how(it_staff, tree) -> None:
    words = text(it_staff.get(panel(tree[0])))
    assert "ann ann Directly, and through Inner" in words
    assert "ben ben Through Inner" in words
    assert "This group is in Outer" in text(it_staff.get(panel(tree[1])))


@pytest.mark.heavy
def test_everybody_in_effect_comes_in_pages(it_staff, tree, django_assert_max_num_queries) -> None:
    people = [roll.person(f"user{number:03}") for number in range(60)]
    membership.add(tree[1], [user.pk for user in people], "tester")
    with django_assert_max_num_queries(16):
        first = it_staff.get(panel(tree[0]))
    assert "user022" in roll.words(first)
    assert "user023" not in roll.words(first)
    after = first.context["after"]
    second = roll.words(it_staff.get(panel(tree[0]), {"after": after}))
    assert "user023" in second
    assert "user022" not in second


def test_groups_are_added_on_the_page_and_taken_out_in_the_panel(it_staff, tree) -> None:
    outer, inner = tree
    third = Group.objects.create(name="Third")
    response = it_staff.post(f"/provisioning/group/{outer.pk}/change/", {"name": "Outer", "add_groups": [third.pk]})
    assert response.status_code == 302
    assert set(Nesting.objects.values_list("child__name", flat=True)) == {"Inner", "Third"}
    it_staff.post(panel(outer), {"child": inner.pk})
    it_staff.post(panel(outer), {"child": "x"})
    assert set(Nesting.objects.values_list("child__name", flat=True)) == {"Third"}


def test_a_group_is_not_put_into_itself(it_staff, tree) -> None:
    data = {"name": "Outer", "add_groups": [tree[0].pk]}
    response = it_staff.post(f"/provisioning/group/{tree[0].pk}/change/", data)
    assert "A group cannot be in itself." in roll.words(response)


@pytest.mark.heavy
@pytest.mark.parametrize("kept_by", ["directory", "application"])
def test_what_somebody_else_keeps_is_only_shown(it_staff, tree, kept_by: str) -> None:
    outer, inner = tree
    if kept_by == "directory":
        outer.owner = Directory.objects.create(name="Corp AD", kind="memory")
    else:
        outer.pushed_by = "Okta"
    outer.save()
    words = roll.words(it_staff.get(f"/provisioning/group/{outer.pk}/change/"))
    assert ("Corp AD. Change the group there" if kept_by == "directory" else "Okta. Change the group there") in words
    assert "Add members" not in words
    assert it_staff.post(panel(outer), {"child": inner.pk}).status_code == 403
    assert it_staff.post(f"/provisioning/group/{outer.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Nesting.objects.exists()
    assert "Remove" not in roll.words(it_staff.get(panel(outer)))


def test_helpdesk_looks_and_changes_nothing(client_of, tree) -> None:
    helpdesk = client_of("Helpdesk")
    assert "Remove" not in roll.words(helpdesk.get(panel(tree[0])))
    assert helpdesk.post(panel(tree[0]), {"child": tree[1].pk}).status_code == 403


@pytest.mark.heavy
def test_where_a_group_goes_is_chosen_and_shown(it_staff, tree) -> None:
    directory = Directory.objects.create(name="Intranet", kind="memory", enabled=False)
    ProvisioningSettings.objects.create(directory=directory, sync_groups=True, push_groups="chosen")
    data = {"name": "Outer", "directories": [directory.pk]}
    it_staff.post(f"/provisioning/group/{tree[0].pk}/change/", data)
    assert list(tree[0].directories.all()) == [directory]
    account = GroupAccount.objects.get(group=tree[0])
    assert GroupChange.objects.filter(group_account=account).exists()
    GroupAccount.objects.update(last_result="parked", last_message="The name is refused.")
    words = roll.words(it_staff.get(panel(tree[0])))
    assert "Intranet" in words
    assert "The name is refused." in words
    it_staff.post(f"/provisioning/group/{tree[0].pk}/change/", {"name": "Outer"})
    assert not tree[0].directories.exists()


def test_deleting_tells_the_directories(it_staff, tree) -> None:
    directory = Directory.objects.create(name="Intranet", kind="memory", enabled=False)
    ProvisioningSettings.objects.create(directory=directory, sync_groups=True, push_groups="all", delete_groups=True)
    account = GroupAccount.objects.create(
        group=tree[0], directory=directory, key="Outer", remote_id="1", state="active", pushed_digest="x"
    )
    it_staff.post(f"/provisioning/group/{tree[0].pk}/delete/", {"post": "yes"})
    assert not Group.objects.filter(pk=tree[0].pk).exists()
    assert GroupChange.objects.filter(group_account=account).exists()


def test_a_users_groups_and_the_way_to_them(it_staff, tree) -> None:
    top = Group.objects.create(name="Top", pushed_by="Okta")
    membership.add_child(top, tree[0], "tester")
    ben = tree[1].members.get(username="ben")
    words = text(it_staff.get(f"/provisioning/user/{ben.pk}/groups/"))
    assert "Inner This portal Directly" in words
    assert "Outer This portal Through Inner" in words
    assert "Top Okta Through Inner" in words
    alone = roll.person("alone")
    assert "This user is in no group." in roll.words(it_staff.get(f"/provisioning/user/{alone.pk}/groups/"))


@pytest.mark.heavy
def test_the_page_of_a_run_lists_groups_and_their_members(it_staff) -> None:
    directory = Directory.objects.create(name="Corp AD", kind="memory")
    run = ImportRun.objects.create(
        directory=directory, status=RunStatus.PLANNED, preview=True, groups_seen=30, groups_changed=28, errors=1
    )
    named = {"name": "Sales", "action": "create", "added": 60, "after": {"name": "Sales"}}
    sales = PlannedGroup.objects.create(run=run, **named)
    PlannedMember.objects.bulk_create(PlannedMember(planned_group=sales, add=True, ref=f"x{n}") for n in range(60))
    PlannedGroup.objects.create(run=run, action="error", name="Broken", message="It has no name.")
    PlannedGroup.objects.create(run=run, action="keep", name="Only noted")
    PlannedGroup.objects.bulk_create(
        PlannedGroup(run=run, action="delete", name=f"Old {n}", removed=3, message="Missing") for n in range(25)
    )
    address = f"/provisioning/importrun/{run.pk}/change/"
    page = it_staff.get(address)
    words = roll.words(page)
    assert "60 added" in words
    assert "It has no name." in words
    assert "Only noted" not in words
    assert "Old 22" in words
    assert "Old 23" not in words
    assert "Old 24" in roll.words(it_staff.get(address, {"groups_after": page.context["groups"].after}))
    chosen = it_staff.get(address, {"group": sales.pk}).context["chosen_group"]
    assert (len(chosen.rows), chosen.after is not None) == (50, True)
    assert it_staff.get(address, {"group": 10**9}).context["chosen_group"] is None
    assert "among the groups below" in roll.words(it_staff.get(address, {"action": "error"}))


def test_who_may_change_groups_takes_over_what_a_deleted_one_left(it_staff, client_of) -> None:
    helpdesk = client_of("Helpdesk")
    directory = Directory.objects.create(name="MEM", kind="memory")
    group = Group.objects.create(name="Developers")
    left = {"directory": directory, "key": "Developers", "state": "active", "remote_id": "7", "pushed_digest": "x"}
    old = GroupAccount.objects.create(**left)
    new = GroupAccount.objects.create(group=group, directory=directory, key="Developers", last_result="parked")
    assert "Take over" in roll.words(it_staff.get(panel(group)))
    assert "Take over" not in roll.words(helpdesk.get(panel(group)))
    assert helpdesk.post(panel(group), {"left": new.pk}).status_code == 403
    it_staff.post(panel(group), {"left": old.pk})  # not the group's own place
    assert GroupAccount.objects.count() == 2
    assert "Take over" not in roll.words(it_staff.post(panel(group), {"left": new.pk}))
    account = GroupAccount.objects.get()
    assert (account.pk, account.group) == (old.pk, group)
    assert GroupChange.objects.get().reason == "taken over"
