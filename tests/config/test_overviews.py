"""Reports: what each of them says, its picture and its files, who may see it, and what it costs."""

import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.models import BoughtLicences
from config.overviews import counting
from config.overviews.pages import OVERVIEWS
from directories.models import Directory
from provisioning.models import Account, Group, Membership, User
from provisioning.models.accounts import AccountState, LastResult
from provisioning.models.imports import RunStatus
from provisioning.receipts.models import Receipt, ReceiptAccount, Seen
from provisioning.reconciliation.models import Finding, FindingKind, FindingState, ReconcileRun
from provisioning.roles import AUDITOR, IT_STAFF
from reports import hours
from reports.journal import Line, record
from reports.models import DEPARTMENT, Direction, Evidence, Operation, Result

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def count_anew() -> None:
    counting.accounts.until = 0.0


@pytest.fixture
def it(client: Client) -> Client:
    return signed_in(client, IT_STAFF)


def signed_in(client: Client, role: str) -> Client:
    user = User.objects.create_user(role[:2].lower(), is_staff=True, provisioned=False)
    user.groups.add(Role.objects.get(name=role))
    client.force_login(user)
    return client


def person(name: str, directory: Directory, state: AccountState = AccountState.ACTIVE, **fields: Any) -> Account:
    user = User.objects.create(username=name, provisioned=False, department="Sales", **fields)
    return Account.objects.create(user=user, directory=directory, key=name, state=state)


def table(client: Client, name: str, query: str = "") -> list[list[Any]]:
    """Return the rows of the page, which its CSV file has too."""
    context = client.get(f"/overview/{name}/{query}").context
    rows = [[cell for _, cell in cells] for _, cells in context["rows"]]
    answer = client.get(f"/overview/{name}/csv/{query}")
    lines = b"".join(answer).decode("utf-8-sig").splitlines()  # type: ignore[arg-type]
    assert len(lines) == len(rows) + 1
    return rows


def drawn(client: Client, name: str, query: str = "") -> dict[str, list[int]]:
    picture = client.get(f"/overview/{name}/{query}").context["picture"]
    return {one["label"]: one["data"] for one in json.loads(picture.data)["datasets"]}


@pytest.mark.heavy
def test_who_has_which_account(it: Client) -> None:
    crm, erp = (Directory.objects.create(name=name, kind="memory") for name in ("CRM", "ERP"))
    person("ann", erp)
    person("bo", crm, AccountState.DISABLED)
    person("cy", crm, AccountState.ABSENT)
    assert [row[:5] for row in table(it, "accounts")] == [
        ["bo", "bo", "Sales", "CRM", "bo"],
        ["ann", "ann", "Sales", "ERP", "ann"],
    ]
    assert [row[0] for row in table(it, "accounts", f"?directory={erp.pk}")] == ["ann"]
    assert drawn(it, "accounts") == {"Active": [1, 0], "Disabled": [0, 1], "Not created yet": [0, 0]}


