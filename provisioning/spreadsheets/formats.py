"""The two file formats. Limits keep a page from reading what no page should."""

import csv
import io
import zipfile
from typing import Any

import openpyxl
import tablib
from import_export.formats.base_formats import Format

from provisioning.spreadsheets.columns import FileProblem

MOST_ROWS = 20_000
MOST_BYTES = 30 * 1024 * 1024
MOST_UNPACKED = 400 * 1024 * 1024


class CsvFile(Format):  # type: ignore[misc]
    """Text separated by commas, semicolons or tabs; UTF-8, UTF-16 or what older Excel writes (Windows-1252)."""

    def __init__(self, encoding: str | None = None) -> None:
        """Take the encoding that django-import-export offers, and find it out instead."""

    def get_title(self) -> str:
        """Name it."""
        return "csv"

    def get_extension(self) -> str:
        """Name its files."""
        return "csv"

    def get_content_type(self) -> str:
        """Name its type."""
        return "text/csv; charset=utf-8"

    def can_import(self) -> bool:
        """Read it."""
        return True

    def can_export(self) -> bool:
        """Write it."""
        return True

    def create_dataset(self, in_stream: bytes) -> tablib.Dataset:
        """Read the lines."""
        text = _decode(in_stream)
        first = text.split("\n", 1)[0]
        delimiter = max(",;\t", key=first.count)
        return _dataset(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))


class XlsxFile(CsvFile):
    """The first sheet of an Excel workbook."""

    def get_title(self) -> str:
        """Name it."""
        return "xlsx"

    def get_extension(self) -> str:
        """Name its files."""
        return "xlsx"

    def get_content_type(self) -> str:
        """Name its type."""
        return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

    def create_dataset(self, in_stream: bytes) -> tablib.Dataset:
        """Read the rows, values instead of formulas."""
        with zipfile.ZipFile(io.BytesIO(in_stream)) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_UNPACKED:
                raise FileProblem("The workbook is too large. Save the users alone in a new one, or as CSV.")
        book = openpyxl.load_workbook(io.BytesIO(in_stream), read_only=True, data_only=True)
        try:
            return _dataset(book.worksheets[0].iter_rows(values_only=True))
        finally:
            book.close()


FORMATS = [CsvFile, XlsxFile]


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def _dataset(rows: Any) -> tablib.Dataset:
    """Return the rows as a dataset, all as wide as the first; blank rows are kept, so that line numbers hold."""
    dataset = tablib.Dataset()
    iterator = iter(rows)
    headers = list(next(iterator, []))
    while headers and headers[-1] in (None, ""):
        headers.pop()
    if not headers:
        raise FileProblem("The file is empty. Its first line names the columns, for example: username,email,last_name")
    dataset.headers = headers
    for number, row in enumerate(iterator, 1):
        if number > MOST_ROWS:
            raise FileProblem(f"The file has more than {MOST_ROWS:,} users. Split it, and import the parts.")
        cells = list(row)
        if any(cell not in (None, "") for cell in cells[len(headers) :]):
            raise FileProblem(f"Line {number + 1} has more cells than the first line has headings.")
        dataset.append((cells + [""] * len(headers))[: len(headers)])
    while len(dataset) and not any(cell not in (None, "") for cell in dataset[-1]):
        del dataset[-1]
    return dataset
