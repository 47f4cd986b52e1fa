"""Every kind of export streams, holds what the page holds, and does no harm in a spreadsheet."""

import base64
import csv
import datetime as dt
import io
import json
import os
import tracemalloc
import zipfile

import openpyxl
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning.models import User
from reports import export, workbook
from reports.csv_lines import harmless
from reports.export import FORMATS
from reports.models import Event, Result
from reports.search import EventCriteria, stream
from tests.reports.conftest import Write

URL = "/reports/event/export/"


def table(client: Client, **parameters: str) -> list[dict[str, str]]:
    response = client.get(URL, parameters)
    assert response.status_code == 200
    assert response.streaming
    text = b"".join(response).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_the_file_holds_all_lines_of_the_search(reader: Client, write: Write) -> None:
    at = dt.datetime(2026, 3, 4, 5, 8, 9, tzinfo=dt.UTC)
    write(
        70, at=at, application="HR", identifier="zoë", result=Result.FAILED, changes={"email": (None, "z@example.org")}
    )
    write(5, application="APPSDB")
    rows = table(reader, application="HR")
    assert len(rows) == 70
    assert rows[0]["Time (UTC)"] == "2026-03-04 05:08:09"
    assert rows[0]["End user"] == "zoë"
    assert rows[0]["Result"] == "Failed"
    assert rows[0]["Differences"] == "email: (empty) → z@example.org"
    assert len(table(reader)) == 75


def test_it_comes_as_a_file(reader: Client, write: Write) -> None:
    response = reader.get(URL)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="provisioning-report-')


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0"])
def test_no_cell_is_a_formula(reader: Client, write: Write, value: str) -> None:
    assert harmless(value) == f"'{value}"
    write(identifier=value, application=value[:100], message=value, actor=value, changes={value: (value, value)})
    for cell in table(reader)[0].values():
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_quotes_and_line_breaks_survive(reader: Client, write: Write) -> None:
    write(message='He said "no",\nthen; left.')
    assert table(reader)[0]["Message"] == 'He said "no",\nthen; left.'


def test_batches_neither_repeat_nor_lose_lines_of_one_instant(write: Write) -> None:
    write(25, step=dt.timedelta(0))
    ids = [event.pk for events in stream(EventCriteria(), batch=4) for event in events]
    assert ids == sorted(Event.objects.values_list("pk", flat=True), reverse=True)


