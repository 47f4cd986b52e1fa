"""The numbers and pictures of the start page: what they say, where they lead, who sees them, and what they cost."""

import datetime as dt
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from directories.models import Directory, ProvisioningSettings, Schedule
from provisioning.contracts.models import Employment
from provisioning.models import Account, ImportRun, User
from provisioning.models.accounts import AccountState
from provisioning.models.imports import RunStatus
from provisioning.receipts.models import Receipt, ReceiptStatus
from provisioning.roles import AUDITOR, HELPDESK, IT_STAFF
from reports import hours
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

pytestmark = pytest.mark.django_db


def someone(client: Client, role: str) -> Client:
    user = User.objects.create_user(role.replace(" ", "-").lower(), is_staff=True, provisioned=False)
    user.groups.add(Role.objects.get(name=role))
    client.force_login(user)
    return client


@pytest.fixture
def it(client: Client) -> Client:
    return someone(client, IT_STAFF)


def line(application: str, result: Result, message: str) -> None:
    record(Line("ann", application, Direction.OUT, Operation.UPDATE, result, message))


def fill_portal(number: int) -> None:
    """Add a directory with lines and imports, and a leaver, a joiner and a stale account."""
    directory = Directory.objects.create(name=f"Dir {number}", kind="postgresql", answered_at=timezone.now())
    due = timezone.now() + dt.timedelta(hours=number + 1)
    settings = {"import_users": True, "schedule": Schedule.DAILY, "next_import_at": due}
    ProvisioningSettings.objects.create(directory=directory, **settings)
    for read in (100, 110):
        ImportRun.objects.create(directory=directory, status=RunStatus.FINISHED, seen=read)
    line(directory.name, Result.SUCCESS, f"Updated ann in {directory.name}.")
    line(directory.name, Result.FAILED, f"{directory.name} refused ann.")
    leaver = User.objects.create(username=f"leaver{number}", provisioned=False)
    Receipt.objects.create(user_id=leaver.pk, username=leaver.username, name=f"Lea {number}", decision="deactivated")
    joiner = User.objects.create(username=f"joiner{number}", provisioned=False, is_active=False)
    Employment.objects.create(user=joiner, active=False, next_change_at=timezone.now() + dt.timedelta(days=3))
    Account.objects.create(user=leaver, directory=directory, key="x", state=AccountState.DISABLED)


def start(client: Client) -> Any:
    return client.get("/").context


def links(client: Client) -> list[str]:
    """Return the addresses to which the numbers of the page lead."""
    html = client.get("/start/").content.decode()
    return [found.replace("&amp;", "&") for found in re.findall(r'href="([^"]+)"', html)]


@pytest.mark.heavy
def test_operations_are_drawn_said_and_linked(it: Client) -> None:
    fill_portal(1)
    line("Dir 1", Result.SUCCESS, "Again.")
    for counted in (False, True):
        if counted:
            hours.count()
        part = start(it)["operations"]
        assert [(one.label, one.text) for one in part.sums] == [("Success", "2"), ("Failed", "1")]
        drawn = json.loads(part.picture.data)
        assert [sum(one["data"]) for one in drawn["datasets"]] == [2, 1]
        assert len(drawn["labels"]) == 24
        assert part.picture.words == "Operations an hour in the last 24 hours: success 2, failed 1"
        assert "Dir 1 refused ann." in it.get(part.sums[1].url).content.decode()
        assert "Again." not in it.get(part.sums[1].url).content.decode()
        [row] = part.rows
        assert it.get(row.cells[0].url).content.decode().count("Updated ann in Dir 1.") == 1


@pytest.mark.heavy
def test_every_directory_has_a_light_and_its_last_result(it: Client) -> None:
    fill_portal(1)
    Directory.objects.create(name="Aardvark", kind="postgresql")
    gone = timezone.now() - dt.timedelta(hours=1)
    Directory.objects.create(name="Zebra", kind="postgresql", unreachable_since=gone)
    down, new, well = start(it)["directories"]
    assert (down.name, down.light) == ("Zebra", "failed")
    assert (new.name, new.state.label, new.last) == ("Aardvark", "Not tested yet", None)
    assert (well.light, well.last.message, well.last_light) == ("success", "Dir 1 refused ann.", "failed")
    hours.count()
    assert start(it)["directories"][2].last.message == "Dir 1 refused ann."


@pytest.mark.heavy
def test_imports_have_a_trend_and_say_when_they_are_next(it: Client) -> None:
    fill_portal(1)
    Directory.objects.update(name="HR")
    [source] = start(it)["sources"]
    assert json.loads(source.picture.data)["datasets"][0]["data"] == [100, 110]
    assert source.picture.words == "People read by the last 2 imports: 100, 110"
    assert source.next_at is not None
    assert "HR, daily" in it.get("/start/").content.decode()


