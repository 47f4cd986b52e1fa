"""Deactivated and deleted users: gone for the application, disabled, and deleted when its settings say so."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning import services
from provisioning.identities import membership
from provisioning.models import Group, Membership, User
from reports.models import Event
from scim.models import Client, GroupLink, UserLink
from scim.users import leavers
from tests.provisioning.crew import save_crew_directory
from tests.scim.conftest import USER, Scim


def later(days: int) -> None:
    """Let days go by: what was to happen is that much nearer."""
    for link in UserLink.objects.exclude(leaves_at=None):
        link.leaves_at -= dt.timedelta(days=days)  # type: ignore[operator]
        link.save()


@pytest.mark.heavy
def test_deleted_is_gone_for_the_client_and_disabled(scim: Scim, new_client: Any) -> None:
    anna = scim.add("anna", externalId="1")
    path = f"/Users/{anna['id']}"
    answer = scim.delete(path)
    assert (answer.status, answer.content) == (204, b"")
    for again in (scim.get(path), scim.delete(path), scim.put(path, anna), scim.patch(path)):
        assert again.status in (404, 400)
    assert scim.get("/Users").json["totalResults"] == 0
    assert scim.get('/Users?filter=userName eq "anna"').json["totalResults"] == 0
    user = User.objects.get()
    assert user.is_active is False
    assert UserLink.objects.get().leaves_at is None
    assert Event.objects.filter(operation="delete", application="Okta", direction="in").count() == 1
    assert new_client("Entra").get(path).json["active"] is False


def test_soft_delete_then_delete_and_back(scim: Scim) -> None:
    """Entra deactivates, deletes 30 days later, and creates anew whoever comes back."""
    anna = scim.add("anna", title="CEO", nickName="An", externalId="1")
    path = f"/Users/{anna['id']}"
    assert scim.patch(path, {"op": "replace", "path": "active", "value": False}).status == 200
    assert scim.delete(path).status == 204
    back = scim.post("/Users", {"schemas": [USER], "userName": "Anna", "externalId": "1"})
    assert (back.status, back.json["id"], back.json["active"]) == (201, anna["id"], True)
    assert back.json["title"] == "CEO"
    assert scim.get(path).status == 200


@pytest.mark.heavy
def test_who_is_deactivated_leaves_after_the_recycle_period(new_client: Any) -> None:
    scim = new_client(delete_deactivated=True, recycle_days=30)
    for name in ("anna", "bert", "carl"):
        scim.patch(f"/Users/{scim.add(name)['id']}", {"op": "replace", "path": "active", "value": False})
    assert scim.get('/Users?filter=userName eq "anna"').json["totalResults"] == 1
    later(29)
    assert leavers.delete_due() == 0
    bert = User.objects.get(username="bert")
    assert scim.patch(f"/Users/{bert.scim_id}", {"op": "replace", "path": "active", "value": True}).status == 200
    User.objects.filter(username="carl").update(is_active=True)  # by hand, in the portal
    later(2)
    assert leavers.delete_due() == 1
    assert set(User.objects.values_list("username", flat=True)) == {"bert", "carl"}
    assert not UserLink.objects.exclude(leaves_at=None).exists()
    assert Event.objects.filter(identifier="anna", operation="delete").exists()


def test_whoever_came_back_by_another_door_is_not_deleted_by_what_was_scheduled_before(new_client: Any) -> None:
    """Somebody at home for a year later on is not deleted because of a departure that was taken back long ago."""
    scim = new_client(delete_deactivated=True, recycle_days=30)
    anna = scim.add("anna")
    scim.patch(f"/Users/{anna['id']}", {"op": "replace", "path": "active", "value": False})
    ids = list(User.objects.values_list("pk", flat=True))
    services.set_active(ids, True, "admin")
    assert leavers.delete_due() == 0
    services.set_active(ids, False, "admin")
    later(31)
    assert leavers.delete_due() == 0
    assert User.objects.filter(username="anna").exists()


@pytest.mark.parametrize("claimed", [True, False])
def test_who_is_new_to_the_client_leaves_after_the_recycle_period_too(new_client: Any, claimed: bool) -> None:
    """Somebody whom an import brought: the client's first word of them is that they are off."""
    scim = new_client(delete_deactivated=True, recycle_days=30)
    anna = User.objects.create(username="anna")
    if claimed:
        scim.add("anna", active=False)
    else:
        off = {"op": "replace", "path": "active", "value": False}
        assert scim.patch(f"/Users/{anna.scim_id}", off).status == 200
    assert UserLink.objects.get().leaves_at is not None
    later(31)
    assert leavers.delete_due() == 1


