"""OneLogin, JumpCloud, Ping, Google, SailPoint and Keycloak: what each does differently from the rest."""

from typing import Any

import pytest

from provisioning.models import Group, Membership, User
from reports.models import Event
from tests.scim.conftest import ENTERPRISE, USER, Scim

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


def group_of(scim: Scim, *names: str) -> tuple[Any, list[Any]]:
    users = [scim.add(name) for name in names]
    answer = scim.post("/Groups", {"displayName": "Everyone", "members": [{"value": user["id"]} for user in users]})
    assert answer.status == 201, answer
    return answer.json, users


def members() -> list[str]:
    return sorted(Membership.objects.values_list("user__username", flat=True))


# --- OneLogin: https://developers.onelogin.com/scim/create-app, /scim/define-user-schema, /scim/test-your-scim -------


def test_onelogin_ends_its_addresses_with_an_ampersand_or_a_question_mark(scim: Scim) -> None:
    made = scim.add("anna")
    for path in ('/Users?filter=userName eq "anna"&', "/Users?", f"/Users/{made['id']}?", "/Users?&count=1&"):
        assert scim.get(path).status == 200, path
    assert scim.get('/Users?filter=userName eq "anna"&').json["totalResults"] == 1


def test_onelogin_names_an_old_schema_and_sends_mails_as_one_object(scim: Scim) -> None:
    body = {
        "schemas": ["urn:scim:schemas:core:1.0"],
        "userName": "kelly@surf.example",
        "name": {"givenName": "Kelly", "familyName": "Slater"},
        "emails": {"value": "kelly@surf.example", "type": "work", "primary": True},
    }
    answer = scim.post("/Users", body)
    assert answer.status == 201, answer
    assert answer.json["emails"] == [{"value": "kelly@surf.example", "type": "work", "primary": True}]
    assert User.objects.get().email == "kelly@surf.example"
    changed = scim.put(f"/Users/{answer.json['id']}", {**body, "emails": {"value": "k@surf.example"}})
    assert changed.status == 200, changed
    assert User.objects.get().email == "k@surf.example"


def test_onelogin_adds_members_of_a_role_and_deletes_users(scim: Scim) -> None:
    """onelogin-scim-node's routes: groups are listed, created and patched, users also deleted."""
    made, (anna, ben) = group_of(scim, "anna", "ben")
    assert (
        scim.patch(f"/Groups/{made['id']}", {"op": "add", "path": "members", "value": {"value": anna["id"]}}).status
        == 204
    )
    assert scim.delete(f"/Users/{ben['id']}").status == 204
    assert [member["value"] for member in scim.get(f"/Groups/{made['id']}").json["members"]] == [anna["id"]]


# --- JumpCloud: https://jumpcloud.com/support/custom-application-connector; removes members as older Entra -----


def test_jumpcloud_tries_a_user_out(scim: Scim) -> None:
    """Activating the integration creates a test user, reads, updates and deactivates it, and then deletes it."""
    made = scim.add("jumpcloud-test", active=True, emails=[{"value": "t@jumpcloud.com", "primary": True}])
    found = scim.get('/Users?filter=userName eq "jumpcloud-test"&startIndex=1&count=100')
    assert found.json["totalResults"] == 1
    changed = scim.put(f"/Users/{made['id']}", {**made, "name": {"givenName": "Test", "familyName": "User"}})
    assert changed.json["name"] == {"givenName": "Test", "familyName": "User"}
    assert scim.put(f"/Users/{made['id']}", {**changed.json, "active": False}).json["active"] is False
    assert scim.delete(f"/Users/{made['id']}").status == 204


@pytest.mark.parametrize(
    "value", [[{"value": "{0}"}], {"value": "{0}"}, "{0}", ["{0}"], [{"value": "{0}", "display": "x"}]]
)
def test_jumpcloud_removes_one_member_by_value(scim: Scim, value: Any) -> None:
    made, (anna, _) = group_of(scim, "anna", "ben")

    def filled(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: filled(inner) for key, inner in item.items()}
        return [filled(inner) for inner in item] if isinstance(item, list) else item.replace("{0}", anna["id"])

    answer = scim.patch(f"/Groups/{made['id']}", {"op": "remove", "path": "members", "value": filled(value)})
    assert answer.status == 204, answer
    assert members() == ["ben"]


def test_an_empty_list_of_members_to_remove_removes_nobody(scim: Scim) -> None:
    made, _ = group_of(scim, "anna", "ben")
    assert scim.patch(f"/Groups/{made['id']}", {"op": "remove", "path": "members", "value": []}).status == 204
    assert members() == ["anna", "ben"]


# --- Ping: https://docs.pingidentity.com/r/en-us/pingfederate-scim-connector/ (settings reference) -------------------


