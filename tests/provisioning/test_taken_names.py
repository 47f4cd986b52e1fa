"""A name that somebody else takes between the check and the save: each door says so, and none fails."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.db import connection
from django.db.models import Model
from django.test import Client

from directories.models import Directory
from provisioning.imports.users.writing import UserWriter
from provisioning.models import AttributeDefinition, Group, PlannedChange, User
from scim.models import Client as Application
from tests.provisioning.admin import roll
from tests.provisioning.admin.pages import form_values
from tests.provisioning.admin.test_user_files import confirm, preview
from tests.scim.conftest import make_client

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.heavy]
Quicker = Callable[[Model], None]


@pytest.fixture
def quicker() -> Iterator[Quicker]:
    """``quicker(row)``: another connection commits the row just before this one first writes into its table."""
    wrappers = []

    def quicker(row: Model) -> None:
        words = tuple(f'{verb} "{row._meta.db_table}"' for verb in ("INSERT INTO", "UPDATE"))
        done = threading.Event()

        def commit() -> None:
            type(row)._default_manager.bulk_create([row])
            connection.close()

        def wrapper(execute: Any, sql: Any, *rest: Any) -> Any:
            if not done.is_set() and str(sql).startswith(words):
                done.set()
                other = threading.Thread(target=commit)
                other.start()
                other.join()
            return execute(sql, *rest)

        wrapping = connection.execute_wrapper(wrapper)
        wrapping.__enter__()
        wrappers.append((wrapping, done))

    yield quicker
    for wrapping, done in wrappers:
        wrapping.__exit__(None, None, None)
        assert done.is_set()


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", provisioned=False))
    return client


PERSON = {"first_name": "Anna", "last_name": "Berg", "email": "anna@example.org"}


@pytest.mark.parametrize(
    ("address", "form", "typed", "taken", "words"),
    [
        ("provisioning/user", "user_form", {"username": "anna"}, lambda: User(username="Anna"), "taken by Anna"),
        (
            "portal/staff",
            "",
            PERSON | {"username": "anna", "role": "superuser"},
            lambda: User(username="Anna"),
            "on the roll already",
        ),
        (
            "provisioning/group",
            "group_form",
            {"name": "nurses"},
            lambda: Group(name="Nurses"),
            "a group Nurses already",
        ),
        (
            "directories/directory",
            "directory_form",
            {
                "name": "APPSDB",
                "connection-database": "a.db",
                "connection-user_table": "u",
                "connection-username_column": "n",
            },
            lambda: Directory(name="AppsDB", kind="sqlite"),
            "a directory AppsDB already",
        ),
        (
            "scim/client",
            "scim_add_form",
            {"name": "Okta"},
            lambda: Application(name="OKTA", slug="okta"),
            "a SCIM application OKTA already",
        ),
        (
            "provisioning/attributedefinition",
            "attributedefinition_form",
            {"name": "badge", "label": "Badge"},
            lambda: AttributeDefinition(name="badge", label="Badge"),
            "already",
        ),
        ("portal/role", "role_form", {"name": "Clerks"}, lambda: Role(name="Clerks"), "already exists"),
    ],
)
def test_adding(
    boss: Client,
    quicker: Quicker,
    address: str,
    form: str,
    typed: dict[str, str],
    taken: Callable[[], Model],
    words: str,
) -> None:
    page = f"/{address}/add/?kind=sqlite" if address == "directories/directory" else f"/{address}/add/"
    values = form_values(boss.get(page), form) if form else {}
    quicker(taken())
    response = boss.post(page, {**values, **typed})
    assert response.status_code == 200
    assert words in response.content.decode()
    assert type(taken())._default_manager.filter(**_named(taken())).count() == 1


def test_renaming_a_group(boss: Client, quicker: Quicker) -> None:
    group = Group.objects.create(name="Nurses")
    address = f"/provisioning/group/{group.pk}/change/"
    values = form_values(boss.get(address), "group_form") | {"name": ["doctors"]}
    quicker(Group(name="Doctors"))
    assert "There is a group Doctors already" in boss.post(address, values).content.decode()


def test_renaming_a_user(boss: Client, quicker: Quicker) -> None:
    anna = roll.person("anna")
    quicker(User(username="Bob"))
    response = boss.post(f"/provisioning/user/{anna.pk}/rename/", {"username": "bob", "action": "rename"})
    assert "bob is taken by Bob" in response.content.decode()


def test_a_file(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a file are a plan, and its people are written by COPY: Anna comes just before that."""
    previewed = preview(boss, "User name\nanna\n")
    write = UserWriter.write

    def after_anna(self: UserWriter, *rest: Any) -> Any:
        def commit() -> None:
            User.objects.bulk_create([User(username="Anna")], ignore_conflicts=True)
            connection.close()

        other = threading.Thread(target=commit)
        other.start()
        other.join()
        return write(self, *rest)

    monkeypatch.setattr(UserWriter, "write", after_anna)
    assert confirm(boss, previewed).status_code == 200
    row = PlannedChange.objects.get()
    assert (row.action, row.run.errors, row.run.created) == ("error", 1, 0)
    assert row.message
    assert list(User.objects.exclude(username="boss").values_list("username", flat=True)) == ["Anna"]


@pytest.mark.parametrize(
    ("path", "body", "taken"),
    [
        ("/Users", {"userName": "anna"}, lambda: User(username="Anna")),
        ("/Groups", {"displayName": "nurses"}, lambda: Group(name="Nurses")),
    ],
)
def test_an_application(quicker: Quicker, path: str, body: dict[str, str], taken: Callable[[], Model]) -> None:
    okta = make_client()
    quicker(taken())
    answer = okta.post(path, body)
    assert (answer.status, answer.json["scimType"]) == (409, "uniqueness")


def _named(row: Model) -> dict[str, Any]:
    name = "username" if isinstance(row, User) else "name"
    return {f"{name}__iexact": getattr(row, name)}
