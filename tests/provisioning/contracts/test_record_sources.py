"""The same people through every kind of source that gives records: one plan, applied once, and never by halves."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from directories.connectors import allowed
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.contracts.models import Contract, Department
from provisioning.imports import engine
from provisioning.models import ImportRun, PlannedChange, User
from provisioning.models.imports import RunStatus, Trigger
from tests.directories.connectors.record_subjects import (
    JsonSubject,
    RecordSubject,
    ScriptSubject,
    TableSubject,
    http_subject,
)
from tests.fixtures.directories import GENEROUS

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
MAPPING = {
    "first": "profile.first_name",
    "mail": "profile.email",
    "title": "contract.title",
    "note": "contract.department",
    "starts": "contract.starts",
}
PEOPLE = [
    {
        "id": f"p{number:02}",
        "first": f"Zoë {number}",
        "mail": f"p{number}@example.org",
        "contracts": [
            {"contract": str(one), "title": f"T{one}", "note": "D1", "starts": "2020-01-01"}
            for one in range(number % 3)
        ],
    }
    for number in range(7)
]


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
            subject.departments = [{"id": "D1", "name": "Board", "parent": None, "manager": "p01"}]
            subject.write()
        yield found


def saved(name: str, subject: RecordSubject) -> Directory:
    """Save the source as a directory."""
    folder = {"table": "tables/", "json": "json/"}.get(name, "")
    settings = {**subject.settings, "contract_id": "contract"}
    for place in ("file", "departments_file"):
        if place in settings:
            settings[place] = folder + str(settings[place])
    directory = Directory.objects.create(name=name, kind=subject.kind, settings=settings)
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


def test_every_kind_gives_the_same_plan(sources: dict[str, RecordSubject]) -> None:
    plans = {}
    for name, subject in sources.items():
        done = run(saved(name, subject), preview=True)
        assert (done.status, done.errors) == (RunStatus.PLANNED, 0), (name, done.message)
        plans[name] = [
            (one.action, one.key, one.remote_id, one.before, one.after)
            for one in PlannedChange.objects.filter(run=done).order_by("key")
        ]
    assert len(plans["http"]) == 7
    assert plans["http"] == plans["table"] == plans["json"] == plans["script"]


@pytest.mark.parametrize("name", ["http", "table", "json", "script"])
def test_a_source_is_applied_once_and_a_half_one_not_at_all(sources: dict[str, RecordSubject], name: str) -> None:
    subject = sources[name]
    directory = saved(name, subject)
    first = run(directory)
    assert (first.status, first.created) == (RunStatus.FINISHED, 7), first.message
    assert Department.objects.get().name == "Board"
    assert Contract.objects.filter(account__user__username="p02").count() == 2
    again = run(directory)
    assert (again.status, again.planned, again.unchanged) == (RunStatus.FINISHED, 0, 7), "the same twice is nothing"

    subject.people = PEOPLE[:1]
    if isinstance(subject, ScriptSubject):
        subject.script("people.py", f"print(open({str(subject.folder / 'people')!r}).read()); sys.exit(1)")
    elif subject.kind == "http_json":
        directory.settings["total"] = "`7`"
        directory.save()
    elif isinstance(subject, JsonSubject):
        subject.folder.joinpath("people.jsonl").write_bytes(b'{"id": "p00"}\n{"id": "p01"')
    if name != "json":
        subject.write()
    if name == "table":
        with (sources["table"].folder / "people-1.csv").open("a") as file:  # type: ignore[attr-defined]
            file.write('p01,"Zo')
    half = run(directory)
    assert half.status == RunStatus.FAILED
    assert User.objects.filter(is_active=True).count() == 7
    assert Contract.objects.filter(account__user__username="p02").count() == 2
