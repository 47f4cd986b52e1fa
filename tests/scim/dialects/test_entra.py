"""Microsoft Entra ID, before and with ``aadOptscim062020``.

https://learn.microsoft.com/en-us/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups (DEVELOP) and
https://learn.microsoft.com/en-us/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
(KNOWN ISSUES). The requests are theirs, with people of ours in them.
"""

from typing import Any

import pytest

from provisioning.models import Group, Membership, User
from reports.models import Event
from tests.scim.conftest import ENTERPRISE, USER, Scim

LEGACY_GROUP = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


def create(scim: Scim, name: str = "Test_User_ab6490ee", **body: Any) -> Any:
    """DEVELOP, "Create User"."""
    sent = {
        "schemas": [USER, ENTERPRISE],
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": name,
        "active": True,
        "emails": [{"primary": True, "type": "work", "value": f"{name}@testuser.com"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
        "roles": [],
        **body,
    }
    answer = scim.post("/Users", sent)
    assert answer.status == 201, answer
    return answer.json


def patched(scim: Scim, user: Any, *operations: dict[str, Any]) -> Any:
    answer = scim.patch(f"/Users/{user['id']}", *operations)
    assert answer.status == 200, answer
    return answer.json


def test_test_connection_asks_for_a_random_user_name(scim: Scim) -> None:
    """DEVELOP, "Get User by query - Zero results"."""
    create(scim)
    answer = scim.get('/Users?filter=userName eq "8a7e8d5e-7a4d-46b7-9d35-4c7b6f0d2a11"')
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/scim+json")
    assert (answer.json["totalResults"], answer.json["Resources"]) == (0, [])


def test_a_user_is_created_found_and_read(scim: Scim) -> None:
    user = create(scim)
    assert user["externalId"] == "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"
    assert user["name"]["formatted"] == "givenName familyName"
    for question in (
        f'userName eq "{user["userName"].upper()}"',
        f'externalId eq "{user["externalId"]}"',
        f'emails[type eq "work"].value eq "{user["emails"][0]["value"]}"',
    ):
        found = scim.get(f"/Users?filter={question}")
        assert [each["id"] for each in found.json["Resources"]] == [user["id"]], question
    assert scim.get(f"/Users/{user['id']}").json == user


def test_an_unknown_user_is_a_404_with_a_body(scim: Scim) -> None:
    """DEVELOP, "Response (User not found. The detail isn't required, only status.)"."""
    answer = scim.get("/Users/5171a35d82074e068ce2")
    assert (answer.status, answer.json["status"]) == (404, "404")


@pytest.mark.parametrize("value", ["False", "false", False])
def test_a_user_is_disabled_and_restored(scim: Scim, value: Any) -> None:
    """KNOWN ISSUES, "Requests made to disable users": without the flag a text, with it a boolean."""
    user = create(scim)
    assert patched(scim, user, {"op": "Replace", "path": "active", "value": value})["active"] is False
    # "The user object should be returned in a request whether or not the user is active."
    assert scim.get(f"/Users/{user['id']}").json["active"] is False
    found = scim.get(f'/Users?filter=userName eq "{user["userName"]}"')
    assert found.json["totalResults"] == 1
    assert patched(scim, user, {"op": "Replace", "path": "active", "value": "True"})["active"] is True


def test_a_user_is_soft_deleted_and_then_deleted(scim: Scim) -> None:
    """DEVELOP: active=false first; "the only time the user shouldn't be returned is when it's hard deleted"."""
    user = create(scim)
    patched(scim, user, {"op": "Replace", "path": "active", "value": "False"})
    assert scim.delete(f"/Users/{user['id']}").status == 204
    assert scim.get(f"/Users/{user['id']}").status == 404
    assert scim.get(f'/Users?filter=userName eq "{user["userName"]}"').json["totalResults"] == 0


@pytest.mark.heavy
def test_single_values_are_added_and_replaced_without_the_flag(scim: Scim) -> None:
    """KNOWN ISSUES, "Requests to add a single-value string attribute" and "to replace multiple attributes"."""
    user = create(scim)
    assert patched(scim, user, {"op": "Add", "path": "nickName", "value": "Babs"})["nickName"] == "Babs"
    changed = patched(
        scim,
        user,
        {"op": "Replace", "path": "displayName", "value": "Pvlo"},
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "TestBcwqnm@test.microsoft.com"},
        {"op": "Replace", "path": "name.givenName", "value": "Gtfd"},
        {"op": "Replace", "path": "name.familyName", "value": "Pkqf"},
        {"op": "Replace", "path": "externalId", "value": "Eqpj"},
        {"op": "Replace", "path": f"{ENTERPRISE}:employeeNumber", "value": "Eqpj"},
    )
    assert changed["displayName"] == "Pvlo"
    assert changed["emails"] == [{"type": "work", "primary": True, "value": "TestBcwqnm@test.microsoft.com"}]
    assert (changed["name"]["givenName"], changed["name"]["familyName"]) == ("Gtfd", "Pkqf")
    assert changed["externalId"] == "Eqpj"
    assert changed[ENTERPRISE]["employeeNumber"] == "Eqpj"
    stored = User.objects.get(scim_id=user["id"])
    assert (stored.email, stored.employee_number) == ("TestBcwqnm@test.microsoft.com", "Eqpj")


def test_one_replace_without_a_path_has_dotted_names_and_urns_with_the_flag(scim: Scim) -> None:
    """KNOWN ISSUES, "Requests to replace multiple attributes", with feature flag."""
    user = create(scim)
    changed = patched(
        scim,
        user,
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "TestMhvaes@test.microsoft.com"},
        {
            "op": "replace",
            "value": {
                "displayName": "Bjfe",
                "name.givenName": "Kkom",
                "name.familyName": "Unua",
                f"{ENTERPRISE}:employeeNumber": "Aklq",
            },
        },
    )
    assert changed["displayName"] == "Bjfe"
    assert (changed["name"]["givenName"], changed["name"]["familyName"]) == ("Kkom", "Unua")
    assert changed[ENTERPRISE]["employeeNumber"] == "Aklq"


