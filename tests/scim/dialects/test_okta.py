"""Okta.

https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20 (REFERENCE) and the SCIM 2.0 spec test suite of
https://developer.okta.com/docs/guides/scim-provisioning-integration-test/main/ (SUITE).
"""

from typing import Any

import pytest

from provisioning.models import Group, Membership, User
from tests.scim.conftest import USER, Scim

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


def create(scim: Scim, name: str = "test.user@okta.local", **body: Any) -> Any:
    """REFERENCE, "Create the User": with a password, and with ``groups``, which nobody may write."""
    sent = {
        "schemas": [USER],
        "userName": name,
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": True, "value": name, "type": "work"}],
        "displayName": "Test User",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
        **body,
    }
    answer = scim.post("/Users", sent)
    assert answer.status == 201, answer
    return answer.json


def group(scim: Scim, name: str = "Test SCIMv2", members: list[Any] | None = None) -> Any:
    """REFERENCE, "Create Groups"."""
    answer = scim.post("/Groups", {"schemas": [GROUP], "displayName": name, "members": members or []})
    assert answer.status == 201, answer
    return answer.json


def test_the_suite_reads_one_user(scim: Scim) -> None:
    """SUITE, "Required Test: Test Users endpoint": ``GET /Users?count=1&startIndex=1``, then the user by id."""
    create(scim)
    create(scim, "another@okta.local", externalId="2")
    listed = scim.get("/Users?count=1&startIndex=1")
    assert listed.status == 200
    assert (listed.json["itemsPerPage"], listed.json["startIndex"], listed.json["totalResults"]) == (1, 1, 2)
    (found,) = listed.json["Resources"]
    assert found["userName"]
    assert found["active"] is True
    assert found["emails"][0]["value"]
    assert scim.get(f"/Users/{found['id']}").json == found


def test_the_suite_asks_for_nobody(scim: Scim) -> None:
    """SUITE, "Required Test: Test invalid User by username" and "Make sure random user doesn't exist"."""
    answer = scim.get('/Users?filter=userName eq "abcdefgh@atko.com"')
    assert (answer.status, answer.json["totalResults"], answer.json["Resources"]) == (200, 0, [])
    missing = scim.get("/Users/010101001010101011001010101011")
    assert (missing.status, missing.json["schemas"]) == (404, ["urn:ietf:params:scim:api:messages:2.0:Error"])
    assert missing.json["detail"]


def test_the_suite_makes_a_user_once(scim: Scim) -> None:
    """SUITE, "Create Okta user with realistic values", then the same again: 409. Nobody else is claimed."""
    scim.client.match = "none"
    scim.client.save()
    create(scim)
    again = scim.post("/Users", {"schemas": [USER], "userName": "Test.User@okta.local", "name": {"givenName": "x"}})
    assert (again.status, again.json["scimType"]) == (409, "uniqueness")
    assert User.objects.count() == 1


def test_a_password_is_taken_and_never_given_back(scim: Scim) -> None:
    made = create(scim)
    assert "password" not in made
    assert User.objects.get().check_password("1mz050nq")
    answer = scim.patch(f"/Users/{made['id']}", {"op": "replace", "value": {"password": "New pass 2"}})
    assert "password" not in answer.json
    assert User.objects.get().check_password("New pass 2")


def test_the_check_before_a_create(scim: Scim) -> None:
    """REFERENCE, "Determine if the User already exists"; integers stay integers."""
    made = create(scim)
    answer = scim.get("/Users?filter=userName%20eq%20%22test.user%40okta.local%22&startIndex=1&count=100")
    assert [found["id"] for found in answer.json["Resources"]] == [made["id"]]
    for name in ("itemsPerPage", "startIndex", "totalResults"):
        assert isinstance(answer.json[name], int)


def test_a_wizard_app_puts_back_what_it_read(scim: Scim) -> None:
    """REFERENCE, "Update a specific User (PUT)": read, change one attribute, PUT it all, ``groups`` too."""
    made = create(scim)
    group(scim, members=[{"value": made["id"]}])
    read = scim.get(f"/Users/{made['id']}").json
    assert read["groups"]
    same = scim.put(f"/Users/{made['id']}", read)
    assert (same.status, same.json) == (200, read)
    changed = scim.put(f"/Users/{made['id']}", {**read, "name": {**read["name"], "middleName": "Excited"}})
    assert changed.json["name"]["middleName"] == "Excited"
    assert Membership.objects.count() == 1
    assert User.objects.get().check_password("1mz050nq")


