import csv
import io
import re
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from provisioning.admin.uploads import UploadStorage
from provisioning.models import Change, User
from provisioning.spreadsheets import columns, export, formats
from provisioning.spreadsheets.formats import CsvFile, XlsxFile
from reports.models import Event
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
IMPORT = "/provisioning/user/import/"
CSV, XLSX = "0", "1"


def preview(client: Client, data: bytes | str, format: str = CSV) -> Any:
    file = SimpleUploadedFile("users", data if isinstance(data, bytes) else data.encode())
    response = client.post(IMPORT, {"import_file": file, "format": format, "resource": "0"})
    assert response.status_code == 200
    return response


def confirm(client: Client, previewed: Any) -> Any:
    initial = previewed.context["confirm_form"].initial
    return client.post("/provisioning/user/process_import/", initial, follow=True)


def problems(response: Any) -> dict[int, dict[str, list[str]]]:
    return {problem["line"]: problem["words"] for problem in response.context["outcome"]["problems"]}


def workbook_of(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_preview_shows_differences_and_saves_nothing(it_staff) -> None:
    roll.definition("level", "number")
    roll.person("Anna.Berg", department="IT", custom_profile={"level": 1})
    response = preview(it_staff, "User name,department,Level\nanna.berg,Sales,2\nben,IT,\n")
    outcome = response.context["outcome"]
    assert (outcome["added"], outcome["changed"], outcome["same"]) == (1, 1, 0)
    first, second = outcome["rows"]
    assert (first.line, first.changes) == (2, {"Department": ("IT", "Sales"), "Level": (1, 2)})
    assert (second.line, second.changes) == (3, {"User name": (None, "ben"), "Department": (None, "IT")})
    assert not User.objects.filter(username="ben").exists()
    assert User.objects.get(username="Anna.Berg").department == "IT"
    assert "Import 2 users" in roll.words(response)


@pytest.mark.heavy
def test_confirm_writes_tells_and_provisions(it_staff) -> None:
    appsdb = roll.directory(create_users=True)
    for name, type in (("level", "number"), ("hired", "date"), ("remote", "boolean")):
        roll.definition(name, type)
    roll.person("Anna.Berg", department="IT", first_name="anna", custom_profile={"level": 1, "left": "x"})
    Change.objects.all().delete()
    text = (
        "username,department,first_name,manager,level,hired,remote,active\n"
        "ANNA.BERG,Sales,Ännchen,,,2026-01-02,yes,\n"
        "ben,IT,Ben,anna.berg,2.5,,no,false\n"
        "cara,,,ben,,,,\n"
    )
    response = confirm(it_staff, preview(it_staff, text))
    assert "Imported: 2 added, 1 changed, 0 unchanged." in roll.words(response)
    anna, ben, cara = (User.objects.get(username_key=key) for key in ("anna.berg", "ben", "cara"))
    assert (anna.username, anna.department, anna.first_name_key) == ("Anna.Berg", "Sales", "ännchen")
    assert anna.custom_profile == {"left": "x", "hired": "2026-01-02", "remote": True}
    assert anna.is_active
    assert (ben.manager, ben.is_active, ben.custom_profile) == (anna, False, {"level": 2.5, "remote": False})
    assert not ben.has_usable_password()
    assert cara.manager == ben
    assert set(Change.objects.values_list("account__user__username", "actor", "directory")) == {
        ("Anna.Berg", "user-IT staff", appsdb.pk),
        ("cara", "user-IT staff", appsdb.pk),
    }
    lines = Event.objects.filter(actor="user-IT staff", direction="portal")
    assert {line.message for line in lines} >= {
        "Ännchen (Anna.Berg) was changed in the portal: First name, Department, Hired, Level, Remote.",
        "cara was added to the portal.",
    }


def test_an_unchanged_file_changes_nothing(it_staff) -> None:
    roll.staff("", "boss")
    roll.person("anna", manager=User.objects.get(username="boss"), phone="+49 1", title="=1+1")
    text = b"".join(export.csv_lines(User.objects.order_by("username_key")))
    outcome = preview(it_staff, text).context["outcome"]
    assert (outcome["problem_count"], outcome["rows"], outcome["same"]) == (0, [], 3)


def test_every_problem_is_told_by_line(it_staff) -> None:
    roll.definition("size", "choice", choices=["S", "M"], required=True)
    roll.person("anna")
    text = (
        "username,email,manager,size,active,locale\n"
        "anna,nope,nobody,XL,perhaps,english please\n"
        ",x@example.com,,S,,\n"
        "ben,,,,,\n"
        "ANNA,,,S,,\n"
        "cara,,cara,S,,\n"
        "dora\tx,,,S,,\n"
    )
    response = preview(it_staff, text)
    found = problems(response)
    assert set(found[2]) == {"email", "manager", "size", "active", "locale"}
    assert found[2]["manager"] == ['There is no user "nobody".']
    assert found[3] == {"username": ["The user name is missing."]}
    assert found[4] == {"size": ["Size is required."]}
    assert found[5] == {"username": ["Line 2 is about the same user."]}
    assert found[6] == {"manager": ["Nobody is their own manager."]}
    assert set(found[7]) == {"username"}
    assert "confirm_form" not in response.context


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "file is empty"),
        ("email\nx@example.com\n", 'column "username" is missing'),
        ("username,depatment\na,b\n", 'no column "depatment". Did you mean "department"?'),
        ("username,email,E-Mail\na,b,c\n", '"email" is there twice'),
        ("username,pass\na,b\n", 'no column "pass"'),
        ("username,is_staff\na,true\n", 'no column "is_staff"'),
        ("username,is_superuser\na,true\n", 'no column "is_superuser"'),
        ("username,,email\na,,b\n", "Column 2 has no heading"),
        ("username\na,b\n", "Line 2 has more cells"),
        ('username\n"a\n', "cannot be read"),
    ],
)
def test_files_that_cannot_be_used(it_staff, text: str, words: str) -> None:
    response = preview(it_staff, text)
    page = roll.words(response).replace("&quot;", '"')
    assert words in page
    assert "Traceback" not in page
    assert "confirm_form" not in response.context


