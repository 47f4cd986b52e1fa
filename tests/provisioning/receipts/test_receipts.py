"""A receipt proves what directories hold: made with the leaver, closed by looks, ended by a return."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.connectors.base import Unavailable
from directories.models import AttributeMapping, Directory
from provisioning import services, tasks
from provisioning.models import Account, Change, User
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.receipts import book
from provisioning.receipts.models import Receipt, ReceiptAccount, ReceiptStatus
from reports import evidence
from reports.models import Evidence
from tests.fixtures.databases import Database
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory
from tests.provisioning.crew import CrewConnector, Crews, save_crew_directory
from tests.provisioning.test_read_back import save

pytestmark = pytest.mark.django_db


def run(directory: Directory) -> None:
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 1000))


def employed(*directories: Directory, name: str = "ann.lee") -> User:
    user = User.objects.create(username=name, first_name="Ann", last_name="Lee", employee_number="7")
    for directory in directories:
        run(directory)
    assert Account.objects.filter(user=user, state="active").count() == len(directories)
    return user


def seen(receipt: Receipt) -> dict[str, str]:
    return dict(ReceiptAccount.objects.filter(receipt=receipt).values_list("directory", "seen"))


@pytest.mark.heavy
def test_a_receipt_is_closed_by_a_look_at_every_account(crews: Crews) -> None:
    crm, erp = save_crew_directory("CRM"), save_crew_directory("ERP", on_deactivate="delete")
    user = employed(crm, erp)
    services.set_active([user.pk], False, "admin")
    receipt = Receipt.objects.get()
    assert (receipt.user_id, receipt.name, receipt.employee_number) == (user.pk, "Ann Lee", "7")
    assert (receipt.origin, receipt.decision, receipt.status) == ("admin", "deactivated", ReceiptStatus.OPEN)
    assert receipt.version == book.product_version() != ""
    run(crm)
    book.settle()
    receipt.refresh_from_db()
    assert (receipt.status, seen(receipt)) == (ReceiptStatus.OPEN, {"CRM": "disabled", "ERP": ""})
    run(erp)
    book.settle()
    receipt.refresh_from_db()
    assert (receipt.status, seen(receipt)) == (ReceiptStatus.CLOSED, {"CRM": "disabled", "ERP": "absent"})
    assert crews["CRM"].calls[-2:] == [("disable", "ann.lee"), ("find", "ann.lee")]
    account = ReceiptAccount.objects.get(directory="CRM")
    assert account.answer == "disable"
    assert account.sent_at is not None
    assert account.read_at is not None
    assert receipt.learnt_at <= account.sent_at <= account.read_at <= (receipt.ended_at or timezone.now())
    row = Evidence.objects.get(seq=receipt.evidence)
    assert [each["seen"] for each in row.payload["accounts"]] == ["disabled", "absent"]
    assert not list(evidence.faults())


def test_what_is_still_enabled_is_not_called_disabled(crews: Crews, monkeypatch: pytest.MonkeyPatch) -> None:
    crm = save_crew_directory("CRM")
    user = employed(crm)
    monkeypatch.setattr(CrewConnector, "disable", lambda *_: None)
    services.set_active([user.pk], False, "admin")
    run(crm)
    assert Change.objects.get().parked_code == "still_enabled"
    assert Account.objects.get().state == "active"
    book.settle()
    assert Receipt.objects.get().status == ReceiptStatus.OPEN
    monkeypatch.undo()


@pytest.mark.parametrize("policy", ["disable", "delete"])
def test_a_directory_that_was_away_proves_it_when_it_is_back(crews: Crews, policy: str) -> None:
    crm = save_crew_directory("CRM", on_deactivate=policy)
    user = employed(crm)

    def away(call: str, key: str) -> None:
        raise Unavailable("CRM cannot be reached.")

    crews["CRM"].fail = away
    services.set_active([user.pk], False, "admin")
    run(crm)
    book.settle()
    receipt = Receipt.objects.get()
    assert (receipt.status, seen(receipt)) == (ReceiptStatus.OPEN, {"CRM": ""})
    crews["CRM"].fail = lambda call, key: None
    services.try_directory(crm)
    run(crm)
    book.settle()
    receipt.refresh_from_db()
    assert receipt.status == ReceiptStatus.CLOSED


@pytest.mark.heavy
@pytest.mark.parametrize("policy", ["disable", "delete"])
def test_a_worker_that_dies_before_the_read_back_leaves_it_to_the_next(crews: Crews, policy: str) -> None:
    crm = save_crew_directory("CRM", on_deactivate=policy)
    user = employed(crm)
    services.set_active([user.pk], False, "admin")
    told = False

    class Killed(BaseException):
        """What ends a process asks nobody."""

    def kill(call: str, key: str) -> None:
        nonlocal told
        if call == "find" and told:
            raise Killed
        told = told or call == policy

    crews["CRM"].fail = kill
    with pytest.raises(Killed):
        run(crm)
    crews["CRM"].fail = lambda call, key: None
    receipt = Receipt.objects.get()
    assert (receipt.status, seen(receipt)) == (ReceiptStatus.OPEN, {"CRM": ""})
    Account.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))  # its lease runs out
    run(crm)
    book.sweep()  # and nobody was there at the commit
    receipt.refresh_from_db()
    assert receipt.status == ReceiptStatus.CLOSED
    assert crews["CRM"].calls.count((policy, "ann.lee")) == 1


@pytest.mark.heavy
def test_who_returns_has_no_open_receipt(crews: Crews) -> None:
    crm, erp = save_crew_directory("CRM"), save_crew_directory("ERP")
    user = employed(crm, erp)
    services.set_active([user.pk], False, "admin")
    run(crm)
    services.set_active([user.pk], True, "admin")
    receipt = Receipt.objects.get()
    assert receipt.status == ReceiptStatus.CANCELLED
    book.settle()
    receipt.refresh_from_db()
    assert Evidence.objects.get(seq=receipt.evidence).payload["status"] == "cancelled"
    # Back before any account was closed: the worker sees it, and so does the sweep.
    run(crm)
    run(erp)
    for way in (lambda: run(crm), book.sweep):
        services.set_active([user.pk], False, "admin")
        services.set_active([user.pk], True, "admin")
        way()
        assert not Receipt.objects.filter(status=ReceiptStatus.OPEN).exists()
    assert Receipt.objects.count() == 3


def test_an_account_left_open_by_choice_needs_an_owner_and_an_end(crews: Crews) -> None:
    crm = save_crew_directory("CRM", on_deactivate="leave")
    user = employed(crm)
    services.set_active([user.pk], False, "admin")
    run(crm)
    book.settle()
    account = ReceiptAccount.objects.get()
    assert account.seen == "active"  # nothing was done, so it was looked at
    assert Receipt.objects.get().status == ReceiptStatus.OPEN
    until = dt.date(2030, 1, 31)
    assert book.leave_open(account, "Handover", "bob", until, "admin")
    book.settle()
    receipt = Receipt.objects.get()
    assert receipt.status == ReceiptStatus.CLOSED
    payload = Evidence.objects.get(seq=receipt.evidence).payload["accounts"][0]
    assert (payload["seen"], payload["owner"], payload["until"]) == ("active", "bob", "2030-01-31")
    assert not book.leave_open(account, "Again", "bob", until, "admin")


def test_a_directory_that_never_had_an_account_is_no_success(crews: Crews) -> None:
    crm, erp = save_crew_directory("CRM"), save_crew_directory("ERP")
    user = User.objects.create(username="ann.lee")
    run(crm)
    services.set_active([user.pk], False, "admin")
    run(crm)
    run(erp)
    book.settle()
    receipt = Receipt.objects.get()
    assert (receipt.status, seen(receipt)) == (ReceiptStatus.CLOSED, {"CRM": "disabled", "ERP": "never"})


def test_a_deleted_user_has_a_receipt_too(crews: Crews) -> None:
    crm = save_crew_directory("CRM")
    user = employed(crm)
    services.delete_users([user.pk], "admin")
    run(crm)
    book.settle()
    receipt = Receipt.objects.get()
    assert (receipt.status, receipt.username, seen(receipt)) == (ReceiptStatus.CLOSED, "ann.lee", {"CRM": "absent"})


@pytest.mark.heavy
def test_a_page_of_leavers_costs_a_fixed_number_of_queries(crews: Crews) -> None:
    crm = save_crew_directory("CRM")
    numbers = []
    for size in (3, 1000):
        users = User.objects.bulk_create([User(username=f"u{size}.{n}") for n in range(size)])
        Account.objects.bulk_create(
            Account(user=user, directory=crm, key=user.username, remote_id=user.username, state="active")
            for user in users
        )
        with CaptureQueriesContext(connection) as queries:
            services.set_active([user.pk for user in users], False, "import")
        numbers.append([query["sql"] for query in queries if "receipts_" in query["sql"] or "COPY" in query["sql"]])
    assert [len([sql for sql in each if "receipts_" in sql]) for each in numbers] == [3, 3]
    assert Receipt.objects.count() == ReceiptAccount.objects.count() == 1003
    with CaptureQueriesContext(connection) as queries:
        ids = list(Account.objects.values_list("pk", flat=True))
        book.record({pk: book.Proof(book.Seen.DISABLED, timezone.now()) for pk in ids})
        book.settle()
    assert len(queries) < 30
    assert Receipt.objects.filter(status=ReceiptStatus.CLOSED).count() == 1003
    assert evidence.head().number == 1003


STATES = {
    "check": "SELECT login FROM hr WHERE login='##USERNAME##'",
    "import": "SELECT '##active##', active FROM hr WHERE login='##USERNAME##'",
    "create": "INSERT INTO hr (login, mail, active) VALUES ('##USERNAME##', '##mail##', 1)",
    "disable": "UPDATE hr SET active=0 WHERE login='##USERNAME##'",
    "delete": "DELETE FROM hr WHERE login='##USERNAME##'",
}


@pytest.mark.parametrize(
    ("query", "seen"), [(STATES["disable"], "disabled"), ("UPDATE hr SET mail='' WHERE login='##USERNAME##'", "")]
)
def test_the_column_that_active_is_mapped_to_proves_it(pg_directory: Database, query: str, seen: str) -> None:
    pg_directory.execute("CREATE TABLE hr (login varchar(40) PRIMARY KEY, mail varchar(60), active int)")
    directory = save(pg_directory, "hr", "login", {**STATES, "disable": query}, deactivate_users=True)
    AttributeMapping.objects.create(
        directory=directory, directory_attribute="active", portal_attribute="active", direction="in"
    )
    user = employed(directory)
    services.set_active([user.pk], False, "admin", by_person=True)
    run(directory)
    book.settle()
    account = ReceiptAccount.objects.get()
    assert account.seen == seen
    assert account.receipt.status == ("closed" if seen else "open")
    assert Change.objects.filter(parked_code="still_enabled").exists() == (not seen)


def test_postgresql_and_ldap_are_read_back(pg_directory: Database, ldap_directory: LdapDirectory) -> None:
    pg_directory.execute("CREATE TABLE hr (login varchar(40) PRIMARY KEY, mail varchar(60), active int)")
    on = {"deactivate_users": True, "on_deactivate": "delete"}
    database = save(pg_directory, "hr", "login", STATES, **on)  # type: ignore[arg-type]
    tree = save_ldap_directory(ldap_directory, create_users=True, update_users=True, deactivate_users=True)
    user = employed(database, tree)
    services.set_active([user.pk], False, "admin")
    run(database)
    run(tree)
    tasks.receipts.settle()
    receipt = Receipt.objects.get()
    assert receipt.status == ReceiptStatus.CLOSED, seen(receipt)
    assert pg_directory.rows("SELECT login FROM hr") == []
    assert seen(receipt) == {"hr": "absent", tree.name: "disabled"}
