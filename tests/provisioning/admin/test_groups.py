import pytest

from provisioning.models import Group, Membership, User
from reports.models import Event
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
ADD = "/provisioning/group/add/"


def page(group: Group, what: str = "change") -> str:
    return f"/provisioning/group/{group.pk}/{what}/"


def members(group: Group) -> list[str]:
    return list(group.memberships.order_by("user__username_key").values_list("user__username", flat=True))


def remove(client, group: Group, *users: User):
    ids = group.memberships.filter(user__in=users).values_list("pk", flat=True)
    data = {"dataset": "Members", "action": "remove_members", "_selected_action": list(ids), "select_across": "0"}
    return client.post(page(group), data)


@pytest.fixture
def group() -> Group:
    return Group.objects.create(name="Readers")


def test_members_are_pasted_and_picked(it_staff, group) -> None:
    anna, ben, cara, dora = (roll.person(name, email=f"{name}@example.com") for name in ("Anna", "ben", "cara", "dora"))
    Membership.objects.create(group=group, user=ben)
    data = {"name": "Readers", "add_people": "ANNA, ben;\n cara@Example.com\n\n", "add_members": [dora.pk, anna.pk]}
    response = it_staff.post(page(group), data, follow=True)
    assert members(group) == ["Anna", "ben", "cara", "dora"]
    assert "3 users added to Readers, 1 was a member already." in roll.words(response)
    line = Event.objects.get(user_id=cara.pk, actor="user-IT staff")
    assert line.message == "cara was added to the group Readers."


def test_a_name_that_nobody_has_is_not_left_out_unseen(it_staff, group) -> None:
    roll.person("anna")
    for name in ("x1", "x2"):
        roll.person(name, email="shared@example.com")
    response = it_staff.post(page(group), {"name": "Readers", "add_people": "anna\nanan\nshared@example.com"})
    assert "Nobody on the roll is called: anan, shared@example.com." in roll.words(response)
    assert members(group) == []


@pytest.mark.heavy
def test_pasting_costs_pages_not_names(it_staff, group, django_assert_max_num_queries) -> None:
    User.objects.bulk_create(User(username=f"user{number}") for number in range(500))
    text = "\n".join(f"user{number}" for number in range(500))
    with django_assert_max_num_queries(30):
        it_staff.post(page(group), {"name": "Readers", "add_people": text})
    assert group.memberships.count() == 500


@pytest.mark.heavy
def test_members_are_listed_searched_and_removed(it_staff, group) -> None:
    anna, ben = roll.person("anna", last_name="Berg"), roll.person("ben")
    for user in (anna, ben):
        Membership.objects.create(group=group, user=user)
    other = Group.objects.create(name="Other")
    Membership.objects.create(group=other, user=roll.person("zoe"))
    text = roll.words(it_staff.get(page(group)))
    assert "anna" in text
    assert "zoe" not in text
    found = roll.words(it_staff.get(f"{page(group)}?membership-q=berg"))
    assert "anna" in found
    assert ">ben<" not in found.replace("\n", "").replace(" ", "")
    remove(it_staff, group, anna)
    assert members(group) == ["ben"]
    assert Event.objects.filter(user_id=anna.pk, message="Berg (anna) was removed from the group Readers.").exists()


def test_members_of_another_group_cannot_be_removed_here(it_staff, group) -> None:
    other = Group.objects.create(name="Other")
    theirs = Membership.objects.create(group=other, user=roll.person("zoe"))
    data = {"dataset": "Members", "action": "remove_members", "_selected_action": [theirs.pk], "select_across": "0"}
    it_staff.post(page(group), data)
    assert members(other) == ["zoe"]


@pytest.mark.heavy
def test_a_directorys_group_is_only_shown(it_staff) -> None:
    group = Group.objects.create(name="DB readers", owner=roll.directory("APPSDB"))
    anna = roll.person("anna")
    Membership.objects.create(group=group, user=anna)
    text = roll.words(it_staff.get(page(group)))
    assert "APPSDB" in text
    assert 'name="_save"' not in text
    assert it_staff.post(page(group), {"name": "mine", "add_people": "anna"}).status_code == 403
    assert it_staff.post(page(group, "delete"), {"post": "yes"}).status_code == 403
    remove(it_staff, group, anna)
    data = {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
    it_staff.post("/provisioning/group/", data)
    assert members(group) == ["anna"]


@pytest.mark.parametrize("role", ["Helpdesk", "Auditor"])
def test_others_look_only(client_of, group, role: str) -> None:
    anna, client = roll.person("anna"), client_of(role)
    Membership.objects.create(group=group, user=anna)
    assert client.get(page(group)).status_code == 200
    assert remove(client, group, anna).status_code in {302, 403}
    assert client.post(page(group), {"name": "x", "add_people": "anna"}).status_code == 403
    assert client.get(ADD).status_code == 403
    assert members(group) == ["anna"]


def test_names_are_one_whatever_their_case(it_staff, group) -> None:
    response = it_staff.post(ADD, {"name": " READERS "})
    assert "There is a group Readers already." in roll.words(response)


def test_deleting_a_group_keeps_its_people(it_staff, group) -> None:
    Membership.objects.create(group=group, user=roll.person("anna"))
    assert "Readers, with 1 user. The users stay." in roll.words(it_staff.get(page(group, "delete")))
    it_staff.post(page(group, "delete"), {"post": "yes"})
    assert not Group.objects.exists()
    assert User.objects.filter(username="anna").exists()


@pytest.mark.heavy
def test_a_big_groups_page_costs_the_same(it_staff, group, django_assert_max_num_queries) -> None:
    users = User.objects.bulk_create(User(username=f"user{number}") for number in range(300))
    Membership.objects.bulk_create(Membership(group=group, user=user) for user in users)
    it_staff.get(page(group))
    with django_assert_max_num_queries(21):
        it_staff.get(page(group))
    with django_assert_max_num_queries(21):
        it_staff.get(page(group, "delete"))
