"""What a push of everything, or a reconciliation, did to a directory is taken back, but for what changed since."""

import datetime as dt

import pytest
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.models import Directory
from provisioning import services
from provisioning.imports import engine
from provisioning.imports.doors import hour, pushes
from provisioning.models import ImportRun, User
from provisioning.models.imports import Door, RunStatus
from provisioning.reconciliation import actions
from provisioning.reconciliation.models import Finding
from tests.provisioning.imports.test_undo import words
from tests.provisioning.reconciliation.conftest import TableHands, delivered, reconciled, table

__all__ = ["table"]
pytestmark = [pytest.mark.django_db, pytest.mark.heavy]


@pytest.fixture
def pushed(table: TableHands) -> TableHands:
    """Three people of whom somebody had corrected the address there, which a reconciliation pushed away again."""
    for name in ("ann", "bob", "cid"):
        User.objects.create(username=name, email=f"{name}@example.org")
    delivered(table.directory)
    for name in ("ann", "bob", "cid"):
        table.mail(name, f"{name}@right.org")
    assert actions.push(Finding.objects.filter(run=reconciled(table.directory)), "admin").number == 3
    delivered(table.directory)
    assert table.read("ann") == ("ann@example.org", True)
    return table


def planned(table: TableHands) -> ImportRun:
    now = timezone.now()
    return services.undo_pushes(table.directory, now - dt.timedelta(minutes=15), now, "boss")


def test_the_directory_holds_again_what_it_held(pushed: TableHands) -> None:
    User.objects.filter(username="cid").update(email="cid@third.org")
    made = planned(pushed)
    assert (made.door, made.status, made.preview, made.updated) == (Door.UNDO, RunStatus.PLANNED, True, 2)
    assert words(made) == {"cid": "Left as it is, because it was changed since: email (cid@third.org)."}
    assert pushed.read("ann") == ("ann@example.org", True), "nothing happened yet"
    services.approve_import(made, "boss", plan_hash=made.plan_hash)
    engine.execute(made.pk)
    delivered(pushed.directory)
    assert User.objects.get(username="ann").email == "ann@right.org"
    assert (pushed.read("ann"), pushed.read("bob")) == (("ann@right.org", True), ("bob@right.org", True))


def test_any_number_of_lines_is_streamed_and_the_first_value_comes_back(
    pushed: TableHands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushes, "PAGE", 2)
    monkeypatch.setattr(hour, "PAGE", 2)
    for round_ in range(3):
        User.objects.update(email=Concat(F("username"), Value(f"@round{round_}.org")))
        services.provision_many(User.objects.values_list("pk", flat=True), "push")
        delivered(pushed.directory)
    with CaptureQueriesContext(connection) as queries:
        made = planned(pushed)
    read = [one["sql"] for one in queries if "reports_event" in one["sql"] and "ORDER BY" in one["sql"]]
    assert len(read) == 1, "the lines are read once, and not a page at a time"
    assert made.updated == 3
    found = made.planned_changes.values_list("key", "before__profile.email", "after__profile.email")
    names = ("ann", "bob", "cid")
    assert sorted(found) == [(name, f"{name}@round2.org", f"{name}@right.org") for name in names]


def test_lines_go_by_the_directory_and_not_by_its_name(pushed: TableHands) -> None:
    Directory.objects.update(name="Old people")
    pushed.directory.refresh_from_db()
    another = Directory.objects.create(name="People", kind="memory")
    now = timezone.now()
    with pytest.raises(services.ImportRefused, match="Nothing that was pushed to People"):
        services.undo_pushes(another, now - dt.timedelta(minutes=15), now, "boss")
    assert planned(pushed).updated == 3


def test_what_is_not_mapped_into_the_portal_cannot_come_back(pushed: TableHands) -> None:
    pushed.directory.attribute_mappings.update(direction="out")
    with pytest.raises(services.ImportRefused, match="Nothing that was pushed to People in that time"):
        planned(pushed)


def test_the_page_says_before_what_does_not_come_back(pushed: TableHands, admin_client: Client) -> None:
    address = f"/directories/directory/{pushed.directory.pk}"
    page = admin_client.get(f"{address}/health/").content.decode()
    assert "Undo what was pushed" in page
    assert "Accounts that were opened, disabled, enabled or deleted stay so" in page
    answer = admin_client.post(f"{address}/undo-pushes/", {"minutes": "60"})
    made = ImportRun.objects.get(door=Door.UNDO)
    assert answer["Location"] == f"/provisioning/importrun/{made.pk}/change/"
