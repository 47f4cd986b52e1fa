"""A file of a source that somebody uploads: looked at, put in its place, and planned."""

import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from directories.connectors import allowed
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning.imports import engine
from provisioning.models import ImportRun, User
from provisioning.models.imports import RunStatus
from provisioning.roles import AUDITOR, IT_STAFF
from reports.models import Event
from tests.fixtures.directories import GENEROUS
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
PEOPLE = "id,first,start,title\ne1,Ann,2020-01-01,Nurse\ne1,Ann,2021-01-01,Lead\ne2,Bob,2020-01-01,Aide\n,Nobody,,\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(allowed, "_source_files", tmp_path)
    return tmp_path


def source(**settings: Any) -> Directory:
    """Add a source that reads files."""
    places = {"file": "people-*.csv", "id": "id", "contracts": "start, title", "settled": 0, **settings}
    directory = Directory.objects.create(name="HR", kind="files", settings=places)
    ProvisioningSettings.objects.create(directory=directory, **{**GENEROUS, "import_users": True})
    AttributeMapping.objects.create(directory=directory, directory_attribute="first", portal_attribute="first_name")
    return directory


def posted(directory: Directory, client: Client, name: str, data: bytes, **more: str) -> str:
    """Upload a file, and return the page."""
    answer = client.post(page(directory), {"file": SimpleUploadedFile(name, data), **more})
    assert answer.status_code == 200
    return answer.content.decode()


def page(directory: Directory) -> str:
    return reverse("admin:directories_directory_upload", args=[directory.pk])


def workbook(*rows: tuple[Any, ...]) -> bytes:
    book, found = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(found)
    return found.getvalue()


def taken(directory: Directory, client: Client, html: str, name: str) -> ImportRun:
    """Put what was looked at in its place; return the run that is planned."""
    waiting = html.split('name="waiting" value="')[1].split('"', maxsplit=1)[0]
    answer = client.post(page(directory), {"waiting": waiting, "name": name, "what": "file"})
    run = ImportRun.objects.latest("pk")
    assert answer.headers["Location"] == reverse("admin:provisioning_importrun_change", args=[run.pk])
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.preview) == (RunStatus.PLANNED, True), run.message
    return run


@pytest.mark.heavy
def test_a_file_is_looked_at_put_in_its_place_and_planned(folder: Path) -> None:
    hr, staff = source(), roll.signed_in(roll.staff(IT_STAFF))
    html = posted(hr, staff, "export of today.csv", PEOPLE.encode())
    assert "<strong>3</strong> people with 3 contracts" in html
    assert "1 cannot be used" in html
    assert "The record has no id" in html
    assert not list(folder.glob("*.csv")), "nothing is in its place before somebody says so"
    run = taken(hr, staff, html, "export of today.csv")
    (file,) = folder.glob("people-*.csv")
    assert file.read_text() == PEOPLE
    assert not list((folder / ".uploads").iterdir())
    assert (run.created, run.errors) == (2, 1)
    assert not User.objects.filter(username="e1").exists(), "a plan changes nobody"
    assert Event.objects.filter(application="HR", message__contains=f"uploaded {file.name} for HR").exists()


@pytest.mark.heavy
def test_workbooks_and_json_are_taken_too(folder: Path) -> None:
    hr, staff = source(file="people.*"), roll.signed_in(roll.staff(IT_STAFF))
    html = posted(hr, staff, "a.xlsx", workbook(("id", "first"), ("e1", "Ann"), ("e2", "Bob")))
    assert taken(hr, staff, html, "a.xlsx").created == 2
    html = posted(hr, staff, "a.JSON", b'[{"id": "e1"}, {"id": "e2"}, {"id": "e3"}]')
    assert taken(hr, staff, html, "a.JSON").created == 3
    assert {path.name for path in folder.glob("people*")} == {"people.xlsx", "people.json"}


@pytest.mark.parametrize(
    ("settings", "name", "data", "words"),
    [
        ({"file": "people.csv"}, "a.xlsx", b"x", "another kind of file"),
        ({"file": "people-[12].csv"}, "a.csv", b"x", "no name for a new file"),
        ({}, "a.exe", b"x", "does not tell what the file holds"),
        ({"file": "people.*"}, "a.xlsx", b"PK\3\4 no workbook", "no Excel workbook"),
        ({"largest": 1}, "a.csv", b"id\n" + b"x" * 2**20, "larger than 1 MB"),
    ],
)
def test_what_cannot_be_taken_says_why(
    folder: Path, settings: dict[str, Any], name: str, data: bytes, words: str
) -> None:
    hr, staff = source(**settings), roll.signed_in(roll.staff(IT_STAFF))
    html = posted(hr, staff, name, data)
    assert words in html
    assert 'name="waiting"' not in html


@pytest.mark.heavy
def test_nobody_else_uploads_and_nothing_else_is_put_in_place(folder: Path) -> None:
    hr = source()
    assert roll.signed_in(roll.staff(AUDITOR)).get(page(hr)).status_code == 403
    staff = roll.signed_in(roll.staff(IT_STAFF))
    (folder / "secret.txt").write_text("not theirs")
    for waiting in ("../secret.txt", "secret.txt", "0" * 32):
        html = staff.post(page(hr), {"waiting": waiting, "name": "a.csv"}).content.decode()
        assert "has waited for too long" in html
    assert not ImportRun.objects.exists()
    memory = Directory.objects.create(name="Memory", kind="memory")
    assert staff.get(page(memory)).status_code == 404


def test_departments_are_uploaded_too(folder: Path) -> None:
    hr = source(departments_file="departments-*.csv")
    staff = roll.signed_in(roll.staff(IT_STAFF))
    html = posted(hr, staff, "d.csv", b"id,name,parent,manager\nD1,Board,,e1\nD2,Care,D1,\n", what="departments_file")
    assert "<strong>2</strong> departments" in html
    assert "departments-" in html
