"""A directory does what it is asked for, and its answer is lost: the portal looks again, and the report is true."""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from directories import config, health
from directories.connectors.base import Unavailable
from directories.connectors.ldap.tree import Tree
from directories.connectors.sql.connector import SqlConnector
from directories.models import Directory
from provisioning import services
from provisioning.identities.users import save_user
from provisioning.models import Account, User
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from reports.models import Event
from tests.fixtures.cutting import Line, line_to
from tests.fixtures.databases import Database
from tests.fixtures.directories import make_appsdb, save_directory
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory
from tests.provisioning.crew import CrewConnector, Crews, save_crew_directory

pytestmark = pytest.mark.django_db
OUT = dict.fromkeys(("create_users", "update_users", "deactivate_users", "delete_users"), True)
LATER = " The answer was lost, and a later look found it done."


def run(directory: Directory) -> None:
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))


def again(directory: Directory) -> None:
    """Deliver once the directory is worth another trial."""
    health.retry_now(directory.pk)
    Account.objects.update(not_before=timezone.now())
    for _ in range(2):
        run(directory)


def told() -> list[tuple[str, str]]:
    """Return the operations and sentences of the report, without those that something waits."""
    lines = Event.objects.filter(direction="out").exclude(result="waiting").order_by("pk")
    return list(lines.values_list("operation", "message"))


# --- Real servers, and a network that is cut -------------------------------------------------------------------------


@pytest.fixture(params=["pg", "mariadb"])
def far(request: pytest.FixtureRequest) -> Iterator[tuple[Directory, Line]]:
    """A directory in a database at the end of a line."""
    database: Database = request.getfixturevalue(f"{request.param}_directory")
    appsdb = make_appsdb(database)
    with line_to("127.0.0.1", int(database.settings["port"])) as line:
        appsdb.settings = {**appsdb.settings, "port": line.port}
        yield save_directory(appsdb, password_storage="plain", **OUT), line


