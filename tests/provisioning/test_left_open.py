"""Whoever has left and still has an account is shown: on Start, on the person, in a filter and in the save message."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from directories.connectors.base import Capability
from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate, TemplateOperation
from provisioning import heartbeat, services
from provisioning.models import Account, Change, User
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from reports.models import Event
from tests.fixtures.databases import Database
from tests.fixtures.directories import make_appsdb, save_directory
from tests.provisioning.crew import Crews, save_crew_directory

pytestmark = pytest.mark.django_db
OFF = "Deactivating users is switched off for CREW."


def run(directory: Directory) -> None:
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10_000))


def leaver(directory: Directory, name: str = "carol") -> User:
    """Return somebody who has an account and whom the portal deactivated."""
    user = User.objects.create(username=name, first_name=name.title(), last_name="Chen")
    run(directory)
    services.set_active([user.pk], False, "admin")
    run(directory)
    user.refresh_from_db()
    return user


@pytest.fixture
def browser(client: Client) -> Client:
    admin = User.objects.create_user("boss", is_staff=True, is_superuser=True, provisioned=False)
    client.force_login(admin)
    heartbeat.stamp()
    return client


def result(user: User) -> str:
    return Account.objects.get(user=user).last_result


def test_start_the_person_and_the_filter_name_a_leaver_with_an_account(crews: Crews, browser: Client) -> None:
    directory = save_crew_directory(deactivate_users=False)
    user = leaver(directory)
    User.objects.create(username="stays")
    run(directory)
    assert result(user) == "open"
    start = browser.get("/").content.decode()
    assert "carol has left and still has an account in CREW" in start
    assert OFF in start
    assert "All is well" not in start
    listed = browser.get(reverse("admin:provisioning_user_changelist") + "?account=open").content.decode()
    assert "CREW: still open" in listed
    assert "stays" not in listed
    panel = browser.get(reverse("admin:provisioning_user_accounts", args=[user.pk])).content.decode()
    assert "They can still use 1 system: CREW." in panel
    assert "Still open" in panel
    assert OFF in panel
    health = browser.get(reverse("admin:directories_directory_health", args=[directory.pk])).content.decode()
    assert "1 account of people who have left can still be used" in health


def test_the_report_says_it_once(crews: Crews) -> None:
    directory = save_crew_directory(deactivate_users=False)
    user = leaver(directory)
    services.provision(user, "asked for")
    run(directory)
    lines = Event.objects.filter(direction="out", result="skipped").values_list("message", flat=True)
    assert list(lines) == [f"carol has left and still has an account in CREW. {OFF}"]


def test_what_is_switched_on_closes_whoever_was_left_open(crews: Crews) -> None:
    directory = save_crew_directory(deactivate_users=False)
    user = leaver(directory)
    ProvisioningSettings.objects.update(deactivate_users=True)
    services.look_at_left_open(directory, "admin")
    run(directory)
    assert (result(user), crews["CREW"].disabled) == ("ok", {"carol"})


def test_whoever_comes_back_is_no_leaver(crews: Crews) -> None:
    directory = save_crew_directory(deactivate_users=False)
    user = leaver(directory)
    services.set_active([user.pk], True, "admin")
    run(directory)
    assert result(user) == "ok"


@pytest.mark.parametrize(
    ("switches", "deleted", "expected"),
    [
        ({"deactivate_users": False}, False, "open"),
        ({"delete_users": False}, True, "open"),
        ({"on_deactivate": "leave"}, False, ""),  # somebody chose that
        ({"on_delete": "leave"}, True, ""),
        (dict.fromkeys(("create_users", "update_users", "deactivate_users", "delete_users"), False), False, ""),
    ],
)
def test_what_counts_as_left_open(crews: Crews, switches: dict[str, bool | str], deleted: bool, expected: str) -> None:
    directory = save_crew_directory()
    user = User.objects.create(username="carol")
    run(directory)
    ProvisioningSettings.objects.update(**switches)
    if deleted:
        services.delete_users([user.pk], "admin")
    else:
        services.set_active([user.pk], False, "admin")
    run(directory)
    assert Account.objects.get().last_result == expected


def test_a_directory_that_cannot_disable_is_red_too(crews: Crews, browser: Client) -> None:
    directory = save_crew_directory()
    crews["CREW"].capabilities = frozenset(Capability) - {Capability.DISABLE, Capability.UPDATE}
    user = leaver(directory)
    assert result(user) == "open"
    assert "has left and still has an account" in browser.get("/").content.decode()


def test_a_deleted_person_is_named_on_start(crews: Crews, browser: Client) -> None:
    directory = save_crew_directory(delete_users=False)
    user = User.objects.create(username="carol")
    run(directory)
    services.delete_users([user.pk], "admin")
    run(directory)
    assert "carol has left and still has an account in CREW" in browser.get("/").content.decode()


def test_the_save_message_names_what_does_not_follow(crews: Crews, browser: Client) -> None:
    directory = save_crew_directory(deactivate_users=False)
    users = [User.objects.create(username=f"user{n}") for n in range(3)]
    run(directory)
    data = {"action": "deactivate", "_selected_action": [user.pk for user in users]}
    page = browser.post(reverse("admin:provisioning_user_changelist"), data, follow=True).content.decode()
    assert f"3 accounts stay open in CREW. {OFF}" in page


def test_a_deletion_says_so_as_well(crews: Crews, browser: Client) -> None:
    directory = save_crew_directory(delete_users=False)
    user = User.objects.create(username="carol")
    run(directory)
    address = reverse("admin:provisioning_user_delete", args=[user.pk])
    page = browser.post(address, follow=True).content.decode()
    assert "1 account stays open in CREW. Deleting users is switched off for CREW." in page


def test_start_costs_the_same_for_one_leaver_and_for_many(crews: Crews, browser: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            browser.get("/")
        return len(captured)

    directory = save_crew_directory(deactivate_users=False)
    leaver(directory)
    one = cost()
    for n in range(5):
        leaver(directory, f"leaver{n}")
    assert cost() == one


def test_an_upgrade_marks_those_who_are_open_already(crews: Crews) -> None:
    directory = save_crew_directory(deactivate_users=False)
    user = leaver(directory)
    stays = User.objects.create(username="stays")
    run(directory)
    Account.objects.filter(user=user).update(last_result="")
    import_module("provisioning.migrations.0013_left_open").mark(apps, None)
    assert (result(user), result(stays)) == ("open", "ok")


def test_create_is_not_switched_on_without_a_word_about_leavers(
    it_form: Callable[[dict[str, str]], dict[str, list[str]]],
) -> None:
    assert "deactivate_users" in it_form({"create_users": "on"})
    assert "deactivate_users" not in it_form({"create_users": "on", "deactivate_users": "on"})


@pytest.fixture
def it_form() -> Callable[[dict[str, str]], dict[str, list[str]]]:
    """``it_form(data)``: the errors of the features form of a new directory."""
    from directories.forms.features import ProvisioningForm
    from provisioning.profile.person import catalogue

    def errors(data: dict[str, str]) -> dict[str, list[str]]:
        form = ProvisioningForm(data, instance=ProvisioningSettings(), catalogue=catalogue().values())
        return dict(form.errors)

    return errors


@pytest.mark.parametrize("written", [False, True])
def test_a_mapped_state_disables_only_where_the_update_query_writes_it(
    sqlite_directory: Database, written: bool
) -> None:
    appsdb = make_appsdb(sqlite_directory)
    appsdb.execute("ALTER TABLE USERS ADD COLUMN ACTIVE INTEGER DEFAULT 1")
    directory = save_directory(appsdb, create_users=True, update_users=True, deactivate_users=True)
    AttributeMapping.objects.create(
        directory=directory, directory_attribute="active", kind="profile", portal_attribute="active"
    )
    if written:
        update = QueryTemplate.objects.get(directory=directory, operation=TemplateOperation.UPDATE)
        update.sql = update.sql.replace(" WHERE", ", ACTIVE='##ACTIVE##' WHERE")
        update.save()
    account = Account.objects.get(user=leaver(directory))
    assert appsdb.rows("SELECT ACTIVE FROM USERS") == [(0 if written else 1,)]
    assert (account.state, account.last_result) == (("disabled", "ok") if written else ("active", "open"))


@pytest.mark.parametrize("query", ["", TemplateOperation.UPDATE, TemplateOperation.DISABLE])
def test_accounts_that_were_noted_as_disabled_wrongly_are_looked_at_again(
    sqlite_directory: Database, query: str, django_assert_num_queries: Any
) -> None:
    migration = import_module("provisioning.migrations.0032_wrongly_disabled")
    directory = save_directory(make_appsdb(sqlite_directory), update_users=True, deactivate_users=True)
    mapping = {"directory_attribute": "IS_ACTIVE", "kind": "profile", "portal_attribute": "active"}
    AttributeMapping.objects.create(directory=directory, **mapping)
    if query:
        sql = "UPDATE USERS SET IS_ACTIVE='##isactive##' WHERE USERNAME='##USERNAME##'"
        QueryTemplate.objects.filter(directory=directory, operation=query).delete()
        QueryTemplate.objects.create(directory=directory, operation=query, sql=sql)
    here = {"directory": directory, "state": "disabled", "last_result": "ok"}
    left, there = User.objects.create(username="left", is_active=False), User.objects.create(username="there")
    Change.objects.all().delete()
    Account.objects.all().delete()
    for number, user in enumerate((left, there, None)):
        Account.objects.create(**here, key=f"u{number}", remote_id=f"u{number}", user=user)
    with connection.schema_editor() as editor, django_assert_num_queries(2 if query else 4):
        migration.look_again(apps, editor)
    again = ["u0", "u2"] if not query else []
    assert sorted(Account.objects.filter(state="active").values_list("key", flat=True)) == again
    assert list(Change.objects.order_by("account").values_list("account__key", flat=True)) == again
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    assert Account.objects.filter(key="u1", state="disabled", last_result="ok").exists()
    assert Account.objects.filter(key="u0", last_result="open").exists() == (not query)