def test_staff_never_leave(new_client: Any) -> None:
    scim = new_client(delete_deactivated=True)
    scim.delete(f"/Users/{scim.add('anna')['id']}")
    User.objects.update(is_staff=True)
    later(40)
    assert leavers.delete_due() == 0
    assert User.objects.exists()


def test_without_a_recycle_period_a_delete_is_one(new_client: Any) -> None:
    scim = new_client(delete_deactivated=True, recycle_days=0)
    anna = scim.add("anna")
    assert scim.delete(f"/Users/{anna['id']}").status == 204
    assert not User.objects.exists()
    off = scim.add("bert", active=False)
    assert UserLink.objects.get().leaves_at <= timezone.now()  # type: ignore[operator]
    assert scim.get(f"/Users/{off['id']}").status == 200
    assert leavers.delete_due() == 1


def test_a_deleted_user_leaves_the_groups_of_the_client(scim: Scim) -> None:
    """Stock django-scim2 leaves members behind that nobody can read any more."""
    anna = scim.add("anna")
    user = User.objects.get()
    pushed = Group.objects.create(name="Pushed", pushed_by="Okta")
    GroupLink.objects.create(client=scim.client, group=pushed, owned=True)
    own = Group.objects.create(name="Own")
    for group in (pushed, own):
        membership.add(group, [user.pk], "admin")
    scim.delete(f"/Users/{anna['id']}")
    assert list(Membership.objects.values_list("group__name", flat=True)) == ["Own"]


def test_nobody_leaves_for_an_application_that_deletes_nobody_any_more(new_client: Any) -> None:
    scim = new_client(delete_deactivated=True, recycle_days=30)
    scim.delete(f"/Users/{scim.add('anna')['id']}")
    later(31)
    Client.objects.update(delete_deactivated=False)
    assert leavers.delete_due() == 0
    assert UserLink.objects.get().leaves_at is None
    Client.objects.update(delete_deactivated=True)
    assert leavers.delete_due() == 0
    assert User.objects.get().username == "anna"


def test_one_who_comes_back_at_the_last_moment_stays(new_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scim = new_client(delete_deactivated=True, recycle_days=30)
    for name in ("anna", "bert"):
        scim.delete(f"/Users/{scim.add(name)['id']}")
    later(31)
    due = leavers._due()
    links = list(due)
    User.objects.filter(username="anna").update(is_active=True)
    monkeypatch.setattr(leavers, "_due", iter([links, []]).__next__)
    assert leavers.delete_due() == 1
    assert User.objects.get().username == "anna"
    assert Event.objects.filter(message__contains="leaves the roll:").count() == 1


@pytest.mark.heavy
def test_a_member_of_many_groups_leaves_in_as_few_queries_as_one_of_few(scim: Scim) -> None:
    save_crew_directory(sync_groups=True, push_groups="all")

    def queries(name: str, count: int) -> int:
        user = scim.add(name)
        members = [{"value": user["id"]}]
        for number in range(count):
            schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"]
            scim.post("/Groups", {"schemas": schemas, "displayName": f"{name} {number}", "members": members})
        with CaptureQueriesContext(connection) as captured:
            assert scim.delete(f"/Users/{user['id']}").status == 204
        return len(captured)

    few, many = queries("anna", 2), queries("bert", 10)
    assert few == many
    assert not Membership.objects.exists()
    assert Event.objects.filter(message__contains="was removed from the group").count() == 12
