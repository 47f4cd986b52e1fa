"""Users over SCIM: created, read, replaced, switched off and deleted (RFC 7643 section 4.1, RFC 7644 section 3)."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from provisioning.models import AttributeDefinition, Change, User
from reports.models import Event
from scim.models import UserLink
from scim.resources.schemas import CUSTOM
from tests.provisioning.crew import save_crew_directory
from tests.scim.conftest import ENTERPRISE, USER, Scim

ANNA: dict[str, Any] = {
    "schemas": [USER, ENTERPRISE],
    "userName": "anna",
    "externalId": "00u1",
    "name": {"givenName": "Anna", "familyName": "Berg", "formatted": "Anna Berg"},
    "displayName": "Anna Berg",
    "nickName": "Annie",
    "emails": [
        {"value": "anna@corp.local", "type": "work", "primary": True},
        {"value": "anna@home.example", "type": "home"},
    ],
    "phoneNumbers": [{"value": "+49 1", "type": "work"}, {"value": "+49 2", "type": "mobile"}],
    "addresses": [{"type": "work", "streetAddress": "Main 1", "locality": "Bonn", "formatted": "Main 1, Bonn"}],
    "title": "Engineer",
    "userType": "employee",
    "locale": "de-DE",
    "timezone": "Europe/Berlin",
    "active": True,
    "roles": [{"value": "admin", "primary": True}],
    "entitlements": [{"value": "vpn"}],
    "photos": [{"value": "https://photos.example/anna", "type": "photo"}],
    "x509Certificates": [{"value": "MIIDQzCCA"}],
    ENTERPRISE: {"employeeNumber": "7", "department": "R&D", "costCenter": "4711"},
}


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def test_create_reads_back_what_was_sent(scim: Scim) -> None:
    answer = scim.post("/Users", ANNA)
    assert answer.status == 201, answer
    assert without(answer.json, "id", "meta") == ANNA
    user = User.objects.get()
    assert (user.username, user.email, user.phone, user.mobile) == ("anna", "anna@corp.local", "+49 1", "+49 2")
    assert (user.first_name, user.department, user.locality) == ("Anna", "R&D", "Bonn")
    assert answer.json["id"] == str(user.scim_id)
    assert answer.json["meta"]["resourceType"] == "User"
    assert (
        answer.headers["Location"]
        == answer.json["meta"]["location"]
        == f"http://testserver/scim/v2/Users/{user.scim_id}"
    )
    assert answer.headers["ETag"] == answer.json["meta"]["version"]
    assert scim.get(f"/Users/{user.scim_id}").json == answer.json


def test_create_is_reported_and_goes_out(scim: Scim, settings: Any) -> None:
    scim.add("anna", displayName="Anna Berg")
    line = Event.objects.get()
    assert (line.application, line.direction, line.operation, line.actor) == ("Okta", "in", "create", "Okta")
    assert line.changes["Display name"] == [None, "Anna Berg"]
    assert not User.objects.get().has_usable_password()


def test_an_absent_email_is_absent(scim: Scim) -> None:
    assert "emails" not in scim.add("anna")
    assert "emails" not in scim.add("bert", emails=[{"value": "", "type": "work"}])
    assert "emails" not in scim.add("carl", emails=None)


@pytest.mark.parametrize(
    "emails",
    [
        [{"value": "a@x.example", "type": "other", "primary": True}],  # authentik
        [{"value": "a@x.example"}],
        {"value": "a@x.example", "primary": True},  # OneLogin sends an object
        ["a@x.example"],
    ],
)
def test_the_only_email_is_the_users(scim: Scim, emails: Any) -> None:
    sent = scim.post("/Users", {"schemas": [USER], "userName": "anna", "emails": emails})
    assert sent.status == 201, sent
    assert User.objects.get().email == "a@x.example"
    assert sent.json["emails"][0]["value"] == "a@x.example"


def test_put_of_what_was_read_changes_nothing(scim: Scim) -> None:
    """Okta's wizard apps PUT back what they read."""
    created = scim.post("/Users", ANNA).json
    before = (Event.objects.count(), Change.objects.count(), User.objects.get().updated_at)
    put = scim.put(f"/Users/{created['id']}", created)
    assert put.status == 200
    assert put.json == created
    assert (Event.objects.count(), Change.objects.count(), User.objects.get().updated_at) == before


def test_put_replaces(scim: Scim) -> None:
    created = scim.post("/Users", ANNA).json
    put = scim.put(
        f"/Users/{created['id']}", {"schemas": [USER], "userName": "ANNA", "name": {"givenName": "Anne"}, "id": "other"}
    )
    assert put.status == 200, put
    assert without(put.json, "meta") == {
        "schemas": [USER],
        "id": created["id"],
        "externalId": "00u1",
        "userName": "ANNA",
        "active": True,
        "name": {"givenName": "Anne"},
    }
    assert put.json["meta"]["version"] != created["meta"]["version"]
    assert put.json["meta"]["lastModified"] > created["meta"]["lastModified"]
    assert put.json["meta"]["created"] == created["meta"]["created"]
    line = Event.objects.order_by("pk").last()
    assert line is not None
    assert line.changes["First name"] == ["Anna", "Anne"]
    assert line.changes["E-mail"] == ["anna@corp.local", None]