@pytest.mark.parametrize("verb", ["Add", "Replace"])
def test_an_element_that_is_not_there_is_made_once(scim: Scim, verb: str) -> None:
    """DEVELOP's table of attributes: mail, telephoneNumber, streetAddress, postalCode by a filter on the type."""
    user = create(scim, emails=[])
    assert "emails" not in user
    changed = patched(
        scim,
        user,
        {"op": verb, "path": 'emails[type eq "work"].value', "value": "anna@contoso.com"},
        {"op": verb, "path": 'phoneNumbers[type eq "mobile"].value', "value": "+49 30 1"},
        {"op": verb, "path": 'addresses[type eq "work"].streetAddress', "value": "Main Street 1"},
        {"op": verb, "path": 'addresses[type eq "work"].postalCode', "value": "10115"},
    )
    assert [mail["value"] for mail in changed["emails"]] == ["anna@contoso.com"]
    assert changed["phoneNumbers"] == [{"type": "mobile", "value": "+49 30 1"}]
    assert changed["addresses"] == [{"type": "work", "streetAddress": "Main Street 1", "postalCode": "10115"}]
    assert User.objects.get(scim_id=user["id"]).postal_code == "10115"


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_an_empty_text_clear(scim: Scim, nothing: str | None) -> None:
    user = create(scim, title="Engineer")
    changed = patched(
        scim,
        user,
        {"op": "Replace", "path": "title", "value": nothing},
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": nothing},
        {"op": "Replace", "path": "name.givenName", "value": nothing},
    )
    assert "title" not in changed
    assert "emails" not in changed
    assert "givenName" not in changed["name"]
    stored = User.objects.get(scim_id=user["id"])
    assert (stored.title, stored.email, stored.first_name) == ("", "", "")


MANAGER = f"{ENTERPRISE}:manager"


