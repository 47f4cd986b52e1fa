"""Imports from real databases: the seed's table, rows of every bad kind, and the command."""

from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from directories.models import AttributeMapping, Directory, QueryTemplate, TemplateOperation
from provisioning import services
from provisioning.imports import engine
from provisioning.models import AttributeDefinition, ImportRun, User
from provisioning.models.imports import RunStatus, Trigger
from tests.fixtures.directories import AppsDb, make_appsdb
from tests.provisioning.imports.conftest import errors, user

pytestmark = pytest.mark.django_db
Make = Callable[..., Directory]


def run(directory: Directory) -> ImportRun:
    """Import and return the run as it ended."""
    started = services.start_import(directory, preview=False, actor="tester", trigger=Trigger.COMMAND)
    engine.execute(started.pk)
    started.refresh_from_db()
    return started


def add_undecodable(appsdb: AppsDb, name: str) -> None:
    """Add a row whose last name is not text, where the database lets one in."""
    if appsdb.kind == "sqlite":
        appsdb.execute(f"INSERT INTO USERS VALUES ('{name}', '', 'A', CAST(x'ff41' AS TEXT), '')")
    elif appsdb.kind == "mariadb":
        appsdb.execute("ALTER TABLE USERS MODIFY LASTNAME VARBINARY(255)")
        appsdb.execute(f"INSERT INTO USERS VALUES ('{name}', '', 'A', x'ff41', '')")
    else:
        appsdb.execute("ALTER TABLE USERS ALTER LASTNAME TYPE BYTEA USING convert_to(LASTNAME, 'UTF8')")
        appsdb.execute(f"INSERT INTO USERS VALUES ('{name}', '', 'A', '\\xff41'::bytea, '')")


@pytest.mark.heavy
def test_bad_rows_of_every_kind_become_errors_and_the_rest_goes_on(appsdb: AppsDb, make_directory: Make) -> None:
    directory = make_directory(appsdb, import_users=True)
    AttributeDefinition.objects.create(name="level", label="Level", type="number")
    AttributeMapping.objects.create(
        directory=directory, directory_attribute="LEVEL", kind="custom_profile", portal_attribute="level"
    )
    QueryTemplate.objects.create(
        directory=directory,
        operation=TemplateOperation.IMPORT,
        position=9,
        sql="SELECT '##LEVEL##', PASSWORD FROM USERS WHERE USERNAME='##USERNAME##'",
    )
    appsdb.add("anna", "Anna", "Ärmel", "anna@example.org", "7")
    appsdb.add(None, "Nobody")
    appsdb.add("", "Empty")
    appsdb.add("long", "x" * 151)
    appsdb.add("n" * 151, "Long name")
    appsdb.add("two words  ", "Trimmed")
    appsdb.add("line\nbreak", "Break")
    appsdb.add("wrong", "Wrong", password="seven")
    appsdb.add("twice", "First")
    appsdb.add("TWICE", "Second")
    add_undecodable(appsdb, "bytes")
    done = run(directory)
    found = errors(done)
    assert done.status == RunStatus.FINISHED, done.message
    assert found.pop("long") == "First name is longer than 150 characters."
    assert found.pop("n" * 151) == "User name is longer than 150 characters."
    assert "invisible character (U+000A)" in found.pop("line\nbreak")
    assert found.pop("wrong") == "Level is not a number."
    assert "not text" in found.pop("bytes")
    assert "same user name" in found.pop("TWICE")
    assert "same user name" in found.pop("twice")
    assert found.pop("") == "The row has no user name."
    assert found == {}
    assert done.errors == 9
    assert set(User.objects.values_list("username", flat=True)) == {"anna", "two words"}
    assert (user("anna").last_name, user("anna").custom_profile) == ("Ärmel", {"level": 7})
    again = run(directory)
    assert (again.errors, again.unchanged, again.created, again.deactivated) == (9, 2, 0, 0)


@pytest.mark.heavy
def test_a_cell_is_an_error_of_its_row_only_where_it_is_mapped(pg_appsdb: AppsDb, make_directory: Make) -> None:
    directory = make_directory(pg_appsdb, import_users=True)
    AttributeDefinition.objects.create(name="ends", label="Ends", type="date")
    pg_appsdb.execute("ALTER TABLE USERS ADD ENDS date, ADD PHOTO bytea, ADD SCORE numeric, ADD LIST date[]")
    for position, name in enumerate(("ENDS", "PHOTO", "SCORE", "LIST")):
        sql = f"SELECT {name} FROM USERS WHERE USERNAME='##USERNAME##'"
        QueryTemplate.objects.create(
            directory=directory, operation=TemplateOperation.IMPORT, position=position + 5, sql=sql
        )
    ends = ("2026-12-31", "infinity", None, "10000-01-01", "0044-03-15 BC")
    for number, day in enumerate(ends, start=1):
        pg_appsdb.add(f"c{number}", "A", "B")
        values = (day, b"\xff\xfe", "Infinity" if number < 3 else "NaN", ["10000-01-01"], f"c{number}")
        pg_appsdb.execute(
            "UPDATE USERS SET ENDS = %s, PHOTO = %s, SCORE = %s, LIST = %s::date[] WHERE USERNAME = %s", *values
        )
    assert run(directory).errors == 0  # nothing of it is mapped
    AttributeMapping.objects.create(
        directory=directory, directory_attribute="ENDS", kind="custom_profile", portal_attribute="ends"
    )
    done = run(directory)
    words = "ENDS holds a date that is not between the years 1 and 9999."
    assert errors(done) == {"c4": words, "c5": words}
    assert [user(f"c{n}").custom_profile.get("ends") for n in range(1, 6)] == ["2026-12-31", None, None, None, None]