def test_what_only_the_client_keeps_moves_the_version_and_nothing_else(scim: Scim) -> None:
    created = scim.post("/Users", ANNA).json
    lines = Event.objects.count()
    put = scim.put(f"/Users/{created['id']}", {**created, "nickName": "An"})
    assert put.json["nickName"] == "An"
    assert put.json["meta"]["version"] != created["meta"]["version"]
    assert Event.objects.count() == lines


def test_other_clients_do_not_see_what_one_keeps(scim: Scim, new_client: Any) -> None:
    created = scim.post("/Users", ANNA).json
    seen = new_client("Entra").get(f"/Users/{created['id']}").json
    assert seen["displayName"] == "Anna Berg"
    assert seen["emails"] == [{"type": "work", "value": "anna@corp.local", "primary": True}]
    assert not {"nickName", "roles", "externalId"} & set(seen)


def test_user_names_are_unique_without_case(scim: Scim) -> None:
    scim.add("anna")
    answer = scim.post("/Users", {"schemas": [USER], "userName": "Anna"})
    assert (answer.status, answer.json["scimType"], answer.json["status"]) == (409, "uniqueness", "409")
    line = Event.objects.order_by("pk").last()
    assert line is not None
    assert (line.identifier, line.result, line.application) == ("Anna", "failed", "Okta")


@pytest.mark.heavy
def test_a_rename_is_what_the_client_calls_the_user(scim: Scim, new_client: Any) -> None:
    """Of people whom the client did not bring, the portal's user name stays."""
    User.objects.create_user("anna")
    created = scim.add("anna")
    scim.add("bert")
    put = scim.put(f"/Users/{created['id']}", {"schemas": [USER], "userName": "anna.berg"})
    assert (put.status, put.json["userName"]) == (200, "anna.berg")
    assert User.objects.filter(username="anna").exists()
    assert new_client("Entra").get(f"/Users/{created['id']}").json["userName"] == "anna"
    assert scim.put(f"/Users/{created['id']}", {"schemas": [USER], "userName": "BERT"}).status == 409
    assert scim.post("/Users", {"schemas": [USER], "userName": "Anna.Berg"}).status == 409
    for name, count in (("anna.berg", 1), ("ANNA.BERG", 1), ("anna", 0), ("bert", 1)):
        assert scim.get(f'/Users?filter=userName eq "{name}"').json["totalResults"] == count, name
    back = scim.put(f"/Users/{created['id']}", {"schemas": [USER], "userName": "anna"})
    assert back.json["userName"] == "anna"
    assert UserLink.objects.filter(user_name="").count() == 2


def test_deactivate_and_restore(scim: Scim) -> None:
    created = scim.add("anna")
    path = f"/Users/{created['id']}"
    assert scim.patch(path, {"op": "replace", "path": "active", "value": False}).json["active"] is False
    assert User.objects.get().is_active is False
    assert Event.objects.order_by("pk").last().operation == "disable"  # type: ignore[union-attr]
    assert scim.patch(path, {"op": "replace", "value": {"active": True}}).json["active"] is True
    assert Event.objects.order_by("pk").last().operation == "enable"  # type: ignore[union-attr]


def test_manager_by_id_and_what_the_server_says_of_them(scim: Scim) -> None:
    boss = scim.add("boss", displayName="The Boss")
    anna = scim.add("anna", **{ENTERPRISE: {"manager": {"value": boss["id"]}}})
    assert User.objects.get(username="anna").manager == User.objects.get(username="boss")
    assert anna[ENTERPRISE]["manager"] == {
        "value": boss["id"],
        "$ref": f"http://testserver/scim/v2/Users/{boss['id']}",
    }
    put = scim.put(f"/Users/{anna['id']}", anna)
    assert put.json == anna
    assert ENTERPRISE not in scim.put(f"/Users/{anna['id']}", {"schemas": [USER], "userName": "anna"}).json


def test_an_unknown_manager_is_kept_as_sent(scim: Scim) -> None:
    sent = {"value": "26118915-6090-4610-87e4-49d8ca9f808d"}
    anna = scim.add("anna", **{ENTERPRISE: {"manager": sent}})
    assert anna[ENTERPRISE]["manager"] == sent
    assert User.objects.get().manager is None


@pytest.mark.heavy
def test_custom_profile_attributes_are_an_extension(scim: Scim) -> None:
    AttributeDefinition.objects.create(name="badge_number", label="Badge number", type="number")
    AttributeDefinition.objects.create(name="hired", label="Hired", type="date")
    anna = scim.add("anna", **{CUSTOM: {"badge_number": 7, "hired": "2024-02-29"}})
    assert User.objects.get().custom_profile == {"badge_number": 7, "hired": "2024-02-29"}
    assert anna[CUSTOM] == {"badge_number": 7, "hired": "2024-02-29"}
    assert anna["schemas"] == [USER, CUSTOM]
    wrong = scim.put(f"/Users/{anna['id']}", {"userName": "anna", CUSTOM: {"hired": "tomorrow"}})
    assert (wrong.status, wrong.json["scimType"]) == (400, "invalidValue")
    assert "Hired" in wrong.json["detail"]