def test_every_account_is_in_the_file_once_also_where_names_are_the_same(it: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr("config.overviews.files.PAGE", 2)
    crm = Directory.objects.create(name="CRM", kind="memory")
    for number in range(5):
        account = person(f"p{number}", crm)
        Account.objects.filter(pk=account.pk).update(key="same" if number < 4 else "tail")
    lines = b"".join(it.get("/overview/accounts/csv/")).decode().splitlines()  # type: ignore[arg-type]
    assert sorted(line.split(",")[0] for line in lines[1:]) == [f"p{number}" for number in range(5)]


def test_who_is_in_which_group(it: Client) -> None:
    user = User.objects.create(username="ann", provisioned=False)
    Membership.objects.create(group=Group.objects.create(name="Nurses"), user=user)
    assert table(it, "memberships") == [["ann", "ann", "", "Nurses", "the portal"]]


@pytest.mark.heavy
def test_joiners_movers_and_leavers_of_a_span(it: Client) -> None:
    def tell(operation: Operation, ago: int, direction: Direction = Direction.IN, **more: Any) -> None:
        at = timezone.now() - dt.timedelta(days=ago)
        record(Line("ann", "HR", direction, operation, Result.SUCCESS, "x", user_id=1, at=at, **more))

    tell(Operation.CREATE, 3, changes={DEPARTMENT: (None, "Sales")})
    tell(Operation.CREATE, 3, Direction.OUT)
    tell(Operation.UPDATE, 2, changes={DEPARTMENT: ("Sales", "IT")})
    tell(Operation.CREATE, 90)
    Receipt.objects.create(user_id=1, username="bo", name="Bo", decision="x", origin="HR")
    found = table(it, "turnover")
    assert [row[:2] for row in found] == [["ann", "Joined"], ["ann", "Moved"], ["bo", "Left"]]
    assert found[1][3:5] == ["Sales", "IT"]
    assert {label: sum(numbers) for label, numbers in drawn(it, "turnover").items()} == {
        "Joined": 1,
        "Moved": 1,
        "Left": 1,
    }
    assert it.get("/overview/turnover/?start=2030-01-02&end=2030-01-01").context["form"].errors
    for absurd in ("start=0001-01-01&end=9999-12-31", "start=0001-01-01", "end=0001-01-01", "end=1-01-01"):
        assert it.get(f"/overview/turnover/?{absurd}").context["form"].errors
    assert it.get("/overview/turnover/csv/?start=nonsense").status_code == 302


@pytest.mark.heavy
def test_idle_accounts_name_those_that_can_still_be_used_first(it: Client) -> None:
    crm = Directory.objects.create(name="CRM", kind="memory")
    person("old", crm, AccountState.DISABLED, is_active=False)
    account = person("open", crm, is_active=False)
    Account.objects.filter(pk=account.pk).update(last_result=LastResult.OPEN)
    person("well", crm)
    assert [row[0] for row in table(it, "idle")] == ["open", "old"]
    assert drawn(it, "idle") == {"Can still be used": [1], "Disabled": [1]}


@pytest.mark.heavy
def test_orphans_are_those_of_the_newest_reconciliation(it: Client) -> None:
    crm = Directory.objects.create(name="CRM", kind="memory")
    for ago, key in ((2, "past"), (1, "now")):
        at = timezone.now() - dt.timedelta(days=ago)
        run = ReconcileRun.objects.create(
            directory=crm, status=RunStatus.FINISHED, created_at=at, counts={"orphan": ago}
        )
        orphan = {"run": run, "directory": crm, "kind": FindingKind.ORPHAN}
        Finding.objects.create(**orphan, subject=key, key=key, usable=True)
        Finding.objects.create(**orphan, subject="x", key="ignored", state=FindingState.IGNORED)
    assert [row[:3] for row in table(it, "orphans")] == [["now", "CRM", "Can be used"]]
    assert drawn(it, "orphans") == {"Found": [1]}


@pytest.mark.heavy
def test_licences_are_counted_against_accounts(it: Client) -> None:
    crm = Directory.objects.create(name="CRM", kind="memory")
    erp = Directory.objects.create(name="ERP", kind="memory")
    for number in range(3):
        person(f"p{number}", crm)
    person("gone", crm, AccountState.DISABLED)
    wrong = it.post(f"/overview/licences/{crm.pk}/", {"number": "5", "cost": "12.50", "currency": "euro"})
    assert "currency" in wrong.context["form"].errors
    right = it.post(f"/overview/licences/{crm.pk}/", {"number": "5", "cost": "12.50", "currency": "EUR"})
    assert right.status_code == 302
    BoughtLicences.objects.create(directory=erp, number=0, cost=Decimal(1))
    assert table(it, "licences") == [
        ["CRM", 3, 1, 5, 2, "12.50 EUR", "62.50 EUR", "25.00 EUR"],
        ["ERP", 0, 0, 0, 0, "1.00 EUR", "0.00 EUR", "0.00 EUR"],
    ]
    assert drawn(it, "licences") == {"Used": [0, 3], "Free": [0, 2], "More than bought": [0, 0]}
    assert "licences" in str(Evidence.objects.latest("seq").payload)


def test_auditors_see_licences_and_do_not_change_them(client: Client) -> None:
    crm = Directory.objects.create(name="CRM", kind="memory")
    auditor = signed_in(client, AUDITOR)
    html = auditor.get("/overview/licences/").content.decode()
    assert "CRM" in html
    assert f"/overview/licences/{crm.pk}/" not in html
    assert auditor.get(f"/overview/licences/{crm.pk}/").status_code == 403


@pytest.mark.heavy
def test_service_levels(it: Client) -> None:
    crm = Directory.objects.create(name="CRM", kind="memory")
    Directory.objects.create(name="Idle", kind="memory")
    at = timezone.now() - dt.timedelta(hours=3)
    for result, number in ((Result.SUCCESS, 3), (Result.FAILED, 1)):
        record(*[Line("x", "CRM", Direction.OUT, Operation.UPDATE, result, "x", at=at)] * number)
    record(Line("x", "CRM", Direction.IN, Operation.UPDATE, Result.FAILED, "x", at=at))
    hours.count()
    for minutes in (0.5, 0.5, 0.5, 8, None):
        receipt = Receipt.objects.create(user_id=minutes or 0, username="x", name="x", decision="x", status="closed")
        read = receipt.learnt_at + dt.timedelta(minutes=minutes) if minutes else None
        seen = Seen.DISABLED if read else Seen.NOTHING
        row = {"receipt": receipt, "directory_id": crm.pk, "directory": "CRM", "account_id": 1, "key": "x"}
        ReceiptAccount.objects.create(**row, before="active", seen=seen, read_at=read)
    assert table(it, "service") == [
        ["CRM", 3, 1, "75.0 %", 4, "75.0 %", "within 15 minutes"],
        ["Idle", 0, 0, "", 0, "", ""],
    ]
    assert drawn(it, "service") == {"Success": [3], "With errors": [0], "Failed": [1]}


def test_a_workbook_has_the_same_rows_and_no_formulas(it: Client) -> None:
    crm = Directory.objects.create(name="CRM", kind="memory")
    account = person("ann", crm)
    Account.objects.filter(pk=account.pk).update(key="=1+1")
    content = b"".join(it.get("/overview/accounts/xlsx/"))  # type: ignore[arg-type]
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    head, row = list(sheet.iter_rows())
    assert [cell.value for cell in head] == list(OVERVIEWS["accounts"].head)
    assert (row[4].value, row[4].data_type) == ("=1+1", "s")
    assert "'=1+1" in b"".join(it.get("/overview/accounts/csv/")).decode()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", OVERVIEWS)
def test_each_needs_all_of_its_permissions(client: Client, name: str) -> None:
    overview = OVERVIEWS[name]
    user = User.objects.create_user("some", is_staff=True, provisioned=False)
    client.force_login(user)
    pairs = (one.split(".") for one in overview.permissions)
    held = [Permission.objects.get(content_type__app_label=app, codename=code) for app, code in pairs]
    user.user_permissions.set(held[1:])
    for part in ("", "csv/", "xlsx/"):
        assert client.get(f"/overview/{name}/{part}").status_code == 403
    user.user_permissions.set(held)
    assert client.get(f"/overview/{name}/").status_code == 200
    assert [one.name for one in client.get("/overview/").context["overviews"] if one.name == name] == [name]


def test_accounts_are_counted_without_reading_them(db: None) -> None:
    with CaptureQueriesContext(connection) as queries, connection.cursor() as cursor:
        counting.accounts.until = 0.0
        counting.accounts.read()
        [sql] = [each["sql"] for each in queries.captured_queries if "provisioning_account" in each["sql"]]
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(row for (row,) in cursor.fetchall())
    assert "Index Only Scan using account_by_state" in plan


@pytest.mark.heavy
def test_a_page_costs_the_same_however_much_there_is(it: Client) -> None:
    def costs() -> dict[str, int]:
        found = {}
        for name in OVERVIEWS:
            counting.accounts.until = 0.0
            with CaptureQueriesContext(connection) as queries:
                it.get(f"/overview/{name}/")
            found[name] = len(queries)
        return found

    crm = Directory.objects.create(name="CRM", kind="memory")
    group = Group.objects.create(name="Nurses")

    def more(number: int) -> None:
        account = person(f"p{number}", crm, AccountState.DISABLED, is_active=False)
        Membership.objects.create(group=group, user=account.user)

    more(0)
    it.get("/")
    few = costs()
    for number in range(1, 60):
        more(number)
    many = costs()
    assert all(many[name] <= few[name] for name in few), "a page that is full asks for no second one"
