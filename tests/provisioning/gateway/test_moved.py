"""An OpenLDAP and a PostgreSQL that move behind a gateway and back: the same directories, however they are reached.

The gateway is within the process; its network is tested with gateways of their own (``test_killed_gateways``).
"""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.signin import again
from directories.config import load, open_connector
from directories.connectors.base import ConnectorConfig
from directories.connectors.gateway import ThroughGateway, post
from directories.connectors.gateway.calls import Call
from directories.connectors.gateway.post import Addressee
from directories.connectors.sql import language_of
from directories.examples import ExampleTable, statements
from directories.gateway.settings import of_text
from directories.gateway.work import ConnectorWork
from directories.models import Directory, ProvisioningSettings, QueryTemplate
from provisioning import directory_settings, services
from provisioning.blueprints.export import for_gateway
from provisioning.identities import membership
from provisioning.imports import engine
from provisioning.models import Account, Change, GroupAccount, ImportRun, User
from provisioning.models.imports import RunStatus
from provisioning.reconciliation.models import ReconcileRun
from reports.models import Event
from tests.fixtures.directories import COLUMNS, GENEROUS, AppsDb, save_directory
from tests.fixtures.gateways import HERE, Loopback, gateway_of
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory
from tests.provisioning.admin.conftest import client_of
from tests.provisioning.admin.pages import Values, form_values, text
from tests.provisioning.groups.push import make_group, run

__all__ = ["client_of"]
pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
Carry = Callable[[ConnectorWork], Loopback]
ON = dict.fromkeys(
    ("import_users", "create_users", "update_users", "deactivate_users", "set_passwords", "sync_groups"), True
)
FEATURES = {**ON, "import_groups": False, "push_groups": "all", "password_storage": "plain", "on_deactivate": "delete"}
SECRET = "Zebra-walks-81"
HEAD = "portal: https://rollcall.example.com\nkey: /var/lib/key.json\n"


@dataclass
class Ldap:
    """What an OpenLDAP holds."""

    unit: LdapDirectory
    secret = "password"

    def save(self) -> Directory:
        return save_ldap_directory(self.unit, **FEATURES)

    def add(self, name: str) -> None:
        self.unit.person(name, "Carl", "Lee")

    def last_name(self, name: str) -> str | None:
        entry = self.unit.entry(f"uid={name},{self.unit.base}")
        return str(entry["sn"][0]) if entry else None

    def tried(self, client: Client, values: Values) -> None:
        assert "Try it" not in text(client.get(reverse("admin:directories_directory_change", args=values["directory"])))

    def members(self, group: str) -> list[str]:
        entry = self.unit.entry(f"cn={group},{self.unit.base}", "member") or {}
        return sorted(dn.split(",")[0].partition("=")[2] for dn in entry["member"] if "placeholder" not in dn)

    def has_password(self, name: str) -> bool:
        return self.unit.can_log_in(f"uid={name},{self.unit.base}", SECRET)


