"""The start page and the sidebar say what needs attention, at the same cost however much does."""

import datetime as dt
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Group as Role
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from config import attention
from directories import health
from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate, Schedule
from provisioning import heartbeat
from provisioning.demo import load_demo
from provisioning.models import Account, Change, GroupAccount, GroupChange, Heartbeat, ImportRun, User
from provisioning.models.accounts import LastResult
from provisioning.models.imports import RunStatus
from provisioning.restore import holding
from provisioning.roles import HELPDESK, IT_STAFF
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

pytestmark = pytest.mark.django_db


@pytest.fixture
def it(client: Client) -> Client:
    """Someone of IT staff, while a worker runs."""
    user = User.objects.create_user("it", is_staff=True, provisioned=False)
    user.groups.add(Role.objects.get(name=IT_STAFF))
    client.force_login(user)
    heartbeat.stamp()
    return client


def start(client: Client) -> str:
    response = client.get("/")
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def trouble(number: int) -> Directory:
    """Make a directory that is down, with refused changes, a failed import and one that waits for approval."""
    directory = Directory.objects.create(
        name=f"Dir {number}",
        kind="postgresql",
        unreachable_since=timezone.now() - dt.timedelta(hours=3),
        last_error="The server does not answer.",
    )
    ProvisioningSettings.objects.create(
        directory=directory, import_users=True, schedule=Schedule.DAILY, next_import_at=timezone.now()
    )
    ImportRun.objects.create(directory=directory, status=RunStatus.FAILED, message="The login was refused.")
    other = Directory.objects.create(name=f"Big {number}", kind="postgresql")
    ImportRun.objects.create(directory=other, status=RunStatus.APPROVAL, message="It would deactivate 90 of 100 users.")
    account = Account.objects.create(directory=directory, key="anna")
    park(account, 3)
    return directory


def park(account: Account, count: int, code: str = "too_long") -> None:
    Change.objects.bulk_create(
        Change(
            account=account,
            directory=account.directory,
            reason="updated",
            parked=timezone.now(),
            parked_code=code,
            parked_message="The e-mail address is too long.",
        )
        for _ in range(count)
    )


@pytest.mark.heavy
def test_trouble_comes_first_with_the_next_step(it: Client) -> None:
    directory = trouble(1)
    html = start(it)
    for words in (
        "Dir 1 cannot be reached",
        "(3 hours). The server does not answer.",
        "An import of Big 1 waits for approval",
        "It would deactivate 90 of 100 users.",
        "The last import of Dir 1 failed",
        "The login was refused.",
        "3 changes refused by Dir 1",
        "The e-mail address is too long.",
        "Dir 1, daily",
    ):
        assert words in html, words
    assert f"/directories/directory/{directory.pk}/change/" in html
    assert html.index("cannot be reached") < html.index("Recent activity")
    assert "All is well" not in html
    ImportRun.objects.create(
        directory=directory, status=RunStatus.FAILED, message="The server does not answer. The portal tries again soon."
    )
    assert "The last import of Dir 1 failed" not in start(it)  # that Dir 1 is down is told once


def test_what_the_guard_holds_is_not_called_refused(it: Client) -> None:
    directory = Directory.objects.create(name="CRM", kind="postgresql")
    park(Account.objects.create(directory=directory, key="anna"), 2, code="held")
    html = start(it)
    assert "2 changes held for CRM" in html
    assert "Look and decide" in html
    assert "refused by CRM" not in html


@pytest.mark.heavy
@pytest.mark.parametrize(("number", "words"), [(1, "1 directory waits until"), (2, "2 directories wait until")])
def test_the_banner_counts_who_waits(it: Client, number: int, words: str) -> None:
    for one in range(number):
        Directory.objects.create(name=f"Dir {one}", kind="postgresql")
    holding.hold_all("By hand.")
    assert words in start(it)


def test_refused_changes_of_groups_are_trouble_too(it: Client) -> None:
    directory = Directory.objects.create(name="APPSDB", kind="postgresql")
    group = GroupAccount.objects.create(directory=directory, key="Developers")
    GroupChange.objects.create(
        group_account=group,
        directory=directory,
        reason="updated",
        parked=timezone.now(),
        parked_code="other_group",
        parked_message="APPSDB has a group of its own with this name.",
    )
    html = start(it)
    assert "1 group change refused by APPSDB" in html
    assert "APPSDB has a group of its own with this name." in html
    assert f"{reverse('admin:provisioning_groupchange_changelist')}?directory={directory.pk}" in html
    assert "All is well" not in html


def test_a_repaired_import_is_not_trouble(it: Client) -> None:
    directory = Directory.objects.create(name="APPSDB", kind="postgresql")
    old = timezone.now() - dt.timedelta(hours=1)
    ImportRun.objects.create(directory=directory, status=RunStatus.FAILED, created_at=old)
    ImportRun.objects.create(directory=directory, status=RunStatus.FINISHED)
    html = start(it)
    assert "failed" not in html
    assert "All is well" in html
    assert "First steps" not in html


@pytest.mark.heavy
def test_a_silent_worker_is_trouble(it: Client) -> None:
    assert "background worker" not in start(it)
    Heartbeat.objects.update(at=timezone.now() - dt.timedelta(minutes=12))
    assert "No worker has shown a sign of life for 12 minutes." in start(it)
    Heartbeat.objects.all().delete()
    assert "No worker has started yet." in start(it)


