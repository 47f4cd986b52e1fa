"""The rows of CSV files, Excel sheets and JSON as records; a row that does not fit carries its problem."""

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import openpyxl
import orjson

from directories.attributes import Value
from directories.connectors import json_text
from directories.connectors.base import ConnectorError
from directories.connectors.records import Flawed, Record, plain

Row = Record | Flawed
CSV, XLSX, JSON = "csv", "xlsx", "json"
ENDINGS: Mapping[str, str] = {
    ".csv": CSV,
    ".txt": CSV,
    ".tsv": CSV,
    ".xlsx": XLSX,
    ".json": JSON,
    ".jsonl": JSON,
    ".ndjson": JSON,
}
DELIMITERS = (",", ";", "\t", "|")
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_PART = 1024 * 1024
_UNPACKED = 20  # how many times as large as allowed a workbook may be when it is unpacked

EMPTY = "The file is empty, which is taken for a fault. Put the whole file there."
NO_NAMES = "The first row must hold the names of the columns."
TWICE = "Two columns are called {name}. Give one of them another name."
NOT_TEXT = "The file is no text in UTF-8 or Windows-1252. Choose its encoding, or save it as UTF-8."
BAD_CSV = "Row {number} is no CSV: a quotation mark is not closed, or a cell is too long. Correct it in the file."
BAD_XLSX = "The file is no Excel workbook (.xlsx), or it is damaged. Save it again."
NO_SHEET = "The workbook has no sheet {name}. It has: {names}."
BAD_JSON = "The file is no JSON: neither one list nor one record a line (line {number})."
CELLS = "Row {number} has {cells} cells, and the first row has {names}."


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read, as the settings say; "" is found out."""

    format: str = ""
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""


def format_of(name: str, wanted: str) -> str:
    """Return what a file of that name holds; raise ConnectorError when it does not tell."""
    known = wanted or next((kind for ending, kind in ENDINGS.items() if name.lower().endswith(ending)), "")
    if not known:
        raise ConnectorError("The name does not tell what the file holds. Choose its format.", code="settings")
    return known


def rows(stream: BinaryIO, name: str, how: Reading, largest: int) -> Iterator[Row]:
    """Stream the records of an open file."""
    if not stream.read(1):
        raise ConnectorError(EMPTY, code="file")
    stream.seek(0)
    match format_of(name, how.format):
        case "csv":
            return _csv(stream, how)
        case "xlsx":
            return _xlsx(stream, how.sheet, largest)
    return _json(stream)


def encoding_of(stream: BinaryIO) -> str:
    """Return the encoding of a text: by its first bytes, else UTF-8 if all of it is, else Windows-1252."""
    start = stream.read(4)
    stream.seek(0)
    if found := next((name for mark, name in _BOMS if start.startswith(mark)), ""):
        return found
    for name in ("utf-8", "cp1252"):
        reader = io.TextIOWrapper(stream, encoding=name)
        try:
            while reader.read(_PART):
                pass
        except UnicodeDecodeError:
            continue
        else:
            return name
        finally:
            reader.detach()
            stream.seek(0)
    raise ConnectorError(NOT_TEXT, code="encoding")


def delimiter_of(line: str) -> str:
    """Return what stands between the names of the first row most often."""
    outside = "".join(line.split('"')[::2])
    return max(DELIMITERS, key=outside.count)


def _csv(stream: BinaryIO, how: Reading) -> Iterator[Row]:
    encoding = how.encoding or encoding_of(stream)
    try:
        text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    except LookupError:
        raise ConnectorError(NOT_TEXT, code="encoding") from None
    try:
        first = text.readline()
        text.seek(0)
        reader = csv.reader(text, delimiter=how.delimiter or delimiter_of(first), strict=True)
        yield from _records((number, cells) for number, cells in _numbered(reader) if cells)
    except UnicodeError:
        raise ConnectorError(NOT_TEXT, code="encoding") from None
    finally:
        text.detach()


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise ConnectorError(BAD_CSV.format(number=number), code="file") from None
        yield number, cells


def _records(table: Iterator[tuple[int, Sequence[Any]]]) -> Iterator[Row]:
    """Make records of rows, the first of which holds the names."""
    _, names = next(table, (0, ()))
    columns = [str(name).strip() if name is not None else "" for name in names]
    while columns and not columns[-1]:
        columns.pop()
    if not any(columns):
        raise ConnectorError(NO_NAMES, code="file")
    folded = [name.casefold() for name in columns if name]
    if twice := next((name for name in columns if name and folded.count(name.casefold()) > 1), ""):
        raise ConnectorError(TWICE.format(name=twice), code="file")
    for number, cells in table:
        if all(cell in (None, "") for cell in cells):
            continue
        values: dict[str, Value] = {name: plain(cell) for name, cell in zip(columns, cells, strict=False) if name}
        if len(cells) < len(columns) or any(cell not in (None, "") for cell in cells[len(columns) :]):
            yield Flawed(values, CELLS.format(number=number, cells=len(cells), names=len(columns)))
        else:
            yield values


def _xlsx(stream: BinaryIO, sheet: str, largest: int) -> Iterator[Row]:
    try:
        with zipfile.ZipFile(stream) as packed:
            if sum(part.file_size for part in packed.infolist()) > largest * _UNPACKED:
                raise ConnectorError("The workbook is too large when it is unpacked.", code="too_large")
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
    except ConnectorError:
        raise
    except Exception:  # openpyxl raises whatever its parsers do
        raise ConnectorError(BAD_XLSX, code="file") from None
    try:
        if sheet and sheet not in book.sheetnames:
            raise ConnectorError(NO_SHEET.format(name=sheet, names=", ".join(book.sheetnames)), code="settings")
        page = book[sheet] if sheet else book.worksheets[0]
        page.reset_dimensions()
        yield from _records(_full(_cells(page)))
    finally:
        book.close()


def _cells(page: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    table = enumerate(page.iter_rows(values_only=True), 1)
    while True:
        try:
            found = next(table, None)
        except Exception:  # a damaged part of the workbook
            raise ConnectorError(BAD_XLSX, code="file") from None
        if found is None:
            return
        if any(cell is not None for cell in found[1]):
            yield found


def _full(table: Iterator[tuple[int, Sequence[Any]]]) -> Iterator[tuple[int, Sequence[Any]]]:
    """Make rows as long as the first one: a sheet leaves out empty cells at their end."""
    width = 0
    for number, cells in table:
        width = width or len(cells)
        yield number, [*cells, *[None] * (width - len(cells))]


def _json(stream: BinaryIO) -> Iterator[Row]:
    """Stream one list, which has to fit into memory, or a record a line."""
    mark = _BOMS[0][0]
    stream.seek(len(mark) if stream.read(len(mark)) == mark else 0)
    for number, line in enumerate(stream, 1):
        text = line.strip()
        if text.startswith(b"["):
            yield from _parsed(text + stream.read(), number)
            return
        if text:
            yield _parsed(text, number)


def _parsed(text: bytes, number: int) -> Any:
    try:
        return json_text.read(text, f"Line {number} of the file")
    except orjson.JSONDecodeError:
        raise ConnectorError(BAD_JSON.format(number=number), code="file") from None
