"""The leaver switch, the list of leavers, a receipt and the comparison with HR's list."""

import datetime as dt
from collections.abc import Callable
from importlib import import_module
from io import BytesIO

import pytest
from django.apps import apps
from django.contrib.auth.models import Group as Role
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.config import record_sources
from directories.connectors import registry
from directories.connectors.base import Unavailable
from directories.connectors.records import RecordSource
from directories.models import Directory, ProvisioningSettings
from provisioning import services
from provisioning.models import Account, User
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.receipts import book
from provisioning.receipts.models import Receipt, ReceiptAccount, ReceiptStatus
from reports import evidence
from tests.provisioning.crew import Crews, save_crew_directory

migration = import_module("provisioning.receipts.migrations.0005_no_records")
pytestmark = pytest.mark.django_db


def run(directory: Directory) -> None:
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 1000))


@pytest.fixture
def it_staff(client: Client) -> Client:
    user = User.objects.create_user("it", is_staff=True, provisioned=False)
    user.groups.add(Role.objects.get(name="IT staff"))
    client.force_login(user)
    return client


def employed(*directories: Directory, **fields: str) -> User:
    user = User.objects.create(**{"username": "ann.lee", "first_name": "Ann", "last_name": "Lee", **fields})
    for directory in directories:
        run(directory)
    return user


