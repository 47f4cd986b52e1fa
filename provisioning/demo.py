"""The demo: the walk-through's APPSDB in SQLite beside the portal's database, described and ready to be imported.

With it come HRDB, where people have contracts (``demo_hr``), and CRM, whose accounts they ask for (``demo_requests``).
Loading it again changes nothing that is there already, so that a newcomer's own edits stay.
"""

import csv
import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from directories.connectors.sql import language_of
from directories.examples import ExampleTable, statements
from directories.models import (
    Directory,
    InitialPassword,
    OnLeave,
    PasswordStorage,
    ProvisioningSettings,
    PushGroups,
    TemplateOperation,
)
from provisioning import demo_hr, demo_requests
from provisioning.demo_directories import OF_NAMES, describe
from provisioning.models import User
from provisioning.models.people import fold

NAME = "APPSDB"
ADMINISTRATOR = "admin"
DEFAULT_PASSWORD = "defaultPassword123#"  # the walk-through's own
LEGIBLE = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that reads as something else; 16 of them are 79 bits
OPERATIONS = (
    TemplateOperation.IMPORT,
    TemplateOperation.CHECK,
    TemplateOperation.CREATE,
    TemplateOperation.UPDATE,
    TemplateOperation.DELETE,
    TemplateOperation.IMPORT_GROUPS,
    TemplateOperation.IMPORT_MEMBERS,
    TemplateOperation.CREATE_GROUP,
    TemplateOperation.UPDATE_GROUP,
    TemplateOperation.DELETE_GROUP,
    TemplateOperation.ADD_MEMBER,
    TemplateOperation.REMOVE_MEMBER,
)
PEOPLE = Path(__file__).with_name("demo_people.csv")
TABLES = """
CREATE TABLE USERS (
    USERNAME VARCHAR(255) PRIMARY KEY,
    PASSWORD VARCHAR(255),
    FIRSTNAME VARCHAR(255),
    LASTNAME VARCHAR(255),
    EMAIL_ADDRESS VARCHAR(255)
);
CREATE TABLE APP_GROUPS (GROUPNAME VARCHAR(255) PRIMARY KEY, DESCRIPTION VARCHAR(255));
CREATE TABLE APP_MEMBERS (GROUPNAME VARCHAR(255), USERNAME VARCHAR(255), PRIMARY KEY (GROUPNAME, USERNAME));
"""


@dataclass(frozen=True, slots=True)
class Demo:
    """What was loaded. ``password`` is the administrator's when it was made just now, "" on later loads."""

    directory: Directory
    database: Path
    password: str


def load_demo() -> Demo:
    """Make whatever of the demo is missing: the database, the administrator, the directory, and with it HR."""
    database = _database()
    if not database.exists():
        _write_database(database)
    with transaction.atomic():
        return Demo(_directory(database), database, _administrator())


def is_demo(directory: Directory) -> bool:
    """Whether it is the demo's directory, under whatever name."""
    return bool(directory.settings.get("database") == str(_database()))


def _database() -> Path:
    return Path(settings.VAR_DIR) / "appsdb.sqlite3"


def _write_database(path: Path) -> None:
    """Write the user table with its 200 people, and tables for groups; the file appears whole or not at all."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with PEOPLE.open(encoding="utf-8", newline="") as file:
        rows = [
            (row["username"], DEFAULT_PASSWORD, row["first_name"], row["last_name"], f"{row['username']}@example.org")
            for row in csv.DictReader(file)
        ]
    with closing(sqlite3.connect(unfinished)) as connection, connection:
        connection.executescript(TABLES)
        connection.executemany("INSERT INTO USERS VALUES (?, ?, ?, ?, ?)", rows)
    unfinished.rename(path)


def _administrator() -> str:
    if User.objects.filter(username_key=fold(ADMINISTRATOR)).exists():
        return ""
    password = "-".join("".join(secrets.choice(LEGIBLE) for _ in range(4)) for _ in range(4))
    User.objects.create_superuser(ADMINISTRATOR, password, display_name="Administrator")
    return password


def _directory(database: Path) -> Directory:
    found = Directory.objects.filter(name__iexact=NAME).first()
    if found is not None:
        return found
    demo_hr.load(Path(settings.VAR_DIR) / "hrdb.sqlite3")
    demo_requests.load(Path(settings.VAR_DIR) / "crm.sqlite3")
    directory = Directory.objects.create(
        name=NAME,
        kind="sqlite",
        is_default=not Directory.objects.filter(is_default=True).exists(),
        description="The demo: a table of 200 people beside the portal's own database. Press Import users to begin.",
        settings={
            "database": str(database),
            "user_table": "USERS",
            "username_column": "USERNAME",
            "password_column": "PASSWORD",
        },
        answered_at=timezone.now(),
    )
    examples = statements(ExampleTable(language_of("sqlite")))
    describe(directory, {operation: examples[operation] for operation in OPERATIONS}, OF_NAMES)
    ProvisioningSettings.objects.create(
        directory=directory,
        import_users=True,
        create_users=True,
        update_users=True,
        deactivate_users=True,
        delete_users=True,
        on_deactivate=OnLeave.DELETE,
        on_delete=OnLeave.DELETE,
        initial_password=InitialPassword.FIXED,
        fixed_password=DEFAULT_PASSWORD,
        password_storage=PasswordStorage.PLAIN,
        sync_groups=True,
        import_groups=False,
        push_groups=PushGroups.ALL,
    )
    demo_hr.add_rules()
    demo_requests.add_products()
    return directory
