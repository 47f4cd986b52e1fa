"""The Groups resource: its life, its members as differences, and whose groups a client changes."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from directories.models import Directory, ProvisioningSettings
from provisioning.models import Group, GroupChange, Membership, Nesting, User
from reports.models import Event
from scim.models import GroupLink, Reach
from tests.scim.conftest import Scim

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


def make_group(scim: Scim, name: str = "Developers", **body: Any) -> Any:
    answer = scim.post("/Groups", {"schemas": [GROUP], "displayName": name, **body})
    assert answer.status == 201, answer
    return answer.json


def people(count: int, name: str = "user") -> list[User]:
    return User.objects.bulk_create(User(username=f"{name}{number}") for number in range(count))


def named(*users: User) -> list[dict[str, str]]:
    return [{"value": str(user.scim_id)} for user in users]


def member_names(group: Any) -> list[str]:
    rows = Membership.objects.filter(group__scim_id=group["id"]).order_by("user__username_key")
    return list(rows.values_list("user__username", flat=True))


@pytest.mark.heavy
def test_a_group_lives_from_post_to_delete(scim: Scim) -> None:
    anna, ben = people(2)
    made = make_group(scim, "Developers", externalId="g-1", members=named(anna))
    assert made["schemas"] == [GROUP]
    assert made["externalId"] == "g-1"
    assert made["meta"]["resourceType"] == "Group"
    assert [member["value"] for member in made["members"]] == [str(anna.scim_id)]
    assert made["members"][0]["type"] == "User"
    group = Group.objects.get(scim_id=made["id"])
    assert group.pushed_by == "Okta"
    read = scim.get(f"/Groups/{made['id']}")
    assert read.json == made
    assert read.headers["ETag"] == made["meta"]["version"]
    assert scim.patch(f"/Groups/{made['id']}", {"op": "add", "path": "members", "value": named(ben)}).status == 204
    assert member_names(made) == ["user0", "user1"]
    replaced = scim.put(f"/Groups/{made['id']}", {"displayName": "Engineers", "members": named(ben)})
    assert replaced.status == 200, replaced
    assert replaced.json["displayName"] == "Engineers"
    assert "externalId" not in replaced.json
    assert member_names(made) == ["user1"]
    assert scim.delete(f"/Groups/{made['id']}").status == 204
    assert scim.get(f"/Groups/{made['id']}").status == 404
    assert not Group.objects.exists()
    assert User.objects.count() == 2


def test_each_change_has_its_line_in_the_report(scim: Scim) -> None:
    (anna,) = people(1)
    made = make_group(scim, members=named(anna))
    scim.patch(f"/Groups/{made['id']}", {"op": "replace", "path": "displayName", "value": "Engineers"})
    scim.delete(f"/Groups/{made['id']}")
    lines = list(Event.objects.order_by("pk").values_list("application", "message"))
    assert lines == [
        ("Okta", "The group Developers was created."),
        ("Okta", "user0 was added to the group Developers."),
        ("Okta", "The group Developers was renamed to Engineers."),
        ("Okta", "user0 was removed from the group Engineers, which was deleted."),
        ("Okta", "The group Engineers was deleted."),
    ]


def test_a_name_is_taken_once_whatever_its_case(scim: Scim) -> None:
    make_group(scim, "Developers")
    other = make_group(scim, "Others")
    answer = scim.post("/Groups", {"displayName": "DEVELOPERS"})
    assert (answer.status, answer.json["scimType"]) == (409, "uniqueness")
    renamed = scim.patch(f"/Groups/{other['id']}", {"op": "replace", "value": {"displayName": "developers"}})
    assert (renamed.status, renamed.json["scimType"]) == (409, "uniqueness")
    assert Group.objects.filter(name="Others").exists()
    assert Event.objects.filter(result="failed").count() == 2


@pytest.mark.heavy
def test_what_changes_nothing_changes_nothing(scim: Scim, django_assert_max_num_queries: Any) -> None:
    anna, ben = people(2)
    made = make_group(scim, "Developers", externalId="g", members=named(anna))
    lines = Event.objects.count()
    same: list[dict[str, Any]] = [
        {"op": "replace", "value": {"id": made["id"], "displayName": "Developers"}},
        {"op": "add", "path": "members", "value": named(anna)},
        {"op": "remove", "path": "members", "value": named(ben)},
        {"op": "remove", "path": f'members[value eq "{ben.scim_id}"]'},
        {"op": "replace", "path": "members", "value": named(anna)},
        {"op": "replace", "path": "externalId", "value": "g"},
    ]
    for operation in same:
        assert scim.patch(f"/Groups/{made['id']}", operation).status == 204
    assert scim.put(f"/Groups/{made['id']}", made).json == made
    assert scim.get(f"/Groups/{made['id']}").json == made
    assert Event.objects.count() == lines


def test_a_failing_patch_leaves_no_trace(scim: Scim) -> None:
    (anna,) = people(1)
    made = make_group(scim)
    answer = scim.patch(
        f"/Groups/{made['id']}",
        {"op": "replace", "path": "displayName", "value": "Engineers"},
        {"op": "add", "path": "members", "value": [*named(anna), {"value": str(uuid.uuid4())}]},
    )
    assert (answer.status, answer.json["scimType"]) == (400, "invalidValue")
    assert scim.get(f"/Groups/{made['id']}").json == made
    assert list(Event.objects.order_by("pk").values_list("operation", "result")) == [
        ("create", "success"),
        ("update", "failed"),
    ]


@pytest.mark.parametrize(
    ("operation", "left"),
    [
        ({"op": "remove", "path": 'members[value eq "{0}"]'}, "12"),
        ({"op": "remove", "path": 'members[value eq "{0}" or value eq "{2}"]'}, "1"),
        ({"op": "remove", "path": 'members[type eq "User"]'}, ""),
        ({"op": "remove", "path": 'members[not (value eq "{1}")]'}, "1"),
        ({"op": "remove", "path": 'members[display sw "user" and value eq "{1}"]'}, "02"),
        ({"op": "remove", "path": 'members[type eq "Group"]'}, "012"),
        ({"op": "remove", "path": "urn:ietf:params:scim:schemas:core:2.0:Group:members"}, ""),
        ({"op": "replace", "path": "members", "value": [{"value": "{2}"}]}, "2"),
        ({"op": "replace", "value": {"members": [{"value": "{2}"}]}}, "2"),
        ({"op": "replace", "path": "members", "value": []}, ""),
    ],
)
def test_members_are_picked_as_the_rfc_says(scim: Scim, operation: dict[str, Any], left: str) -> None:
    users = people(3)
    made = make_group(scim, members=named(*users))

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            for number, user in enumerate(users):
                value = value.replace(f"{{{number}}}", str(user.scim_id))
            return value
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return [filled(item) for item in value]

    assert scim.patch(f"/Groups/{made['id']}", filled(operation)).status == 204
    assert member_names(made) == [f"user{number}" for number in left]


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "remove", "path": "members", "value": None}, "invalidValue"),
        ({"op": "remove", "path": "members", "value": [{}]}, "invalidValue"),
        ({"op": "replace", "path": "members", "value": [None]}, "invalidValue"),
        ({"op": "replace", "path": "members", "value": None}, "invalidValue"),
        ({"op": "replace", "value": {"members": [{}]}}, "invalidValue"),
        ({"op": "remove", "path": "members", "value": [{"$ref": None, "value": ""}]}, "invalidValue"),
        ({"op": "remove", "path": "members", "value": [{"display": "anna"}]}, "invalidValue"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "remove", "path": "displayName"}, "mutability"),
        ({"op": "replace", "path": "displayName", "value": ""}, "mutability"),
        ({"op": "replace", "path": 'members[value eq "nobody"].display', "value": "x"}, "noTarget"),
        ({"op": "replace", "path": 'members[type eq "User"].value', "value": "x"}, "mutability"),
        ({"op": "remove", "path": "members[value eq"}, "invalidPath"),
        ({"op": "remove", "path": "members[nothing eq 1]"}, "invalidFilter"),
        ({"op": "add", "path": "members", "value": [{"value": 7}]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": {"display": "anna"}}, "invalidValue"),
        ({"op": "replace", "path": "displayName", "value": ["x", "y"]}, "invalidValue"),
    ],
)
def test_nobody_leaves_by_an_ambiguous_or_wrong_request(scim: Scim, operation: dict[str, Any], scim_type: str) -> None:
    users = people(2)
    made = make_group(scim, members=named(*users))
    answer = scim.patch(f"/Groups/{made['id']}", operation)
    assert (answer.status, answer.json["scimType"]) == (400, scim_type), answer
    assert member_names(made) == ["user0", "user1"]


def test_a_put_without_members_leaves_them(scim: Scim) -> None:
    users = people(2)
    made = make_group(scim, members=named(*users))
    rename = {"op": "replace", "value": {"displayName": "Renamed", "members": None}}
    assert scim.patch(f"/Groups/{made['id']}", rename).status == 204
    assert scim.put(f"/Groups/{made['id']}", {"displayName": "Again", "members": None}).status == 200
    assert scim.put(f"/Groups/{made['id']}", {"displayName": "Engineers"}).status == 200
    assert member_names(made) == ["user0", "user1"]
    assert scim.put(f"/Groups/{made['id']}", {"displayName": "Engineers", "members": []}).json["members"] == []
    assert member_names(made) == []


def test_groups_nest(scim: Scim) -> None:
    (anna,) = people(1)
    inner = make_group(scim, "Inner", members=named(anna))
    outer = make_group(scim, "Outer", members=[{"value": inner["id"]}])
    assert outer["members"] == [
        {
            "value": inner["id"],
            "$ref": inner["meta"]["location"],
            "type": "Group",
        }
    ]
    assert scim.get(f"/Groups/{outer['id']}?attributes=members.display").json["members"] == [{"display": "Inner"}]
    answer = scim.patch(f"/Groups/{outer['id']}", {"op": "add", "path": "members", "value": [{"value": outer["id"]}]})
    assert answer.status == 400
    assert scim.patch(f"/Groups/{outer['id']}", {"op": "remove", "path": 'members[type eq "Group"]'}).status == 204
    assert not Nesting.objects.exists()


def test_members_are_left_out_where_the_client_asks(scim: Scim) -> None:
    (anna,) = people(1)
    made = make_group(scim, members=named(anna))
    without = {name: value for name, value in made.items() if name != "members"}
    assert scim.get(f"/Groups/{made['id']}?excludedAttributes=members").json == without
    assert scim.get("/Groups?excludedAttributes=members").json["Resources"] == [without]
    operation = {"op": "add", "path": "members", "value": named(anna)}
    assert scim.patch(f"/Groups/{made['id']}?excludedAttributes=members", operation).json == without
    only = scim.get(f"/Groups/{made['id']}?attributes=members.value").json
    assert only["members"] == [{"value": str(anna.scim_id)}]
    assert "displayName" not in only
    assert scim.put(f"/Groups/{made['id']}?excludedAttributes=members", made).json == without


@pytest.mark.heavy
def test_many_members_are_streamed_and_the_same(scim: Scim) -> None:
    users = people(2500)
    made = make_group(scim, "Everyone", members=named(*users))
    small = make_group(scim, "Few", members=named(users[0]))
    assert [member["value"] for member in made["members"]] == [str(user.scim_id) for user in users]
    read = scim.get(f"/Groups/{made['id']}")
    assert read.json == made
    assert read.headers["ETag"] == made["meta"]["version"]
    listed = scim.get("/Groups").json
    assert listed["Resources"] == [made, small]
    assert (listed["totalResults"], listed["itemsPerPage"]) == (2, 2)
    assert scim("HEAD", f"/Groups/{made['id']}").content == b""
    only = scim.get(f"/Groups/{made['id']}?attributes=members.value").json
    assert len(only["members"]) == 2500
    assert set(only["members"][0]) == {"value"}
    kept = named(*users[:10])
    assert scim.put(f"/Groups/{made['id']}", {"displayName": "Everyone", "members": kept}).status == 200
    assert Membership.objects.filter(group__scim_id=made["id"]).count() == 10


@pytest.mark.heavy
def test_one_member_more_costs_the_same_however_many_there_are(scim: Scim, django_assert_max_num_queries: Any) -> None:
    users = people(3000)
    made = make_group(scim, "Everyone", members=named(*users[:2990]))
    add = {"op": "add", "path": "members", "value": named(users[2995])}
    with django_assert_max_num_queries(30) as found:
        assert scim.patch(f"/Groups/{made['id']}", add).status == 204
    text = "\n".join(query["sql"] for query in found.captured_queries)
    assert len(text) < 20_000  # no list of members in any of them
    with django_assert_max_num_queries(30):
        remove = {"op": "remove", "path": f'members[value eq "{users[5].scim_id}"]'}
        assert scim.patch(f"/Groups/{made['id']}", remove).status == 204
    assert Membership.objects.filter(group__scim_id=made["id"]).count() == 2990


@pytest.mark.heavy
def test_a_page_of_groups_costs_a_page(scim: Scim, django_assert_max_num_queries: Any) -> None:
    users = people(3)
    for number in range(40):
        make_group(scim, f"Group {number}", members=named(*users))
    with django_assert_max_num_queries(14):
        assert len(scim.get("/Groups").json["Resources"]) == 40


@pytest.mark.heavy
def test_groups_of_a_directory_are_left_to_it(scim: Scim) -> None:
    (anna,) = people(1)
    owner = Directory.objects.create(name="Corp AD", kind="memory")
    group = Group.objects.create(name="Staff", owner=owner)
    path = f"/Groups/{group.scim_id}"
    assert scim.get(path).json["displayName"] == "Staff"
    for operation in (
        {"op": "add", "path": "members", "value": named(anna)},
        {"op": "replace", "path": "displayName", "value": "Other"},
    ):
        answer = scim.patch(path, operation)
        assert answer.status == 403
        assert "Corp AD" in answer.json["detail"]
    assert scim.delete(path).status == 403
    assert scim.put(path, {"displayName": "Staff", "members": named(anna)}).status == 403
    assert Event.objects.filter(application="Okta", result="failed", identifier="Staff").count() == 4
    assert not Membership.objects.exists()
    # What the client calls it is its own affair: Entra keeps its object id so before anything else.
    assert scim.patch(path, {"op": "replace", "path": "externalId", "value": "e-1"}).status == 204
    assert scim.get(path).json["externalId"] == "e-1"


@pytest.mark.heavy
def test_a_client_of_its_own_groups_sees_no_others(new_client: Callable[..., Scim]) -> None:
    okta, entra = new_client("Okta"), new_client("Entra", reach=Reach.OWN)
    theirs = make_group(okta, "Developers")
    assert entra.get(f"/Groups/{theirs['id']}").status == 404
    assert entra.delete(f"/Groups/{theirs['id']}").status == 404
    assert entra.put(f"/Groups/{theirs['id']}", {"displayName": "x"}).status == 404
    assert entra.get("/Groups").json["totalResults"] == 0
    assert entra.post("/Groups", {"displayName": "Developers"}).status == 409
    own = make_group(entra, "Entra's")
    assert [found["id"] for found in entra.get("/Groups").json["Resources"]] == [own["id"]]
    nested = entra.patch(f"/Groups/{own['id']}", {"op": "add", "path": "members", "value": [{"value": theirs["id"]}]})
    assert nested.status == 400


@pytest.mark.heavy
def test_an_external_id_is_the_clients_own(new_client: Callable[..., Scim]) -> None:
    okta, entra = new_client("Okta"), new_client("Entra")
    made = make_group(okta, externalId="okta-1")
    path = f"/Groups/{made['id']}"
    assert "externalId" not in entra.get(path).json
    assert entra.patch(path, {"op": "add", "path": "externalId", "value": "entra-1"}).status == 204
    assert entra.get(path).json["externalId"] == "entra-1"
    assert okta.get(path).json["externalId"] == "okta-1"
    assert GroupLink.objects.count() == 2
    assert Group.objects.get().pushed_by == "Okta"


@pytest.mark.heavy
def test_people_whom_the_client_does_not_see_stay_in_the_group(scim: Scim) -> None:
    (anna,) = people(1)
    boss = User.objects.create(username="boss", is_staff=True)
    group = Group.objects.create(name="Mixed")
    Membership.objects.bulk_create([Membership(group=group, user=anna), Membership(group=group, user=boss)])
    path = f"/Groups/{group.scim_id}"
    assert [member["value"] for member in scim.get(path).json["members"]] == [str(anna.scim_id)]
    assert scim.patch(path, {"op": "remove", "path": "members"}).status == 204
    assert list(Membership.objects.values_list("user__username", flat=True)) == ["boss"]
    assert scim.patch(path, {"op": "add", "path": "members", "value": named(boss)}).status == 400


@pytest.mark.heavy
@pytest.mark.parametrize(("switch", "allowed"), [("sync_groups", "members"), ("sync_members", "displayName")])
def test_what_is_switched_off_is_refused(new_client: Callable[..., Scim], switch: str, allowed: str) -> None:
    scim = new_client("Okta")
    (anna,) = people(1)
    made = make_group(scim)
    setattr(scim.client, switch, False)
    scim.client.save()
    asked = {
        "members": {"op": "add", "path": "members", "value": named(anna)},
        "displayName": {"op": "replace", "path": "displayName", "value": "Engineers"},
    }
    for name, operation in asked.items():
        assert scim.patch(f"/Groups/{made['id']}", operation).status == (204 if name == allowed else 403)
    # Okta repeats the name with every change of members.
    assert scim.patch(f"/Groups/{made['id']}", {"op": "replace", "value": {"id": made["id"]}}).status == 204
    if switch == "sync_groups":
        assert scim.post("/Groups", {"displayName": "More"}).status == 403
        assert scim.delete(f"/Groups/{made['id']}").status == 403


@pytest.mark.heavy
def test_a_version_guards_a_change(scim: Scim) -> None:
    made = make_group(scim)
    path, version = f"/Groups/{made['id']}", made["meta"]["version"]
    rename = {"op": "replace", "path": "displayName", "value": "Engineers"}
    assert scim.patch(path, rename, If_Match='W/"old"').status == 412
    assert scim.put(path, {"displayName": "x"}, If_Match='W/"old"').status == 412
    assert scim.delete(path, If_Match='W/"old"').status == 412
    assert scim.patch(path, rename, If_Match=version).status == 204
    assert scim.get(path, If_None_Match=version).status == 200
    now = scim.get(path).json["meta"]["version"]
    assert now != version
    assert scim.get(path, If_None_Match=now).status == 304


@pytest.mark.heavy
def test_methods_that_do_not_belong_are_refused(scim: Scim) -> None:
    made = make_group(scim)
    for method, path in [
        ("PUT", "/Groups"),
        ("PATCH", "/Groups"),
        ("DELETE", "/Groups"),
        ("POST", f"/Groups/{made['id']}"),
    ]:
        answer = scim(method, path, {"displayName": "x"})
        assert answer.status == 405, (method, path)
        assert "Allow" in answer.headers
    assert Group.objects.count() == 1


@pytest.mark.heavy
def test_directories_hear_of_groups_and_members(scim: Scim) -> None:
    directory = Directory.objects.create(name="Apps", kind="memory")
    ProvisioningSettings.objects.create(directory=directory, sync_groups=True, push_groups="all")
    made = make_group(scim)
    assert GroupChange.objects.filter(reason="created").count() == 1
    scim.patch(f"/Groups/{made['id']}", {"op": "replace", "path": "displayName", "value": "Engineers"})
    assert GroupChange.objects.filter(reason="updated").count() == 1
    before = GroupChange.objects.count()
    scim.patch(f"/Groups/{made['id']}", {"op": "replace", "path": "displayName", "value": "Engineers"})
    assert GroupChange.objects.count() == before


def test_the_last_word_on_a_member_counts_however_its_id_is_spelt(scim: Scim) -> None:
    jane = scim.add("jane")["id"]
    group = scim.post("/Groups", {"schemas": [GROUP], "displayName": "Crew"}).json["id"]
    add = {"op": "add", "path": "members", "value": [{"value": jane.upper()}]}
    remove = {"op": "remove", "path": f'members[value eq "{jane}"]'}
    scim.patch(f"/Groups/{group}", add, remove)
    assert not Membership.objects.exists()
    scim.patch(f"/Groups/{group}", remove, add)
    assert Membership.objects.count() == 1