def text(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, address
    return " ".join(response.content.decode().split())


def source_of_records() -> Directory:
    """Return a database that is only read and says of contracts."""
    off = dict.fromkeys(("create_users", "update_users", "deactivate_users", "delete_users"), False)
    source = save_crew_directory("HR", **off)
    source.kind = "sqlite"
    source.save()
    source.query_templates.create(operation="contracts", sql="SELECT 1")
    source.attribute_mappings.create(
        directory_attribute="BEGINS", kind="contract", portal_attribute="starts", direction="in", position=9
    )
    return source


def test_what_a_source_says_of_a_person_is_no_account_that_stays_open(crews: Crews, it_staff: Client) -> None:
    source, crm = source_of_records(), save_crew_directory("CRM")
    user = employed(crm)
    Account.objects.create(user=user, directory=source, key="ann.lee", remote_id="4711", state="active")
    panel = text(it_staff, f"/provisioning/user/{user.pk}/accounts/")
    assert "Active, with an account. Nothing is wrong." in panel
    assert "What HR says of this person. It is no account, and the portal only reads it." in panel
    assert "<strong>CRM</strong>" in text(it_staff, f"/provisioning/user/{user.pk}/leave/")
    it_staff.post(f"/provisioning/user/{user.pk}/leave/", {"post": "yes"})
    run(crm)
    run(source)
    book.settle()
    assert Receipt.objects.get().status == ReceiptStatus.CLOSED
    assert [row.directory for row in ReceiptAccount.objects.all()] == ["CRM"]
    assert "No directory lets them in." in text(it_staff, f"/provisioning/user/{user.pk}/accounts/")


def test_who_has_not_begun_yet_has_not_left_either(crews: Crews, it_staff: Client) -> None:
    source = source_of_records()
    user = User.objects.create(username="joiner", is_active=False)
    Account.objects.create(user=user, directory=source, key="joiner", remote_id="4712", state="active")
    services.provision(user, "rules")
    assert not Receipt.objects.exists()
    assert "can still use" not in text(it_staff, f"/provisioning/user/{user.pk}/accounts/")


def test_an_account_where_the_portal_writes_stays_one_also_where_contracts_come_from(crews: Crews) -> None:
    source = source_of_records()
    source.provisioning.update_users = True
    source.provisioning.save()
    user = User.objects.create(username="leaver", is_active=False)
    Account.objects.create(user=user, directory=source, key="leaver", remote_id="4713", state="active")
    services.provision(user, "left")
    assert [row.directory for row in ReceiptAccount.objects.all()] == ["HR"]


@pytest.mark.parametrize(
    "change",
    [
        lambda source: Directory.objects.update(kind="ldap"),
        lambda source: Directory.objects.update(kind="gateway"),
        lambda source: source.attribute_mappings.filter(kind="contract").update(kind="record"),
        lambda source: source.query_templates.create(operation="disable", sql="UPDATE USERS SET ON=0"),
        lambda source: ProvisioningSettings.objects.update(set_passwords=True),
    ],
    ids=["no database", "gateway", "blocked by HR", "statement", "passwords"],
)
def test_accounts_of_a_directory_that_tells_of_people_too_stay_accounts(
    crews: Crews, change: Callable[[Directory], object]
) -> None:
    source = source_of_records()
    assert list(record_sources()) == [source]
    change(source)
    user = User.objects.create(username="leaver", is_active=False)
    Account.objects.create(user=user, directory=source, key="leaver", remote_id="4713", state="active")
    services.provision(user, "left")
    assert [row.directory for row in ReceiptAccount.objects.all()] == ["HR"]
    migration.take_records_out(apps, None)
    assert Receipt.objects.count() == 1


@pytest.mark.parametrize("tells_of_contracts", [False, True])
def test_which_kinds_may_hold_records_only(crews: Crews, tells_of_contracts: bool) -> None:
    """What only is a source always does, a database that is only read when it tells of contracts, nothing else ever."""
    source = source_of_records() if tells_of_contracts else save_crew_directory("HR")
    for kind, connector in registry().items():
        Directory.objects.update(kind=kind)
        records = issubclass(connector, RecordSource) or (tells_of_contracts and connector.templated)
        assert list(record_sources()) == ([source] if records else []), kind
        Receipt.objects.all().delete()
        receipt = Receipt.objects.create(user_id=1, username="x", decision="updated", version="0.1.0")
        receipt.accounts.create(directory_id=source.pk, directory="HR", account_id=1, key="x", before="active")
        migration.take_records_out(apps, None)
        assert Receipt.objects.exists() is not records, kind


def test_open_receipts_of_an_earlier_release_wait_for_no_record(crews: Crews) -> None:
    source, crm = source_of_records(), save_crew_directory("CRM")
    mixed, alone = User.objects.create(username="mixed"), User.objects.create(username="alone")
    for user, directories in ((mixed, (source, crm)), (alone, (source,))):
        receipt = Receipt.objects.create(user_id=user.pk, username=user.username, decision="updated", version="0.1.0")
        for one in directories:
            receipt.accounts.create(
                directory_id=one.pk, directory=one.name, account_id=one.pk, key="x", before="active"
            )
    migration.take_records_out(apps, None)
    assert [receipt.username for receipt in Receipt.objects.all()] == ["mixed"]
    assert [row.directory for row in ReceiptAccount.objects.all()] == ["CRM"]


@pytest.mark.heavy
def test_the_switch_says_where_and_leads_to_the_receipt(crews: Crews, it_staff: Client) -> None:
    crm, erp = save_crew_directory("CRM"), save_crew_directory("ERP")
    user = employed(crm, erp)
    assert f"/provisioning/user/{user.pk}/leave/" in text(it_staff, f"/provisioning/user/{user.pk}/accounts/")
    assert "<strong>CRM and ERP</strong>" in text(it_staff, f"/provisioning/user/{user.pk}/leave/")

    def away(call: str, key: str) -> None:
        raise Unavailable("ERP cannot be reached.")

    crews["ERP"].fail = away
    response = it_staff.post(f"/provisioning/user/{user.pk}/leave/", {"post": "yes"})
    receipt = Receipt.objects.get()
    assert response["Location"] == f"/receipts/receipt/{receipt.pk}/"
    assert (receipt.origin, receipt.decision) == ("it", "disabled everywhere")
    run(crm)
    run(erp)
    page = text(it_staff, response["Location"])
    assert "1 of 2 disabled, verified" in page
    assert "Still open: ERP." in page
    assert "Unreachable" in page
    assert "Next try:" in page
    assert 'hx-trigger="every 2s"' in page
    crews["ERP"].fail = lambda call, key: None
    Directory.objects.update(retry_at=timezone.now() + dt.timedelta(hours=1))
    it_staff.post(f"/provisioning/user/{user.pk}/leave/", {"post": "yes"})  # tries it at once
    run(erp)
    run(crm)
    book.settle()
    read = timezone.localtime(ReceiptAccount.objects.latest("read_at").read_at)
    page = text(it_staff, f"/receipts/receipt/{receipt.pk}/panel/")
    assert f"2 of 2 disabled, verified {read:%H:%M:%S}." in page
    assert "hx-trigger" not in page
    steps = page[page.index("Step by step") :]
    assert steps.index("Disabled ann.lee in CRM.") < steps.index("Disabled ann.lee in ERP.")
    assert '<td data-label="By">it</td>' in steps


@pytest.mark.heavy
def test_a_receipt_tells_what_is_still_to_come_and_what_went_by_itself(crews: Crews, it_staff: Client) -> None:
    crm = save_crew_directory("CRM", on_deactivate="delete", delete_after_days=30)
    user = employed(crm)
    user.is_active = False
    services.save_user(user, "HR (scheduled import)")
    run(crm)
    book.settle()
    page = text(it_staff, f"/receipts/receipt/{Receipt.objects.get().pk}/")
    steps = page[page.index("Step by step") :]
    assert "by itself: HR (scheduled import)" in steps
    assert "ann.lee will be deleted from CRM, unless they return." in steps
    assert ">to come<" in steps


@pytest.mark.heavy
def test_an_account_that_somebody_enabled_again_is_found_by_the_switch(crews: Crews, it_staff: Client) -> None:
    crm = save_crew_directory("CRM")
    user = employed(crm)
    it_staff.post(f"/provisioning/user/{user.pk}/leave/", {"post": "yes"})
    run(crm)
    book.settle()
    crews["CRM"].disabled.clear()  # over there
    it_staff.post(f"/provisioning/user/{user.pk}/leave/", {"post": "yes"})
    run(crm)
    book.settle()
    assert crews["CRM"].disabled == {"ann.lee"}
    assert list(Receipt.objects.values_list("status", flat=True)) == [ReceiptStatus.CLOSED, ReceiptStatus.CLOSED]


@pytest.mark.heavy
def test_many_are_disabled_by_one_action_and_staff_are_left_out(crews: Crews, it_staff: Client) -> None:
    crm = save_crew_directory("CRM")
    people = [employed(crm, username=f"u{number}") for number in range(3)]
    boss = User.objects.create_superuser("boss")
    data = {"action": "disable_everywhere", "_selected_action": [each.pk for each in (*people, boss)]}
    page = it_staff.post("/provisioning/user/", data)
    assert "these 3 users" in page.content.decode()
    response = it_staff.post("/provisioning/user/", data | {"post": "yes"})
    assert response["Location"].startswith("/receipts/receipt/?ids=")
    assert "0 of 1 disabled." in text(it_staff, response["Location"])
    assert set(User.objects.filter(is_active=True).values_list("username", flat=True)) == {"boss", "it"}
    assert it_staff.post(f"/provisioning/user/{boss.pk}/leave/").status_code == 403
    it_staff.force_login(boss)  # the last administrator
    assert it_staff.post(f"/provisioning/user/{boss.pk}/leave/").status_code == 403
    boss.refresh_from_db()
    assert boss.is_active


@pytest.mark.heavy
def test_the_list_is_filtered_and_costs_the_same_however_long(crews: Crews, it_staff: Client) -> None:
    directories = [save_crew_directory(f"D{number}") for number in range(2)]
    common = {"decision": "deactivated", "version": "1", "name": "Ann Lee"}
    now = timezone.now()
    numbers = []
    for size in (2, 40):
        receipts = [
            Receipt.objects.create(user_id=size * 100 + n, username=f"u{size}.{n}", learnt_at=now, **common)
            for n in range(size)
        ]
        for receipt in receipts:
            for directory in directories:
                ReceiptAccount.objects.create(
                    receipt=receipt,
                    directory_id=directory.pk,
                    directory=directory.name,
                    account_id=receipt.pk * 10 + directory.pk,
                    key="u",
                    before="active",
                )
        it_staff.get("/receipts/receipt/")
        with CaptureQueriesContext(connection) as queries:
            it_staff.get("/receipts/receipt/")
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]
    old = receipts[0]
    Receipt.objects.filter(pk=old.pk).update(learnt_at=now - dt.timedelta(minutes=6))
    assert text(it_staff, "/receipts/receipt/?state=unproven").count("rc-link") >= 1
    found = it_staff.get("/receipts/receipt/?state=unproven").context["lines"]
    assert [line.receipt.pk for line in found] == [old.pk]
    assert len(it_staff.get("/receipts/receipt/?last=3").context["lines"]) == 3
    assert it_staff.get(f"/receipts/receipt/?directory={directories[0].pk}&q=u2.1").context["lines"]
    assert not it_staff.get("/receipts/receipt/?state=closed").context["lines"]
    page = it_staff.get("/receipts/receipt/")
    this_quarter = it_staff.get(f"/receipts/receipt/{page.context['quarter_url']}")
    assert len(this_quarter.context["lines"]) == 42


