"""Who is who: a leaver and a new hire of one name, renames, and a state that was decided by hand."""

from typing import Any

import pytest

from directories.models import Directory
from provisioning.models import Account, Change, User
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from reports.models import Event
from scim.models import UserLink
from tests.provisioning.crew import Crews, crews, save_crew_directory
from tests.scim.conftest import ENTERPRISE, USER, Scim

__all__ = ["crews"]

SAM = "sam@corp.example"


def body(name: str, **more: Any) -> dict[str, Any]:
    return {"schemas": [USER], "userName": name, **more}


def state(scim: Scim, user: Any, active: bool) -> Any:
    return scim.patch(f"/Users/{user['id']}", {"op": "replace", "path": "active", "value": active})


def rename(scim: Scim, user: Any, name: str) -> Any:
    return scim.patch(f"/Users/{user['id']}", {"op": "replace", "path": "userName", "value": name})


def found(scim: Scim, name: str) -> list[str]:
    return [each["id"] for each in scim.get(f'/Users?filter=userName eq "{name}"').json["Resources"]]


def newest() -> Event:
    return Event.objects.latest("pk")


def run(directory: Directory) -> None:
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))


# --- A new hire of a leaver's name ----------------------------------------------------------------------------------


def old_sam(scim: Scim, **more: Any) -> Any:
    """Sam Old, deleted by the application."""
    sam = scim.add(
        SAM,
        **{
            "externalId": "OLD",
            "title": "CFO",
            "name": {"givenName": "Sam", "familyName": "Old"},
            "emails": [{"type": "work", "value": "sam.old@corp.example"}],
            ENTERPRISE: {"employeeNumber": "7"},
            **more,
        },
    )
    assert scim.delete(f"/Users/{sam['id']}").status == 204
    return sam


@pytest.mark.heavy
@pytest.mark.parametrize("leaving", [{}, {"delete_deactivated": True, "recycle_days": 30}])
@pytest.mark.parametrize("match", ["username", "external_id", "email", "none"])
@pytest.mark.parametrize(("before", "after"), [("OLD", "NEW"), ("OLD", None), ("", "NEW"), ("", None)])
def test_a_new_hire_is_a_new_person(new_client: Any, leaving: Any, match: str, before: str, after: Any) -> None:
    scim = new_client(match=match, **leaving)
    old = old_sam(scim, externalId=before)
    given = {"externalId": after} if after else {}
    name = {"givenName": "Sam", "familyName": "New"}
    new = scim.add(SAM, active=True, name=name, emails=[{"type": "work", "value": "sam.old@corp.example"}], **given)
    assert new["id"] != old["id"]
    assert "title" not in new
    assert ENTERPRISE not in new
    leaver = User.objects.get(scim_id=old["id"])
    assert (leaver.is_active, leaver.title, leaver.username.startswith(f"{SAM} (left 20")) == (False, "CFO", True)
    assert User.objects.get(scim_id=new["id"]).username == SAM
    assert scim.get(f"/Users/{old['id']}").status == 404
    assert found(scim, SAM) == [new["id"]]
    words = newest().message
    assert "new person" in words
    assert "Sam Old" in words
    assert Event.objects.filter(user_id=leaver.pk, message__contains="is free for a new person").exists()
    again = scim.delete(f"/Users/{new['id']}"), scim.post("/Users", body(SAM, externalId="THIRD"))
    assert [answer.status for answer in again] == [204, 201]
    assert User.objects.filter(username__startswith=f"{SAM} (left ").count() == 2


@pytest.mark.parametrize("leaving", [{}, {"delete_deactivated": True, "recycle_days": 30}])
def test_the_same_external_id_brings_back(new_client: Any, leaving: Any) -> None:
    scim = new_client(**leaving)
    old = old_sam(scim)
    back = scim.add("Sam@Corp.example", externalId="OLD")
    assert (back["id"], back["active"], back["title"]) == (old["id"], True, "CFO")
    assert Event.objects.filter(operation="link", message__contains="brought").exists()
    assert UserLink.objects.get().leaves_at is None


@pytest.mark.heavy
def test_the_old_account_is_not_the_new_hires(scim: Scim, crews: Crews) -> None:
    """It is neither enabled, with the old password, nor written to; somebody has to decide, in plain words."""
    directory = save_crew_directory()
    old = old_sam(scim)
    state(scim, scim.add("other"), False)
    run(directory)
    crews["CREW"].rows[SAM] = {"FIRSTNAME": "Sam", "LASTNAME": "Old"}  # made and disabled in an earlier life
    crews["CREW"].disabled.add(SAM)
    leaver = User.objects.get(scim_id=old["id"])
    Account.objects.update_or_create(
        user=leaver, directory=directory, defaults={"key": SAM, "remote_id": SAM, "state": "disabled"}
    )
    scim.add(SAM, externalId="NEW", name={"givenName": "Sam", "familyName": "New"})
    crews["CREW"].calls.clear()
    run(directory)
    assert crews["CREW"].done() == []
    assert SAM in crews["CREW"].disabled
    parked = Change.objects.get(parked__isnull=False)
    assert parked.account.user is not None
    assert (parked.account.user.last_name, parked.parked_code) == ("New", "other_account")
    assert f"{SAM} (left " in parked.parked_message


