"""Renaming a user on a page: seen first, then done, with its line in the report and changes for the directories."""

from collections.abc import Callable
from typing import Any

import pytest

from directories.models import AttributeMapping, Directory
from provisioning import services
from provisioning.identities.users import rename_and_save
from provisioning.models import Account, Change, User
from provisioning.models.accounts import AccountState
from reports.models import Event
from scim.models import UserLink
from tests.provisioning.admin import roll
from tests.scim.conftest import make_client

pytestmark = pytest.mark.django_db


def page(user: User) -> str:
    return f"/provisioning/user/{user.pk}/rename/"


def account(user: User, name: str, *, mapped: bool, **fields: Any) -> Account:
    directory = roll.directory(name, update_users=True)
    Directory.objects.update(kind="memory", settings={"name": "nowhere"})
    if mapped:
        AttributeMapping.objects.create(directory=directory, directory_attribute="LOGIN", portal_attribute="username")
    AttributeMapping.objects.create(directory=directory, directory_attribute="FIRST", portal_attribute="first_name")
    values: dict[str, Any] = {"state": AccountState.ACTIVE, "remote_id": "7", "attributes": {"LOGIN": "ann"}}
    return Account.objects.create(user=user, directory=directory, key="ann", **{**values, **fields})


def test_what_a_new_name_does_is_shown_and_nothing_is_done(it_staff: Any) -> None:
    ann = roll.person("ann", first_name="Ann")
    account(ann, "APPS", mapped=True)
    account(ann, "KEEPS", mapped=False, attributes={"FIRST": "Ann"})
    account(ann, "NEW", mapped=True, remote_id="", state=AccountState.PENDING)
    text = roll.words(it_staff.post(page(ann), {"username": "ann.miller", "action": "preview"}))
    assert "LOGIN: ann → ann.miller" in text
    assert "The account keeps the name that it has there." in text
    assert "made under the new name" in text
    ann.refresh_from_db()
    assert ann.username == "ann"
    assert not Change.objects.exists()


def test_the_name_is_changed_recorded_and_delivered(it_staff: Any) -> None:
    ann = roll.person("ann")
    made, coming = account(ann, "APPS", mapped=True), account(ann, "NEW", mapped=True, remote_id="")
    response = it_staff.post(page(ann), {"username": "ann.miller", "action": "rename"})
    assert response.url == f"/provisioning/user/{ann.pk}/change/"
    ann.refresh_from_db()
    assert (ann.username, ann.username_key) == ("ann.miller", "ann.miller")
    line = Event.objects.get(user_id=ann.pk, operation="update")
    assert line.changes == {"User name": ["ann", "ann.miller"]}
    assert line.actor == "user-IT staff"
    assert set(Change.objects.values_list("account", flat=True)) == {made.pk, coming.pk}
    coming.refresh_from_db()
    assert (coming.key, coming.key_folded) == ("ann.miller", "ann.miller")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("ann", "That is the user name already."),
        ("bob", "bob is taken already."),
        ("BOB", "BOB is taken by bob: user names are one whatever their case."),
        ("", "This field is required."),
        ("a\tb", ""),
    ],
)
def test_a_name_that_cannot_be(it_staff: Any, typed: str, said: str) -> None:
    ann = roll.person("ann")
    roll.person("bob")
    response = it_staff.post(page(ann), {"username": typed, "action": "rename"})
    assert response.status_code == 200
    assert said in roll.words(response)
    ann.refresh_from_db()
    assert ann.username == "ann"


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Any]]:
    """What others do between the look at the new name and the renaming."""
    acts: list[Callable[[], Any]] = []

    def late(*arguments: Any) -> None:
        for act in acts:
            act()
        rename_and_save(*arguments)

    monkeypatch.setattr(services, "rename_and_save", late)
    return acts


def test_a_name_that_somebody_else_takes_at_the_same_moment(it_staff: Any, meanwhile: list[Callable[[], Any]]) -> None:
    ann = roll.person("ann")
    meanwhile.append(lambda: roll.person("Bob"))
    response = it_staff.post(page(ann), {"username": "bob", "action": "rename"})
    assert response.status_code == 200
    assert "bob is taken by Bob: user names are one whatever their case." in roll.words(response)
    ann.refresh_from_db()
    assert ann.username == "ann"
    assert not Event.objects.filter(user_id=ann.pk).exists()


def test_a_user_who_is_deleted_at_the_same_moment(it_staff: Any, meanwhile: list[Callable[[], Any]]) -> None:
    ann = roll.person("ann")
    meanwhile.append(lambda: services.delete_users([ann.pk], "admin"))
    assert it_staff.post(page(ann), {"username": "bob", "action": "rename"}).status_code == 404
    assert not User.objects.filter(username="bob").exists()


def test_the_case_of_a_name_can_be_changed(it_staff: Any) -> None:
    ann = roll.person("ann")
    it_staff.post(page(ann), {"username": "Ann", "action": "rename"})
    ann.refresh_from_db()
    assert ann.username == "Ann"


@pytest.mark.heavy
def test_who_may_rename(client_of: Any, it_staff: Any) -> None:
    ann, boss = roll.person("ann"), roll.staff("", "boss")
    assert "../rename/" in roll.words(it_staff.get(f"/provisioning/user/{ann.pk}/change/"))
    assert "../rename/" not in roll.words(it_staff.get(f"/provisioning/user/{boss.pk}/change/"))
    assert it_staff.get(page(ann)).status_code == 200
    assert it_staff.get(page(boss)).status_code == 403
    assert it_staff.post(page(boss), {"username": "x", "action": "rename"}).status_code == 403
    assert client_of("Auditor").post(page(ann), {"username": "x", "action": "rename"}).status_code == 403
    assert roll.signed_in(boss).get(page(roll.staff("IT staff", "it"))).status_code == 200


@pytest.mark.heavy
def test_the_way_out_of_a_conflict_of_an_application(it_staff: Any) -> None:
    """The name is somebody's whom the application did not bring: that person is renamed, and the name is free."""
    ann, okta = roll.person("ann"), make_client(match="external_id")
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ann", "externalId": "1"}
    refused = okta.post("/Users", body)
    assert refused.status == 409
    assert "rename them in the portal, on their page under Rename" in refused.json["detail"]
    it_staff.post(page(ann), {"username": "ann.old", "action": "rename"})
    assert okta.post("/Users", body).status == 201


def test_applications_keep_the_name_that_they_use(it_staff: Any) -> None:
    okta = make_client()
    made = okta.add("ann")
    ann = User.objects.get(username="ann")
    it_staff.post(page(ann), {"username": "ann.miller", "action": "rename"})
    assert okta.get(f"/Users/{made['id']}").json["userName"] == "ann"
    assert UserLink.objects.get().user_name == "ann"
    assert okta.put(f"/Users/{made['id']}", {**made, "displayName": "A"}).status == 200
    ann.refresh_from_db()
    assert (ann.username, ann.display_name) == ("ann.miller", "A")
    assert okta.put(f"/Users/{made['id']}", {**made, "userName": "ann.miller"}).json["userName"] == "ann.miller"
