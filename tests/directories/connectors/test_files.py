"""Sources in files: which file counts, what of it is read how, and when it is not complete."""

import datetime as dt
import os
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pytest

from directories.connectors import allowed
from directories.connectors.base import Capability, ConnectorConfig, ConnectorError, RemoteAccount, Unavailable
from directories.connectors.files import folder as reading
from directories.connectors.files import tables
from directories.connectors.files.connector import Files
from directories.connectors.json_text import NESTED
from tests.directories.connectors.contract import crawl

TABLE = "id;first;contract;start;end;unit\n7;Zoë;1;2026-01-01;;D1\n8;Bob;;;;\n7;Zoë;2;2026-06-01;2026-12-31;D2\n"


def opened(**settings: Any) -> Files:
    return Files(ConnectorConfig({"file": "people.csv", "id": "id", "settled": 0, **settings}))


def read(**settings: Any) -> list[RemoteAccount]:
    with opened(**settings) as source:
        return crawl(source, 100)[1]


def refused(**settings: Any) -> ConnectorError:
    """Return why a crawl is incomplete."""
    pages = []
    with opened(**settings) as source, pytest.raises(ConnectorError) as caught:
        pages.extend(source.accounts(1))
    assert not [page for page in pages if page.last]
    return caught.value


def values(accounts: Sequence[RemoteAccount]) -> list[tuple[str, Any]]:
    return [(account.ref, account.attributes.get("first")) for account in accounts]


# --- Which file ---


def test_the_newest_file_of_a_pattern_counts(files_folder: Path) -> None:
    (files_folder / "hr").mkdir()
    for number in (1, 2, 3):
        path = files_folder / "hr" / f"people-{number}.csv"
        path.write_text(f"id,first\n{number},Ann\n")
        os.utime(path, (1000, 1000 + number % 3))
    assert values(read(file="hr/people-*.csv")) == [("2", "Ann")]
    assert values(read(file="hr/people-3.csv")) == [("3", "Ann")]


@pytest.mark.parametrize("name", ["/etc/passwd", "../secrets.csv", "hr/../../secrets.csv", "**/*.csv", "a\0.csv", ""])
def test_names_do_not_lead_out_of_the_folder(files_folder: Path, name: str) -> None:
    (files_folder.parent / "secrets.csv").write_text("id\n1\n")
    assert refused(file=name).message in {reading.BAD_NAME, reading.NO_NAME}


def test_links_do_not_lead_out_of_the_folder(files_folder: Path) -> None:
    secret = files_folder.parent / "secrets.csv"
    secret.write_text("id\n1\n")
    (files_folder / "people.csv").symlink_to(secret)
    (files_folder / "all").symlink_to(files_folder.parent)
    assert "no plain file" in refused().message
    assert "no plain file" in refused(file="all/secrets.csv").message
    (files_folder / "people.csv").unlink()
    (files_folder / "real.csv").write_text("id\n1\n")
    (files_folder / "people.csv").symlink_to(files_folder / "real.csv")
    assert len(read()) == 1


def test_what_is_no_plain_file_is_not_waited_for(files_folder: Path) -> None:
    os.mkfifo(files_folder / "people.csv")
    assert "no plain file" in refused().message


def test_the_portals_own_files_are_not_read(files_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files_folder / "people.csv"
    path.write_text("id\n1\n")
    monkeypatch.setattr(allowed, "_private", {path})
    assert "no plain file" in refused().message


def test_without_a_folder_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowed, "_source_files", None)
    assert "SOURCE_FILES_FOLDER" in refused().message


# --- A file that changes ---


@pytest.mark.parametrize("change", ["appended", "replaced", "removed"])
def test_a_file_that_changes_while_it_is_read_is_not_complete(files_folder: Path, change: str) -> None:
    path = files_folder / "people.csv"
    path.write_text("id,first\n1,Ann\n2,Bob\n")
    os.utime(path, (1000, 1000))
    with opened() as source:
        pages = source.accounts(1)
        assert not next(pages).last
        if change == "appended":
            with path.open("a") as file:
                file.write("3,Cy\n")
        elif change == "replaced":
            (files_folder / "new").write_text("id,first\n1,Ann\n2,Bob\n")
            (files_folder / "new").replace(path)
        else:
            path.unlink()
        with pytest.raises(Unavailable, match="changed while it was read"):
            list(pages)