@pytest.mark.heavy
def test_memory_stays_flat(write: Write) -> None:
    root = User.objects.create_superuser("root")

    def peaks(count: int) -> dict[str, int]:
        Event.objects.all().delete()
        write(count, changes={"email": ("a" * 200, "b" * 200)}, step=dt.timedelta(seconds=1))
        tops = {}
        for name, kind in FORMATS.items():
            tracemalloc.start()
            for _ in kind.make(EventCriteria(), root):
                pass
            tops[name] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return tops

    peaks(100)
    few, many = peaks(4_000), peaks(12_000)
    assert {name for name in FORMATS if many[name] >= few[name] * 1.5} == set()


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_sent_while_it_is_read(write: Write, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A batch costs the same number of queries wherever it is, and the first is sent before the second is read."""
    root = User.objects.create_superuser("root")
    monkeypatch.setattr(workbook, "AT_ONCE", 5)
    monkeypatch.setattr(export, "stream", lambda criteria: stream(criteria, batch=10))

    def queries(lines: int) -> tuple[int, int]:
        Event.objects.all().delete()
        write(lines, message=base64.b64encode(os.urandom(45_000)).decode(), account_id=1, run_id=1)
        with CaptureQueriesContext(connection) as asked:
            parts = iter(FORMATS[name].make(EventCriteria(), root))
            for part in parts:
                if len(part) > 5000:
                    break
            at_first = len(asked)
            for _ in parts:
                pass
        return at_first, len(asked)

    (first, few), (same, many) = queries(20), queries(60)
    steps = 2 if name == "files" else 0  # runs and accounts of a batch; nothing was planned
    assert first == same <= 2 * (1 + steps)
    assert many - few == 4 * (1 + steps)


def test_an_excel_file_goes_on_where_a_sheet_is_full(
    reader: Client, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 5)
    at = dt.datetime(2026, 3, 4, 5, 8, 9, tzinfo=dt.UTC)
    write(10, at=at, identifier="=1+1", message="_x0041_ <b>&\x07 ü\r\n" + "x" * 40_000)
    response = reader.get(URL, {"format": "xlsx"})
    assert response["Content-Disposition"].endswith('.xlsx"')
    book = openpyxl.load_workbook(io.BytesIO(b"".join(response)))
    assert book.sheetnames == ["Provisioning report", "Provisioning report 2", "Provisioning report 3"]
    sheets = [list(sheet.iter_rows()) for sheet in book]
    assert [len(rows) - 1 for rows in sheets] == [4, 4, 2]
    assert {rows[0][1].value for rows in sheets} == {"End user"}
    first = sheets[0][1]
    assert first[0].value == dt.datetime(2026, 3, 4, 5, 8, 9)
    assert first[0].number_format.startswith("yyyy")
    assert (first[1].value, first[1].data_type) == ("=1+1", "s"), "No text is a formula."
    message = first[6].value
    assert message.startswith("_x005F_x0041_ <b>&\N{REPLACEMENT CHARACTER} ü\nxxx"), "Excel reads _x005F_ as _."
    assert len(message.replace("x005F_", "")) == workbook.MOST_CHARACTERS


def test_an_empty_excel_file_has_its_heading() -> None:
    book = openpyxl.load_workbook(io.BytesIO(b"".join(workbook.workbook("A & B", ["One", "Two"], []))))
    assert [[cell.value for cell in row] for row in book["A & B"].iter_rows()] == [["One", "Two"]]


def test_json_lines_hold_everything_as_it_is_stored(reader: Client, write: Write) -> None:
    write(2, changes={"active": (True, False), "n": (None, 7)}, user_id=5, actor="ada", message="=Zoë")
    lines = b"".join(reader.get(URL, {"format": "jsonl"})).splitlines()
    assert len(lines) == 2
    event = Event.objects.first()
    assert event is not None
    assert json.loads(lines[0]) == {
        "id": event.pk, "time": event.at.isoformat(), "identifier": "anna", "application": "APPSDB", "direction": "out",
        "operation": "update", "result": "success", "message": "=Zoë", "cause": "ada", "user": 5, "account": None,
        "group": None, "run": None, "changes": {"active": [True, False], "n": [None, 7]},
    }  # fmt: skip


def test_three_files_belong_together_by_the_number_of_the_event(reader: Client, write: Write) -> None:
    write(changes={"title": (None, "Dr"), "=email": ("a", "@b")}, actor="ada", user_id=5)
    write(message="Other.", at=timezone.now() - dt.timedelta(days=1))
    response = reader.get(URL, {"format": "files"})
    with zipfile.ZipFile(io.BytesIO(b"".join(response))) as archive:
        assert archive.testzip() is None
        texts = {name: archive.read(name).decode("utf-8-sig") for name in archive.namelist()}
    files = {name: list(csv.DictReader(io.StringIO(text))) for name, text in texts.items()}
    assert list(files) == ["events.csv", "steps.csv", "differences.csv"]
    newest, other = (str(pk) for pk in Event.objects.values_list("pk", flat=True))
    assert [(row["Event"], row["User"]) for row in files["events.csv"]] == [(newest, "5"), (other, "")]
    assert [(row["Event"], row["Step"], row["What"]) for row in files["steps.csv"]] == [
        (newest, "Scope", "Caused by ada."),
        (newest, "Map", "2 values differed: title, =email."),
        (newest, "Act", "Update: success."),
        (other, "Act", "Update: success."),
    ]
    assert [list(row.values()) for row in files["differences.csv"]] == [
        [newest, "title", "(empty)", "Dr"], [newest, "'=email", "a", "'@b"],
    ]  # fmt: skip


def test_a_kind_that_there_is_not_goes_back_to_the_page(reader: Client) -> None:
    assert reader.get(URL, {"format": "pdf", "result": "failed"})["Location"] == "/reports/event/?result=failed"


def test_only_readers_of_the_report_may_export(client: Client, write: Write) -> None:
    write(at=timezone.now())
    assert client.get(URL).status_code == 302
    client.force_login(User.objects.create_user("norole", is_staff=True, provisioned=False))
    assert client.get(URL).status_code == 403
