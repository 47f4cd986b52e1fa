"""Somebody is deleted, and somebody of the same name comes: the new one gets nothing of the old account."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.test import Client
from django.utils import timezone

from directories.connectors.base import ConnectorError, RemoteAccount, Unavailable
from directories.models import Directory, ProvisioningSettings
from provisioning import services
from provisioning.identities.users import rename_and_save, save_user
from provisioning.models import Account, Change, GroupAccount, PushedMember, User
from provisioning.models.accounts import AccountState, LastResult
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.roles import AUDITOR, HELPDESK, IT_STAFF
from reports.models import Event
from tests.provisioning.crew import Crews, save_crew_directory
from tests.provisioning.imports.conftest import Source, errors, source
from tests.scim.conftest import make_client

__all__ = ["source"]
pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
Door = Callable[[Source], None]


def by_admin(_: Source) -> None:
    save_user(User(username="anna", first_name="Ännchen"), "admin")


def by_file(_: Source) -> None:
    line = services.FileLine(User(username="Anna", first_name="Ännchen"), None)
    assert services.applied(services.upload("a file of 1 user", "admin", [line])).run.created == 1


def by_import(source: Source) -> None:
    source.put("anna", "Ännchen")
    assert source.run().created == 1


def by_scim(_: Source) -> None:
    make_client().add("anna", name={"givenName": "Ännchen"})


def run(directory: Directory) -> None:
    """Let a worker do what is due, and what comes of that."""
    for _ in range(5):
        deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))


def provisioned(name: str = "anna", **fields: Any) -> User:
    """Add somebody and deliver them."""
    user = User(username=name, first_name="Anna", **fields)
    save_user(user, "admin")
    run(Directory.objects.get(name="CREW"))
    return user


def rest() -> None:
    """Let every pause be over."""
    Account.objects.update(not_before=timezone.now())


@pytest.mark.parametrize("enter", [by_admin, by_file, by_import, by_scim])
def test_the_old_account_goes_first_and_a_new_one_is_made(crews: Crews, source: Source, enter: Door) -> None:
    crew, directory = crews["CREW"], save_crew_directory()
    services.delete_users([provisioned().pk], "admin")
    old = Account.objects.get(directory=directory)
    enter(source)
    new = User.objects.get()
    mine = Account.objects.get(directory=directory, user=new)
    assert mine.pk != old.pk
    # A worker for the usual changes comes before the one for leavers.
    deliver(directory.pk, [mine.pk])
    mine.refresh_from_db()
    assert mine.last_result == LastResult.WAITING
    assert "deleted" in mine.last_message
    assert crew.done() == [("create", "anna")]
    deliver(directory.pk, [old.pk])
    run(directory)
    assert [call for call, _ in crew.done()] == ["create", "delete", "create"]
    assert crew.rows[mine.key]["FIRSTNAME"] == "Ännchen"
    assert Account.objects.get(directory=directory).user == new
    assert not Change.objects.exists()


def test_both_in_one_batch(crews: Crews) -> None:
    crew, directory = crews["CREW"], save_crew_directory()
    services.delete_users([provisioned().pk], "admin")
    by_admin_user = User(username="anna", first_name="Ännchen")
    save_user(by_admin_user, "admin")
    run(directory)
    assert [call for call, _ in crew.done()] == ["create", "delete", "create"]
    account = Account.objects.get()
    assert (account.user, account.state, account.last_result) == (by_admin_user, AccountState.ACTIVE, LastResult.OK)


def test_an_account_that_is_still_being_made_goes_first_too(crews: Crews, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its user is deleted, and the namesake comes, while the directory makes it."""
    crew, directory = crews["CREW"], save_crew_directory()
    first = User(username="anna", first_name="Anna")
    save_user(first, "admin")

    def meanwhile(call: str, _: str) -> None:
        if call == "create" and User.objects.filter(pk=first.pk).exists():
            services.delete_users([first.pk], "admin")
            save_user(User(username="anna", first_name="Ännchen"), "admin")
            deliver(directory.pk, [Account.objects.get(user__isnull=False).pk])

    crew.fail = meanwhile
    run(directory)
    assert [call for call, _ in crew.done()] == ["create", "delete", "create"]
    assert crew.rows["anna"]["FIRSTNAME"] == "Ännchen"