def test_a_file_that_was_just_written_is_waited_for(files_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files_folder / "people.csv"
    path.write_text("id,first\n1,Ann\n")
    slept: list[float] = []
    monkeypatch.setattr(reading, "sleep", slept.append)
    assert len(read(settled=60)) == 1
    assert 50 < slept[0] <= 60

    def meanwhile(seconds: float) -> None:
        with path.open("a") as file:
            file.write("2,Bob\n")

    monkeypatch.setattr(reading, "sleep", meanwhile)
    assert isinstance(refused(settled=60), Unavailable)
    os.utime(path, (time.time() - 3600,) * 2)
    assert len(read(settled=60)) == 2, "nobody sleeps for an old file"


# --- Tables ---


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found_out(files_folder: Path, encoding: str, delimiter: str) -> None:
    lines = [["id", "first", "a;b"], ["7", "Zoë", '"x, y"']]
    (files_folder / "people.csv").write_text("\r\n".join(map(delimiter.join, lines)), encoding=encoding)
    if delimiter == ";":
        lines[0].pop()
        lines[1].pop()
        (files_folder / "people.csv").write_text("\r\n".join(map(delimiter.join, lines)), encoding=encoding)
    assert values(read()) == [("7", "Zoë")]


def test_settings_say_it_where_it_cannot_be_found_out(files_folder: Path) -> None:
    (files_folder / "people.csv").write_bytes("id;first,x\n7;Zo\xeb\n".encode("cp1252"))
    assert values(read(delimiter=";", encoding="cp1252")) == [("7", None)]
    assert "Windows-1252" in refused(encoding="utf-8-sig").message


def test_rows_are_put_together_to_people_wherever_they_stand(files_folder: Path) -> None:
    (files_folder / "people.csv").write_text(TABLE)
    found = {account.ref: account for account in read(contracts="start, END, uni*", contract_id="contract")}
    assert sorted(found) == ["7", "8"]
    assert found["7"].attributes == {"id": "7", "first": "Zoë"}
    assert [(one.ref, dict(one.attributes)) for one in found["7"].contracts or ()] == [
        ("1", {"contract": "1", "start": "2026-01-01", "end": None, "unit": "D1"}),
        ("2", {"contract": "2", "start": "2026-06-01", "end": "2026-12-31", "unit": "D2"}),
    ]
    assert found["8"].contracts == []
    by_order = {account.ref: account for account in read(contracts="contract,start,end,unit")}
    assert [one.ref for one in by_order["7"].contracts or ()] == ["1", "2"]


def test_without_contract_columns_there_are_no_contracts(files_folder: Path) -> None:
    (files_folder / "people.csv").write_text("id,first\n7,Zoe\n")
    assert read()[0].contracts is None
    assert Capability.CONTRACTS not in opened().capabilities


def test_rows_of_one_person_that_differ_are_their_problem_alone(files_folder: Path) -> None:
    (files_folder / "people.csv").write_text(TABLE.replace("7;Zoë;2", "7;Zoe;2"))
    found = {account.ref: account for account in read(contracts="start,end,unit", contract_id="contract")}
    assert found["7"].problem == "The rows of this person differ in first. Make them the same in every row."
    assert found["7"].key == "7"
    assert not found["8"].problem


@pytest.mark.parametrize("contracts", ["", "start"])
def test_a_row_with_other_cells_than_the_first_is_an_error_of_its_person(files_folder: Path, contracts: str) -> None:
    (files_folder / "people.csv").write_text("id,first,start\n1,Ann,x\n\n2,Bob\n3,Cy,x,more\n4,Di,x,\n")
    found = {account.ref: account.problem for account in read(contracts=contracts)}
    assert found == {
        "1": "",
        "2": "Row 4 has 2 cells, and the first row has 3.",
        "3": "Row 5 has 4 cells, and the first row has 3.",
        "4": "",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", tables.EMPTY),
        ("\n", tables.NO_NAMES),
        (",,\n1,2,3\n", tables.NO_NAMES),
        ("id,ID\n1,2\n", "Two columns are called id. Give one of them another name."),
        ('id,first\n1,"Ann\n2,Bob\n', tables.BAD_CSV.format(number=2)),
        ('id,first\n1,"Ann"x\n', tables.BAD_CSV.format(number=2)),
        (f"id,first\n1,{'x' * 200_000}\n", tables.BAD_CSV.format(number=2)),
    ],
)
def test_a_file_that_is_no_table_is_no_end(files_folder: Path, text: str, words: str) -> None:
    (files_folder / "people.csv").write_text(text)
    assert refused().message == words


def test_only_names_is_a_whole_table_of_nobody(files_folder: Path) -> None:
    (files_folder / "people.csv").write_text("id,first\n")
    assert read() == []


def workbook(*rows: Sequence[Any], title: str = "People") -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    book.create_sheet("Other").append(["id"])
    content = BytesIO()
    book.save(content)
    return content.getvalue()