@pytest.mark.heavy
def test_a_user_is_deactivated_by_patch_and_by_put(scim: Scim) -> None:
    """REFERENCE, "Update a specific User (PATCH)"; users are never deleted."""
    made = create(scim)
    off = {"op": "replace", "value": {"active": False}}
    answer = scim.patch(f"/Users/{made['id']}", off)
    assert (answer.status, answer.json["active"]) == (200, False)
    assert answer.json["userName"] == "test.user@okta.local"
    back = scim.put(f"/Users/{made['id']}", {**answer.json, "active": True})
    assert back.json["active"] is True
    assert scim.put(f"/Users/{made['id']}", {**back.json, "active": False}).json["active"] is False
    assert scim.get(f"/Users/{made['id']}").status == 200


@pytest.mark.heavy
def test_pages_are_stable_and_whole(scim: Scim) -> None:
    """REFERENCE, "Retrieve Users": the same ordering whatever startIndex and count."""
    for number in range(7):
        create(scim, f"user{number}@okta.local", externalId=str(number))
    whole = [found["id"] for found in scim.get("/Users?startIndex=1&count=100").json["Resources"]]
    parts = []
    for start in range(1, 8, 2):
        parts += [found["id"] for found in scim.get(f"/Users?startIndex={start}&count=2").json["Resources"]]
    assert parts == whole
    assert len(set(whole)) == 7


@pytest.mark.heavy
def test_a_rename_repeats_the_id(scim: Scim) -> None:
    """REFERENCE, "Update a specific Group name": also sent with every change of members."""
    made = group(scim)
    rename = {"op": "replace", "value": {"id": made["id"], "displayName": "Test SCIMv20"}}
    answer = scim.patch(f"/Groups/{made['id']}", rename)
    assert answer.status in (200, 204)
    assert Group.objects.get().name == "Test SCIMv20"
    assert scim.patch(f"/Groups/{made['id']}", rename).status in (200, 204)


@pytest.mark.heavy
def test_members_come_and_go_in_one_request_with_their_names(scim: Scim) -> None:
    """REFERENCE, "Update specific Group membership"."""
    anna, ben = create(scim, "anna@okta.local", externalId="a"), create(scim, "ben@okta.local", externalId="b")
    made = group(scim, members=[{"value": anna["id"], "display": "anna@okta.local"}])
    answer = scim.patch(
        f"/Groups/{made['id']}",
        {"op": "remove", "path": f'members[value eq "{anna["id"]}"]'},
        {"op": "add", "path": "members", "value": [{"value": ben["id"], "display": "ben@okta.local"}]},
    )
    assert answer.status in (200, 204)
    assert list(Membership.objects.values_list("user__username", flat=True)) == ["ben@okta.local"]


@pytest.mark.parametrize("count", [0, 2])
def test_a_full_push_replaces_the_members_also_by_nobody(scim: Scim, count: int) -> None:
    """REFERENCE: "a full push of the membership"; of an empty group Okta pushes an empty list
    (https://github.com/Captain-P-Goldfish/SCIM-SDK/issues/757)."""
    users = [create(scim, f"user{number}@okta.local", externalId=str(number)) for number in range(3)]
    made = group(scim, members=[{"value": users[2]["id"]}])
    value = [{"value": user["id"], "display": user["userName"]} for user in users[:count]]
    assert scim.patch(f"/Groups/{made['id']}", {"op": "replace", "path": "members", "value": value}).status == 204
    assert Membership.objects.count() == count


def test_a_wizard_app_puts_groups(scim: Scim) -> None:
    """REFERENCE: "For custom app integrations created using the AIW, this request ... is sent through a PUT"."""
    anna = create(scim)
    made = group(scim)
    body = {"schemas": [GROUP], "id": made["id"], "displayName": "Renamed", "members": [{"value": anna["id"]}]}
    answer = scim.put(f"/Groups/{made['id']}", body)
    assert (answer.status, answer.json["displayName"]) == (200, "Renamed")
    assert Membership.objects.count() == 1


def test_a_group_is_unlinked(scim: Scim) -> None:
    """REFERENCE, "Delete a specific Group"."""
    made = group(scim)
    answer = scim.delete(f"/Groups/{made['id']}")
    assert (answer.status, answer.content) == (204, b"")


def test_a_wrong_token_is_a_scim_error(scim: Scim) -> None:
    """SUITE, "Expect 401 with a body that has detail, status and schemas"."""
    answer = scim.get("/Users", Authorization="Bearer wrong")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json["status"] == "401"
    assert answer.json["detail"]
    assert answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