@pytest.mark.parametrize("features", [{"on_delete": "disable"}, {"on_delete": "leave"}, {"delete_users": False}])
def test_an_account_that_stays_is_nobody_elses(crews: Crews, features: dict[str, Any]) -> None:
    crew, directory = crews["CREW"], save_crew_directory(**features)
    services.delete_users([provisioned(employee_number="7").pk], "admin")
    run(directory)
    save_user(User(username="anna", first_name="Ännchen"), "admin")
    run(directory)
    mine = Account.objects.get(user__isnull=False)
    assert mine.last_message == (
        "CREW still has the account anna of somebody who was deleted from the portal. Delete or rename it there, and "
        "then retry. If it is the same person, press “It is the same person” on their page, under Accounts."
    )
    assert crew.rows["anna"]["FIRSTNAME"] == "Anna"
    crew.rows.clear()
    crew.disabled.clear()
    services.retry(Change.objects.filter(parked__isnull=False), "admin")
    run(directory)
    assert crew.rows["anna"]["FIRSTNAME"] == "Ännchen"
    assert Account.objects.get().user == User.objects.get()


def test_a_deletion_that_is_refused_gives_the_account_to_nobody(crews: Crews) -> None:
    crew, directory = crews["CREW"], save_crew_directory()
    services.delete_users([provisioned().pk], "admin")

    def refuse(call: str, _: str) -> None:
        if call == "delete":
            raise ConnectorError("No rights.")

    crew.fail = refuse
    run(directory)
    save_user(User(username="anna", first_name="Ännchen"), "admin")
    run(directory)
    assert "still has the account anna" in Account.objects.get(user__isnull=False).last_message
    assert crew.rows["anna"]["FIRSTNAME"] == "Anna"


def test_the_same_employee_number_is_the_same_person(crews: Crews) -> None:
    crew, directory = crews["CREW"], save_crew_directory()
    services.delete_users([provisioned(employee_number="4711").pk], "admin")
    again = User(username="anna", first_name="Ännchen", employee_number="4711")
    save_user(again, "admin")
    assert Account.objects.get().user == again
    run(directory)
    assert crew.done() == [("create", "anna"), ("update", "anna")]
    assert Account.objects.get().person is None


def test_an_employee_number_that_is_given_later_brings_an_account_back(crews: Crews) -> None:
    crew, directory = crews["CREW"], save_crew_directory(on_delete="disable")
    services.delete_users([provisioned(employee_number="4711").pk], "admin")
    run(directory)
    again = User(username="anna", first_name="Ännchen")
    save_user(again, "admin")
    run(directory)
    again.employee_number = "4711"
    save_user(again, "admin")
    run(directory)
    assert Account.objects.get().user == again
    assert crew.rows["anna"]["FIRSTNAME"] == "Ännchen"
    assert "anna" not in crew.disabled


def test_who_was_renamed_is_known_by_the_name_of_the_last(crews: Crews) -> None:
    """The directory keeps the old name, and the portal's own memory has the new one."""
    crew, directory = crews["CREW"], save_crew_directory(on_delete="disable")
    anna = provisioned(employee_number="4711")
    rename_and_save(anna, "Anna.B", "admin")
    run(directory)
    services.delete_users([anna.pk], "admin")
    run(directory)
    again = User(username="anna.b", first_name="Ännchen", employee_number="4711")
    save_user(again, "admin")
    run(directory)
    account = Account.objects.get()
    assert (account.user, account.key, account.key_folded) == (again, "anna.b", "anna.b")
    assert crew.rows == {"anna": {"FIRSTNAME": "Ännchen", "LASTNAME": None, "EMAIL_ADDRESS": None}}
    assert "anna" not in crew.disabled


def test_an_account_under_an_old_name_goes_before_the_next_of_that_name(crews: Crews) -> None:
    crew, directory = crews["CREW"], save_crew_directory()
    anna = provisioned()
    rename_and_save(anna, "anna.b", "admin")
    run(directory)
    services.delete_users([anna.pk], "admin")
    save_user(User(username="anna", first_name="Ännchen"), "admin")
    mine = Account.objects.get(user__isnull=False)
    deliver(directory.pk, [mine.pk])
    mine.refresh_from_db()
    assert (mine.last_result, "goes first" in mine.last_message) == (LastResult.WAITING, True)
    run(directory)
    rest()
    run(directory)
    assert [call for call, _ in crew.done()] == ["create", "delete", "create"]
    assert crew.rows["anna"]["FIRSTNAME"] == "Ännchen"


def test_who_comes_back_after_a_new_name_gets_an_account_of_that_name(crews: Crews) -> None:
    crew, directory = crews["CREW"], save_crew_directory(on_deactivate="delete")
    anna = provisioned()
    rename_and_save(anna, "anna.b", "admin")
    services.set_active([anna.pk], False, "admin")
    run(directory)
    services.set_active([anna.pk], True, "admin")
    run(directory)
    assert crew.done() == [("create", "anna"), ("delete", "anna"), ("create", "anna.b")]