def test_too_many_lines(it_staff, monkeypatch) -> None:
    monkeypatch.setattr(formats, "MOST_ROWS", 2)
    assert "more than 2 users" in roll.words(preview(it_staff, "username\na\nb\nc\n"))


@pytest.mark.heavy
def test_staff_accounts_are_protected(it_staff) -> None:
    roll.staff("", "boss")
    assert problems(preview(it_staff, "username,email\nBOSS,evil@example.com\n"))[2]["username"]
    root = roll.root()
    assert preview(root, "username,email\nboss,new@example.com\n").context["outcome"]["changed"] == 1
    assert problems(preview(root, "username,active\nroot,no\n"))[2]["active"]


@pytest.mark.heavy
def test_confirmation_checks_again(it_staff) -> None:
    previewed = preview(it_staff, "username,email\nanna,evil@example.com\n")
    roll.staff("", "anna")  # became an administrator meanwhile
    response = confirm(it_staff, previewed)
    assert "Nothing was imported" in roll.words(response)
    assert User.objects.get(username="anna").email == ""


@pytest.mark.heavy
def test_an_upload_is_used_once_and_leads_nowhere_else(it_staff, tmp_path) -> None:
    previewed = preview(it_staff, "username\nanna\n")
    confirm(it_staff, previewed)
    assert "imported already" in roll.words(confirm(it_staff, previewed))
    for name in ("../rollcall.env", "/etc/passwd", "", "a" * 32):
        data = {"import_file_name": name, "original_file_name": "x", "format": CSV, "resource": "0"}
        for format in ("7", "-1", "x", ""):
            assert it_staff.post("/provisioning/user/process_import/", {**data, "format": format}).status_code in {
                200,
                302,
            }
        response = it_staff.post("/provisioning/user/process_import/", data, follow=True)
        assert response.status_code == 200
    with pytest.raises(FileNotFoundError):
        UploadStorage(name="../../etc/passwd").read()


@pytest.mark.heavy
def test_excel_in(it_staff) -> None:
    roll.definition("hired", "date")
    import datetime as dt

    rows = ["username", "employee_number", "hired", "active"], ["anna", 1001, dt.datetime(2026, 1, 2), True]
    confirm(it_staff, preview(it_staff, workbook_of(*rows), XLSX))
    anna = User.objects.get(username="anna")
    assert (anna.employee_number, anna.custom_profile, anna.is_active) == ("1001", {"hired": "2026-01-02"}, True)
    assert "cannot be read" in roll.words(preview(it_staff, b"PK\x03\x04 no workbook", XLSX))


