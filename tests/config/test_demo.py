"""The demo that a newcomer meets."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from directories.models import Directory, TemplateOperation
from provisioning.demo import load_demo
from provisioning.models import Account, User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def people(database: Path) -> list[tuple[str, ...]]:
    """Return the rows of the demo's table."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT * FROM USERS").fetchall()


def test_two_hundred_honest_people() -> None:
    """Everyone has a name, a user name of their own and an address; many scripts are there."""
    rows = people(load_demo().database)
    assert len(rows) == 200
    assert len({row[0] for row in rows}) == 200
    assert all(all(row) for row in rows)
    assert all(row[4] == f"{row[0]}@example.org" for row in rows)
    beyond_ascii = [row for row in rows if not (row[2] + row[3]).isascii()]
    assert len(beyond_ascii) > 120


def test_the_directory_is_the_walk_throughs() -> None:
    """Templates, mapping and features are set, and nothing is imported yet."""
    directory = load_demo().directory
    assert directory.is_default
    statements = {
        operation: list(directory.query_templates.filter(operation=operation).values_list("sql", flat=True))
        for operation in TemplateOperation.values
    }
    assert statements["import"] == [
        f"SELECT '##{column}##', {column} FROM USERS WHERE USERNAME='##USERNAME##'"
        for column in ("FIRSTNAME", "LASTNAME", "EMAIL_ADDRESS")
    ]
    assert {operation for operation, sql in statements.items() if sql} == {
        *("import", "check", "create", "update", "delete")
    }
    assert dict(directory.attribute_mappings.values_list("directory_attribute", "portal_attribute")) == {
        "FIRSTNAME": "first_name",
        "LASTNAME": "last_name",
        "EMAIL_ADDRESS": "email",
    }
    features = directory.provisioning
    assert features.import_users
    assert features.create_users
    assert features.update_users
    assert features.delete_users
    assert features.fixed_password == "defaultPassword123#"
    assert not Account.objects.exists()
    assert User.objects.count() == 1


def test_loading_again_changes_nothing() -> None:
    """The newcomer's own edits stay, and the password is shown once only."""
    first = load_demo()
    assert first.password
    assert User.objects.get(username="admin").check_password(first.password)
    Directory.objects.update(description="mine")
    with closing(sqlite3.connect(first.database)) as connection, connection:
        connection.execute("DELETE FROM USERS WHERE USERNAME = 'weiss'")
    second = load_demo()
    assert second.password == ""
    assert second.directory.description == "mine"
    assert len(people(second.database)) == 199
    assert User.objects.get(username="admin").check_password(first.password)


def test_a_default_of_the_admins_own_stays_the_default() -> None:
    """The demo takes the place only when it is free."""
    own = Directory.objects.create(name="HR", kind="postgresql", is_default=True)
    assert not load_demo().directory.is_default
    own.refresh_from_db()
    assert own.is_default


def test_the_command_shows_the_password_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The second time it says that nothing was changed."""
    call_command("demo")
    assert "password (shown this once)" in capsys.readouterr().out
    call_command("demo")
    assert "was not changed" in capsys.readouterr().out