def test_a_leavers_name_in_a_bulk_request(scim: Scim) -> None:
    old = old_sam(scim)
    asked = {"method": "POST", "path": "/Users", "bulkId": "1", "data": body(SAM, externalId="NEW")}
    schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]
    answer = scim.post("/Bulk", {"schemas": schemas, "Operations": [asked]}).json["Operations"][0]
    assert answer["status"] == "201"
    assert not answer["location"].endswith(old["id"])


def test_a_leaver_who_is_active_elsewhere_keeps_the_name(scim: Scim, new_client: Any) -> None:
    old = old_sam(scim)
    User.objects.update(is_active=True)
    answer = scim.post("/Users", body(SAM, externalId="NEW"))
    assert (answer.status, answer.json["scimType"]) == (409, "uniqueness")
    assert "Sam Old" not in answer.json["detail"]
    assert "Sam Old" in newest().message
    assert User.objects.get().scim_id.hex == old["id"].replace("-", "")


def test_somebody_inactive_on_the_roll_is_claimed_and_stays_inactive(scim: Scim, new_client: Any) -> None:
    """A leaver of another application, or one whom somebody deactivated in the portal."""
    entra = new_client("Entra")
    old = old_sam(entra)
    new = scim.add(SAM, externalId="NEW", active=True)
    assert (new["id"], new["active"]) == (old["id"], False)
    assert "stay so" in Event.objects.filter(operation="link").latest("pk").message


# --- Renames --------------------------------------------------------------------------------------------------------


def test_a_rename_frees_the_name(scim: Scim) -> None:
    ann = scim.add("ann.meier", externalId="1")
    assert rename(scim, ann, "ann.schulz").json["userName"] == "ann.schulz"
    assert User.objects.get().username == "ann.schulz"
    assert newest().changes["User name"] == ["ann.meier", "ann.schulz"]
    assert found(scim, "ann.meier") == []
    other = scim.add("ann.meier", externalId="2")
    assert other["id"] != ann["id"]
    assert (found(scim, "ann.meier"), found(scim, "ann.schulz")) == ([other["id"]], [ann["id"]])


@pytest.mark.heavy
def test_two_swap_names_over_a_temporary_one(scim: Scim) -> None:
    ann, bob = scim.add("ann"), scim.add("bob")
    assert rename(scim, ann, "BOB").status == 409
    assert "bob has the name" in newest().message
    for user, name in ((ann, "tmp"), (bob, "ann"), (ann, "bob")):
        assert rename(scim, user, name).status == 200
    assert (found(scim, "ann"), found(scim, "bob"), found(scim, "tmp")) == ([bob["id"]], [ann["id"]], [])


@pytest.mark.heavy
def test_the_tombstone_of_a_soft_deletion_frees_the_name(scim: Scim) -> None:
    """Entra: the object id before the name and inactive, then a new hire, then the hard deletion."""
    kim = scim.add("kim@corp", externalId="kim")
    gone = scim.patch(
        f"/Users/{kim['id']}",
        {"op": "Replace", "path": "userName", "value": "0a21kim@corp"},
        {"op": "Replace", "path": "active", "value": "False"},
    )
    assert (gone.status, gone.json["userName"], gone.json["active"]) == (200, "0a21kim@corp", False)
    new = scim.add("kim@corp", externalId="kim")
    assert new["id"] != kim["id"]
    assert scim.delete(f"/Users/{kim['id']}").status == 204
    assert scim.delete(f"/Users/{new['id']}").status == 204
    assert scim.add("kim@corp", externalId="kim")["id"] == new["id"]


def test_the_tombstone_of_somebody_it_did_not_bring(scim: Scim) -> None:
    """Of people whom the portal had before, the user name stays; inactive, they give it to a new hire."""
    User.objects.create_user("kim@corp", title="CFO")
    kim = scim.add("kim@corp", externalId="1")
    assert rename(scim, kim, "0a21kim@corp").json["userName"] == "0a21kim@corp"
    assert User.objects.get().username == "kim@corp"
    assert scim.post("/Users", body("kim@corp", externalId="2")).status == 409
    state(scim, kim, False)
    new = scim.add("kim@corp", externalId="2")
    assert new["id"] != kim["id"]
    assert "title" not in new


@pytest.mark.heavy
def test_a_name_is_one_persons_for_every_application(scim: Scim, new_client: Any) -> None:
    """Entra brought Ann, Okta calls her otherwise: neither gets a second person, or two of one name."""
    entra = new_client("Entra")
    ann = entra.add("ann.meier")
    assert scim.add("ann.meier")["id"] == ann["id"]
    assert rename(scim, ann, "ann.schulz").status == 200
    assert User.objects.get().username == "ann.meier"
    assert entra.get(f"/Users/{ann['id']}").json["userName"] == "ann.meier"
    refused = entra.post("/Users", body("ann.schulz"))
    assert refused.status == 409
    assert "ann.meier has the name" in newest().message
    assert new_client("Third").add("ann.schulz")["id"] == ann["id"]
    assert len(found(scim, "ann.schulz")) == 1
    bob = entra.add("bob")
    assert rename(entra, bob, "Ann.Schulz").status == 409


