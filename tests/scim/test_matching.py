"""Whom an application may have: its own, whom its rule recognises, never staff (issue: matched by rule or 409)."""

from typing import Any

import pytest

from provisioning.models import User
from reports.models import Event
from scim.models import UserLink
from tests.scim.conftest import USER, Scim


def body(name: str, **more: Any) -> dict[str, Any]:
    return {"schemas": [USER], "userName": name, **more}


def last_line() -> Event:
    line = Event.objects.order_by("pk").last()
    assert line is not None
    return line


def test_by_user_name_a_user_on_the_roll_is_claimed(scim: Scim) -> None:
    anna = User.objects.create_user("anna", email="anna@x.example", title="Engineer")
    answer = scim.post("/Users", body("ANNA", externalId="1", displayName="Anna"))
    assert answer.status == 201, answer
    assert answer.json["id"] == str(anna.scim_id)
    anna.refresh_from_db()
    assert (anna.display_name, anna.title, anna.is_active) == ("Anna", "Engineer", True)
    assert list(Event.objects.filter(application="Okta").values_list("operation", flat=True)) == ["update", "link"]
    assert UserLink.objects.get().owned is False
    assert scim.post("/Users", body("anna")).status == 409


def test_by_email_the_client_may_call_them_otherwise(new_client: Any) -> None:
    anna = User.objects.create_user("anna", email="Anna@x.example")
    scim = new_client(match="email")
    sent = body("anna@x.example", emails=[{"value": "anna@X.example", "type": "work", "primary": True}])
    answer = scim.post("/Users", sent)
    assert (answer.status, answer.json["id"]) == (201, str(anna.scim_id))
    assert answer.json["userName"] == "anna@x.example"
    assert scim.get('/Users?filter=userName eq "ANNA@x.example"').json["totalResults"] == 1


def test_an_email_of_two_people_is_a_conflict(new_client: Any) -> None:
    for name in ("anna", "bert"):
        User.objects.create_user(name, email="team@x.example")
    answer = new_client(match="email").post("/Users", body("carl", emails=[{"value": "team@x.example"}]))
    assert (answer.status, answer.json["scimType"]) == (409, "uniqueness")
    assert "more than one person" in last_line().message
    assert User.objects.count() == 2


def test_people_of_one_client_may_share_an_email(new_client: Any) -> None:
    scim = new_client(match="email")
    for name in ("anna", "bert"):
        scim.add(name, emails=[{"value": "team@x.example", "type": "work"}])
    assert User.objects.filter(email="team@x.example").count() == 2


def test_by_external_id_across_clients(new_client: Any) -> None:
    first, second = new_client("Old Okta"), new_client("New Okta", match="external_id")
    anna = first.add("anna", externalId="00u1")
    answer = second.post("/Users", body("anna.berg", externalId="00u1"))
    assert (answer.status, answer.json["id"], answer.json["userName"]) == (201, anna["id"], "anna.berg")
    taken = second.post("/Users", body("other", externalId="00u1"))
    assert taken.status == 409


@pytest.mark.parametrize(("match", "status"), [("none", 409), ("email", 409), ("external_id", 409), ("username", 201)])
def test_a_taken_name_is_refused_unless_the_rule_says_it_is_the_same_person(
    new_client: Any, match: str, status: int
) -> None:
    User.objects.create_user("anna", email="anna@x.example")
    scim = new_client(match=match)
    assert scim.post("/Users", body("anna", externalId="1", emails=[{"value": "x@x.example"}])).status == status
    if status == 409:
        line = last_line()
        assert (line.identifier, line.result, line.application) == ("anna", "failed", "Okta")
        assert "on the roll already" in line.message