@pytest.mark.parametrize("path", ["manager", MANAGER, f"{ENTERPRISE}.manager"])
@pytest.mark.parametrize("shape", ["text", "object", "list"])
def test_a_manager_comes_in_every_shape(scim: Scim, path: str, shape: str) -> None:
    """DEVELOP maps ``manager`` to the enterprise extension, and shows it as a text there."""
    boss, user = create(scim, "boss", externalId="b"), create(scim)
    value = {"text": boss["id"], "object": {"value": boss["id"]}, "list": [{"value": boss["id"]}]}[shape]
    changed = patched(scim, user, {"op": "Add", "path": path, "value": value})
    assert changed[ENTERPRISE]["manager"]["value"] == boss["id"]
    assert User.objects.get(scim_id=user["id"]).manager == User.objects.get(scim_id=boss["id"])


@pytest.mark.heavy
@pytest.mark.parametrize(
    "operation",
    [
        {"op": "Replace", "path": MANAGER, "value": ""},
        {"op": "Replace", "path": MANAGER, "value": {"value": ""}},
        {"op": "Replace", "path": "manager", "value": None},
        {"op": "Replace", "path": f"{MANAGER}.value", "value": ""},
        {"op": "replace", "value": {MANAGER: ""}},
        {"op": "Remove", "path": MANAGER},
    ],
)
def test_a_manager_is_taken_away(scim: Scim, operation: dict[str, Any]) -> None:
    boss, user = create(scim, "boss", externalId="b"), create(scim)
    patched(scim, user, {"op": "Add", "path": MANAGER, "value": boss["id"]})
    assert "manager" not in patched(scim, user, operation).get(ENTERPRISE, {})
    assert User.objects.get(scim_id=user["id"]).manager is None


def test_a_role_is_a_primary_text(scim: Scim) -> None:
    """https://learn.microsoft.com/en-us/entra/identity/app-provisioning/customize-application-attributes,
    "Provisioning a role to a SCIM app": ``SingleAppRoleAssignment`` and the roles of a new user."""
    user = create(scim, roles=[{"primary": "True", "type": "WindowsAzureActiveDirectoryRole", "value": "Admin"}])
    assert user["roles"] == [{"primary": True, "type": "WindowsAzureActiveDirectoryRole", "value": "Admin"}]
    changed = patched(scim, user, {"op": "Add", "path": 'roles[primary eq "True"].value', "value": "User"})
    assert changed["roles"] == [{"primary": True, "type": "WindowsAzureActiveDirectoryRole", "value": "User"}]
    other = create(scim, "other", externalId="o", roles=[])
    made = patched(scim, other, {"op": "Add", "path": 'roles[primary eq "True"].value', "value": "User"})
    assert made["roles"] == [{"primary": True, "value": "User"}]


def test_a_user_principal_name_changes(scim: Scim) -> None:
    """DEVELOP, "Update User [Single-valued properties]"."""
    user = create(scim)
    name = "5b50642d-79fc-4410-9e90-4c077cdd1a59@testuser.com"
    assert patched(scim, user, {"op": "Replace", "path": "userName", "value": name})["userName"] == name
    found = scim.get(f'/Users?filter=userName eq "{name}"')
    assert [each["id"] for each in found.json["Resources"]] == [user["id"]]


def test_an_unknown_extension_is_no_error(scim: Scim) -> None:
    """DEVELOP's example has an extension of the application's own."""
    other = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User"
    user = create(scim, **{other: {"tag": "701984"}})
    patched(scim, user, {"op": "Add", "path": f"{other}:tag", "value": "1"})
    patched(scim, user, {"op": "replace", "value": {f"{other}:tag": "1", other: {"tag": "2"}}})


def group(scim: Scim, name: str = "displayName") -> Any:
    """DEVELOP, "Create Group": a legacy schema URI beside the RFC's, and no members."""
    sent = {
        "schemas": [GROUP, LEGACY_GROUP],
        "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
        "displayName": name,
        "meta": {"resourceType": "Group"},
    }
    answer = scim.post("/Groups", sent)
    assert answer.status == 201, answer
    return answer.json