def test_others_call_a_renamed_user_as_before(scim: Scim, new_client: Any) -> None:
    """Else they would search in vain, and create the person a second time."""
    entra = new_client("Entra")
    ann = scim.add("ann.meier")
    entra.add("ann.meier")
    assert rename(scim, ann, "ann.schulz").status == 200
    assert found(entra, "ann.meier") == [ann["id"]]
    assert entra.post("/Users", body("ann.meier")).status == 409
    assert rename(entra, ann, "ann.schulz").status == 200
    assert UserLink.objects.filter(user_name="").count() == 2
    assert found(entra, "ann.schulz") == [ann["id"]]


@pytest.mark.heavy
def test_a_rename_in_directories(scim: Scim, crews: Crews) -> None:
    """What is there is found by its lasting id; what is to be made is made under the new name."""
    there, coming = save_crew_directory("THERE"), save_crew_directory("COMING")
    ann = scim.add("ann.meier")
    run(there)
    assert set(crews["THERE"].rows) == {"ann.meier"}
    rename(scim, ann, "ann.schulz")
    run(there)
    run(coming)
    assert set(crews["THERE"].rows) == {"ann.meier"}
    assert set(crews["COMING"].rows) == {"ann.schulz"}
    assert crews["THERE"].done("create") == [("create", "ann.meier")]


@pytest.mark.heavy
def test_a_change_of_case_is_taken(scim: Scim) -> None:
    """An IdP that compares would send it for ever. The portal's own name, and so directories, keep theirs."""
    ann = scim.add("mail1")
    for name in ("MAIL1", "Mail1", "mail1"):
        assert rename(scim, ann, name).json["userName"] == name
        assert found(scim, "mail1") == [ann["id"]]
    assert User.objects.get().username == "mail1"
    put = scim.put(f"/Users/{ann['id']}", body("MAIL1"))
    assert put.json["userName"] == "MAIL1"


def test_a_name_that_no_user_can_have(scim: Scim) -> None:
    ann = scim.add("ann")
    answer = rename(scim, ann, "x" * 200)
    assert (answer.status, answer.json["scimType"]) == (400, "invalidValue")


# --- A state that was decided by hand ---------------------------------------------------------------------------------


def test_what_was_switched_off_by_hand_stays_off(scim: Scim) -> None:
    ann = scim.add("ann")
    User.objects.update(is_active=False)  # by hand, in the portal
    path = f"/Users/{ann['id']}"
    put = scim.put(path, body("ann", active=True, title="CEO"))
    assert (put.status, put.json["active"], put.json["title"]) == (200, False, "CEO")
    assert scim.patch(path, {"op": "add", "path": "title", "value": "CTO"}).json["active"] is False
    assert scim.put(path, body("ann", active=True, title="CTO")).json["active"] is False
    said = state(scim, ann, True)
    assert (said.status, said.json["active"]) == (200, False)
    assert (newest().result, newest().operation) == ("skipped", "enable")
    assert scim.put(path, body("ann", active=False, title="CTO")).json["active"] is False
    assert scim.put(path, body("ann", active=True, title="CTO")).json["active"] is True


def test_what_one_application_switched_off_the_other_does_not_switch_on(scim: Scim, new_client: Any) -> None:
    entra = new_client("Entra")
    ann = scim.add("ann")
    entra.add("ann")
    assert state(scim, ann, False).json["active"] is False
    assert entra.put(f"/Users/{ann['id']}", body("ann", active=True)).json["active"] is False
    assert state(scim, ann, True).json["active"] is True
    third = new_client("Third")
    User.objects.update(is_active=False)
    assert third.put(f"/Users/{ann['id']}", body("ann", active=True)).json["active"] is False


def test_leavers_who_are_inactive_already_get_their_date(new_client: Any) -> None:
    okta, entra = new_client("Okta"), new_client("Entra", delete_deactivated=True, recycle_days=30)
    ann = okta.add("ann")
    entra.add("ann")
    state(okta, ann, False)
    assert not UserLink.objects.exclude(leaves_at=None).exists()
    version = User.objects.get().updated_at
    assert state(entra, ann, False).status == 200
    assert UserLink.objects.exclude(leaves_at=None).get().client == entra.client
    assert User.objects.get().updated_at == version
    type(okta.client).objects.filter(pk=okta.client.pk).update(delete_deactivated=True)
    assert okta.put(f"/Users/{ann['id']}", body("ann", active=False)).status == 200
    assert UserLink.objects.exclude(leaves_at=None).count() == 2
    state(okta, ann, True)
    assert not UserLink.objects.exclude(leaves_at=None).exists()
