"""Make default, clone, enable and disable, push, delete; and who may do what."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from directories.models import Directory, ProvisioningSettings
from provisioning.models import (
    Account,
    Change,
    Group,
    GroupAccount,
    GroupChange,
    ImportRun,
    PlannedChange,
    PlannedGroup,
    PlannedMember,
    PushedMember,
    User,
)
from provisioning.models.imports import RunStatus
from reports.models import Event
from tests.fixtures.directories import AppsDb
from tests.provisioning.admin.pages import form_values, text

pytestmark = pytest.mark.heavy

FRAGMENTS = ("test", "url", "suggest", "sample", "try")
ACTIONS = ("make_default", "clone", "enable", "disable", "push")


def url(name: str, *args: object) -> str:
    return reverse(f"admin:directories_directory_{name}", args=args)


@pytest.fixture
def directory(pg_appsdb: AppsDb, make_directory: Callable[..., Directory]) -> Directory:
    return make_directory(pg_appsdb, create_users=True, import_users=True, schedule="hourly", fixed_password="k33p")


def test_exactly_one_directory_is_the_default(
    it_staff: Client, directory: Directory, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    other = make_directory(pg_appsdb, name="Other")
    for chosen in (directory, other, other):
        it_staff.post(url("make_default", chosen.pk))
        assert [row.pk for row in Directory.objects.filter(is_default=True)] == [chosen.pk]
    assert Event.objects.filter(message__endswith="the default directory.").count() == 2


def test_a_clone_has_everything_but_is_switched_off(it_staff: Client, directory: Directory) -> None:
    on = {"sync_groups": True, "set_passwords": True, "listen": True, "import_cursor": {"at": 1}}
    ProvisioningSettings.objects.filter(directory=directory).update(**on)
    it_staff.post(url("clone", directory.pk))
    it_staff.post(url("clone", directory.pk))
    copy = Directory.objects.get(name="APPSDB copy")
    assert Directory.objects.filter(name="APPSDB copy 2").exists()
    assert (copy.settings, copy.secrets, copy.is_default) == (directory.settings, directory.secrets, False)
    for part in ("query_templates", "attribute_mappings"):
        assert getattr(copy, part).count() == getattr(directory, part).count() > 0
    settings = ProvisioningSettings.objects.get(directory=copy)
    assert not any((settings.create_users, settings.import_users, settings.next_import_at))
    assert not any((settings.sync_groups, settings.set_passwords, settings.listen, settings.import_cursor))
    assert (settings.schedule, settings.fixed_password) == ("off", "k33p")
    original = ProvisioningSettings.objects.get(directory=directory)
    assert original.create_users


def test_disabling_stops_the_schedule_and_enabling_plans_it_again(it_staff: Client, directory: Directory) -> None:
    it_staff.post(url("enable", directory.pk))
    it_staff.post(url("disable", directory.pk))
    settings = ProvisioningSettings.objects.get(directory=directory)
    assert settings.next_import_at is None
    assert not Directory.objects.get().enabled
    it_staff.post(url("enable", directory.pk))
    settings.refresh_from_db()
    assert settings.next_import_at is not None
    assert Event.objects.filter(message__contains="switched APPSDB").count() == 2


def test_push_looks_at_everyone(it_staff: Client, directory: Directory) -> None:
    anna = User.objects.create_user("anna")
    Change.objects.all().delete()
    it_staff.post(url("push", directory.pk), {"from": "page"})
    assert Change.objects.filter(account__user=anna, directory=directory).exists()


def test_deleting_tells_the_consequences_and_needs_no_listing(
    it_staff: Client, directory: Directory, django_assert_max_num_queries: Callable[..., object]
) -> None:
    users = [User.objects.create_user(f"u{number}") for number in range(30)]
    Account.objects.filter(user__in=users).delete()
    accounts = Account.objects.bulk_create(Account(user=u, directory=directory, key=u.username) for u in users)
    Change.objects.bulk_create(Change(account=a, directory=directory, reason="x") for a in accounts)
    run = ImportRun.objects.create(directory=directory, status=RunStatus.FINISHED)
    PlannedChange.objects.create(run=run, action="create")
    group = GroupAccount.objects.create(group=Group.objects.create(name="Crew"), directory=directory, key="Crew")
    PushedMember.objects.create(group_account=group, account=accounts[0])
    GroupChange.objects.create(group_account=group, account=accounts[0], directory=directory, reason="x")
    planned = PlannedGroup.objects.create(run=run, action="create")
    PlannedMember.objects.create(planned_group=planned, add=True, ref="x")
    html = text(it_staff.get(url("delete", directory.pk)))
    assert "accounts (30)" in html
    assert "made there: 30" in html
    assert "u17" not in html
    with django_assert_max_num_queries(67):  # type: ignore[attr-defined]
        it_staff.post(url("delete", directory.pk), {"post": "yes"})
    assert not Directory.objects.exists()
    gone = (Account, Change, ImportRun, PlannedChange, GroupAccount, GroupChange, PushedMember, PlannedMember)
    assert not any(model.objects.exists() for model in gone)
    assert Group.objects.filter(name="Crew").exists()
    assert User.objects.filter(username="u17").exists()
    assert Event.objects.filter(message__contains="deleted the directory APPSDB").exists()


def test_a_directory_is_not_deleted_under_a_running_import(it_staff: Client, directory: Directory) -> None:
    ImportRun.objects.create(
        directory=directory,
        status=RunStatus.APPLYING,
        started_at=timezone.now(),
        leased_until=timezone.now() + dt.timedelta(minutes=1),
    )
    response = it_staff.post(url("delete", directory.pk), {"post": "yes"}, follow=True)
    assert "An import of APPSDB is running" in text(response)
    assert Directory.objects.exists()


def test_health_tells_the_state_and_the_last_results(it_staff: Client, directory: Directory) -> None:
    Directory.objects.update(unreachable_since=timezone.now(), last_error="The server is down.")
    it_staff.post(url("make_default", directory.pk))
    assert "The server is down." in text(it_staff.get(url("change", directory.pk)))
    html = text(it_staff.get(url("health", directory.pk)))
    assert "made APPSDB the default directory" in html
    assert "application=APPSDB" in html


@pytest.mark.parametrize("name", ACTIONS)
def test_actions_are_posts(it_staff: Client, directory: Directory, name: str) -> None:
    assert it_staff.get(url(name, directory.pk)).status_code == 405


def test_an_auditor_sees_everything_but_secrets_and_changes_nothing(
    client_of: Callable[..., Client], directory: Directory
) -> None:
    auditor = client_of("Auditor")
    html = text(auditor.get(url("change", directory.pk)))
    assert "INSERT INTO USERS" in html
    assert "<fieldset disabled" in html
    assert str(directory.secrets["password"]) not in html
    assert "k33p" not in html
    for words in ("Test connection", "Suggest mappings", "Try it", 'name="_save"', "Make default", "Delete …"):
        assert words not in html
    assert auditor.get(url("health", directory.pk)).status_code == 200
    values = form_values(auditor.get(url("change", directory.pk)))
    assert auditor.post(url("change", directory.pk), values).status_code == 403
    refused(auditor, directory)


@pytest.mark.parametrize("role", ["Helpdesk"])
def test_others_see_nothing(client_of: Callable[..., Client], directory: Directory, role: str) -> None:
    client = client_of(role)
    for name, args in (("changelist", ()), ("change", (directory.pk,)), ("health", (directory.pk,)), ("add", ())):
        assert client.get(url(name, *args)).status_code == 403
    refused(client, directory)


def refused(client: Client, directory: Directory) -> None:
    before = list(Directory.objects.values())
    values = {"directory": str(directory.pk), "kind": "postgresql", "has_parts": "1"}
    for name in FRAGMENTS:
        assert client.post(url(f"fragment_{name}"), values).status_code == 403
        assert client.post(url(f"fragment_{name}"), {"kind": "postgresql"}).status_code == 403
    assert client.post(url("fragment_panel", "mapping"), values).status_code == 403
    assert client.get(url("fragment_people"), {"try_user": "a"}).status_code == 403
    for name in ACTIONS:
        assert client.post(url(name, directory.pk)).status_code == 403
    assert client.post(url("add"), {"kind": "sqlite", "name": "x"}).status_code == 403
    assert client.post(url("delete", directory.pk), {"post": "yes"}).status_code == 403
    assert list(Directory.objects.values()) == before


def test_secrets_are_in_no_page_or_fragment(it_staff: Client, directory: Directory) -> None:
    values = form_values(it_staff.get(url("change", directory.pk)))
    secrets = (str(directory.secrets["password"]), "k33p")
    pages = [it_staff.get(url("change", directory.pk)), it_staff.get(url("changelist"))]
    pages.append(it_staff.post(url("change", directory.pk), values | {"name": [""]}))
    pages += [it_staff.post(url(f"fragment_{name}"), values) for name in FRAGMENTS]
    pages += [it_staff.post(url("fragment_panel", name), values) for name in ("templates", "mapping", "features")]
    for response in pages:
        for secret in secrets:
            assert secret not in text(response)
    assert "stored – leave blank to keep" in text(pages[0])


def test_a_typed_password_is_not_sent_back_either(it_staff: Client, directory: Directory) -> None:
    values = form_values(it_staff.get(url("change", directory.pk)))
    values |= {"name": [""], "connection-password": ["typed-s3cret"], "fixed_password": ["typed-too"]}
    html = text(it_staff.post(url("change", directory.pk), values))
    assert "typed-s3cret" not in html
    assert "typed-too" not in html
