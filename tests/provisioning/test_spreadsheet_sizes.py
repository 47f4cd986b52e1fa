"""Small files that unpack to much: what they take of memory is bounded, and people are told what to do."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable

import openpyxl
import pytest

from provisioning.spreadsheets import formats
from provisioning.spreadsheets.columns import FileProblem

HEAD = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
HEADINGS = b'<row r="1"><c t="inlineStr"><is><t>username</t></is></c></row>'
TAIL = b"</sheetData></worksheet>"


def workbook(part: str, content: bytes) -> bytes:
    """Return a workbook, one part of which is replaced or added."""
    plain, packed = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(plain)
    with zipfile.ZipFile(plain) as before, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as after:
        for one in before.infolist():
            if one.filename != part:
                after.writestr(one.filename, before.read(one))
        after.writestr(part, content)
    return packed.getvalue()


def sheet(rows: bytes) -> bytes:
    return workbook("xl/worksheets/sheet1.xml", HEAD + HEADINGS + rows + TAIL)


def cell(text: bytes) -> bytes:
    return b'<row><c t="inlineStr"><is><t>' + text + b"</t></is></c></row>"


MEGABYTE = 1024 * 1024
HOSTILE: list[tuple[str, Callable[[], bytes], str]] = [
    ("one huge cell", lambda: sheet(cell(b"a" * 300 * MEGABYTE)), formats.TOO_LARGE),
    ("one large cell", lambda: sheet(cell(b"a" * 30 * MEGABYTE)), formats.LONG_CELL),
    ("a row of many cells", lambda: sheet(b"<row>" + b"<c/>" * (MEGABYTE // 2) + b"</row>"), formats.TOO_LARGE),
    ("many rows", lambda: sheet(cell(b"a") * 1_000_000), formats.TOO_LARGE),
    (
        "a shared string",
        lambda: workbook("xl/sharedStrings.xml", b"<sst><si><t>" + b"a" * 30 * MEGABYTE + b"</t></si></sst>"),
        formats.LONG_CELL,
    ),
]


@pytest.mark.heavy
@pytest.mark.parametrize(("make", "words"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_workbook_that_unpacks_to_much_is_refused_before_it_is_unpacked(
    make: Callable[[], bytes], words: str
) -> None:
    data = make()
    tracemalloc.start()
    try:
        with pytest.raises(FileProblem, match=words[:30]):
            formats.XlsxFile().create_dataset(data)
        assert tracemalloc.get_traced_memory()[1] < 10 * MEGABYTE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", [formats.LONGEST_CELL + 1, 200_000])
def test_a_field_of_a_csv_file_has_the_same_bound(length: int) -> None:
    with pytest.raises(FileProblem, match="32,767 characters"):
        formats.CsvFile().create_dataset(b"username\n" + b"a" * length)


def test_what_fits_is_read() -> None:
    text = "&" * formats.LONGEST_CELL
    assert formats.XlsxFile().create_dataset(sheet(cell(b"&amp;" * len(text)))).dict == [{"username": text}]
    assert formats.CsvFile().create_dataset(f"username\n{text}".encode()).dict == [{"username": text}]