@pytest.mark.heavy
def test_an_empty_portal_leads_through_the_first_steps(it: Client) -> None:
    def done() -> list[bool]:
        return [step.done for step in it.get("/").context["steps"]]

    assert done() == [False] * 6
    directory = Directory.objects.create(name="APPSDB", kind="postgresql")
    assert done() == [True, *[False] * 5], "nobody asked it anything yet"
    health.note_answer(directory.pk)
    assert done() == [True, True, *[False] * 4]
    for operation in ("check", "create"):
        QueryTemplate.objects.create(directory=directory, operation=operation, sql="SELECT 1")
    AttributeMapping.objects.create(directory=directory, directory_attribute="EMAIL", portal_attribute="email")
    ProvisioningSettings.objects.create(directory=directory, create_users=True, import_users=True)
    assert done() == [True, True, False, True, True, False], "the query that reads users is needed now"
    QueryTemplate.objects.create(directory=directory, operation="import", sql="SELECT 1")
    assert done() == [*[True] * 5, False]
    ImportRun.objects.create(directory=directory, status=RunStatus.FINISHED, preview=True)
    assert done() == [*[True] * 5, False]
    ImportRun.objects.create(directory=directory, status=RunStatus.FINISHED)
    assert done() == []


@pytest.mark.heavy
def test_the_demo_does_not_end_the_first_steps_of_ones_own(it: Client, settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    demo = load_demo().directory
    assert "1. Add a directory: APPSDB" in start(it)
    ImportRun.objects.create(directory=demo, status=RunStatus.FINISHED)
    assert [step.done for step in it.get("/").context["steps"]] == [False] * 6
    own = Directory.objects.create(name="HR", kind="active_directory", answered_at=timezone.now())
    html = start(it)
    assert "Add a directory: HR" in html
    assert "Query templates" not in html, "a kind without statements has no such step"
    ProvisioningSettings.objects.create(directory=own, create_users=True)
    AttributeMapping.objects.create(directory=own, directory_attribute="mail", portal_attribute="email")
    assert it.get("/").context["steps"] == [], "what is not imported from needs no import"


@pytest.mark.heavy
def test_helpdesk_sees_what_keeps_users_from_working_and_no_details(client: Client) -> None:
    user = User.objects.create_user("help", is_staff=True, provisioned=False)
    user.groups.add(Role.objects.get(name=HELPDESK))
    client.force_login(user)
    assert "All is well" in start(client)
    trouble(1)
    Account.objects.update(last_result=LastResult.PARKED)
    record(Line("anna", "Dir 1", Direction.OUT, Operation.UPDATE, Result.SUCCESS, "Updated anna in Dir 1."))
    html = start(client)
    for words in ("Updated anna in Dir 1.", "Dir 1 cannot be reached", "1 account needs attention"):
        assert words in html
    for words in ("All is well", "The server does not answer", "Next imports", "First steps", "/directories/"):
        assert words not in html
    assert client.get("/provisioning/user/?account=attention").status_code == 200


def test_staff_without_a_role_are_told_whom_to_ask(client: Client) -> None:
    client.force_login(User.objects.create_user("new", is_staff=True, provisioned=False))
    assert "Your account has no role yet." in start(client)


@pytest.mark.heavy
def test_the_start_page_costs_the_same_with_any_amount_of_trouble(it: Client) -> None:
    trouble(0)
    it.get("/")
    with CaptureQueriesContext(connection) as few:
        it.get("/")
    for number in range(1, 15):
        park(Account.objects.get(directory=trouble(number)), 20, code=f"code {number}")
    with CaptureQueriesContext(connection) as many:
        it.get("/")
    assert len(many) == len(few) <= 55


@pytest.mark.heavy
def test_badges_count_to_a_cap(it: Client) -> None:
    trouble(1)
    html = start(it)
    assert attention.parked_badge(HttpRequest()) == attention.Badge("3", "danger")
    assert attention.unreachable_badge(HttpRequest()) == attention.Badge("1", "danger")
    assert attention.approval_badge(HttpRequest()) == attention.Badge("1", "warning")
    assert html.count("bg-red-100") >= 2
    park(Account.objects.get(), 120)
    assert attention.parked_badge(HttpRequest()) == attention.Badge("99+", "danger")
    assert "123 changes refused by Dir 1" in start(it)


@pytest.mark.heavy
def test_recent_activity_shows_runs_in_all_and_what_was_done_by_hand(it: Client) -> None:
    """Hundreds of lines about single people must not push the rest off the page."""
    by_hand = Line("bo", "", Direction.PORTAL, Operation.UPDATE, Result.SUCCESS, "Bo was changed by hand.")
    record(by_hand)
    record(Line("", "Dir 1", Direction.IN, Operation.IMPORT, Result.SUCCESS, "Imported 300 users.", run_id=1))
    for number in range(60):
        who = f"person{number}"
        record(
            Line(who, "Dir 1", Direction.IN, Operation.CREATE, Result.SUCCESS, f"{who} came.", run_id=1),
            Line(who, "Dir 2", Direction.OUT, Operation.CREATE, Result.SUCCESS, f"{who} was sent."),
        )
    html = start(it)
    assert "Imported 300 users." in html
    assert "Bo was changed by hand." in html
    assert " came." not in html
    assert html.count(" was sent.") == 3
    for _ in range(2):
        record(*[Line("x", "", Direction.IN, Operation.CREATE, Result.SUCCESS, "x came.", run_id=1)] * 150)
    assert "Imported 300 users." in start(it)


def test_a_directory_that_has_just_gone_is_not_said_to_be_gone_for_no_minutes(it: Client) -> None:
    Directory.objects.create(name="Gone", kind="postgresql", unreachable_since=timezone.now())
    html = start(it)
    assert "(just now)" in html
    assert "0\xa0minutes" not in html