def test_ping_writes_operators_in_capitals(scim: Scim) -> None:
    """PingOne asks ``userName Eq "..."``; operators have no case (RFC 7644 section 3.4.2.2)."""
    made = scim.add("anna", emails=[{"value": "anna@corp.local", "type": "work"}])
    for question in (
        'userName Eq "anna"',
        'userName EQ "ANNA"',
        'emails Eq "anna@corp.local"',
        'emails.value Eq "anna@corp.local"',
    ):
        found = scim.get(f"/Users?filter={question}")
        assert [user["id"] for user in found.json["Resources"]] == [made["id"]], question


# --- Google: https://support.google.com/a/topic/6400789 (automated user provisioning) --------------------------------


def test_google_probes_with_one_user_and_suspends(scim: Scim) -> None:
    """The connection is tried with ``GET /Users?count=1``; suspending is active=false, restoring active=true."""
    assert scim.get("/Users?count=1").json["totalResults"] == 0
    made = scim.add(
        "anna@example.com", externalId="110", emails=[{"value": "anna@example.com", "type": "work", "primary": True}]
    )
    assert scim.get('/Users?filter=externalId eq "110"').json["totalResults"] == 1
    for state in (False, True):
        answer = scim.patch(f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": state})
        assert answer.json["active"] is state
    assert scim.put(f"/Users/{made['id']}", {**made, "active": False}).json["active"] is False


# --- SailPoint: https://documentation.sailpoint.com/connectors/identityiq/scim_2_0/ -----------------------------------


@pytest.mark.heavy
def test_sailpoint_aggregates_page_by_page_with_members(scim: Scim) -> None:
    """Aggregation reads users and groups with startIndex and count until totalResults is reached."""
    made, users = group_of(scim, "anna", "ben", "carl")
    seen: list[str] = []
    total = scim.get("/Users?startIndex=1&count=2").json["totalResults"]
    while len(seen) < total:
        page = scim.get(f"/Users?startIndex={len(seen) + 1}&count=2").json
        seen += [user["id"] for user in page["Resources"]]
    assert sorted(seen) == sorted(user["id"] for user in users)
    groups = scim.get("/Groups?startIndex=1&count=100").json
    assert groups["Resources"] == [made]


@pytest.mark.heavy
def test_sailpoint_adds_and_removes_entitlements(scim: Scim) -> None:
    """Entitlements are group members, by PATCH; with ``HttpPatchSupport`` false, by PUT of the whole group."""
    made, (anna, _) = group_of(scim, "anna", "ben")
    remove = {"op": "remove", "path": f'members[value eq "{anna["id"]}"]'}
    assert scim.patch(f"/Groups/{made['id']}", remove).status == 204
    assert members() == ["ben"]
    whole = scim.get(f"/Groups/{made['id']}").json
    whole["members"] = [{"value": anna["id"], "type": "User"}, *whole["members"]]
    assert scim.put(f"/Groups/{made['id']}", whole).status == 200
    assert members() == ["anna", "ben"]


# --- Keycloak: https://github.com/mitodl/keycloak-scim (UserAdapter, GroupAdapter) -----------------------------------


def test_keycloak_puts_users_and_groups_with_relative_references(scim: Scim) -> None:
    """``meta.location`` and members' ``$ref`` are relative, ``id`` and ``externalId`` repeated."""
    made = scim.add("anna", externalId="kc-1", name={"familyName": "Berg", "givenName": "Anna"}, roles=[])
    body = {**made, "meta": {"location": f"Users/{made['id']}"}, "displayName": "Anna Berg"}
    assert scim.put(f"/Users/{made['id']}", body).json["displayName"] == "Anna Berg"
    group = scim.post("/Groups", {"schemas": [GROUP], "externalId": "kc-g", "displayName": "Staff"}).json
    sent = {
        "schemas": [GROUP],
        "id": group["id"],
        "externalId": "kc-g",
        "displayName": "Staff",
        "members": [{"value": made["id"], "$ref": f"Users/{made['id']}"}],
        "meta": {"location": f"Groups/{group['id']}"},
    }
    answer = scim.put(f"/Groups/{group['id']}", sent)
    assert answer.status == 200, answer
    assert members() == ["anna"]
    assert Group.objects.get().name == "Staff"


def test_keycloak_clears_what_it_leaves_out(scim: Scim) -> None:
    """RFC 7644 section 3.5.1: what a PUT leaves out is cleared."""
    made = scim.add("anna", title="Engineer", **{ENTERPRISE: {"department": "IT"}})
    assert scim.put(f"/Users/{made['id']}", {"schemas": [USER], "userName": "anna"}).status == 200
    stored = User.objects.get()
    assert (stored.title, stored.department, stored.is_active) == ("", "", True)


def test_onelogin_puts_under_an_older_urn(scim: Scim) -> None:
    """OneLogin's legacy template (goauthentik/authentik issue 11249)."""
    legacy = "urn:scim:schemas:extension:enterprise:2.0"
    user = scim.add("anna", **{ENTERPRISE: {"department": "Old"}})
    put = scim.put(
        f"/Users/{user['id']}",
        {"schemas": ["urn:scim:schemas:core:2.0", legacy], "userName": "anna", legacy: {"department": "Sales"}},
    )
    assert (put.status, put.json[ENTERPRISE]) == (200, {"department": "Sales"})
    changed = scim.patch(f"/Users/{user['id']}", {"op": "replace", "path": f"{legacy}:department", "value": "HR"})
    assert changed.json[ENTERPRISE] == {"department": "HR"}


@pytest.mark.parametrize("schemas", [7, {"k": 1}, [1], "text", [USER.replace("User", "Group")], ["urn:foo:bar"]])
def test_a_body_that_says_it_is_something_else(scim: Scim, schemas: Any) -> None:
    """RFC 7643 section 3; a body without ``schemas`` is taken."""
    answer = scim.post("/Users", {"schemas": schemas, "userName": "anna"})
    assert (answer.status, answer.json["scimType"]) == (400, "invalidValue")
    assert scim.post("/Users", {"userName": "anna"}).status == 201


@pytest.mark.parametrize(
    "body",
    [
        {"phoneNumbers": {"number": "123"}},
        {"emails": [None]},
        {"emails": [{}]},
        {"roles": [{"nothing": 1}]},
        {"emails": [{"value": "nonsense here", "type": "work"}]},
        {ENTERPRISE: {"manager": {"displayName": "Boss"}}},
    ],
)
def test_a_value_that_would_be_dropped_is_refused(scim: Scim, body: dict[str, Any]) -> None:
    answer = scim.post("/Users", {"schemas": [USER], "userName": "anna", **body})
    assert (answer.status, answer.json["scimType"]) == (400, "invalidValue"), answer
    user = scim.add("anna", emails=[{"value": "a@x.example", "type": "work"}])
    operations = [{"op": "replace", "path": name, "value": value} for name, value in body.items() if ":" not in name]
    for operation in operations:
        assert scim.patch(f"/Users/{user['id']}", operation).json["scimType"] == "invalidValue"
    assert scim.get(f"/Users/{user['id']}").json["emails"][0]["value"] == "a@x.example"


def test_a_manager_by_address(scim: Scim) -> None:
    """RFC 7643 section 4.3 has ``$ref`` beside ``value``."""
    boss, anna = scim.add("boss"), scim.add("anna")
    path = f"/Users/{anna['id']}"
    for address in (f"../Users/{boss['id']}", boss["meta"]["location"]):
        put = scim.put(path, {"schemas": [USER], "userName": "anna", ENTERPRISE: {"manager": {"$ref": address}}})
        assert put.json[ENTERPRISE]["manager"]["value"] == boss["id"]
    gone = scim.patch(path, {"op": "replace", "path": f"{ENTERPRISE}:manager", "value": {"displayName": "Boss"}})
    assert gone.status == 400
    assert scim.get(path).json[ENTERPRISE]["manager"]["value"] == boss["id"]
    assert scim.delete(f"/Users/{boss['id']}").status == 204
    assert ENTERPRISE not in scim.get(path).json
    assert "1 person has no manager now" in Event.objects.latest("pk").message


def test_an_address_that_is_there_is_not_added_again(scim: Scim) -> None:
    """RFC 7643 section 2.4, RFC 7644 section 3.5.2.1 (wso2/product-is issue 2978)."""
    emails = [{"value": "k@work.example", "type": "work"}, {"value": "k@home.example", "type": "home", "primary": True}]
    user = scim.add("kim", emails=emails)
    added = {"value": "k@work.example", "type": "work", "primary": True}
    now = scim.patch(f"/Users/{user['id']}", {"op": "add", "path": "emails", "value": [added]}).json["emails"]
    assert sorted(each["value"] for each in now) == ["k@home.example", "k@work.example"]
    assert [each["value"] for each in now if each.get("primary")] == ["k@work.example"]


def test_refused_group_requests_stand_in_the_report(scim: Scim) -> None:
    schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"]
    group = scim.post("/Groups", {"schemas": schemas, "displayName": "Team"}).json
    unknown = {"op": "add", "path": "members", "value": [{"value": "22222222-2222-4222-8222-222222222222"}]}
    assert scim.patch(f"/Groups/{group['id']}", unknown).status == 400
    line = Event.objects.latest("pk")
    assert (line.identifier, line.result, line.operation, line.application) == ("Team", "failed", "update", "Okta")
    assert "No user or group has the id" in line.message
    assert scim.post("/Groups", {"schemas": schemas, "displayName": ""}).status == 400
    line = Event.objects.latest("pk")
    assert (line.identifier, line.result, line.operation) == ("", "failed", "create")
