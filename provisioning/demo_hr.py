"""The demo's HR: HRDB, a second SQLite file with people, contracts, departments and titles, and three rules on them."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from django.utils import timezone

from directories.attributes import Kind
from directories.connectors.sql import language_of
from directories.examples import ExampleTable, statements
from directories.models import (
    Directory,
    MappingDirection,
    ProvisioningSettings,
    TemplateOperation,
)
from provisioning import services
from provisioning.contracts.models import ProfileSource
from provisioning.contracts.services import DepartmentRow, arrange, write_departments
from provisioning.demo_directories import describe
from provisioning.models import Group
from provisioning.rules import fields
from provisioning.rules import services as rules
from provisioning.rules.conditions import parse
from provisioning.rules.models import BusinessRule

NAME = "HRDB"
ACTOR = "The demo"
TABLES = Path(__file__).with_name("demo_hr.sql")
USER_TABLE, KEY = "EMPLOYEES", "USERNAME"
OF_PEOPLE = {
    "GIVEN_NAME": (Kind.PROFILE, "first_name"),
    "FAMILY_NAME": (Kind.PROFILE, "last_name"),
    "EMAIL": (Kind.PROFILE, "email"),
    "EMPLOYEE_NO": (Kind.PROFILE, "employee_number"),
    "ON_HOLD": (Kind.RECORD, "blocked"),
    "HOLD_REASON": (Kind.RECORD, "reason"),
}
OF_CONTRACTS = {
    "FIRST_DAY": (Kind.CONTRACT, "starts"),
    "LAST_DAY": (Kind.CONTRACT, "ends"),
    "FTE": (Kind.CONTRACT, "fte"),
    "DEPARTMENT": (Kind.CONTRACT, "department"),
    "TITLE": (Kind.CONTRACT, "title"),
}
DEPARTMENTS = "SELECT DEPARTMENT, NAME, PARENT, HEAD FROM DEPARTMENTS"
CONTRACTS = "SELECT USERNAME, CONTRACT_NO, FIRST_DAY, LAST_DAY, FTE, DEPARTMENT, TITLE_NO FROM CONTRACTS"
TITLES = "SELECT TITLE_NO, TITLE FROM TITLES"
FOLLOWS = {"profile.title": "title", "profile.department": "department", "profile.manager": "manager"}


@dataclass(frozen=True, slots=True)
class DemoRule:
    """A rule of the demo: its condition as one line, and the group and the values that it gives."""

    name: str
    condition: str
    group: str
    description: str
    values: Mapping[str, str] = field(default_factory=dict)


RULES = (
    DemoRule("Everyone in Care", 'contract.branch eq "Care"', "Patient records", "Reads the records of patients."),
    DemoRule("Nurses", 'contract.title co "nurse"', "Medicine room", "Opens the door of the medicine room."),
    DemoRule(
        "Everyone in Technology",
        'contract.branch eq "Technology"',
        "Help desk tools",
        "Answers the questions of colleagues.",
        {"profile.division": "Technology"},
    ),
)


def load(database: Path) -> None:
    """Make HRDB with its people in the file ``database``, and the rules, unless a directory of that name is there.

    Nothing is imported. It is to be called in a transaction.
    """
    if Directory.objects.filter(name__iexact=NAME).exists():
        return
    if not database.exists():
        _write(database)
    directory = _directory(database)
    with closing(sqlite3.connect(database)) as connection:
        departments = connection.execute(DEPARTMENTS).fetchall()
    write_departments(
        directory.pk,
        [
            DepartmentRow(number, name, parent=parent or "", head=head or "")
            for number, name, parent, head in departments
        ],
    )
    if not ProfileSource.objects.exists():
        arrange([], FOLLOWS)


def add_rules() -> None:
    """Publish those of the rules that are missing, each with its group."""
    for position, one in enumerate(RULES, start=1):
        if BusinessRule.objects.filter(name=one.name, by_request=False).exists():
            continue
        group = Group.objects.filter(name=one.group).first()
        if group is None:
            group = Group(name=one.group, description=one.description)
            services.save_group(group, ACTOR)
        draft = rules.RuleDraft(
            name=one.name,
            category="Demo",
            position=position,
            condition=parse(one.condition, fields.known()),
            groups=[group.pk],
            values=one.values,
        )
        rules.publish(rules.save(None, draft, ACTOR), ACTOR)


def _write(path: Path) -> None:
    """Write the four tables; the file appears whole or not at all."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(unfinished)) as connection, connection:
        connection.executescript(TABLES.read_text(encoding="utf-8"))
    unfinished.rename(path)


def _directory(database: Path) -> Directory:
    directory = Directory.objects.create(
        name=NAME,
        kind="sqlite",
        description="The demo's HR: people with contracts and departments. Only read. Press Import users to begin.",
        settings={"database": str(database), "user_table": USER_TABLE, "username_column": KEY},
        answered_at=timezone.now(),
    )
    people = ExampleTable(language_of("sqlite"), USER_TABLE, KEY, password="", columns=list(OF_PEOPLE))
    queries = {
        TemplateOperation.IMPORT: statements(people)[TemplateOperation.IMPORT],
        TemplateOperation.CONTRACTS: [CONTRACTS],
        TemplateOperation.DEPARTMENTS: [DEPARTMENTS],
        TemplateOperation.TITLES: [TITLES],
    }
    describe(directory, queries, {**OF_PEOPLE, **OF_CONTRACTS}, MappingDirection.IN)
    ProvisioningSettings.objects.create(directory=directory, import_users=True, deactivate_missing=True)
    return directory
