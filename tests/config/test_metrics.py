"""/metrics: what Prometheus reads."""

import datetime as dt
from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings

from config import metrics
from config.health import readiness
from directories.models import Directory
from provisioning import heartbeat
from provisioning.models import Account, Change, ImportRun, User
from provisioning.models.imports import RunStatus
from reports.journal import Line, record
from reports.models import Direction, Event, Operation, Result
from scim.models import Client as Application
from scim.models import RequestLog

TOKEN = "number-reader"


@pytest.fixture(autouse=True)
def _fresh(settings: Settings) -> Iterator[None]:
    """An answer is kept for some seconds; every test wants its own."""
    settings.METRICS_TOKEN = TOKEN
    metrics.kept.until = readiness.until = 0.0
    yield
    metrics.kept.until = readiness.until = 0.0


def read(client: Client) -> dict[tuple[str, frozenset[str]], float]:
    """Return the numbers by name and labels, as Prometheus reads them."""
    response = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    assert not response.cookies
    families = text_string_to_metric_families(response.content.decode())
    return {(one.name, frozenset(one.labels.values())): one.value for family in families for one in family.samples}


def test_without_a_token_of_its_own_there_is_none(client: Client, settings: Settings) -> None:
    """No database is allowed in this test, so nothing was looked at."""
    settings.METRICS_TOKEN = ""
    response = client.get("/metrics", headers={"Authorization": "Bearer "})
    assert response.status_code == 404
    assert "Set METRICS_TOKEN" in response.content.decode()


@pytest.mark.parametrize("sent", [None, "Bearer wrong", "Bearer", TOKEN, f"Basic {TOKEN}", "Bearer nümber"])
def test_whoever_does_not_send_the_token_is_refused(client: Client, sent: str | None) -> None:
    response = client.get("/metrics", headers={} if sent is None else {"Authorization": sent})
    assert response.status_code == 401
    assert "bearer" in response.headers["WWW-Authenticate"].lower()


@pytest.mark.django_db
def test_what_happens_is_counted(client: Client) -> None:
    heartbeat.stamp()
    now = timezone.now()
    crm = Directory.objects.create(name='CRM "north"', kind="sqlite", enabled=True, unreachable_since=now)
    off = Directory.objects.create(name="OFF", kind="sqlite", enabled=False)
    users = User.objects.bulk_create([User(username=f"user{n}") for n in range(3)])
    accounts = Account.objects.bulk_create([Account(user=one, directory=crm, key=one.username) for one in users])
    Change.objects.all().delete()
    rows = [{"reason": "test", "directory": crm}, {"reason": "test", "directory": crm, "lane": 0}]
    rows.append({"reason": "test", "directory": crm, "parked": now, "parked_code": "no_right"})
    for account, row in zip(accounts, rows, strict=True):
        Change.objects.create(account=account, created_at=now - dt.timedelta(seconds=90), **row)
    common = {"status": RunStatus.FINISHED, "errors": 2}
    old = ImportRun.objects.create(directory=crm, seen=1, started_at=now, finished_at=now, **common)
    run = ImportRun.objects.create(
        directory=crm, seen=500, started_at=now - dt.timedelta(seconds=10), finished_at=now, **common
    )
    assert old.pk < run.pk
    ImportRun.objects.create(directory=off, status=RunStatus.APPROVAL)
    Event.objects.all().delete()
    record(
        Line(
            identifier="ada",
            application="CRM",
            direction=Direction.OUT,
            operation=Operation.CREATE,
            result=Result.SUCCESS,
            message="ada was created in CRM.",
        )
    )
    Event.objects.bulk_create([Event(at=now - dt.timedelta(minutes=2), application="CRM", message="long ago")])
    application = Application.objects.create(name="Okta", slug="okta")
    RequestLog.objects.bulk_create(
        RequestLog(client=application, method="GET", path="/Users", status=status, milliseconds=ms)
        for status, ms in ((200, 10), (201, 30), (404, 5))
    )
    found = read(client)
    assert found["rollcall_part_ready", frozenset({"worker"})] == 1
    assert found["rollcall_changes_waiting", frozenset({"accounts", "usual"})] == 1
    assert found["rollcall_changes_waiting", frozenset({"accounts", "leavers"})] == 1
    assert found["rollcall_changes_parked", frozenset({"accounts", "no_right"})] == 1
    assert found["rollcall_report_lines_last_minute", frozenset({"CRM", "out", "create", "success"})] == 1
    assert found["rollcall_directory_reachable", frozenset({'CRM "north"'})] == 0
    assert ("rollcall_directory_reachable", frozenset({"OFF"})) not in found
    assert found["rollcall_import_people_per_second", frozenset({'CRM "north"'})] == 50
    assert found["rollcall_import_errors", frozenset({'CRM "north"'})] == 2
    assert found["rollcall_imports_waiting_for_approval", frozenset()] == 1
    assert found["rollcall_scim_requests_last_minute", frozenset({"Okta", "2xx"})] == 2
    assert found["rollcall_scim_seconds_mean", frozenset({"Okta", "2xx"})] == pytest.approx(0.02)
    assert found["rollcall_scim_seconds_longest", frozenset({"Okta", "2xx"})] == pytest.approx(0.03)
    assert found["rollcall_scim_requests_last_minute", frozenset({"Okta", "4xx"})] == 1
    assert not any("ada" in label for _, labels in found for label in labels)


@pytest.mark.django_db
def test_many_directories_cost_no_more_queries_and_a_second_look_none(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    Directory.objects.bulk_create([Directory(name=f"D{n}", kind="sqlite", enabled=True) for n in range(20)])
    with django_assert_max_num_queries(25):
        read(client)
    with django_assert_max_num_queries(0):
        read(client)