@pytest.mark.heavy
def test_an_unmapped_binary_column_fails_nobody(request: pytest.FixtureRequest, make_directory: Make) -> None:
    appsdb = make_appsdb(request.getfixturevalue("mariadb_directory"))
    directory = make_directory(appsdb, import_users=True)
    appsdb.add("ann", "Ann", "Lee")
    appsdb.execute("ALTER TABLE USERS ADD PHOTO blob, ADD TAG varbinary(8)")
    for position, name in enumerate(("PHOTO", "TAG")):
        sql = f"SELECT {name} FROM USERS WHERE USERNAME='##USERNAME##'"
        QueryTemplate.objects.create(
            directory=directory, operation=TemplateOperation.IMPORT, position=position + 5, sql=sql
        )
    appsdb.execute("UPDATE USERS SET PHOTO = x'fffe', TAG = x'610062'")
    done = run(directory)
    assert (done.created, done.errors) == (1, 0), errors(done)
    AttributeMapping.objects.create(
        directory=directory, directory_attribute="TAG", kind="profile", portal_attribute="title"
    )
    assert errors(run(directory)) == {"ann": "Title holds a character that cannot be stored."}


@pytest.mark.heavy
def test_the_seeds_walk_through(appsdb: AppsDb, make_directory: Make) -> None:
    directory = make_directory(appsdb, import_users=True, deactivate_missing=True)
    appsdb.add_many(30)
    out = StringIO()
    call_command("import_directory", "appsdb", "--preview", stdout=out)
    assert "would create 30, update 0 and deactivate 0 users" in out.getvalue()
    assert not User.objects.exists()
    call_command("import_directory", "APPSDB", stdout=out)
    assert "Imported 30 users from APPSDB: 30 created, 0 updated, 0 deactivated, 0 errors" in out.getvalue()
    appsdb.execute("UPDATE USERS SET LASTNAME='New' WHERE USERNAME='user7'")
    appsdb.execute("DELETE FROM USERS WHERE USERNAME='user8'")
    done = run(directory)
    assert done.message == "Imported 2 users from APPSDB: 0 created, 1 updated, 1 deactivated, 0 errors"
    assert user("user7").last_name == "New"
    assert not user("user8").is_active


@pytest.mark.heavy
def test_a_database_that_is_gone(pg_appsdb: AppsDb, make_directory: Make) -> None:
    directory = make_directory(pg_appsdb, import_users=True, deactivate_missing=True)
    pg_appsdb.add_many(3)
    run(directory)
    Directory.objects.update(settings={**directory.settings, "port": 1})
    failed = run(Directory.objects.get())
    assert failed.status == RunStatus.FAILED
    assert pg_appsdb.settings["password"] not in failed.message
    assert len(failed.message) > 20
    assert User.objects.filter(is_active=True).count() == 3


@pytest.mark.heavy
def test_the_command_says_what_is_wrong(pg_appsdb: AppsDb, make_directory: Make) -> None:
    directory = make_directory(pg_appsdb, import_users=False)
    with pytest.raises(CommandError, match=r"no directory named nowhere. Directories: APPSDB\."):
        call_command("import_directory", "nowhere")
    with pytest.raises(CommandError, match="switched off"):
        call_command("import_directory", "APPSDB")
    directory.provisioning.import_users = True
    directory.provisioning.max_leavers = 0
    directory.provisioning.deactivate_missing = True
    directory.provisioning.save()
    pg_appsdb.add_many(2)
    call_command("import_directory", "APPSDB", stdout=StringIO())
    pg_appsdb.execute("DELETE FROM USERS WHERE USERNAME='user1'")
    with pytest.raises(CommandError, match="1 person of 2 would be deactivated"):
        call_command("import_directory", "APPSDB")


def test_imported_passwords_are_hashed(appsdb: AppsDb, make_directory: Make) -> None:
    from django.contrib.auth.hashers import check_password

    directory = make_directory(appsdb, import_users=True, import_passwords=True)
    appsdb.add("anna", "Anna", password="clear-text-1")
    appsdb.add("bob", "Bob", password="{SSHA}" + "x" * 8)
    assert run(directory).errors == 0
    assert check_password("clear-text-1", user("anna").password)
    assert not user("bob").has_usable_password()