@dataclass
class Sql:
    """What a PostgreSQL database holds."""

    database: AppsDb
    secret = "password"

    def save(self) -> Directory:
        self.database.execute("CREATE TABLE APP_GROUPS (GROUPNAME VARCHAR(255), DESCRIPTION VARCHAR(255))")
        self.database.execute("CREATE TABLE APP_MEMBERS (GROUPNAME VARCHAR(255), USERNAME VARCHAR(255))")
        directory = save_directory(self.database, "Staff", **FEATURES)
        examples = statements(ExampleTable(language_of("postgresql"), columns=COLUMNS[2:]))
        there = set(directory.query_templates.values_list("operation", flat=True))
        for operation, lines in examples.items():
            if operation not in {*there, "enable", "disable"}:
                for position, sql in enumerate(lines):
                    QueryTemplate.objects.create(directory=directory, operation=operation, position=position, sql=sql)
        return directory

    def add(self, name: str) -> None:
        self.database.add(name, "Carl", "Lee", f"{name}@example.org")

    def last_name(self, name: str) -> str | None:
        found = self.database.people().get(name)
        return found[1] if found else None

    def tried(self, client: Client, values: Values) -> None:
        """Run a statement of the gateway's file for somebody, which is rolled back."""
        page = client.get(reverse("admin:directories_directory_change", args=values["directory"]))
        assert "Shows the statements of the gateway" in text(page)
        wanted = {**values, "try_user": "anna", "try_operation": "delete", "try_run": "1"}
        tried = text(client.post(reverse("admin:directories_directory_fragment_try"), wanted))
        assert "1 row" in tried
        assert self.last_name("anna") == "Berg"

    def members(self, group: str) -> list[str]:
        rows = self.database.rows("SELECT USERNAME FROM APP_MEMBERS WHERE GROUPNAME = %s ORDER BY 1", group)
        return [name for (name,) in rows]

    def has_password(self, name: str) -> bool:
        return self.database.rows("SELECT PASSWORD FROM USERS WHERE USERNAME = %s", name) == [(SECRET,)]


@pytest.fixture(params=["ldap", "sql"])
def place(request: pytest.FixtureRequest) -> Ldap | Sql:
    if request.param == "ldap":
        return Ldap(request.getfixturevalue("ldap_directory"))
    return Sql(request.getfixturevalue("pg_appsdb"))


def imported(directory: Directory) -> ImportRun:
    found = services.start_import(directory, preview=False, actor="tester")
    engine.execute(found.pk)
    found.refresh_from_db()
    assert (found.status, found.errors) == (RunStatus.FINISHED, 0), found.message
    return found


def ledger() -> list[tuple[Any, ...]]:
    rows = Account.objects.order_by("key").values_list("pk", "key", "remote_id", "state", "pushed_digest", "place")
    return list(rows)


def moved(client: Client, directory: Directory, values: dict[str, Any]) -> str:
    """Send the page that moves a directory, and return what it leads to."""
    address = reverse("admin:directories_directory_move", args=[directory.pk])
    page = client.post(address, values, follow=True)
    directory.refresh_from_db()
    return text(page)