@pytest.mark.heavy
def test_the_export_states_what_it_is_and_the_head_verifies(crews: Crews, it_staff: Client) -> None:
    crm = save_crew_directory("CRM")
    user = employed(crm, first_name="=Ann")
    it_staff.post(f"/provisioning/user/{user.pk}/leave/", {"post": "yes"})
    run(crm)
    book.settle()
    response = it_staff.get("/receipts/receipt/export/?state=closed")
    lines = b"".join(response.streaming_content).decode().lstrip("\ufeff").splitlines()
    stated = dict(line.split(",", 1) for line in lines[:8])
    assert stated["Query"] == "state: Proven"
    assert (stated["Receipts"], stated["Rows"]) == ("1", "1")
    assert stated["Time zone"] == timezone.get_current_timezone_name()
    assert stated["Product version"] == book.product_version()
    assert stated["Exported by"] == "it"
    assert not list(evidence.faults(evidence.Head.parse(stated["Evidence head"])))
    assert len(lines) == 11
    assert "CRM,ann.lee" in lines[10]
    assert "'=Ann" in lines[10]


@pytest.mark.heavy
def test_hrs_list_is_compared_both_ways(crews: Crews, it_staff: Client) -> None:
    crm = save_crew_directory("CRM")
    for number, name in enumerate(("left.both", "left.here", "still.active")):
        employed(crm, username=name, employee_number=f"470{number}")
    for name in ("left.both", "left.here"):
        user = User.objects.get(username=name)
        it_staff.post(f"/provisioning/user/{user.pk}/leave/", {"post": "yes"})
    today = timezone.localdate()
    rows = f"number;end\n4700;{today}\nSTILL.ACTIVE;{today}\nnobody;{today:%d.%m.%Y}\n"
    found = it_staff.post("/receipts/receipt/compare/", {"text": rows}).context["found"]
    assert [(line.key, receipt.username, days) for line, receipt, days in found.both] == [("4700", "left.both", 0)]
    assert [(line.key, why.split()[0]) for line, why in found.only_hr] == [("STILL.ACTIVE", "Still"), ("nobody", "Not")]
    assert [receipt.username for receipt in found.only_here] == ["left.here"]
    file = BytesIO(rows.encode("cp1252"))
    file.name = "hr.csv"
    response = it_staff.post("/receipts/receipt/compare/", {"file": file})
    assert "1 on both lists, 2 only at HR, 1 only here." in " ".join(response.content.decode().split())
    assert str(evidence.head()) in response.content.decode()
    wrong = it_staff.post("/receipts/receipt/compare/", {"text": f"4700;{today}\n4701;soon"})
    assert "Line 2 has no name or no date." in wrong.content.decode()
    for text_of_no_list in ("a\0b;2030-01-31", f"{'a' * 200_000};2030-01-31"):
        wrong = it_staff.post(
            "/receipts/receipt/compare/", {"file": SimpleUploadedFile("hr.csv", text_of_no_list.encode())}
        )
        assert "This is no list of people." in wrong.content.decode()


