"""An Excel file that is sent while it is made: rows go straight into the archive, so that memory stays flat.

openpyxl's writer keeps no rows either, but writes the whole file before its first byte can be sent. Of the format
(ECMA-376) it takes little: sheets of texts, numbers and times. Texts are marked as such, and never read as formulas.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count, islice
from xml.sax.saxutils import escape

from django.utils import timezone

from reports.zip_stream import zipped

MOST_ROWS = 1_048_576
"""Rows of one sheet, its heading among them; what is more goes on the next sheet."""

MOST_BYTES = 1_000_000_000
"""A sheet ends before the size from which on an archive needs the form that few spreadsheets read."""

MOST_CHARACTERS = 32_767  # in one cell
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Cell = str | int | dt.datetime | None

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_TYPES = (
    f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Default Extension="xml" ContentType="{_KIND}.worksheet+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_KIND}.styles+xml"/></Types>'
)
_ROOT = (
    f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)
_STYLES = (  # 0: plain, 1: a time, 2: a heading
    f'{_XML}<styleSheet xmlns="{_MAIN}">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>'
    '<fonts count="2"><font/><font><b/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '</fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="3"><xf/><xf numFmtId="164" applyNumberFormat="1"/><xf fontId="1" applyFont="1"/></cellXfs>'
    "</styleSheet>"
)
_SHEET = (
    f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
    '<sheetFormatPr defaultColWidth="20" defaultRowHeight="15"/><sheetData>'
)
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LOOKS_ESCAPED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")  # Excel reads _x0041_ as A
_EPOCH = dt.datetime(1899, 12, 30)
AT_ONCE = 500  # rows


def workbook(name: str, heading: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Yield the file; ``name`` is the first sheet's, and times are written in the portal's zone."""
    return zipped(_members(name, heading, rows), huge=False)


def _members(
    name: str, heading: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> Iterator[tuple[str, Iterable[bytes]]]:
    yield "[Content_Types].xml", [_TYPES.encode()]
    yield "_rels/.rels", [_ROOT.encode()]
    yield "xl/styles.xml", [_STYLES.encode()]
    left = iter(rows)
    for number in count(1):
        yield f"xl/worksheets/sheet{number}.xml", _sheet(heading, left)
        following = next(left, None)
        if following is None:
            break
        left = chain([following], left)
    sheets = range(1, number + 1)
    yield "xl/workbook.xml", [_book(name, sheets).encode()]
    yield "xl/_rels/workbook.xml.rels", [_relations(sheets).encode()]


def _sheet(heading: Sequence[str], rows: Iterator[Sequence[Cell]]) -> Iterator[bytes]:
    yield (_SHEET + _row(heading, style=2)).encode()
    written, size = 1, 0
    while size < MOST_BYTES:
        part = "".join(_row(row) for row in islice(rows, min(AT_ONCE, MOST_ROWS - written))).encode()
        if not part:
            break
        written += part.count(b"</row>")
        size += len(part)
        yield part
    yield b"</sheetData></worksheet>"


def _row(cells: Sequence[Cell], *, style: int = 0) -> str:
    return f"<row>{''.join(_cell(cell, style) for cell in cells)}</row>"


def _cell(value: Cell, style: int) -> str:
    if value is None or value == "":
        return "<c/>"
    if isinstance(value, int):
        return f"<c><v>{value}</v></c>"
    if isinstance(value, dt.datetime):
        days = (timezone.make_naive(value) - _EPOCH) / dt.timedelta(days=1)
        return f'<c s="1"><v>{days:.8f}</v></c>'
    return f'<c s="{style}" t="inlineStr"><is><t xml:space="preserve">{_text(value)}</t></is></c>'


def _text(value: str) -> str:
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    text = text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
    return escape(_LOOKS_ESCAPED.sub("_x005F_", _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", text)))


def _book(name: str, sheets: Iterable[int]) -> str:
    entries = "".join(
        f'<sheet name="{escape(name)}{"" if number == 1 else f" {number}"}" sheetId="{number}" r:id="rId{number}"/>'
        for number in sheets
    )
    return f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{entries}</sheets></workbook>'


def _relations(sheets: Sequence[int]) -> str:
    entries = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in sheets
    )
    styles = f'<Relationship Id="rId{len(sheets) + 1}" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{entries}{styles}</Relationships>'