def test_who_was_deleted_and_added_again_is_made_anew_in_a_source_that_remembers(crews: Crews) -> None:
    crew, directory = crews["CREW"], save_crew_directory(import_users=True)
    services.delete_users([provisioned().pk], "admin")
    run(directory)
    assert Account.objects.get().remote_id == "anna"  # what an import knows of the deletion
    save_user(User(username="anna", first_name="Ännchen"), "admin")
    run(directory)
    assert [call for call, _ in crew.done()] == ["create", "delete", "create"]
    assert Account.objects.get().user == User.objects.get()


def test_an_account_that_is_given_back_while_its_name_is_made_anew_keeps_its_groups(crews: Crews) -> None:
    crew, directory = crews["CREW"], save_crew_directory(import_users=True)
    services.delete_users([provisioned().pk], "admin")
    run(directory)
    old = Account.objects.get()
    staff = GroupAccount.objects.create(directory=directory, key="staff", remote_id="staff")
    PushedMember.objects.create(group_account=staff, account=old)
    (owner,) = User.objects.bulk_create([User(username="owner")])

    def give_back(call: str, _: str) -> None:
        if call == "create":
            Account.objects.filter(pk=old.pk).update(user=owner)

    crew.fail = give_back
    save_user(User(username="anna", first_name="Ännchen"), "admin")
    run(directory)
    assert [call for call, _ in crew.done()] == ["create", "delete", "create"]
    assert PushedMember.objects.get().account == old


def test_a_directory_that_is_away_keeps_the_order(crews: Crews, monkeypatch: pytest.MonkeyPatch) -> None:
    crew, directory = crews["CREW"], save_crew_directory()
    services.delete_users([provisioned().pk], "admin")

    def away(call: str, _: str) -> None:
        raise Unavailable("Gone for lunch.")

    crew.fail = away
    save_user(User(username="anna", first_name="Ännchen"), "admin")
    run(directory)
    crew.fail = lambda call, key: None
    Directory.objects.update(retry_at=timezone.now())
    rest()
    run(directory)
    rest()
    run(directory)
    assert [call for call, _ in crew.done()][-2:] == ["delete", "create"]
    assert crew.rows["anna"]["FIRSTNAME"] == "Ännchen"


# --- Imports from a directory that still shows the account -----------------------------------------------------------


@pytest.fixture
def shown(source: Source) -> Source:
    """A source whose anna was deleted in the portal."""
    source.put("anna", "Anna", "Berg", "anna@x.org")
    source.run()
    services.delete_users([User.objects.get().pk], "admin")
    return source


def add_again(**fields: str) -> User:
    user = User(username="anna", **fields)
    save_user(user, "admin")
    return user


def test_a_row_of_somebody_who_was_deleted_is_no_namesakes(shown: Source) -> None:
    new = add_again(first_name="Änne", last_name="Tal", email="anna@y.org")
    shown.put("anna", "Anna", "Berg", "anna@x.org", also={"PHONE": "1"})
    run_ = shown.run()
    assert "anna" in errors(run_)
    assert "other names" in errors(run_)["anna"]
    new.refresh_from_db()
    assert new.first_name == "Änne"
    assert not Account.objects.filter(user=new).exists()


def test_a_new_hire_with_the_old_name_of_somebody_deleted_is_somebody_else(source: Source) -> None:
    """The source has lasting ids and still shows the old row; whoever has the last name is the deleted person."""
    berg, tal = {"FIRSTNAME": "Anna", "LASTNAME": "Berg"}, {"FIRSTNAME": "Änne", "LASTNAME": "Tal"}
    source.rows = [RemoteAccount("id1", "anna", berg)]
    source.run()
    anna = User.objects.get()
    rename_and_save(anna, "anna.b", "admin")
    services.delete_users([anna.pk], "admin")
    source.rows += [RemoteAccount("id2", "anna", tal), RemoteAccount("id3", "anna.b", berg)]
    run_ = source.run()
    assert (run_.errors, run_.created) == (0, 1)
    assert [(user.username, user.last_name) for user in User.objects.all()] == [("anna", "Tal")]


def test_a_row_of_a_source_comes_back_to_who_was_added_again(shown: Source) -> None:
    new = add_again(first_name="Anna", last_name="Berg")
    assert shown.run().errors == 0
    assert Account.objects.get().user == new


