"""The pieces of the page that are drawn from unsaved values: test, URL, panels, suggestions, sample, try it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from directories.models import Directory
from provisioning.models import User
from tests.fixtures.directories import AppsDb
from tests.provisioning.admin.pages import Values, form_values, text

pytestmark = pytest.mark.heavy

ADD = "/directories/directory/add/?kind=postgresql"


def fragment(client: Client, name: str, values: Values, **extra: Any) -> str:
    parts = name.split("/")
    url = reverse(f"admin:directories_directory_fragment_{parts[0]}", args=parts[1:])
    response = client.post(url, values | {key: [value] for key, value in extra.items()})
    assert response.status_code == 200
    return text(response)


@pytest.fixture
def directory(pg_appsdb: AppsDb, make_directory: Callable[..., Directory]) -> Directory:
    return make_directory(pg_appsdb, create_users=True)


@pytest.fixture
def page_values(it_staff: Client, directory: Directory) -> Values:
    return form_values(it_staff.get(reverse("admin:directories_directory_change", args=[directory.pk])))


def test_connection_test_works_before_anything_is_saved(it_staff: Client, pg_appsdb: AppsDb) -> None:
    values = form_values(it_staff.get(ADD)) | {"name": ["New"]}
    values |= {f"connection-{key}": [str(value)] for key, value in pg_appsdb.settings.items()}
    html = fragment(it_staff, "test", values)
    assert "The connection works." in html
    assert "PostgreSQL" in html
    assert 'name="columns" value="firstname"' in html.lower()
    assert not Directory.objects.exists()


def test_connection_test_says_which_part_failed(it_staff: Client, page_values: Values, directory: Directory) -> None:
    html = fragment(it_staff, "test", page_values | {"connection-password": ["wrong"]})
    assert "does not work yet" in html
    assert str(directory.secrets["password"]) not in html
    html = fragment(it_staff, "test", page_values | {"connection-user_table": ["NOBODY"]})
    assert "does not work yet" in html


def test_the_stored_password_is_used_where_it_was_stored_for(it_staff: Client, page_values: Values) -> None:
    assert page_values["connection-password"] == [""]
    assert "The connection works." in fragment(it_staff, "test", page_values)
    harmless = page_values | {"connection-statement_timeout": ["5"], "connection-password_column": [""]}
    assert "The connection works." in fragment(it_staff, "test", harmless)


@pytest.mark.parametrize(
    "change",
    [
        {"connection-host": ["attacker.example.org"]},
        {"connection-port": ["15432"]},
        {"connection-user": ["somebody"]},
        {"connection-database": ["other"]},
        {"connection-tls_mode": ["require"]},
        {"connection-ca": ["-----BEGIN CERTIFICATE-----"]},
    ],
)
def test_the_stored_password_goes_nowhere_else(
    it_staff: Client, page_values: Values, directory: Directory, change: Values
) -> None:
    url = reverse("admin:directories_directory_change", args=[directory.pk])
    for name in ("test", "try", "sample"):
        html = fragment(it_staff, name, page_values | change, try_operation="check", try_user="x")
        assert "The connection works" not in html
        assert ("type it again" in html) or ("Connection first" in html) or ("No user" in html)
    assert "type it again" in text(it_staff.post(url, page_values | change))
    directory.refresh_from_db()
    assert directory.settings["host"] == "127.0.0.1"


def test_a_stored_password_can_be_removed(it_staff: Client, page_values: Values, directory: Directory) -> None:
    url = reverse("admin:directories_directory_change", args=[directory.pk])
    assert it_staff.post(url, page_values | {"connection-password_clear": ["on"]}).status_code == 302
    directory.refresh_from_db()
    assert directory.secrets == {}


@pytest.mark.parametrize(
    "url",
    [
        "jdbc:postgresql:@serverdomain:5432/APPSDB",
        "jdbc:postgresql://serverdomain:5432/APPSDB",
        "postgresql+psycopg://serverdomain/APPSDB",
        "host=serverdomain port=5432 dbname=APPSDB",
    ],
)
def test_a_pasted_url_fills_the_fields(it_staff: Client, url: str) -> None:
    values = form_values(it_staff.get(ADD)) | {"connection-user": ["portal"]}
    html = fragment(it_staff, "url", values | {"connection-paste_url": [url]})
    for words in ('value="serverdomain"', 'value="5432"', 'value="APPSDB"', 'value="portal"'):
        assert words in html


def test_a_pasted_password_is_used_but_never_sent_back(it_staff: Client, pg_appsdb: AppsDb) -> None:
    settings = pg_appsdb.settings
    url = "postgresql://{user}:{password}@{host}:{port}/{database}?sslmode=disable".format(**settings)
    values = form_values(it_staff.get(ADD)) | {"connection-paste_url": [url], "name": ["New"]}
    html = fragment(it_staff, "url", values)
    assert settings["password"] not in html
    assert "password is used" in html
    values |= {f"connection-{key}": [str(value)] for key, value in settings.items() if key != "password"}
    assert "The connection works." in fragment(it_staff, "test", values)
    it_staff.post(ADD, values)
    assert Directory.objects.get(name="New").secrets == {"password": settings["password"]}


def test_a_url_that_cannot_be_read_says_so_and_one_of_another_kind_leads_there(it_staff: Client) -> None:
    values = form_values(it_staff.get(ADD))
    unread = fragment(it_staff, "url", values | {"connection-paste_url": ["hello"]})
    assert "cannot be read" in unread
    assert "This field is required" not in unread
    html = fragment(it_staff, "url", values | {"connection-paste_url": ["mysql://u@db/x"]})
    assert "?kind=mysql" in html


def test_a_panel_follows_unsaved_changes_of_the_others(it_staff: Client, page_values: Values) -> None:
    changed = dict(page_values)
    changed["template_import"] = [
        *page_values["template_import"],
        "SELECT BADGE FROM USERS WHERE USERNAME='##USERNAME##'",
    ]
    assert 'value="BADGE"' in fragment(it_staff, "panel/mapping", changed)
    changed.pop("template_create")
    changed.pop("create_users")
    assert "There is no create query" in fragment(it_staff, "panel/features", changed)
    changed["connection-user_table"] = ["hr.people"]
    assert "FROM hr.people" in fragment(it_staff, "panel/templates", changed)


def test_suggestions_fill_blank_rows_from_the_columns_of_the_directory(
    it_staff: Client, page_values: Values, pg_appsdb: AppsDb
) -> None:
    pg_appsdb.execute("ALTER TABLE USERS ADD COLUMN DEPT VARCHAR(20)")
    blank = page_values | {"mapping_profile": ["", "", ""], "template_import": [""]}
    html = fragment(it_staff, "suggest", blank)
    assert "suggested" in html
    values = form_values(_Page(f'<form id="directory_form">{html}</form>'))
    found = dict(zip(map(str.upper, values["mapping_attribute"]), values["mapping_profile"], strict=True))
    assert found == {"FIRSTNAME": "first_name", "LASTNAME": "last_name", "EMAIL_ADDRESS": "email", "DEPT": "department"}


class _Page:
    def __init__(self, html: str) -> None:
        self.content = html.encode()


def test_the_sample_shows_both_directions_before_saving(
    it_staff: Client, page_values: Values, pg_appsdb: AppsDb
) -> None:
    pg_appsdb.add("anna", "Anna", "Ó Briain", "Anna@Example.org", password="hunter22")
    User.objects.create_user("anna", first_name="Ann", email="ann@example.org")
    values = page_values | {"mapping_direction": ["both", "both", "in"]}
    values["mapping_expression"] = ["", "", "{{ value | lower }}"]
    html = fragment(it_staff, "sample", values)
    assert "anna@example.org" in html
    assert "Ó Briain" in html
    assert "Ann<" in html
    assert "hunter22" not in html
    assert "is not in the directory" in fragment(it_staff, "sample", values, sample_user="nobody")


def test_the_sample_names_rows_that_cannot_work(it_staff: Client, page_values: Values) -> None:
    html = fragment(it_staff, "sample", page_values | {"mapping_expression": ["{{ valeu }}", "", ""]})
    assert "FIRSTNAME:" in html
    assert "one way" in html


def test_try_it_shows_bound_values_and_runs_only_on_request(
    it_staff: Client, page_values: Values, pg_appsdb: AppsDb
) -> None:
    User.objects.create_user("anna", first_name="Anna", last_name="O'Brien; --", email="anna@example.org")
    shown = fragment(it_staff, "try", page_values, try_operation="create", try_user="anna", try_run="0")
    assert "O&#x27;Brien; --" in shown
    assert "not run" in shown
    assert "matched" not in shown
    assert "••••" in shown
    ran = fragment(it_staff, "try", page_values, try_operation="create", try_user="anna", try_run="1")
    assert "1 row" in ran
    assert "rolled back" in ran
    assert pg_appsdb.rows("SELECT * FROM USERS") == []


def test_try_it_says_what_is_missing(it_staff: Client, page_values: Values) -> None:
    assert "No user of that name" in fragment(it_staff, "try", page_values, try_operation="check", try_user="nobody")
    assert "no statement" in fragment(it_staff, "try", page_values, try_operation="enable", try_user="x")
    User.objects.create_user("anna")
    broken = page_values | {"template_check": ["SELEC X"]}
    assert "Line 1" in fragment(it_staff, "try", broken, try_operation="check", try_user="anna")


def test_people_are_found_by_how_a_name_begins(it_staff: Client) -> None:
    User.objects.create_user("anna.obrien", first_name="Anna")
    User.objects.create_user("bert")
    html = text(it_staff.get(reverse("admin:directories_directory_fragment_people"), {"try_user": "ANNA"}))
    assert 'data-name="anna.obrien"' in html
    assert "bert" not in html
