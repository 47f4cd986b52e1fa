"""The two file formats. Limits keep a page from reading what no page should."""

import csv
import io
import re
import zipfile
from typing import Any

import openpyxl
import tablib
from import_export.formats.base_formats import Format

from provisioning.spreadsheets.columns import FileProblem

MOST_ROWS = 20_000
MOST_BYTES = 30 * 1024 * 1024
MOST_UNPACKED = 40 * 1024 * 1024  # bytes of a whole workbook; 20,000 lines of 20 columns take about half of it
LONGEST_CELL = 32_767  # characters, as in Excel itself
MOST_TEXT = 6 * LONGEST_CELL  # bytes that such a cell may take in the workbook
MOST_ROW = 1024 * 1024  # bytes of one row: each of its cells takes hundreds of bytes of memory
CHUNK = 64 * 1024
TOO_LARGE = "The workbook is too large. Save the users alone in a new one, or as CSV."
LONG_CELL = f"A cell holds more than {LONGEST_CELL:,} characters. Shorten it, and try again."
_TEXT, _ROW = re.compile(rb"<"), re.compile(rb"<(?:\w{1,20}:)?row\b")


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
        try:
            return _dataset(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
        except csv.Error as error:
            if "field larger" in str(error):
                raise FileProblem(LONG_CELL) from None
            raise


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
        _check_size(in_stream)
        book = openpyxl.load_workbook(io.BytesIO(in_stream), read_only=True, data_only=True)
        try:
            return _dataset(book.worksheets[0].iter_rows(values_only=True))
        finally:
            book.close()


FORMATS = [CsvFile, XlsxFile]


def _check_size(data: bytes) -> None:
    """Raise FileProblem when a workbook unpacks to more than a page should read; it is looked at piece by piece.

    A packed file of some kilobytes may hold one text of hundreds of megabytes, or one row of millions of cells. What
    a part claims as its size is all that is read of it.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        parts = packed.infolist()
        if sum(part.file_size for part in parts) > MOST_UNPACKED:
            raise FileProblem(TOO_LARGE)
        for part in parts:
            if part.filename.endswith(".xml") and _gap(packed, part, _TEXT) > MOST_TEXT:
                raise FileProblem(LONG_CELL)
            if part.filename.startswith("xl/worksheets/") and _gap(packed, part, _ROW) > MOST_ROW:
                raise FileProblem(TOO_LARGE)


def _gap(packed: zipfile.ZipFile, part: zipfile.ZipInfo, mark: "re.Pattern[bytes]") -> int:
    """Return the longest way, in bytes, from one mark to the next, or to the end."""
    longest = position = last = 0
    rest = b""
    with packed.open(part) as stream:
        while chunk := stream.read(CHUNK):
            text = rest + chunk
            for found in mark.finditer(text):
                longest = max(longest, position + found.start() - last)
                last = position + found.start()
            rest = text[-30:]  # a mark may be cut in two; found twice it does no harm
            position += len(text) - len(rest)
    return max(longest, position + len(rest) - last)


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
        if any(isinstance(cell, str) and len(cell) > LONGEST_CELL for cell in cells):
            raise FileProblem(f"Line {number + 1}: {LONG_CELL[0].lower()}{LONG_CELL[1:]}")
        if any(cell not in (None, "") for cell in cells[len(headers) :]):
            raise FileProblem(f"Line {number + 1} has more cells than the first line has headings.")
        dataset.append((cells + [""] * len(headers))[: len(headers)])
    while len(dataset) and not any(cell not in (None, "") for cell in dataset[-1]):
        del dataset[-1]
    return dataset
