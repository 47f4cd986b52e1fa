"""Passwords at real directories: OpenLDAP by RFC 3062, Active Directory by unicodePwd, SQL by the admin's query."""

from typing import Any

import bcrypt
import pytest

from directories.connectors.base import Capability, ConnectorConfig
from directories.connectors.ldap.active_directory import ActiveDirectory
from directories.models import Directory, QueryTemplate
from provisioning import services
from provisioning.models import Account, Change, PendingPassword, User
from provisioning.outbound.accounts import delivery, outbox
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
CLEAR = 'Zebra "walks" é 81'
ON = {"create_users": True, "update_users": True, "set_passwords": True}


@pytest.fixture(params=["ldap_directory", "ad_directory"])
def unit(request: pytest.FixtureRequest) -> LdapDirectory:
    found: LdapDirectory = request.getfixturevalue(request.param)
    return found


def delivered(directory: Directory) -> None:
    delivery.deliver(directory.pk, outbox.LEASES.due(directory.pk, 1000))


def dn(unit: LdapDirectory, uid: str = "anna") -> str:
    return f"{'uid' if unit.kind == 'ldap' else 'cn'}={uid},{unit.base}"


def test_a_password_opens_the_account_and_replaces_the_one_before(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **ON)
    anna = User.objects.create(username="anna", last_name="Berg")
    services.set_password(anna, "first-Secret-1", "")
    delivered(directory)
    assert unit.can_log_in(dn(unit), "first-Secret-1")  # as the initial password
    services.set_password(anna, CLEAR, "")
    delivered(directory)
    assert unit.can_log_in(dn(unit), CLEAR)
    assert not unit.can_log_in(dn(unit), "first-Secret-1")
    assert not PendingPassword.objects.exists()


def test_the_policy_refuses_in_its_own_words(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **ON)
    anna = User.objects.create(username="anna", last_name="Berg")
    delivered(directory)
    services.set_password(anna, "abc", "")
    delivered(directory)
    change = Change.objects.get()
    assert change.parked_code == "password_policy"
    assert change.parked_message.startswith("The directory's policy refuses the password: ")
    assert change.parked_message.endswith(" Set another password for anna.")
    assert "abc" not in change.parked_message
    assert Account.objects.get().state == "active"
    services.set_password(anna, "abcdefgh-1", "")
    delivered(directory)
    assert unit.can_log_in(dn(unit), "abcdefgh-1")
    assert not Change.objects.exists()


def test_active_directory_takes_none_in_the_clear(ad_directory: LdapDirectory) -> None:
    settings = {**ad_directory.settings, "encryption": "none"}
    with ActiveDirectory(ConnectorConfig(settings)) as connector:
        assert Capability.SET_PASSWORD not in connector.capabilities
    with ActiveDirectory(ConnectorConfig(ad_directory.settings)) as connector:
        assert Capability.SET_PASSWORD in connector.capabilities


def test_a_sql_directory_gets_it_by_the_admins_query_in_its_own_form(pg_appsdb: Any, make_directory: Any) -> None:
    directory = make_directory(pg_appsdb, create_users=True, set_passwords=True, password_storage="bcrypt")
    QueryTemplate.objects.create(
        directory=directory,
        operation="set_password",
        sql="UPDATE USERS SET PASSWORD = '##PASSWORD##' WHERE USERNAME = '##USERNAME##'",
    )
    anna = User.objects.create(username="anna", first_name="Anna", last_name="Berg", email="anna@example.org")
    delivered(directory)
    services.set_password(anna, CLEAR, "")
    delivered(directory)
    stored = pg_appsdb.rows("SELECT PASSWORD FROM USERS WHERE USERNAME = 'anna'")[0][0]
    assert bcrypt.checkpw(CLEAR.encode(), stored.encode())
