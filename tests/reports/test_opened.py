"""A line that is opened: how it came about as far as that is recorded, and where it leads."""

import datetime as dt
import io
import re
import zipfile
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from directories.models import Directory
from provisioning.history import steps
from provisioning.models import Account, Change, Group, ImportRun, PlannedChange, User
from provisioning.models.imports import Action, Decision, RunStatus, Trigger, Verdict
from reports.models import Direction, Event, Operation, Result
from tests.reports.conftest import Write

pytestmark = pytest.mark.django_db


@pytest.fixture
def directory(db: None) -> Directory:
    return Directory.objects.create(name="HR", kind="memory")


@pytest.fixture
def run(directory: Directory) -> ImportRun:
    at = dt.datetime(2026, 3, 4, 5, 6, tzinfo=dt.UTC)
    how = {"status": RunStatus.FINISHED, "trigger": Trigger.SCHEDULE, "started_at": at}
    return ImportRun.objects.create(directory=directory, **how)


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root")


def told(event: Event, viewer: User) -> dict[str, str]:
    return {step.title: step.words for step in steps.of_lines([event], viewer)[event.pk]}


def newest(**filters: Any) -> Event:
    return Event.objects.filter(**filters).latest("id")


def test_a_line_of_an_import_tells_all_five_steps(run: ImportRun, write: Write, root: User) -> None:
    decision = Decision.objects.create(
        run=run, verdict=Verdict.APPROVED, actor="ada", reason="As agreed.", scope="all", rows=1, at=run.started_at
    )
    PlannedChange.objects.create(
        run=run, action=Action.UPDATE, key="Anna", user_id=7, account_id=8, remote_id="E-1", cause="changed",
        after={"profile.email": "b"}, decision_id=decision.pk,
    )  # fmt: skip
    changes = {"Title": (None, "Dr"), "E-mail": ("a", "b")}
    write(
        identifier="Anna", application="HR", direction=Direction.IN, run_id=run.pk, user_id=7, account_id=8,
        actor="HR (scheduled import)", changes=changes,
    )  # fmt: skip
    assert told(newest(run_id=run.pk), root) == {
        "Read": f"Everything was read from HR by import {run.pk}, started by the schedule, on 2026-03-04 at 05:06.",
        "Match": "The portal knew this account already. Its id there is E-1.",
        "Scope": "Caused by HR (scheduled import). Planned because: other values. "
        "Approved by ada, on 2026-03-04 at 05:06. “As agreed.”",
        "Map": "2 values differed: Title, E-mail.",
        "Act": "Update: success.",
    }


@pytest.mark.parametrize(
    ("planned", "words"),
    [
        ({"action": Action.CREATE}, "Nobody in the portal was this person, so that a new one was planned."),
        ({"action": Action.LINK, "user_id": 7}, "The portal knew the person, and did not know of this account."),
        ({"action": Action.ERROR}, None),
    ],
)
def test_only_what_is_recorded_is_told(
    run: ImportRun, write: Write, root: User, planned: Any, words: str | None
) -> None:
    PlannedChange.objects.create(run=run, key="anna", **planned)
    write(application="HR", direction=Direction.IN, run_id=run.pk)
    assert told(newest(run_id=run.pk), root).get("Match") == words
    write(direction=Direction.OUT)
    assert told(newest(run_id=None), root) == {"Act": "Update: success."}
    write(application="Okta", direction=Direction.IN, actor="Okta")
    found = told(newest(application="Okta"), root)
    assert found["Read"] == "Okta told it; no run was needed."
    assert "Map" not in found


def test_what_failed_says_whether_it_still_waits(
    directory: Directory, write: Write, root: User, admin_client: Client
) -> None:
    account = Account.objects.create(directory=directory, key="anna", remote_id="17")
    write(application="HR", account_id=account.pk, result=Result.FAILED, operation=Operation.CREATE)
    event = newest(account_id=account.pk)
    assert told(event, root) == {"Match": "The directory's id of the account anna is 17.", "Act": "Create: failed."}
    change = Change.objects.create(account=account, directory=directory, reason="updated", parked=timezone.now())
    assert told(event, root)["Act"] == "Create: failed. Somebody has to look at it now."
    html = admin_client.get(f"/reports/event/{event.pk}/").content.decode()
    url = f"{reverse('admin:provisioning_change_changelist')}?directory={directory.pk}"
    assert f'href="{url}">Failed and waiting</a>' in html
    change.parked = None
    change.save()
    assert told(event, root)["Act"] == "Create: failed. It waits for its turn."
    account.not_before = timezone.now() + dt.timedelta(hours=1)
    account.save()
    assert told(event, root)["Act"].startswith("Create: failed. It is tried again, on ")
    write(application="HR", account_id=account.pk)
    assert told(newest(account_id=account.pk), root)["Act"] == "Update: success."


