"""What an application did within a span of time is taken back, but for what changed since."""

import datetime as dt

import pytest
from django.test import Client as Browser
from django.utils import timezone

from provisioning import services
from provisioning.imports import engine
from provisioning.models import Group, ImportRun, Membership, PlannedChange, User
from provisioning.models.imports import RunStatus
from reports.models import Event
from scim.models import Client
from tests.scim.conftest import make_client

pytestmark = pytest.mark.django_db
HOUR = dt.timedelta(hours=1)


def undo() -> ImportRun:
    """Plan the undo of Okta's last hour, approve it, and apply it."""
    now = timezone.now()
    run = services.undo_span("Okta", now - HOUR, now, "boss")
    assert run.status == RunStatus.PLANNED
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    run.refresh_from_db()
    return run


def test_an_hour_of_an_application_is_undone() -> None:
    okta = make_client()
    ids = {name: okta.add(name, name={"givenName": "Old"}, active=True)["id"] for name in ("ann", "bob", "eve")}
    group = okta.post("/Groups", {"displayName": "Sales", "members": [{"value": ids["bob"]}]}).json["id"]
    Event.objects.update(at=timezone.now() - 2 * HOUR)
    for name in ("ann", "bob"):
        okta.patch(f"/Users/{ids[name]}", {"op": "replace", "path": "name.givenName", "value": "New"})
    okta.patch(f"/Users/{ids['ann']}", {"op": "replace", "path": "active", "value": False})
    okta.patch(f"/Users/{ids['eve']}", {"op": "replace", "path": "active", "value": False})
    okta.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": ids["ann"]}]})
    okta.patch(f"/Groups/{group}", {"op": "remove", "path": f'members[value eq "{ids["bob"]}"]'})
    okta.add("fresh")
    User.objects.filter(username="bob").update(first_name="By hand")
    run = undo()
    assert (run.status, run.errors) == (RunStatus.FINISHED, 0)
    people = {user.username: (user.first_name, user.is_active) for user in User.objects.all()}
    assert people == {"ann": ("Old", True), "bob": ("By hand", True), "eve": ("Old", True), "fresh": ("", False)}
    told = PlannedChange.objects.get(run=run, key="bob")
    assert told.message == "Left as it is, because it was changed since: first name (By hand)."
    members = Membership.objects.filter(group=Group.objects.get()).values_list("user__username", flat=True)
    assert list(members) == ["bob"]


def test_who_came_into_a_group_and_left_it_again_is_not_put_back() -> None:
    okta = make_client()
    ann = okta.add("ann")["id"]
    bob = okta.add("bob")["id"]
    group = okta.post("/Groups", {"displayName": "Admins", "members": [{"value": bob}]}).json["id"]
    Event.objects.update(at=timezone.now() - 2 * HOUR)
    okta.patch(f"/Users/{ann}", {"op": "replace", "path": "title", "value": "Boss"})
    okta.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": ann}]})
    okta.patch(f"/Groups/{group}", {"op": "remove", "path": f'members[value eq "{ann}"]'})
    assert undo().status == RunStatus.FINISHED
    assert list(Membership.objects.values_list("user__username", flat=True)) == ["bob"]


def test_what_somebody_else_did_is_not_touched() -> None:
    okta, entra = make_client(), make_client("Entra")
    ann = entra.add("ann")
    okta.add("bob")
    entra.patch(f"/Users/{ann['id']}", {"op": "replace", "path": "title", "value": "Boss"})
    undo()
    assert User.objects.get(username="ann").title == "Boss"
    assert not User.objects.get(username="bob").is_active


def test_the_button(admin_client: Browser) -> None:
    okta = make_client()
    client = Client.objects.get()
    address = f"/scim/client/{client.pk}/undo/"
    answer = admin_client.post(address, {"minutes": "60"}, follow=True)
    assert "Okta changed nobody in that time." in answer.content.decode()
    okta.add("ann")
    assert "In the last" in admin_client.get(f"/scim/client/{client.pk}/activity/").content.decode()
    answer = admin_client.post(address, {"minutes": "60"})
    run = ImportRun.objects.get()
    assert answer["Location"] == f"/provisioning/importrun/{run.pk}/change/"
    assert "This is what would be undone" in admin_client.get(answer["Location"]).content.decode()
