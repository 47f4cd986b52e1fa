"""The demo that a newcomer meets."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from directories.config import record_sources
from directories.models import Directory, TemplateOperation
from provisioning import services
from provisioning.demo import load_demo
from provisioning.imports import engine
from provisioning.models import Account, Group, ImportRun, User
from provisioning.models.imports import RunStatus, Trigger
from provisioning.rules.book import published
from provisioning.rules.models import BusinessRule
from tests.provisioning.contracts.conftest import others

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def people(database: Path) -> list[tuple[str, ...]]:
    """Return the rows of the demo's table."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT * FROM USERS").fetchall()


@pytest.mark.heavy
def test_two_hundred_honest_people() -> None:
    """Everyone has a name, a user name of their own and an address; many scripts are there."""
    rows = people(load_demo().database)
    assert len(rows) == 200
    assert len({row[0] for row in rows}) == 200
    assert all(all(row) for row in rows)
    assert all(row[4] == f"{row[0]}@example.org" for row in rows)
    beyond_ascii = [row for row in rows if not (row[2] + row[3]).isascii()]
    assert len(beyond_ascii) > 120


@pytest.mark.heavy
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
        *("import", "check", "create", "update", "delete"),
        *("import_groups", "import_members", "create_group", "update_group", "delete_group"),
        *("add_member", "remove_member"),
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


@pytest.mark.heavy
def test_hr_and_its_rules_come_with_it() -> None:
    """One import and the next minute give groups and values to whoever works now; nothing waits for anybody."""
    load_demo()
    others(200)  # those of APPSDB, whom a newcomer imports before
    hr = Directory.objects.get(name="HRDB")
    assert [rule.published for rule in BusinessRule.objects.filter(by_request=False)] == [True] * 3
    assert not published().stopped, "no rule names what is not there yet"
    run = services.start_import(hr, preview=False, actor="tester", trigger=Trigger.COMMAND)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.created, run.blocked, run.errors) == (RunStatus.FINISHED, 21, 1, 0), run.message
    assert list(record_sources()) == [hr], "what it says of people is no account, also once it is imported"
    services.settle_contracts()
    services.evaluate_rules("tester")
    waiting = ImportRun.objects.exclude(status=RunStatus.FINISHED)
    assert [str(one.message) for one in waiting] == []
    members = {group.name: group.memberships.count() for group in Group.objects.all()}
    assert members == {"Patient records": 12, "Medicine room": 8, "Help desk tools": 3, "Pharmacy stock": 0}
    inactive = User.objects.filter(is_active=False).order_by("username").values_list("username", flat=True)
    assert list(inactive) == ["castillo", "dubois", "lindholm"]
    arslan = User.objects.get(username="arslan")
    assert (arslan.title, arslan.department, arslan.division) == ("Help desk agent", "Help desk", "Technology")
    assert User.objects.get(username="quintero").manager == arslan


@pytest.mark.heavy
def test_loading_again_changes_nothing() -> None:
    """The newcomer's own edits stay, and the password is shown once only."""
    first = load_demo()
    assert first.password
    assert User.objects.get(username="admin").check_password(first.password)
    Directory.objects.update(description="mine")
    Directory.objects.get(name="HRDB").delete()
    BusinessRule.objects.all().delete()
    with closing(sqlite3.connect(first.database)) as connection, connection:
        connection.execute("DELETE FROM USERS WHERE USERNAME = 'weiss'")
    second = load_demo()
    assert second.password == ""
    assert second.directory.description == "mine"
    assert list(Directory.objects.values_list("name", flat=True)) == ["APPSDB", "CRM"]
    assert not BusinessRule.objects.exists()
    assert len(people(second.database)) == 199
    assert User.objects.get(username="admin").check_password(first.password)


def test_a_default_of_the_admins_own_stays_the_default() -> None:
    """The demo takes the place only when it is free."""
    own = Directory.objects.create(name="HR", kind="postgresql", is_default=True)
    assert not load_demo().directory.is_default
    own.refresh_from_db()
    assert own.is_default


@pytest.mark.heavy
def test_the_command_shows_the_password_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The second time it says that nothing was changed."""
    call_command("demo")
    assert "password (shown this once)" in capsys.readouterr().out
    call_command("demo")
    assert "was not changed" in capsys.readouterr().out
