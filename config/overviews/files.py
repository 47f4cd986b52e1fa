"""An overview as CSV or as an Excel file: written row by row, safe to open in a spreadsheet."""

import tempfile
from collections.abc import Iterator
from typing import IO, Any

from openpyxl import Workbook

from config.overviews.base import AskedOverview, Overview
from provisioning.spreadsheets.export import workbook_cell
from reports.csv_lines import MARK, harmless, line_writer

PAGE = 2000
MOST_IN_SHEET = 1_000_000  # Excel takes 1,048,576 rows; what is more goes to further sheets


def csv_lines(overview: Overview, asked: AskedOverview) -> Iterator[str]:
    """Yield the file line by line."""
    line = line_writer()
    yield MARK + line(overview.head)
    for row in overview.rows(asked, PAGE):
        yield line([harmless(cell) if isinstance(cell, str) else cell for cell in row.cells])


def workbook(overview: Overview, asked: AskedOverview) -> IO[bytes]:
    """Return an open Excel file; it is made on disk, and holds no more than a page in memory."""
    book = Workbook(write_only=True)
    sheet: Any = None
    free = 0
    for row in overview.rows(asked, PAGE):
        if not free:
            sheet, free = _sheet(book, overview), MOST_IN_SHEET
        sheet.append([workbook_cell(sheet, cell) for cell in row.cells])
        free -= 1
    if sheet is None:
        _sheet(book, overview)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    book.save(file)
    file.seek(0)
    return file


def _sheet(book: Workbook, overview: Overview) -> Any:
    sheet = book.create_sheet(f"{overview.name} {len(book.worksheets) + 1}")
    sheet.append(list(overview.head))
    return sheet