def cut_at(monkeypatch: pytest.MonkeyPatch, line: Line, owner: type, name: str) -> None:
    """Let the first answer to what a call asks be lost, once."""
    real = getattr(owner, name)

    def asked(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(owner, name, real)
        line.cut.set()
        return real(*args, **options)

    monkeypatch.setattr(owner, name, asked)


@pytest.mark.parametrize("count", [1, 5])  # alone, and together with others
def test_accounts_that_were_created_are_not_called_linked(
    far: tuple[Directory, Line], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    directory, line = far
    together = count > 1 and directory.kind == "postgresql"
    cut_at(monkeypatch, line, SqlConnector, "write_many" if together else "create")
    users = User.objects.bulk_create([User(username=f"user{n}", first_name="Anna") for n in range(count)])
    services.provision_many([user.pk for user in users], "test")
    run(directory)
    again(directory)
    lines = dict(Event.objects.exclude(result="waiting").values_list("identifier", "message"))
    first = "user1" if together else "user0"  # the first of a batch is always created alone
    assert lines[first] == f"Created {first} in APPSDB.{LATER}"
    assert set(Event.objects.exclude(result="waiting").values_list("operation", flat=True)) == {"create"}
    assert Event.objects.exclude(result="waiting").count() == count
    assert Event.objects.get(identifier=first, result="success").changes == {"FIRSTNAME": [None, "Anna"]}
    assert not Account.objects.exclude(state="active", last_result="ok", unanswered="").exists()


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["ldap_directory", "ad_directory"])
def test_an_entry_that_was_added_is_not_called_linked(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    unit: LdapDirectory = request.getfixturevalue(kind)
    host, _, port = str(unit.settings["host"]).partition(":")
    with line_to(host, int(port or 636)) as line:
        unit.settings |= {"host": f"127.0.0.1:{line.port}", "check_certificate": "no"}
        directory = save_ldap_directory(unit, **OUT)
        cut_at(monkeypatch, line, Tree, "add")
        save_user(User(username="anna", first_name="Anna", last_name="Berg"), "admin")
        run(directory)
        assert Account.objects.get().last_result == "waiting"
        again(directory)
        assert told()[0] == ("create", f"Created anna in Staff.{LATER}")
        assert "link" not in dict(told())
        account = Account.objects.get()
        assert (account.state, account.last_result, account.unanswered) == ("active", "ok", "")


@pytest.mark.heavy
def test_an_update_whose_answer_was_lost_is_not_forgotten_when_it_is_taken_back(
    far: tuple[Directory, Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, line = far
    user = User(username="anna", first_name="Anna")
    save_user(user, "admin")
    run(directory)
    cut_at(monkeypatch, line, SqlConnector, "update")
    change(user, "Ann")
    run(directory)
    change(user, "Anna")
    again(directory)
    assert told()[-1] == ("update", "Updated anna in APPSDB: first name.")
    connector: Any = config.open_connector(config.load(directory.pk))
    with connector:
        assert [tuple(row) for row in connector.session.rows("SELECT FIRSTNAME FROM USERS")] == [("Anna",)]


def change(user: User, name: str) -> None:
    user.first_name = name
    save_user(user, "admin")


# --- Every step, in memory -------------------------------------------------------------------------------------------


@pytest.fixture
def lose(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the directory do something once, and say nothing."""

    def once(name: str) -> None:
        real = getattr(CrewConnector, name)

        def done(self: CrewConnector, *args: Any) -> None:
            monkeypatch.setattr(CrewConnector, name, real)
            real(self, *args)
            raise Unavailable("Gone for lunch.")

        monkeypatch.setattr(CrewConnector, name, done)

    return once


def anna(directory: Directory) -> User:
    user = User(username="anna", first_name="Anna")
    save_user(user, "admin")
    run(directory)
    return user


@pytest.mark.heavy
def test_each_step_is_told_when_a_later_look_finds_it_done(crews: Crews, lose: Callable[[str], None]) -> None:
    directory = save_crew_directory()
    user = anna(directory)
    lose("update")
    change(user, "Ann")
    run(directory)
    again(directory)
    assert told()[-1] == ("update", f"Updated anna in CREW: first name.{LATER}")
    assert Event.objects.get(direction="out", operation="update", result="success").changes == {
        "FIRSTNAME": ["Anna", "Ann"]
    }
    lose("disable")
    services.set_active([user.pk], False, "admin")
    run(directory)
    again(directory)
    assert told()[-1] == ("disable", f"Disabled anna in CREW.{LATER}")
    lose("enable")
    services.set_active([user.pk], True, "admin")
    run(directory)
    again(directory)
    assert told()[-1] == ("enable", f"Enabled anna in CREW.{LATER}")
    lose("delete")
    services.delete_users([user.pk], "admin")
    run(directory)
    again(directory)
    assert told()[-1] == ("delete", f"Deleted anna from CREW.{LATER}")
    assert [call for call, _ in crews["CREW"].done()] == ["create", "update", "disable", "enable", "delete"]


def test_an_account_that_was_created_for_somebody_who_left_meanwhile_is_closed(
    crews: Crews, lose: Callable[[str], None]
) -> None:
    directory = save_crew_directory()
    lose("create")
    user = anna(directory)
    services.set_active([user.pk], False, "admin")
    again(directory)
    assert told() == [("create", f"Created anna in CREW.{LATER}"), ("disable", "Disabled anna in CREW.")]
    assert "anna" in crews["CREW"].disabled


def test_who_comes_back_before_a_lost_answer_was_looked_up_can_work(crews: Crews, lose: Callable[[str], None]) -> None:
    """The directory does not say whether an account may be used, so it is switched on once more."""
    directory = save_crew_directory()
    user = anna(directory)
    lose("disable")
    services.set_active([user.pk], False, "admin")
    run(directory)
    services.set_active([user.pk], True, "admin")
    again(directory)
    assert "anna" not in crews["CREW"].disabled


def test_a_step_that_was_refused_was_answered(crews: Crews) -> None:
    directory = save_crew_directory()

    def busy(call: str, _: str) -> None:
        if call == "create":
            raise Unavailable("A lock.", whole_directory=False)

    crews["CREW"].fail = busy
    anna(directory)
    crews["CREW"].fail = lambda call, key: None
    again(directory)
    assert told() == [("create", "Created anna in CREW.")]


def test_what_a_dead_worker_was_at_is_looked_at(crews: Crews) -> None:
    """It may have written anything, also when what was to be written has been taken back since."""
    directory = save_crew_directory()
    user = anna(directory)
    change(user, "Ann")
    crews["CREW"].rows["anna"]["FIRSTNAME"] = "Ann"
    outbox.LEASES.claim(list(Account.objects.values_list("pk", flat=True)))
    Account.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    change(user, "Anna")
    run(directory)
    assert crews["CREW"].rows["anna"]["FIRSTNAME"] == "Anna"
    assert Account.objects.get().unanswered == ""