def test_a_group_is_created_empty_and_found_by_name_without_its_members(scim: Scim) -> None:
    """DEVELOP, "Get Group by displayName"."""
    made = group(scim)
    assert made["members"] == []
    answer = scim.get('/Groups?excludedAttributes=members&filter=displayName eq "displayName"')
    assert [each["id"] for each in answer.json["Resources"]] == [made["id"]]
    assert "members" not in answer.json["Resources"][0]
    assert "members" not in scim.get(f"/Groups/{made['id']}?excludedAttributes=members").json


def test_a_group_name_is_unique(scim: Scim) -> None:
    """DEVELOP: "Groups must have uniqueness on the 'displayName' value"."""
    group(scim)
    answer = scim.post("/Groups", {"schemas": [GROUP], "displayName": "DISPLAYNAME"})
    assert (answer.status, answer.json["scimType"]) == (409, "uniqueness")
    assert Event.objects.filter(result="failed", application="Okta").exists()


def test_a_group_is_renamed_with_204(scim: Scim) -> None:
    """DEVELOP, "Update Group [Non-member attributes]"."""
    made = group(scim)
    name = "1879db59-3bdf-4490-ad68-ab880a269474updatedDisplayName"
    answer = scim.patch(f"/Groups/{made['id']}", {"op": "Replace", "path": "displayName", "value": name})
    assert (answer.status, answer.content) == (204, b"")
    assert Group.objects.get().name == name


@pytest.mark.heavy
@pytest.mark.parametrize("mode", ["older", "newer"])
def test_members_come_and_only_the_one_who_is_named_goes(scim: Scim, mode: str) -> None:
    """DEVELOP, "Update Group [Add Members]" and "[Remove Members]"; KNOWN ISSUES, "to remove a group member"."""
    made = group(scim)
    anna, ben = create(scim, "anna", externalId="a"), create(scim, "ben", externalId="b")
    for user in (anna, ben):
        added = {"op": "Add", "path": "members", "value": [{"$ref": None, "value": user["id"]}]}
        assert scim.patch(f"/Groups/{made['id']}", added).status == 204
    older = {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": anna["id"]}]}
    newer = {"op": "remove", "path": f'members[value eq "{anna["id"]}"]'}
    answer = scim.patch(f"/Groups/{made['id']}", older if mode == "older" else newer)
    assert answer.status == 204
    assert list(Membership.objects.values_list("user__username", flat=True)) == ["ben"]


@pytest.mark.heavy
def test_a_member_is_asked_for_by_a_filter(scim: Scim) -> None:
    """DEVELOP: "Requests to determine whether a reference attribute has a certain value are requests about the members
    attribute"."""
    made, anna = group(scim), create(scim)
    question = f'/Groups?filter=id eq "{made["id"]}" and members eq "{anna["id"]}"&attributes=id'
    assert scim.get(question).json["totalResults"] == 0
    scim.patch(f"/Groups/{made['id']}", {"op": "Add", "path": "members", "value": [{"value": anna["id"]}]})
    assert scim.get(question).json["totalResults"] == 1


@pytest.mark.heavy
def test_a_group_is_deleted(scim: Scim) -> None:
    """DEVELOP, "Delete Group"."""
    made = group(scim)
    assert scim.delete(f"/Groups/{made['id']}").status == 204
    assert not Group.objects.exists()


def test_a_request_that_changes_nothing_makes_no_version(scim: Scim) -> None:
    """Entra's cycles repeat what they sent; DEVELOP: no transformation between what was sent and what is stored."""
    user = create(scim, title="Engineer")
    lines = Event.objects.count()
    same = patched(
        scim,
        user,
        {"op": "Replace", "path": "active", "value": "True"},
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": user["emails"][0]["value"]},
        {"op": "Add", "path": "title", "value": "Engineer"},
        {"op": "Replace", "path": "manager", "value": ""},
    )
    assert same == user
    assert Event.objects.count() == lines