@pytest.mark.parametrize(
    ("before", "number", "same"), [("7", "7", True), ("7", "", False), ("", "", False), ("", "7", False)]
)
def test_an_account_that_the_portal_writes_comes_back_by_the_employee_number_only(
    source: Source, before: str, number: str, same: bool
) -> None:
    source.map(NUMBER="profile.employee_number")
    source.put("anna", "Anna", "Berg", also={"NUMBER": before})
    source.run()
    ProvisioningSettings.objects.update(update_users=True)
    services.delete_users([User.objects.get().pk], "admin")
    new = add_again(first_name="Anna", last_name="Berg", employee_number=number)
    run_ = source.run()
    if same:
        assert run_.errors == 0
        assert Account.objects.get().user == new
    else:
        assert "account of before" in errors(run_)["anna"]
        assert "press “It is the same person”" in errors(run_)["anna"]
        assert not Account.objects.filter(user=new).exists()
        assert services.give_back(new, services.lost_to(new).get().pk, "admin")
        assert source.run().errors == 0
        assert Account.objects.get().user == new


# --- Somebody says that it is the same person ------------------------------------------------------------------------


def test_somebody_says_that_it_is_the_same_person(crews: Crews) -> None:
    crew, directory = crews["CREW"], save_crew_directory(on_delete="disable")
    services.delete_users([provisioned().pk], "admin")
    run(directory)
    again = User(username="anna", first_name="Ännchen")
    save_user(again, "admin")
    run(directory)
    old = services.lost_to(again).get()
    assert services.give_back(again, old.pk, "boss")
    account = Account.objects.get()
    assert (account.pk, account.user, account.person) == (old.pk, again, None)
    said = Event.objects.latest("pk")
    assert (said.actor, said.identifier, said.application, said.operation) == ("boss", "anna", "CREW", "link")
    assert said.message == (
        "boss said that Ännchen (anna) is the deleted person of that name, and gave back the account anna in CREW."
    )
    run(directory)
    assert crew.rows["anna"]["FIRSTNAME"] == "Ännchen"
    assert "anna" not in crew.disabled
    assert not Change.objects.exists()
    assert not services.lost_to(again).exists()
    assert not services.give_back(again, old.pk, "boss")


def test_an_account_that_was_kept_under_an_older_name_is_given_back_too(crews: Crews) -> None:
    crew, directory = crews["CREW"], save_crew_directory(on_delete="disable")
    anna = provisioned()
    rename_and_save(anna, "anna.b", "admin")
    run(directory)
    services.delete_users([anna.pk], "admin")
    run(directory)
    again = User(username="anna", first_name="Ännchen")
    save_user(again, "admin")
    run(directory)
    assert services.give_back(again, services.lost_to(again).get().pk, "boss")
    run(directory)
    account = Account.objects.get()
    assert (account.user, account.key, account.key_folded, account.last_result) == (
        again,
        "anna",
        "anna",
        LastResult.OK,
    )
    assert crew.rows["anna"]["FIRSTNAME"] == "Ännchen"


def test_an_account_is_given_back_to_its_namesake_alone(crews: Crews) -> None:
    directory = save_crew_directory(on_delete="disable")
    services.delete_users([provisioned().pk], "admin")
    run(directory)
    other = provisioned("bert")
    old = Account.objects.get(user=None)
    assert not services.lost_to(other).exists()
    assert not services.give_back(other, old.pk, "boss")
    again = User(username="anna", first_name="Ännchen")
    save_user(again, "admin")
    Account.objects.filter(user=again).update(leased_until=timezone.now() + dt.timedelta(minutes=1))
    assert not services.give_back(again, old.pk, "boss")  # a worker is at it
    assert Account.objects.get(pk=old.pk).user is None


def test_the_button_on_the_page(crews: Crews, client: Client) -> None:
    directory = save_crew_directory(on_delete="disable")
    services.delete_users([provisioned().pk], "admin")
    run(directory)
    again = User(username="anna", first_name="Ännchen")
    save_user(again, "admin")
    run(directory)
    old = services.lost_to(again).get()
    panel = f"/provisioning/user/{again.pk}/accounts/"
    answers = {}
    for role in (HELPDESK, AUDITOR, IT_STAFF):
        person = User.objects.create_user(role, is_staff=True, provisioned=False)
        person.groups.add(Role.objects.get(name=role))
        client.force_login(person)
        html = client.get(panel).content.decode()
        assert "still has the account anna of" in html
        assert ("It is the same person</button>" in html) == (role == IT_STAFF)
        answers[role] = client.post(panel, {"lost": str(old.pk)}).status_code
    assert answers == {HELPDESK: 403, AUDITOR: 403, IT_STAFF: 200}
    assert Account.objects.get().user == again
    assert Event.objects.get(operation="link", direction="out", user_id=again.pk, actor=IT_STAFF)
    assert "was not given back" in client.post(panel, {"lost": str(old.pk)}).content.decode()