def test_nobody_is_told_what_their_role_does_not_show(
    run: ImportRun, directory: Directory, write: Write, reader: Client
) -> None:
    """The helpdesk sees the report and accounts, and no runs, plans, decisions or what waits."""
    how = {"verdict": Verdict.APPROVED, "actor": "approver", "reason": "Secret reason.", "scope": "all", "rows": 1}
    decision = Decision.objects.create(run=run, **how)
    account = Account.objects.create(directory=directory, key="anna", remote_id="17")
    PlannedChange.objects.create(
        run=run, action=Action.UPDATE, key="anna", account_id=account.pk, remote_id="E-1", cause="changed",
        decision_id=decision.pk,
    )  # fmt: skip
    Change.objects.create(account=account, directory=directory, reason="updated", parked=timezone.now())
    write(
        application="HR", direction=Direction.IN, run_id=run.pk, account_id=account.pk, result=Result.FAILED,
        actor="HR (scheduled import)",
    )  # fmt: skip
    viewer, event = User.objects.get(username="reader"), newest(run_id=run.pk)
    assert told(event, viewer) == {
        "Match": "The directory's id of the account anna is 17.",
        "Scope": "Caused by HR (scheduled import).",
        "Act": "Update: failed.",
    }
    html = reader.get(f"/reports/event/{event.pk}/").content.decode()
    with zipfile.ZipFile(io.BytesIO(b"".join(reader.get("/reports/event/export/", {"format": "files"})))) as archive:
        exported = archive.read("steps.csv").decode()
    for text in (html, exported):
        assert not [word for word in ("approver", "Secret reason", "E-1", "schedule,", "look at it") if word in text]


@pytest.mark.heavy
def test_many_lines_cost_no_more_queries_than_one(directory: Directory, write: Write, root: User) -> None:
    def asked(number: int) -> int:
        for name in range(number):
            account = Account.objects.create(directory=directory, key=f"user{number}.{name}")
            made = ImportRun.objects.create(directory=directory, status=RunStatus.FINISHED)
            decision = Decision.objects.create(run=made, verdict=Verdict.APPROVED, actor="ada", scope="all", rows=1)
            PlannedChange.objects.create(run=made, action=Action.UPDATE, key=account.key, decision_id=decision.pk)
            Change.objects.create(account=account, directory=directory, reason="updated")
            write(identifier=account.key, run_id=made.pk, account_id=account.pk, result=Result.FAILED)
        events = list(Event.objects.filter(run_id__isnull=False))
        with CaptureQueriesContext(connection) as queries:
            found = steps.of_lines(events, root)
        assert set(found) == {event.pk for event in events}
        return len(queries)

    assert asked(1) == asked(20) == 5


def test_an_opened_line_leads_to_all_that_it_is_about(admin_client: Client, run: ImportRun, write: Write) -> None:
    user, group = User.objects.create_user("anna", provisioned=False), Group.objects.create(name="Nurses")
    ids = {"user_id": user.pk, "group_id": group.pk, "account_id": 9}
    write(identifier="anna", application="HR", run_id=run.pk, message="All of it.", **ids)
    event = newest(message="All of it.")
    html = admin_client.get(f"/reports/event/{event.pk}/").content.decode()
    links = re.findall(r'<a class="rc-link" href="([^"]*)">([^<]*)</a>', html)
    assert [words for _, words in links] == [
        "User", "Group", "Run", "HR", "User history", "Account history", "Group history", "Lines of this run",
    ]  # fmt: skip
    assert links[0][0] == reverse("admin:provisioning_user_change", args=[user.pk])
    assert links[2][0] == reverse("admin:provisioning_importrun_change", args=[run.pk])
    assert links[5][0] == "/reports/event/?account_id=9"
    page = admin_client.get("/reports/event/").content.decode()
    assert f'hx-get="/reports/event/{event.pk}/"' in page
    assert admin_client.get(f"/reports/event/{event.pk + 999}/").status_code == 404


def test_the_application_leads_to_its_directory_for_who_may_see_that(
    admin_client: Client, reader: Client, directory: Directory, write: Write
) -> None:
    write(application="HR", message="In HR.")
    event = newest(message="In HR.")
    url = reverse("admin:directories_directory_change", args=[directory.pk])
    assert f'href="{url}">HR</a>' in admin_client.get(f"/reports/event/{event.pk}/").content.decode()
    assert url not in reader.get(f"/reports/event/{event.pk}/").content.decode()
