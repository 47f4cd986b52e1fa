"""Writing users into a file: streamed, so that a million of them take no more memory than one page."""

import tempfile
from collections.abc import Collection, Iterator
from typing import IO, Any

from django.db.models import QuerySet
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from directories.attributes import Kind, PortalAttribute
from provisioning.models import User
from provisioning.spreadsheets import columns
from provisioning.spreadsheets.columns import FileProblem
from reports.csv_lines import MARK, harmless, line_writer

PAGE = 2000
MOST_IN_WORKBOOK = 50_000
_FIELDS = {"manager": "manager__username", "active": "is_active"}


def rows(users: QuerySet[User], known: dict[str, PortalAttribute]) -> Iterator[list[Any]]:
    """Yield the cells of each user."""
    profile = [one for one in known.values() if one.kind == Kind.PROFILE]
    custom = [one for one in known.values() if one.kind == Kind.CUSTOM_PROFILE]
    fields = [_FIELDS.get(one.name, one.name) for one in profile]
    found = users.values_list(*fields, "custom_profile")
    for *values, held in found.iterator(chunk_size=PAGE):
        yield [
            *(columns.write(one, value) for one, value in zip(profile, values, strict=True)),
            *(columns.write(one, held.get(one.name)) for one in custom),
        ]


def csv_lines(users: QuerySet[User], hidden: Collection[str] = ()) -> Iterator[bytes]:
    """Yield the CSV file line by line, with the mark by which Excel knows UTF-8; ``hidden`` columns are left out."""
    known = _shown(hidden)
    line = line_writer()
    yield (MARK + line(list(known))).encode()
    for row in rows(users, known):
        yield line([harmless(cell) if isinstance(cell, str) else cell for cell in row]).encode()


def workbook(users: QuerySet[User], hidden: Collection[str] = ()) -> IO[bytes]:
    """Return the users as an open Excel file; raise FileProblem when there are too many."""
    if len(users.order_by().values_list("pk")[MOST_IN_WORKBOOK : MOST_IN_WORKBOOK + 1]):
        raise FileProblem(f"An Excel file takes {MOST_IN_WORKBOOK:,} users. Filter the list, or choose CSV.")
    known = _shown(hidden)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Users")
    sheet.append(list(known))
    for row in rows(users, known):
        sheet.append([workbook_cell(sheet, value) for value in row])
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    book.save(file)
    file.seek(0)
    return file


def _shown(hidden: Collection[str]) -> dict[str, PortalAttribute]:
    return {name: attribute for name, attribute in columns.columns().items() if name not in hidden}


def workbook_cell(sheet: Any, value: Any) -> Any:
    """Return the value as a cell that is no formula and holds nothing that XML cannot."""
    if not isinstance(value, str) or not (value.startswith("=") or ILLEGAL_CHARACTERS_RE.search(value)):
        return value
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value))
    cell.data_type = "s"  # text, although it begins like a formula
    return cell