@pytest.mark.heavy
def test_leavers_joiners_and_stale_accounts_lead_to_their_rows(it: Client) -> None:
    fill_portal(1)
    receipt = Receipt.objects.create(user_id=0, username="gone", name="Gone", decision="x", status=ReceiptStatus.CLOSED)
    old = timezone.now() - dt.timedelta(days=9)
    Receipt.objects.create(user_id=1, username="old", name="Old", decision="x", status="closed", learnt_at=old)
    context = start(it)
    assert [(one.label, one.text) for one in context["leavers"].sums] == [("Proven", "1"), ("Open", "1")]
    assert str(receipt) in it.get(context["leavers"].sums[0].url).content.decode()
    numbers = {one.label: (one.text, one.url) for one in context["numbers"]}
    for label, who in (
        ("leaver not proven yet", "leaver1"),
        ("joiner in the next 30 days", "joiner1"),
        ("disabled account that nothing deletes", "leaver1"),
    ):
        text, url = numbers[label]
        html = it.get(url).content.decode()
        assert text == "1", label
        assert who in html, label
        assert "old" not in re.sub(r"\W(?:bold|threshold)", "", html).split(), label
    assert [str(one.user) for one in context["joiners"]] == ["joiner1"]


@pytest.mark.heavy
@pytest.mark.parametrize("role", [IT_STAFF, HELPDESK, AUDITOR])
def test_whatever_a_role_sees_it_may_open(client: Client, role: str) -> None:
    fill_portal(1)
    someone(client, role)
    for address in links(client):
        assert client.get(address).status_code == 200, address


def test_helpdesk_sees_no_directories_and_staff_without_a_role_nothing(client: Client) -> None:
    fill_portal(1)
    context = start(someone(client, HELPDESK))
    assert all(name in context for name in ("operations", "leavers", "joiners"))
    assert not any(name in context for name in ("directories", "sources"))
    client.force_login(User.objects.create_user("new", is_staff=True, provisioned=False))
    assert start(client)["numbers"] == []
    assert "Dir 1" not in client.get("/start/").content.decode()


@pytest.mark.heavy
def test_the_parts_cost_the_same_with_any_number_of_directories_and_people(it: Client) -> None:
    fill_portal(0)
    it.get("/start/")
    with CaptureQueriesContext(connection) as few:
        it.get("/start/")
    for number in range(1, 25):
        fill_portal(number)
    with CaptureQueriesContext(connection) as many:
        it.get("/start/")
    assert len(many) == len(few) <= 40
    context = start(it)
    assert context["more_directories"]
    assert len(context["sources"]) == 8


LOAD = """
INSERT INTO reports_event (at, identifier, identifier_key, application, direction, operation, result, message, changes,
                           actor)
SELECT now() - i * interval '1 second', 'x', 'x', 'Dir', 'out', 'update', 'success', 'm', '{}', ''
FROM generate_series(1, 60000) i
"""


@pytest.mark.heavy
def test_no_part_reads_a_whole_table(it: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LOAD)
        cursor.execute("ANALYZE")
    hours.count()
    with CaptureQueriesContext(connection) as queries:
        it.get("/start/")
    for sql in (each["sql"] for each in queries if 'FROM "reports_event"' in each["sql"]):
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + sql)
            assert "Seq Scan on reports_event" not in "\n".join(row for (row,) in cursor.fetchall()), sql


@pytest.mark.django_db(transaction=True)
def test_the_page_refreshes_in_place(page: Page, sign_in: Any) -> None:
    """What is new comes without a load: the table stays open, the focus where it was, the picture the same."""
    fill_portal(1)
    sign_in(page, User.objects.create_superuser("root"))
    page.goto(reverse("admin:index"))
    page.get_by_text("As a table").first.click()
    link = page.locator(".rc-sums a").first
    link.focus()
    line("Dir 1", Result.SUCCESS, "Once more.")
    page.evaluate("() => { document.body.dataset.same = 'yes'; return refresh(); }")
    page.get_by_role("link", name="Success 2").wait_for()
    assert page.get_by_text("Once more.").count() == 2, "among the directories, and in what happened last"
    assert page.locator("details[open]").count() == 1
    assert page.evaluate("document.activeElement.textContent.trim()") == "Success 2"
    assert page.locator("body").get_attribute("data-same") == "yes"
    drawn = "Chart.getChart(document.querySelector('[data-part=operations] canvas')).data.datasets[0].data"
    assert sum(page.evaluate(drawn)) == 2
