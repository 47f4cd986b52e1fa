"""What an application did within a span of time is taken back, but for what changed since."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning import services
from provisioning.imports import engine
from provisioning.imports.doors import hour
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


@pytest.mark.heavy
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


@pytest.mark.heavy
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


@pytest.mark.heavy
def test_who_is_back_in_the_group_already_is_not_planned() -> None:
    okta = make_client()
    ids = [okta.add(name)["id"] for name in ("ann", "bob")]
    group = okta.post("/Groups", {"displayName": "Sales", "members": [{"value": one} for one in ids]}).json["id"]
    Event.objects.update(at=timezone.now() - 2 * HOUR)
    okta.patch(f"/Groups/{group}", {"op": "remove", "path": "members"})
    sales = Group.objects.get()
    services.add_members(sales, [User.objects.get(username="ann").pk], "admin")
    run = undo()
    assert (run.memberships_added, run.memberships_removed) == (1, 0)
    assert Membership.objects.count() == 2
    back = services.undo(run, "boss")
    assert (back.memberships_added, back.memberships_removed) == (0, 1), "an undo of the undo takes nobody else out"


@pytest.mark.heavy
def test_any_number_of_lines_is_streamed_and_groups_go_by_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hour, "PAGE", 2)
    monkeypatch.setattr(hour, "MEMBERS", 2)
    okta = make_client()
    ids = [okta.add(f"user{number}")["id"] for number in range(5)]
    group = okta.post("/Groups", {"displayName": "Sales"}).json["id"]
    Event.objects.update(at=timezone.now() - 2 * HOUR)
    for title in ("Clerk", "Boss"):
        for one in ids:
            okta.patch(f"/Users/{one}", {"op": "replace", "path": "title", "value": title})
    okta.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": one} for one in ids]})
    Group.objects.update(name="Sellers", name_key="sellers")
    Group.objects.create(name="Sales", pushed_by="Okta")
    with CaptureQueriesContext(connection) as queries:
        run = undo()
    read = [one["sql"] for one in queries if "reports_event" in one["sql"] and "ORDER BY" in one["sql"]]
    assert len(read) == 2, "the lines of people once, and those of memberships once, and not a page at a time"
    assert (run.updated, run.memberships_removed) == (5, 5)
    assert not Membership.objects.exists()
    assert set(User.objects.values_list("title", flat=True)) == {""}


@pytest.mark.heavy
def test_an_application_is_not_taken_for_another_one_of_its_name(admin_client: Browser) -> None:
    okta = make_client()
    okta.add("ann")
    Event.objects.update(run_id=7)  # as an import from a directory of the same name would
    now = timezone.now()
    with pytest.raises(services.ImportRefused, match="changed nobody"):
        services.undo_span("Okta", now - HOUR, now, "boss")
    Event.objects.update(run_id=None, at=now - HOUR / 2)  # when another application had the name
    answer = admin_client.post(f"/scim/client/{Client.objects.get().pk}/undo/", {"minutes": "60"}, follow=True)
    assert "Okta changed nobody in that time." in answer.content.decode()


def test_what_somebody_else_did_is_not_touched() -> None:
    okta, entra = make_client(), make_client("Entra")
    ann = entra.add("ann")
    okta.add("bob")
    entra.patch(f"/Users/{ann['id']}", {"op": "replace", "path": "title", "value": "Boss"})
    undo()
    assert User.objects.get(username="ann").title == "Boss"
    assert not User.objects.get(username="bob").is_active


@pytest.mark.heavy
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
