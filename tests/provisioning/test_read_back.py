"""Nothing is believed that was not seen: what is deleted is gone, what was made is found, what was decided is kept."""

import pytest

from directories.connectors.base import ConnectorError
from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate
from provisioning import services
from provisioning.models import Account, Change, User
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from reports.models import Event
from tests.fixtures.databases import Database
from tests.provisioning.crew import CrewConnector, Crews, save_crew_directory

pytestmark = pytest.mark.django_db


def run(directory: Directory) -> None:
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 1000))


def save(database: Database, table: str, key: str, templates: dict[str, str], **switches: bool) -> Directory:
    """Save a directory over one table with these statements; ``mail`` is mapped."""
    settings = {**database.settings, "user_table": table, "username_column": key}
    secrets = {"password": settings.pop("password", "")}
    directory = Directory.objects.create(name=table, kind=database.kind, settings=settings, secrets=secrets)
    for operation, sql in templates.items():
        QueryTemplate.objects.create(directory=directory, operation=operation, sql=sql)
    AttributeMapping.objects.create(directory=directory, directory_attribute="mail", portal_attribute="email")
    on = {"create_users": True, "update_users": True, "delete_users": True, "initial_password": "random", **switches}
    ProvisioningSettings.objects.create(directory=directory, **on)
    return directory


@pytest.fixture(params=["pg_directory", "mariadb_directory", "sqlite_directory"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database, on each server."""
    found: Database = request.getfixturevalue(request.param)
    return found


CHECK = "SELECT login FROM tp WHERE login='##USERNAME##'"
CREATE = (
    "INSERT INTO tp (login, nm, mail, dept) VALUES "
    "('##USERNAME##', '##first_name## ##last_name##', '##mail##', '##department##')"
)
UPDATE = (
    "UPDATE tp SET nm='##first_name## ##last_name##', mail='##mail##', dept='##Department##' WHERE login='##USERNAME##'"
)


@pytest.mark.heavy
def test_what_only_a_statement_names_is_brought_along(database: Database) -> None:
    database.execute(
        "CREATE TABLE tp (login varchar(40) PRIMARY KEY, nm varchar(80), mail varchar(60), dept varchar(40))"
    )
    directory = save(database, "tp", "login", {"check": CHECK, "create": CREATE, "update": UPDATE})
    user = User.objects.create(
        username="tp.one", first_name="A", last_name="B", email="a@example.org", department="Sales"
    )
    run(directory)
    assert database.rows("SELECT nm, dept FROM tp") == [("A B", "Sales")]
    user.department, user.last_name = "Legal", "Married"
    user.save()
    run(directory)
    assert database.rows("SELECT nm, dept FROM tp") == [("A Married", "Legal")]
    event = Event.objects.filter(direction="out").latest("pk")
    assert event.message == "Updated tp.one in tp: last name, department."
    user.phone = "+49 30 1"  # no statement names it
    user.save()
    run(directory)
    assert not Event.objects.filter(direction="out", pk__gt=event.pk).exists()


SOFT = {
    "check": "SELECT login FROM staff WHERE login='##USERNAME##'",
    "create": "INSERT INTO staff (login, mail) VALUES ('##USERNAME##', '##mail##')",
    "delete": "UPDATE staff SET deleted_at='2026-01-01' WHERE login='##USERNAME##'",
}


@pytest.mark.heavy
def test_a_row_that_is_only_marked_keeps_the_memory_of_the_deletion(database: Database) -> None:
    database.execute("CREATE TABLE staff (login varchar(40) PRIMARY KEY, mail varchar(60), deleted_at date)")
    directory = save(database, "staff", "login", SOFT, import_users=True)
    user = User.objects.create(username="fired.bob", email="bob@example.org")
    run(directory)
    services.delete_users([user.pk], "admin")
    run(directory)
    assert database.rows("SELECT login FROM staff WHERE deleted_at IS NOT NULL") == [("fired.bob",)]
    account = Account.objects.get()
    assert (account.user, account.state, account.remote_id) == (None, "absent", "fired.bob")
    assert account.deleted_at is not None
    assert not Change.objects.exists()


def test_an_account_that_is_still_there_is_not_called_deleted(crews: Crews, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = save_crew_directory()
    user = User.objects.create(username="carol")
    run(directory)
    monkeypatch.setattr(CrewConnector, "delete", lambda self, *_: None)
    services.delete_users([user.pk], "admin")
    run(directory)
    change = Change.objects.get()
    assert (change.parked_code, Account.objects.get().state) == ("still_there", "active")
    assert not Event.objects.filter(operation="delete", result="success", direction="out").exists()


def test_an_account_that_its_look_up_does_not_find_is_never_called_gone(
    crews: Crews, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = save_crew_directory()
    monkeypatch.setattr(CrewConnector, "find", lambda self, entry: None)
    user = User.objects.create(username="VW.one")
    run(directory)
    account = Account.objects.get()
    assert (account.state, account.last_result, account.unseen) == ("active", "parked", True)
    assert "does not find it by the name VW.one" in account.last_message
    user.first_name = "New"
    user.save()
    run(directory)  # never a second one
    assert crews["CREW"].done() == [("create", "VW.one")]
    services.delete_users([user.pk], "admin")
    run(directory)
    assert Change.objects.filter(parked_code="unseen").exists()
    assert not Event.objects.filter(operation="delete", result="success", direction="out").exists()
    monkeypatch.undo()


def test_a_look_up_that_was_mended_finds_the_account_again(crews: Crews, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = save_crew_directory()
    find = CrewConnector.find
    CrewConnector.find = lambda self, entry: None  # type: ignore[method-assign, assignment]
    try:
        User.objects.create(username="VW.one")
        run(directory)
    finally:
        CrewConnector.find = find  # type: ignore[method-assign]
    services.retry(Change.objects.values_list("pk", flat=True), "admin")
    run(directory)
    account = Account.objects.get()
    assert (account.last_result, account.unseen) == ("ok", False)


def test_one_look_finds_whether_look_ups_work(crews: Crews) -> None:
    directory = save_crew_directory()
    for number in range(5):
        User.objects.create(username=f"user{number}")
    run(directory)
    assert len(crews["CREW"].done("find")) == 6  # one before each, and one after the first


def test_whose_account_never_came_to_be_leaves_without_a_trace(crews: Crews) -> None:
    directory = save_crew_directory()

    def fail(call: str, key: str) -> None:
        if call == "create":
            raise ConnectorError("No.")

    crews["CREW"].fail = fail
    user = User.objects.create(username="josé")
    run(directory)
    services.delete_users([user.pk], "admin")
    run(directory)
    assert not Account.objects.exists()
    assert not Change.objects.exists()