def test_hrs_spelling_of_a_user_name_does_not_matter(crews: Crews, it_staff: Client) -> None:
    user = employed(save_crew_directory("CRM"), username="Left.Both")
    it_staff.post(f"/provisioning/user/{user.pk}/leave/", {"post": "yes"})
    rows = f"LEFT.BOTH;{timezone.localdate()}"
    found = it_staff.post("/receipts/receipt/compare/", {"text": rows}).context["found"]
    assert [receipt.username for _, receipt, _ in found.both] == ["Left.Both"]


@pytest.mark.heavy
def test_an_exception_needs_an_owner_and_a_day_to_come(crews: Crews, it_staff: Client) -> None:
    crm = save_crew_directory("CRM", on_deactivate="leave")
    user = employed(crm)
    it_staff.post(f"/provisioning/user/{user.pk}/leave/", {"post": "yes"})
    run(crm)
    receipt, row = Receipt.objects.get(), ReceiptAccount.objects.get()
    assert Account.objects.get().state == "active"
    address = f"/receipts/receipt/{receipt.pk}/exception/"
    it_staff.post(address, {"account": row.pk, "reason": "Handover", "owner": "", "until": "2020-01-01"})
    row.refresh_from_db()
    assert row.owner == ""
    it_staff.post(address, {"account": row.pk, "reason": "Handover", "owner": "bob", "until": "2999-01-31"})
    book.settle()
    page = text(it_staff, f"/receipts/receipt/{receipt.pk}/")
    assert "0 of 1 disabled. Left open by choice: CRM." in page
    assert "bob answers for it until" in page