def test_it_moves_behind_a_gateway_works_there_and_comes_back(
    place: Ldap | Sql, carried: Carry, client_of: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of()
    directory = place.save()
    anna, ben = [User.objects.create(username=name, last_name="Berg") for name in ("anna", "ben")]
    group = make_group("Developers")
    membership.add(group, [anna.pk], "tester")
    run(directory)
    assert (place.last_name("anna"), place.members("Developers")) == ("Berg", ["anna"])
    kind, settings, secret = directory.kind, directory.settings, directory.secrets[place.secret]
    before, mapping = ledger(), list(directory.attribute_mappings.values_list("pk", flat=True))
    assert [key for _, key, *_ in before] == ["anna", "ben"]

    # --- The part of the file that the page shows is all that the gateway needs, and has no secret in it.
    shown = text(client.get(reverse("admin:directories_directory_move", args=[directory.pk])))
    part = for_gateway(directory)
    assert "env:ROLLCALL_STAFF_PASSWORD" in shown
    assert secret not in shown + part
    monkeypatch.setenv("ROLLCALL_STAFF_PASSWORD", secret)
    carried(ConnectorWork(of_text(f"{HEAD}{part}").directories))
    said = moved(client, directory, {"connection-gateway": HERE.gateway, "connection-name": "Staff"})
    assert "What is secret about it is no longer in the portal." in said
    assert (directory.kind, directory.settings) == ("gateway", {"gateway": HERE.gateway, "name": "Staff"})
    assert directory.secrets == {}
    assert (ledger(), list(directory.attribute_mappings.values_list("pk", flat=True))) == (before, mapping)
    assert Event.objects.filter(message__contains="it is reached through the gateway Head office now").exists()

    # --- Testing, looking, importing, delivering, groups and passwords.
    page = client.get(reverse("admin:directories_directory_change", args=[directory.pk]))
    values = form_values(page)
    tested = text(client.post(reverse("admin:directories_directory_fragment_test"), values))
    assert "The connection works." in tested
    sample = client.post(
        reverse("admin:directories_directory_fragment_sample"), {**form_values(page), "sample_user": "anna"}
    )
    assert "Berg" in text(sample)
    place.tried(client, values)
    place.add("carl")
    found = imported(directory)
    assert (found.created, found.updated, found.deactivated) == (1, 0, 0)
    User.objects.get(username="carl").delete()
    User.objects.filter(pk=anna.pk).update(last_name="Holm")
    services.provision_many([anna.pk], "tester")
    membership.add(group, [ben.pk], "tester")
    services.set_password(anna, SECRET, "tester")
    run(directory)
    assert (place.last_name("anna"), place.members("Developers")) == ("Holm", ["anna", "ben"])
    assert place.has_password("anna")
    services.set_active([ben.pk], False, "tester")
    run(directory)
    assert place.last_name("ben") is None
    assert not Change.objects.exists()

    # --- A save of the page leaves the statements for the way back.
    values = form_values(client.get(reverse("admin:directories_directory_change", args=[directory.pk])))
    client.post(reverse("admin:directories_directory_change", args=[directory.pk]), values)
    before = ledger()
    back = {f"connection-{name}": "" if value is None else value for name, value in settings.items()}
    wrong = moved(client, directory, {**back, "kind": kind, "connection-password": "wrong"})
    assert "nothing was moved" in wrong
    assert directory.kind == "gateway"
    said = moved(client, directory, {**back, "kind": kind, "connection-password": secret})
    assert "is reached by the portal itself now" in said
    assert (directory.kind, directory.secrets) == (kind, {"password": secret})
    assert ledger() == before
    User.objects.filter(pk=anna.pk).update(last_name="Vega")
    services.provision_many([anna.pk], "tester")
    run(directory)
    assert place.last_name("anna") == "Vega"


def test_it_does_not_move_to_another_kind_of_directory_or_while_it_is_imported(
    carried: Carry, client_of: Callable[..., Client], tmp_path: Path
) -> None:
    client = client_of("IT staff")
    directory = Directory.objects.create(name="People", kind="sqlite", settings={"database": "/x"})
    ProvisioningSettings.objects.create(directory=directory, **GENEROUS)
    carried(gateway_of("memory", ConnectorConfig({"name": str(tmp_path)})))
    there = {"connection-gateway": HERE.gateway, "connection-name": HERE.name}
    assert "Choose the directory of the file that is this one." in moved(client, directory, there)
    assert directory.kind == "sqlite"
    Directory.objects.update(kind="memory", settings={"name": str(tmp_path)})
    running = ImportRun.objects.create(
        directory=directory, status=RunStatus.CRAWLING, started_at="2026-01-01T00:00Z", leased_until="2099-01-01T00:00Z"
    )
    directory.refresh_from_db()
    assert "An import of People is running." in moved(client, directory, there)
    assert directory.kind == "memory"
    running.delete()
    assert "is reached through the gateway Head office now" in moved(client, directory, there)
    pushed = Directory.objects.create(name="Pushed", kind="push")
    assert client.get(reverse("admin:directories_directory_move", args=[pushed.pk])).status_code == 404
    with open_connector(load(directory.pk)) as connector:
        assert isinstance(connector, ThroughGateway)


class Meanwhile(Loopback):
    """A way to the gateway on which something else happens while the connection is tested."""

    happens: Callable[[], Any]

    def ask(self, addressee: Addressee, call: Call, patience: float) -> Any:
        if call.method == "test":
            self.happens()
        return super().ask(addressee, call, patience)


@pytest.fixture
def people(tmp_path: Path) -> Directory:
    """A directory in memory that is to be moved."""
    found = Directory.objects.create(name="People", kind="memory", settings={"name": str(tmp_path)})
    ProvisioningSettings.objects.create(directory=found, **GENEROUS)
    return found


THERE = {"connection-gateway": HERE.gateway, "connection-name": HERE.name}
LATER = timezone.now() + dt.timedelta(hours=1)


def test_it_does_not_move_back_as_another_kind_than_the_gateway_says(
    carried: Carry, client_of: Callable[..., Client], people: Directory, tmp_path: Path
) -> None:
    client = client_of("IT staff")
    carried(gateway_of("memory", ConnectorConfig({"name": str(tmp_path)})))
    moved(client, people, THERE)
    back = {"kind": "sqlite", "connection-database": str(tmp_path / "x.sqlite3"), "connection-user_table": "USERS"}
    moved(client, people, back)
    assert people.kind == "gateway"
    moved(client, people, {"kind": "sqlite", "connection-name": str(tmp_path)})
    assert people.kind == "memory"
    Directory.objects.update(kind="gateway", settings={"gateway": HERE.gateway, "name": "nobody's"})
    assert "Which kind of directory is it?" in moved(client, people, {})


def test_it_does_not_move_while_it_is_compared_or_delivered_to(
    carried: Carry, client_of: Callable[..., Client], people: Directory, tmp_path: Path
) -> None:
    client = client_of("IT staff")
    carried(gateway_of("memory", ConnectorConfig({"name": str(tmp_path)})))
    compared = ReconcileRun.objects.create(
        directory=people, status="crawling", started_at=timezone.now(), leased_until=LATER
    )
    assert "People is being compared with the portal." in moved(client, people, THERE)
    compared.delete()
    account = Account.objects.create(directory=people, key="anna", leased_until=LATER)
    assert "Changes are on their way to People." in moved(client, people, THERE)
    account.delete()
    group = GroupAccount.objects.create(directory=people, key="Developers", leased_until=LATER)
    assert "Changes are on their way to People." in moved(client, people, THERE)
    assert people.kind == "memory"
    group.delete()
    moved(client, people, THERE)
    assert people.kind == "gateway"


def test_it_overwrites_nothing_that_was_changed_meanwhile(
    carried: Carry, client_of: Callable[..., Client], people: Directory, tmp_path: Path
) -> None:
    client = client_of("IT staff")
    way = Meanwhile(gateway_of("memory", ConnectorConfig({"name": str(tmp_path)})))
    carried(way.work)
    post.carry_by(way)

    def edit() -> None:
        other = Directory.objects.get(pk=people.pk)
        other.settings = {"name": "elsewhere"}
        other.save()

    way.happens = edit
    assert "Somebody changed People meanwhile, so nothing was moved." in moved(client, people, THERE)
    assert (people.kind, people.settings) == ("memory", {"name": "elsewhere"})
    way.happens = lambda: directory_settings.remove(people, "bob")
    page = client.post(reverse("admin:directories_directory_move", args=[people.pk]), THERE, follow=True)
    assert page.redirect_chain == [(reverse("admin:directories_directory_changelist"), 302)]
    assert "People was deleted meanwhile, so nothing was moved." in text(page)
    assert not Directory.objects.exists()


def test_moving_asks_who_it_is_once_more_and_keeps_no_password_meanwhile(
    carried: Carry, client_of: Callable[..., Client], people: Directory, tmp_path: Path
) -> None:
    client = client_of("IT staff")
    carried(gateway_of("memory", ConnectorConfig({"name": str(tmp_path)})))
    session = client.session
    session[again.KEPT] = [session[again.KEPT][0], time.time() - again.SAVES.total_seconds() - 60]
    session.save()
    address = reverse("admin:directories_directory_move", args=[people.pk])
    asked = client.post(address, {**THERE, "connection-password": "Zebra"})
    assert asked["Location"].startswith(f"/login/again/?next={quote(address, safe='')}")
    assert "Zebra" not in str(dict(client.session))
    people.refresh_from_db()
    assert people.kind == "memory"
