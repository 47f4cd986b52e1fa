"""Directories that are brought in step, and what a test does to them by hand."""

from collections.abc import Callable
from typing import Any

import ldap3
import pytest

from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate
from provisioning.models.imports import Trigger
from provisioning.outbound.accounts import delivery, outbox
from provisioning.outbound.groups import delivery as group_delivery
from provisioning.outbound.groups import outbox as group_outbox
from provisioning.reconciliation import engine, requests
from provisioning.reconciliation.models import Finding, ReconcileRun
from tests.fixtures.databases import Database
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory

SWITCHES = dict.fromkeys(("create_users", "update_users", "deactivate_users", "delete_users"), True)
PLAIN: dict[str, Any] = {**SWITCHES, "password_storage": "plain"}  # hashing takes longer than the whole test
TEMPLATES = {
    "check": "SELECT login FROM people WHERE login='##USERNAME##'",
    "create": "INSERT INTO people (login, mail, active) VALUES ('##USERNAME##', '##mail##', ##active##)",
    "update": "UPDATE people SET mail='##mail##', active=##active## WHERE login='##USERNAME##'",
    "delete": "DELETE FROM people WHERE login='##USERNAME##'",
    "import": "SELECT '##mail##', mail, '##active##', active FROM people WHERE login='##USERNAME##'",
}


class Hands:
    """Somebody who changes a directory past the portal."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory

    def add(self, key: str) -> None:
        raise NotImplementedError

    def remove(self, key: str) -> None:
        raise NotImplementedError

    def mail(self, key: str, value: str) -> None:
        raise NotImplementedError

    def switch(self, key: str, on: bool) -> None:
        raise NotImplementedError

    def read(self, key: str) -> tuple[str, bool] | None:
        raise NotImplementedError


class TableHands(Hands):
    """By SQL."""

    def __init__(self, database: Database) -> None:
        database.execute("CREATE TABLE people (login varchar(60) PRIMARY KEY, mail varchar(80), active boolean)")
        settings = {**database.settings, "user_table": "people", "username_column": "login"}
        secrets = {"password": settings.pop("password", "")}
        directory = Directory.objects.create(name="People", kind=database.kind, settings=settings, secrets=secrets)
        for operation, sql in TEMPLATES.items():
            QueryTemplate.objects.create(directory=directory, operation=operation, sql=sql)
        for theirs, ours in {"mail": "email", "active": "active"}.items():
            AttributeMapping.objects.create(directory=directory, directory_attribute=theirs, portal_attribute=ours)
        ProvisioningSettings.objects.create(directory=directory, **PLAIN)
        super().__init__(directory)
        self.database = database

    def add(self, key: str) -> None:
        self.database.execute("INSERT INTO people VALUES (%s, %s, true)", key, f"{key}@example.org")

    def remove(self, key: str) -> None:
        self.database.execute("DELETE FROM people WHERE login=%s", key)

    def mail(self, key: str, value: str) -> None:
        self.database.execute("UPDATE people SET mail=%s WHERE login=%s", value, key)

    def switch(self, key: str, on: bool) -> None:
        self.database.execute("UPDATE people SET active=%s WHERE login=%s", on, key)

    def read(self, key: str) -> tuple[str, bool] | None:
        rows: list[Any] = self.database.rows("SELECT mail, active FROM people WHERE login=%s", key)
        return (rows[0][0], bool(rows[0][1])) if rows else None


class TreeHands(Hands):
    """By LDAP."""

    def __init__(self, unit: LdapDirectory) -> None:
        super().__init__(save_ldap_directory(unit, **SWITCHES, sync_groups=True))
        self.unit = unit
        self.active_directory = unit.kind != "ldap"

    def _dn(self, key: str) -> str:
        return f"{'cn' if self.active_directory else 'uid'}={key},{self.unit.base}"

    def add(self, key: str) -> None:
        self.unit.person(key)

    def remove(self, key: str) -> None:
        assert self.unit.link.delete(self._dn(key)), self.unit.link.result

    def mail(self, key: str, value: str) -> None:
        assert self.unit.link.modify(self._dn(key), {"mail": [(ldap3.MODIFY_REPLACE, [value])]})

    def switch(self, key: str, on: bool) -> None:
        control = str((512 if on else 514) | 32)
        change = {"userAccountControl": [(ldap3.MODIFY_REPLACE, [control])]}
        assert self.unit.link.modify(self._dn(key), change), self.unit.link.result

    def leave(self, group: str, key: str) -> None:
        change = {"member": [(ldap3.MODIFY_DELETE, [self._dn(key)])]}
        assert self.unit.link.modify(f"cn={group},{self.unit.base}", change), self.unit.link.result

    def join(self, group: str, key: str) -> None:
        change = {"member": [(ldap3.MODIFY_ADD, [self._dn(key)])]}
        assert self.unit.link.modify(f"cn={group},{self.unit.base}", change), self.unit.link.result

    def members(self, group: str) -> set[str]:
        found = self.unit.entry(f"cn={group},{self.unit.base}", "member") or {}
        names = [name.decode() if isinstance(name, bytes) else name for name in found.get("member", [])]
        return {name.partition(",")[0].partition("=")[2].casefold() for name in names}

    def read(self, key: str) -> tuple[str, bool] | None:
        found = self.unit.entry(self._dn(key))
        if found is None:
            return None
        values = {name.lower(): [_text(one) for one in each] for name, each in found.items()}
        control = int(values.get("useraccountcontrol", ["512"])[0])
        return values["mail"][0], not control & 2


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


MADE: dict[str, Callable[..., Hands]] = {
    "pg_directory": TableHands,
    "ldap_directory": TreeHands,
    "ad_directory": TreeHands,
}


@pytest.fixture(params=list(MADE))
def hands(request: pytest.FixtureRequest, db: None) -> Hands:
    """A table in PostgreSQL, an OpenLDAP and a domain controller, each with every outbound feature on."""
    return MADE[request.param](request.getfixturevalue(request.param))


@pytest.fixture
def table(pg_directory: Database, db: None) -> TableHands:
    """The table alone, for what does not depend on the kind of directory."""
    return TableHands(pg_directory)


def delivered(directory: Directory) -> None:
    """Carry out what is enqueued."""
    for _ in range(3):
        delivery.deliver(directory.pk, outbox.LEASES.due(directory.pk, 1000))
        group_delivery.deliver(directory.pk, group_outbox.LEASES.due(directory.pk, 1000))


def start(directory: Directory) -> ReconcileRun:
    """Queue a run that the test works on itself."""
    return requests.start(directory, actor="tester", trigger=Trigger.COMMAND)


def reconciled(directory: Directory) -> ReconcileRun:
    """Compare, and return the run as it ended."""
    run = start(directory)
    engine.execute(run.pk)
    run.refresh_from_db()
    return run


def found(run: ReconcileRun) -> dict[str, str]:
    """Return kind by key."""
    return dict(Finding.objects.filter(run=run).values_list("key", "kind"))