@pytest.mark.parametrize("text", ["username;email\nanna;Ä@example.com\n", "username\temail\nanna\tÄ@example.com\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_csv_as_spreadsheets_write_it(text: str, encoding: str) -> None:
    dataset = CsvFile().create_dataset(text.encode(encoding))
    assert dataset.headers == ["username", "email"]
    assert list(dataset) == [("anna", "Ä@example.com")]


@pytest.mark.heavy
def test_an_import_costs_pages_not_lines(it_staff, django_assert_max_num_queries) -> None:
    roll.directory(create_users=True)
    User.objects.bulk_create(User(username=f"old{number}") for number in range(300))
    lines = [f"old{number},Sales" for number in range(300)] + [f"new{number},Sales" for number in range(300)]
    text = "username,department\n" + "\n".join(lines) + "\n"
    with django_assert_max_num_queries(26):
        previewed = preview(it_staff, text)
    with django_assert_max_num_queries(101):
        confirm(it_staff, previewed)
    assert User.objects.filter(department="Sales").count() == 600
    assert Change.objects.count() == 600


def read_csv(response: Any) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_export_streams_what_the_list_shows(it_staff) -> None:
    roll.definition("level", "number")
    boss = roll.person("boss", department="IT")
    roll.person("anna", department="Sales", manager=boss, custom_profile={"level": 5, "other": "x"}, is_active=False)
    response = it_staff.post("/provisioning/user/export/?department=Sales", {"format": CSV, "resource": "0"})
    assert response.streaming
    (row,) = read_csv(response)
    assert (row["username"], row["manager"], row["level"], row["active"]) == ("anna", "boss", "5", "false")
    assert not set(row) & {"password", "is_superuser", "is_staff"}


def test_export_of_a_selection(it_staff) -> None:
    anna, ben = roll.person("anna"), roll.person("ben")
    data = {"action": "export_csv", "_selected_action": [anna.pk, ben.pk]}
    assert [row["username"] for row in read_csv(it_staff.post("/provisioning/user/", data))] == ["anna", "ben"]


@pytest.mark.parametrize("nasty", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(it_staff, nasty: str) -> None:
    User.objects.create(username="anna", title=nasty)
    (row,) = (
        row
        for row in read_csv(it_staff.post("/provisioning/user/export/", {"format": CSV, "resource": "0"}))
        if row["username"] == "anna"
    )
    assert row["title"] == f"'{nasty}"
    assert columns.read(row["title"]) == nasty
    book = openpyxl.load_workbook(export.workbook(User.objects.filter(username="anna")))
    cell = next(cell for cell in book.active[2] if cell.column == 8)
    assert cell.data_type == "s"
    assert cell.value.strip() == nasty.strip()


def test_excel_out_comes_back_in(it_staff) -> None:
    roll.person("anna", employee_number="00123", title="=1+1", phone="+49")
    response = it_staff.post("/provisioning/user/export/", {"format": XLSX, "resource": "0"})
    data = b"".join(response.streaming_content)
    outcome = preview(it_staff, data, XLSX).context["outcome"]
    assert (outcome["problem_count"], outcome["rows"]) == (0, [])


def test_excel_has_an_end(it_staff, monkeypatch) -> None:
    monkeypatch.setattr(export, "MOST_IN_WORKBOOK", 1)
    for name in ("anna", "ben"):
        roll.person(name)
    response = it_staff.post("/provisioning/user/export/", {"format": XLSX, "resource": "0"}, follow=True)
    assert re.search(r"An Excel file takes 1 users", roll.words(response))


def test_helpdesk_exports_and_strangers_do_not() -> None:
    assert roll.helpdesk().get("/provisioning/user/export/").status_code == 200
    stranger = roll.signed_in(User.objects.create_user("nobody", is_staff=True))
    assert stranger.get("/provisioning/user/export/").status_code == 403
    assert stranger.post("/provisioning/user/export/", {"format": CSV}).status_code == 403


def test_formats_name_themselves() -> None:
    assert [format().get_title() for format in (CsvFile, XlsxFile)] == ["csv", "xlsx"]
