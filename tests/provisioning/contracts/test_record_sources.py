"""The same people through every kind of source that gives records: one plan, applied once, and never by halves."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from directories import deliveries
from directories.connectors import allowed
from directories.connectors.push.store import DEPARTMENT, PERSON
from directories.models import AttributeMapping, Directory, ProvisioningSettings, PushedDelivery, QueryTemplate
from provisioning import services
from provisioning.api.pushed import checked
from provisioning.contracts.models import Contract, Department
from provisioning.imports import engine
from provisioning.models import ImportRun, User
from provisioning.models.imports import RunStatus, Trigger
from tests.directories.connectors.record_subjects import (
    JsonSubject,
    PushSubject,
    Record,
    RecordSubject,
    ScriptSubject,
    TableSubject,
    http_subject,
)
from tests.fixtures.databases import Database
from tests.fixtures.directories import GENEROUS

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
MAPPING = {
    "first": "profile.first_name",
    "mail": "profile.email",
    "title": "contract.title",
    "note": "contract.department",
    "starts": "contract.starts",
}


def people(number: int) -> list[Record]:
    """Return people with 0, 1, 2 contracts and so on."""
    return [
        {
            "id": f"p{at:03}",
            "first": f"Zoë {at}",
            "mail": f"p{at}@example.org",
            "contracts": [
                {"contract": str(one), "title": f"T{one}", "note": "D1", "starts": "2020-01-01"}
                for one in range(at % 3)
            ],
        }
        for at in range(number)
    ]


PEOPLE = people(7)
BOARD = {"id": "D1", "name": "Board", "parent": None, "manager": "p001"}
TABLES = (
    "people (id VARCHAR(20), first VARCHAR(80), mail VARCHAR(80))",
    "contracts (person VARCHAR(20), contract VARCHAR(20), title VARCHAR(80), note VARCHAR(80), starts DATE)",
    "departments (id VARCHAR(20), name VARCHAR(80), parent VARCHAR(20), manager VARCHAR(20))",
)
QUERIES = (
    ("import", "SELECT first FROM people WHERE id='##USERNAME##'"),
    ("import", "SELECT mail FROM people WHERE id='##USERNAME##'"),
    ("contracts", "SELECT person, contract, title, note, starts FROM contracts"),
    ("departments", "SELECT id, name, parent, manager FROM departments"),
)


class Table(TableSubject):
    """Contracts with a first day."""

    columns: Sequence[str] = ("id", "first", "mail", "contract", "title", "note", "starts")

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "contracts": "title, note, starts"}

    def write(self) -> None:
        rows = [
            {name: value for name, value in {**one, **contract}.items() if name != "contracts"}
            for one in self.people
            for contract in one["contracts"] or [{}]
        ]
        self._table("people-1.csv", self.columns, rows)
        self._table("departments.csv", ["id", "name", "parent", "manager"], self.departments)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, RecordSubject]]:
    """The same people in every kind."""
    folders = {name: tmp_path / name for name in ("tables", "json", "scripts")}
    for folder in folders.values():
        folder.mkdir(mode=0o700)
    monkeypatch.setattr(allowed, "_source_files", tmp_path)
    monkeypatch.setattr(allowed, "_source_scripts", folders["scripts"])
    with http_subject() as served:
        found = {
            "http": served,
            "table": Table(folders["tables"]),
            "json": JsonSubject(folders["json"]),
            "script": ScriptSubject(folders["scripts"]),
        }
        for subject in found.values():
            subject.people = [*PEOPLE]
            subject.departments = [BOARD]
            subject.write()
        yield found


def in_tables(database: Database, people: Sequence[Record]) -> Directory:
    """Save the same people in a database, and the directory that stands for it."""
    for table in TABLES:
        database.execute(f"CREATE TABLE {table}")
    database.execute("INSERT INTO departments VALUES (%s, %s, %s, %s)", *BOARD.values())
    for one in reversed(people):
        database.execute("INSERT INTO people VALUES (%s, %s, %s)", one["id"], one["first"], one["mail"])
        for contract in one["contracts"]:
            database.execute("INSERT INTO contracts VALUES (%s, %s, %s, %s, %s)", one["id"], *contract.values())
    settings = {**database.settings, "user_table": "people", "username_column": "id"}
    password = settings.pop("password", "")
    directory = Directory.objects.create(
        name=database.kind, kind=database.kind, settings=settings, secrets={"password": password}
    )
    for position, (operation, sql) in enumerate(QUERIES):
        QueryTemplate.objects.create(directory=directory, operation=operation, position=position, sql=sql)
    return mapped(directory)


def saved(name: str, subject: RecordSubject) -> Directory:
    """Save the source as a directory."""
    folder = {"table": "tables/", "json": "json/"}.get(name, "")
    settings = {**subject.settings, "contract_id": "contract"}
    for place in ("file", "departments_file"):
        if place in settings:
            settings[place] = folder + str(settings[place])
    directory = Directory.objects.create(name=name, kind=subject.kind, settings=settings)
    return mapped(directory)


def pushed(name: str, people: Sequence[Record]) -> Directory:
    """Save a source to which the same people were pushed, in two batches of one delivery that is closed."""
    settings = {**PushSubject().settings, "contract_id": "contract"}
    directory = mapped(Directory.objects.create(name=name, kind="push", settings=settings))
    push(directory, DEPARTMENT, [BOARD])
    first = push(directory, PERSON, people[:100])
    push(directory, PERSON, people[100:], number=first.pk)
    deliveries.close(directory, first.pk, people=len(people))
    return directory


def push(directory: Directory, kind: str, records: Sequence[Record], number: int | None = None) -> PushedDelivery:
    texts = checked(records, lambda record: (record["id"], ""))
    return deliveries.receive(directory, kind, texts, actor="tester", number=number)


def mapped(directory: Directory) -> Directory:
    """Switch its import on, and map what it gives."""
    ProvisioningSettings.objects.create(directory=directory, **{**GENEROUS, "import_users": True})
    for position, (theirs, ours) in enumerate(MAPPING.items()):
        kind, _, attribute = ours.partition(".")
        AttributeMapping.objects.create(
            directory=directory,
            directory_attribute=theirs,
            kind=kind,
            portal_attribute=attribute,
            direction="in",
            position=position,
        )
    return directory


def run(directory: Directory, *, preview: bool = False) -> ImportRun:
    started = services.start_import(directory, preview=preview, actor="tester", trigger=Trigger.COMMAND)
    engine.execute(started.pk)
    started.refresh_from_db()
    return started


def test_every_kind_gives_the_same_plan_whatever_its_order(
    sources: dict[str, RecordSubject], sqlite_directory: Database, pg_directory: Database
) -> None:
    everybody = people(300)
    directories = [in_tables(database, everybody) for database in (sqlite_directory, pg_directory)]
    for place, (name, subject) in enumerate(sources.items()):
        subject.people = everybody[place:] + everybody[:place]
        subject.write()
        directories.append(saved(name, subject))
    directories.append(pushed("push", everybody[50:] + everybody[:50]))
    plans = {directory.name: run(directory, preview=True) for directory in directories}
    assert {(one.status, one.errors, one.planned) for one in plans.values()} == {(RunStatus.PLANNED, 0, 300)}
    assert len({one.plan_hash for one in plans.values()}) == 1, {name: one.plan_hash for name, one in plans.items()}
    other = people(300)
    other[150]["contracts"] = [{**PEOPLE[1]["contracts"][0], "title": "T9"}]
    sources["http"].people = other
    assert run(saved("other", sources["http"]), preview=True).plan_hash != plans["http"].plan_hash


@pytest.mark.parametrize("name", ["http", "table", "json", "script"])
def test_a_source_is_applied_once_and_a_half_one_not_at_all(sources: dict[str, RecordSubject], name: str) -> None:
    subject = sources[name]
    directory = saved(name, subject)
    first = run(directory)
    assert (first.status, first.created) == (RunStatus.FINISHED, 7), first.message
    assert Department.objects.get().name == "Board"
    assert Contract.objects.filter(account__user__username="p002").count() == 2
    again = run(directory)
    assert (again.status, again.planned, again.unchanged) == (RunStatus.FINISHED, 0, 7), "the same twice is nothing"

    subject.people = PEOPLE[:1]
    if isinstance(subject, ScriptSubject):
        subject.script("people.py", f"print(open({str(subject.folder / 'people')!r}).read()); sys.exit(1)")
    elif subject.kind == "http_json":
        directory.settings["total"] = "`7`"
        directory.save()
    elif isinstance(subject, JsonSubject):
        subject.folder.joinpath("people.jsonl").write_bytes(b'{"id": "p000"}\n{"id": "p001"')
    if name != "json":
        subject.write()
    if name == "table":
        with (sources["table"].folder / "people-1.csv").open("a") as file:  # type: ignore[attr-defined]
            file.write('p001,"Zo')
    half = run(directory)
    assert half.status == RunStatus.FAILED
    assert User.objects.filter(is_active=True).count() == 7
    assert Contract.objects.filter(account__user__username="p002").count() == 2


def test_a_number_that_two_records_have_is_nobodys_and_the_others_go_on(sources: dict[str, RecordSubject]) -> None:
    subject = sources["script"]
    directory = saved("script", subject)
    assert run(directory).created == 7
    subject.people = [*PEOPLE, {**PEOPLE[3], "first": "Somebody else"}]
    subject.write()
    lied = run(directory)
    assert (lied.status, lied.errors, lied.unchanged) == (RunStatus.FINISHED, 2, 6), lied.message
    assert not User.objects.filter(first_name="Somebody else").exists()
    assert User.objects.filter(is_active=True).count() == 7