def test_unknown_attributes_and_schemas_are_passed_over(scim: Scim) -> None:
    body = {
        "schemas": ["urn:scim:schemas:core:1.0", "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/User"],
        "userName": "anna",
        "shoeSize": 38,
        "urn:vendor:extension": {"x": {"y": 1}},
        "meta": {"created": "never"},
        "id": 5,
        "groups": [{"value": "x"}],
    }
    answer = scim.post("/Users", body)
    assert answer.status == 201, answer
    assert set(answer.json) == {"schemas", "id", "userName", "active", "meta"}


def test_passwords_are_hashed_and_never_returned(scim: Scim) -> None:
    created = scim.post("/Users", {"schemas": [USER], "userName": "anna", "password": "Correct horse 1"})
    assert created.status == 201
    assert b"horse" not in created.content
    user = User.objects.get()
    assert user.check_password("Correct horse 1")
    version = created.json["meta"]["version"]
    same = scim.patch(f"/Users/{user.scim_id}", {"op": "replace", "path": "password", "value": "Correct horse 1"})
    assert same.json["meta"]["version"] == version
    other = scim.patch(f"/Users/{user.scim_id}", {"op": "replace", "path": "password", "value": "Battery 2"})
    assert other.json["meta"]["version"] != version
    assert "Battery" not in str(list(Event.objects.values()))


def test_projection(scim: Scim) -> None:
    created = scim.post("/Users?attributes=userName,emails.value", ANNA).json
    assert created == {
        "schemas": created["schemas"],
        "id": created["id"],
        "userName": "anna",
        "emails": [{"value": "anna@corp.local"}, {"value": "anna@home.example"}],
    }
    path = f"/Users/{created['id']}"
    assert "name" not in scim.get(f"{path}?excludedAttributes=name,id").json
    assert "id" in scim.get(f"{path}?excludedAttributes=name,id").json
    assert scim.get(f"{path}?attributes={ENTERPRISE}").json[ENTERPRISE] == ANNA[ENTERPRISE]
    department = scim.get(f"{path}?attributes={ENTERPRISE}:department,NAME.givenName").json
    assert department[ENTERPRISE] == {"department": "R&D"}
    assert department["name"] == {"givenName": "Anna"}
    assert scim.get(f"{path}?attributes=password").json.keys() == {"schemas", "id"}
    assert scim.get(f"{path}?attributes=name&excludedAttributes=name").status == 400


def test_conditional_requests(scim: Scim) -> None:
    created = scim.add("anna")
    path, version = f"/Users/{created['id']}", created["meta"]["version"]
    unchanged = scim.get(path, If_None_Match=version)
    assert (unchanged.status, unchanged.content) == (304, b"")
    changed = scim.patch(path, {"op": "add", "path": "title", "value": "CEO"}, If_Match=version)
    assert changed.status == 200
    for answer in (
        scim.put(path, {"userName": "anna"}, If_Match=version),
        scim.patch(path, {"op": "add", "path": "title", "value": "CTO"}, If_Match=version),
        scim.delete(path, If_Match=version),
    ):
        assert answer.status == 412
    assert scim.get(path).json["title"] == "CEO"
    assert scim.delete(path, If_Match="*").status == 204


def test_me_is_not_a_resource(scim: Scim) -> None:
    assert scim.get("/Me").status == 501


def test_changes_go_out_to_directories_and_what_is_none_does_not(scim: Scim) -> None:
    save_crew_directory()
    anna = scim.post("/Users", ANNA).json
    path = f"/Users/{anna['id']}"
    assert list(Change.objects.values_list("reason", "actor")) == [("created", "Okta")]
    scim.put(path, anna)
    scim.put(path, {**anna, "nickName": "only kept"})
    scim.patch(path, {"op": "replace", "path": "title", "value": "Engineer"})
    assert Change.objects.count() == 1
    scim.patch(path, {"op": "replace", "path": "active", "value": False})
    assert Change.objects.count() == 2
    assert scim.post("/Users", {"userName": "ANNA"}).status == 409
    assert scim.put(path, {"userName": "anna", "title": "x" * 500}).status == 400
    assert Change.objects.count() == 2


@pytest.mark.heavy
def test_a_page_costs_the_same_queries_for_any_number(scim: Scim) -> None:
    boss = scim.add("boss")

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            scim.get("/Users?count=50")
        return len(queries)

    few = asked()
    for number in range(30):
        scim.add(f"user{number}", nickName="x", **{ENTERPRISE: {"manager": {"value": boss["id"]}}})
    assert asked() == few
    assert few <= 11
    with CaptureQueriesContext(connection) as queries:
        scim.post("/Users", {**ANNA, "userName": "last"})
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) <= 18