@pytest.mark.parametrize("match", ["username", "email", "external_id", "none"])
def test_staff_are_never_touched(new_client: Any, match: str) -> None:
    boss = User.objects.create_superuser("boss", "secret", email="boss@x.example")
    User.objects.create_user("helper", is_staff=True)
    scim = new_client(match=match)
    UserLink.objects.create(client=scim.client, user=boss, external_id="7")
    sent = body("boss", externalId="7", emails=[{"value": "boss@x.example"}], active=False, password="taken over")
    assert scim.post("/Users", sent).status == 409
    assert "staff" in last_line().message
    path = f"/Users/{boss.scim_id}"
    for answer in (
        scim.get(path),
        scim.put(path, sent),
        scim.patch(path, {"op": "replace", "path": "active", "value": False}),
        scim.delete(path),
    ):
        assert answer.status == 404
    assert scim.get("/Users").json["totalResults"] == 0
    boss.refresh_from_db()
    assert boss.is_active
    assert boss.check_password("secret")


def test_a_client_that_sees_its_own(new_client: Any) -> None:
    okta, entra = new_client("Okta", reach="own"), new_client("Entra", reach="own")
    anna = okta.add("anna")
    assert entra.get(f"/Users/{anna['id']}").status == 404
    assert entra.put(f"/Users/{anna['id']}", body("anna")).status == 404
    assert entra.get("/Users").json["totalResults"] == 0
    assert okta.get("/Users").json["totalResults"] == 1
    claimed = entra.post("/Users", body("anna"))
    assert (claimed.status, claimed.json["id"]) == (201, anna["id"])
    assert entra.get("/Users").json["totalResults"] == 1


def test_ids_of_elsewhere_are_404(scim: Scim) -> None:
    for wrong in ("x", "1", "%00", "..", "00000000-0000-0000-0000-000000000000", "A" * 500, "%0d%0aX-Evil:%201"):
        answer = scim.get(f"/Users/{wrong}")
        assert answer.status == 404, wrong
        assert "X-Evil" not in answer.headers


def test_switches(new_client: Any) -> None:
    scim = new_client()
    anna = scim.add("anna")
    path = f"/Users/{anna['id']}"

    def switch(**switches: bool) -> None:
        type(scim.client).objects.update(**switches)

    switch(create_users=False, update_users=False)
    assert scim.post("/Users", body("bert")).status == 403
    assert scim.patch(path, {"op": "add", "path": "title", "value": "CEO"}).status == 403
    assert "switched off" in last_line().message
    off = scim.put(path, body("anna", title="CEO", active=False))
    assert (off.status, off.json["active"], "title" in off.json) == (200, False, False)
    switch(deactivate_users=False, update_users=True)
    assert scim.put(path, body("anna", active=True)).status == 403
    both = scim.put(path, body("anna", active=True, title="CTO"))
    assert (both.status, both.json["active"], both.json["title"]) == (200, False, "CTO")
    assert scim.patch(path, {"op": "add", "path": "title", "value": "CEO"}).status == 200
    switch(delete_users=False, read=False)
    assert scim.delete(path).status == 403
    assert scim.get(path).status == 403
    assert scim.get("/Users").status == 403
    assert User.objects.count() == 1


def test_without_updates_a_leaver_keeps_the_name_that_nobody_takes(new_client: Any) -> None:
    scim = new_client()
    old, bert = scim.add("anna", externalId="1"), scim.add("bert", externalId="2")
    assert scim.delete(f"/Users/{old['id']}").status == 204
    type(scim.client).objects.update(update_users=False)
    off = scim.put(f"/Users/{bert['id']}", body("anna", externalId="2", active=False))
    assert (off.status, off.json["userName"], off.json["active"]) == (200, "bert", False)
    assert set(User.objects.values_list("username", flat=True)) == {"anna", "bert"}


def test_without_updates_a_claimed_user_is_called_as_the_client_says(new_client: Any) -> None:
    scim = new_client(match="external_id")
    anna = scim.add("anna", externalId="1")
    assert scim.delete(f"/Users/{anna['id']}").status == 204
    type(scim.client).objects.update(update_users=False)
    back = scim.post("/Users", body("anna.berg", externalId="1"))
    assert (back.status, back.json["id"], back.json["userName"]) == (201, anna["id"], "anna.berg")
    assert User.objects.get().username == "anna"
    assert scim.get('/Users?filter=userName eq "anna.berg"').json["totalResults"] == 1
