"""The grace time over real servers: what each holds is read back at every step."""

from typing import Any

import pytest

from directories.models import Directory
from provisioning import services
from provisioning.models import Account, User
from provisioning.models.accounts import AccountState
from provisioning.outbound.accounts import deletions
from provisioning.receipts import book
from provisioning.receipts.models import Receipt, ReceiptAccount, ReceiptStatus
from reports.models import Event
from tests.fixtures.databases import Database
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory
from tests.provisioning.grace.test_grace import DELETES, later, work
from tests.provisioning.receipts.test_receipts import STATES
from tests.provisioning.test_read_back import database, save

__all__ = ["database"]
pytestmark = pytest.mark.django_db
ON: dict[str, Any] = {"create_users": True, "update_users": True, "deactivate_users": True, **DELETES}


def hired(directory: Directory) -> User:
    user = User.objects.create(username="ann.lee", first_name="Ann", last_name="Lee", email="ann@example.org")
    work(directory)
    return user


def due(directory: Directory) -> None:
    """Let the grace time pass, and let workers do what is due."""
    later(31)
    deletions.sweep()
    work(directory)


@pytest.mark.heavy
def test_a_row_is_switched_off_and_on_again_and_deleted_in_the_end(database: Database) -> None:
    database.execute("CREATE TABLE hr (login varchar(40) PRIMARY KEY, mail varchar(60), active int)")
    enable = {"enable": "UPDATE hr SET active=1 WHERE login='##USERNAME##'"}
    directory = save(database, "hr", "login", {**STATES, **enable}, **ON)
    user = hired(directory)
    rows = lambda: database.rows("SELECT login, active FROM hr")  # noqa: E731
    services.set_active([user.pk], False, "admin")
    work(directory)
    assert rows() == [("ann.lee", 0)]
    first = Account.objects.get()
    services.set_active([user.pk], True, "admin")
    work(directory)
    assert rows() == [("ann.lee", 1)]
    back = Account.objects.get()
    assert (back.pk, back.remote_id, back.delete_at) == (first.pk, first.remote_id, None)
    services.set_active([user.pk], False, "admin")
    work(directory)
    due(directory)
    assert rows() == []
    assert Account.objects.get().state == AccountState.ABSENT


@pytest.fixture(params=["ldap_directory", "ad_directory"])
def unit(request: pytest.FixtureRequest) -> LdapDirectory:
    found: LdapDirectory = request.getfixturevalue(request.param)
    return found


def test_an_entry_keeps_its_id_in_the_grace_time_and_is_deleted_after_it(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **ON)
    user = hired(directory)
    dn = f"{'uid' if unit.kind == 'ldap' else 'cn'}=ann.lee,{unit.base}"
    assert unit.entry(dn) is not None
    lasting = Account.objects.get().remote_id
    services.set_active([user.pk], False, "admin")
    work(directory)
    book.settle()
    account = Account.objects.get()
    assert (account.state, account.remote_id) == (AccountState.DISABLED, lasting)
    assert unit.entry(dn) is not None
    receipt = Receipt.objects.get()
    assert receipt.status == ReceiptStatus.CLOSED
    services.set_active([user.pk], True, "admin")
    work(directory)
    assert Account.objects.get().remote_id == lasting
    services.set_active([user.pk], False, "admin")
    work(directory)
    book.settle()
    due(directory)
    assert unit.entry(dn) is None
    row = ReceiptAccount.objects.order_by("pk").last()
    assert row is not None
    assert (row.receipt.status, row.seen, row.gone_at is not None) == (ReceiptStatus.CLOSED, "disabled", True)
    assert Event.objects.filter(operation="delete", result="success", direction="out").count() == 1