def test_a_workbook(files_folder: Path) -> None:
    rows = [("id", "first", "start"), (7, "Zoë", dt.datetime(2026, 1, 31)), (None, None, None), (8.0, "Bob", None)]
    (files_folder / "people.xlsx").write_bytes(workbook(*rows))
    found = read(file="people.xlsx", contracts="start")
    assert values(found) == [("7", "Zoë"), ("8", "Bob")]
    assert [dict(one.attributes) for one in found[0].contracts or ()] == [{"start": "2026-01-31"}]
    (plain, _) = read(file="people.xlsx")
    assert plain.attributes["start"] == dt.date(2026, 1, 31)
    assert read(file="people.xlsx", sheet="Other") == []
    assert refused(file="people.xlsx", sheet="Nobody").message == tables.NO_SHEET.format(
        name="Nobody", names="People, Other"
    )
    (files_folder / "people.xlsx").write_bytes(workbook(*rows)[:-100])
    assert refused(file="people.xlsx").message == tables.BAD_XLSX


def test_a_workbook_that_unpacks_to_too_much_is_refused(files_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_UNPACKED", 0)
    (files_folder / "people.xlsx").write_bytes(workbook(["id"], ["1"]))
    assert refused(file="people.xlsx").code == "too_large"


@pytest.mark.parametrize("lines", [True, False])
def test_json_as_lines_or_as_a_list(files_folder: Path, lines: bool) -> None:
    people = [{"id": 7, "name": {"first": "Zoë"}, "jobs": [{"no": 1, "start": "2026-01-01"}]}, {"id": "8"}]
    text = b"\n\n".join(map(orjson.dumps, people)) if lines else orjson.dumps(people, option=orjson.OPT_INDENT_2)
    (files_folder / "people.json").write_bytes(b"\xef\xbb\xbf" + text + b"\n")
    found = read(file="people.json", contracts="jobs", contract_id="no")
    assert [(one.ref, one.attributes.get("name.first")) for one in found] == [("7", "Zoë"), ("8", None)]
    assert [[one.ref for one in account.contracts or ()] for account in found] == [["1"], []]


@pytest.mark.parametrize("text", ['[{"id": 1}', '{"id": 1}\n{"id": 2', '{\n"id": 1\n}', "nonsense", '{"id": 1} x'])
def test_json_that_breaks_off_is_no_end(files_folder: Path, text: str) -> None:
    (files_folder / "people.json").write_text(text)
    assert refused(file="people.json").message.startswith("The file is no JSON")


@pytest.mark.parametrize(("text", "line"), [("[" * 2000 + "]" * 2000, 1), ('{"id": 1}\n' + '{"a":' * 2000, 2)])
def test_json_that_nests_too_deeply_is_called_that(files_folder: Path, text: str, line: int) -> None:
    (files_folder / "people.json").write_text(text)
    assert refused(file="people.json").message == NESTED.format(what=f"Line {line} of the file")


def test_limits(files_folder: Path) -> None:
    (files_folder / "people.csv").write_text("id,first\n" + "1,Ann\n" * 200_000)
    assert refused(largest=1).code == "too_large"
    (files_folder / "people").write_text("id\n1\n")
    assert "Choose its format" in refused(file="people").message
    assert len(read(file="people", format="csv")) == 1


def test_only_a_file_that_became_another_is_read_between_whole_imports(files_folder: Path) -> None:
    (files_folder / "people-1.csv").write_text(TABLE)
    with opened(file="people-*.csv") as source:
        before = orjson.loads(orjson.dumps(source.cursor()))
        assert [list(page.accounts) for page in source.changes(before)] == [[]]
        (files_folder / "people-2.csv").write_text("id,first\n8,Bobby\n")
        os.utime(files_folder / "people-1.csv", (1000, 1000))
        changed = [account for page in source.changes(before) for account in page.accounts]
    assert values(changed) == [("8", "Bobby")]


# --- The connection test ---


def steps(**settings: Any) -> dict[str, tuple[bool | None, str]]:
    with opened(**settings) as source:
        return {step.name: (step.ok, step.message) for step in source.test().steps}


def test_the_connection_test_says_which_file_it_is(files_folder: Path) -> None:
    assert steps() == {"File": (False, reading.NO_FILE.format(folder=files_folder))}
    (files_folder / "people.csv").write_text(TABLE)
    os.utime(files_folder / "people.csv", (0, 0))
    found = steps(contracts="start,end,unit", contract_id="contract")
    assert found["File"][1].startswith("people.csv, ")
    assert found["File"][1].endswith("of 1970-01-01 00:00 UTC.")
    assert found["People"] == (True, "People read: 2. One is 7.")
    assert found["Contracts"] == (True, "Contracts read: 2. Their fields are: contract, start, end, unit.")
    assert "Name it under Departments" in found["Departments"][1]
    assert steps(departments_file="none.csv")["Departments"][0] is False
    wrong = steps(id="number")["People"][1]
    assert wrong.startswith("The record has no number. Its fields are: id, first, contract")
