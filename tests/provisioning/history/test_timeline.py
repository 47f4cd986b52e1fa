"""What happened to one person: report lines, receipts, decisions and what is held back, in one order and by pages."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from provisioning.history import timeline
from provisioning.models import Account, Change, Decision, ImportRun, PlannedChange, User
from provisioning.models.outbox import HELD
from provisioning.receipts.models import Receipt, ReceiptStatus
from reports.models import Event
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)


def at(minute: float) -> dt.datetime:
    return NOON + dt.timedelta(minutes=minute)


def line(user: User, minute: float, message: str, **fields: Any) -> Event:
    values = {"direction": "portal", "operation": "update", "result": "success", "identifier": user.username, **fields}
    return Event.objects.create(user_id=user.pk, at=at(minute), message=message, **values)


@pytest.fixture
def carol() -> User:
    user = roll.person("carol")
    Event.objects.all().delete()
    return user


def words(user: User, **asked: Any) -> list[str]:
    return [moment.words for moment in timeline.of_user(user, **asked).moments]


def test_deliveries_that_went_well_together_are_one_story(carol: User) -> None:
    line(carol, 0, "Okta added carol.", direction="in", operation="create", application="Okta")
    for place, name in enumerate(("CRM", "APPSDB")):
        message = f"Created carol in {name}."
        line(carol, 0.1 + place / 10, message, direction="out", operation="create", application=name)
    line(carol, 5, "Created carol in Late.", direction="out", operation="create", application="Late")
    line(carol, 6, "AD refused carol.", direction="out", operation="create", application="AD", result="failed")
    assert words(carol) == [
        "AD refused carol.",
        "Created carol in Late.",
        "Account opened in CRM, APPSDB.",
        "Okta added carol.",
    ]
    assert words(carol, only="failures") == ["AD refused carol."]
    assert "AD refused carol." not in words(carol, only="changes")


def test_everything_that_remembers_the_person_is_merged(carol: User) -> None:
    directory = roll.directory("CRM")
    account = Account.objects.create(user=carol, directory=directory, key="carol")
    run = ImportRun.objects.create(status="finished", subject="HR")
    ImportRun.objects.filter(pk=run.pk).update(created_at=at(0))
    decision = Decision.objects.create(run=run, verdict="approved", actor="grace", reason="Left", rows=1, at=at(2))
    PlannedChange.objects.create(run=run, action="deactivate", key="Carol", verdict="done", decision_id=decision.pk)
    line(carol, 3, "carol was deactivated.", operation="disable", run_id=run.pk)
    values = {"user_id": carol.pk, "username": "carol", "name": "Carol", "decision": "deactivated", "version": "1"}
    closed = {"status": ReceiptStatus.CLOSED, "learnt_at": at(4), "ended_at": at(5), "origin": "HR"}
    Receipt.objects.create(**values, **closed)
    held = {"parked": at(6), "parked_code": HELD, "parked_message": "Too many at once."}
    Change.objects.create(account=account, directory=directory, reason="deactivated", **held)
    later = ImportRun.objects.create(status="approval", subject="Duplicates", actor="rob")
    ImportRun.objects.filter(pk=later.pk).update(created_at=at(7))
    PlannedChange.objects.create(run=later, action="merge", key="carol")
    assert words(carol) == [
        "Waits for a decision: merge, planned by Duplicates.",
        "Held back from CRM: Too many at once.",
        "Proven: no account is left open.",
        "Leaves: deactivated, learnt from HR.",
        "carol was deactivated.",
        f"Import {run.pk}: approved: Left.",
    ]
    assert "Leaves: deactivated, learnt from HR." not in words(carol, receipts=False)


def test_pages_follow_each_other_and_leave_nothing_out(carol: User) -> None:
    for number in range(60):
        line(carol, number, f"Line {number}.")
    values = {"user_id": carol.pk, "username": "carol", "name": "Carol", "decision": "deactivated", "version": "1"}
    Receipt.objects.create(**values, learnt_at=at(20.5))
    seen, older, pages = [], None, 0
    while pages == 0 or older:
        found = timeline.of_user(carol, older=older)
        seen += [moment.words for moment in found.moments]
        older, pages = found.older, pages + 1
    assert pages == 60 // timeline.PAGE
    lines = [f"Line {number}." for number in reversed(range(60))]
    lines.insert(39, "Leaves: deactivated, learnt from the portal.")
    assert seen == lines


@pytest.mark.heavy
def test_a_page_is_few_queries_over_indexes(carol: User) -> None:
    for number in range(40):
        line(carol, number, "Mine.", run_id=number + 1)
    theirs = {"direction": "portal", "operation": "update", "result": "success", "message": "Theirs."}
    Event.objects.bulk_create(Event(user_id=carol.pk + 1 + n % 500, at=at(n / 100), **theirs) for n in range(5000))
    with CaptureQueriesContext(connection) as queries:
        timeline.of_user(carol)
    assert len(queries) <= 6
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE reports_event")
        cursor.execute("EXPLAIN " + queries[0]["sql"])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "event_by_user" in plan
    assert "Sort" not in plan
