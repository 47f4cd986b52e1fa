"""A source of truth in a file: CSV, Excel or JSON, which somebody puts into the operator's folder."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from directories.connectors.base import (
    ConnectionStep,
    ConnectionTest,
    ConnectorConfig,
    ConnectorError,
    ConnectorField,
    Cursor,
    FieldType,
    Page,
)
from directories.connectors.files.folder import chosen, opened
from directories.connectors.files.grouping import ContractColumns, grouped
from directories.connectors.files.tables import JSON, Reading, Row, format_of, rows
from directories.connectors.form_values import number_of, text_of
from directories.connectors.records import DEPARTMENTS, RecordSource, department_fields, person_fields

FORMAT, LIMITS = "Format", "Limits"
MEGABYTES = 200
SETTLED = 2  # seconds
FORMATS = (("", "As its ending says"), ("csv", "CSV"), ("xlsx", "Excel (.xlsx)"), ("json", "JSON: one list, or lines"))
ENCODINGS = (("", "Found out"), ("utf-8-sig", "UTF-8"), ("cp1252", "Windows-1252"), ("utf-16", "UTF-16"))
DELIMITERS = (("", "Found out"), (",", "Comma"), (";", "Semicolon"), ("tab", "Tab"), ("|", "Vertical bar"))
FILE = "File"


def _fields() -> tuple[ConnectorField, ...]:
    choice = FieldType.CHOICE
    harmless: dict[str, Any] = {"harmless": True}
    departments = ConnectorField(
        "departments_file",
        "File of the departments",
        help_text="A name or pattern as above. Blank: the source has no departments.",
        group=DEPARTMENTS,
    )
    return (
        ConnectorField(
            "file",
            "File of the people",
            required=True,
            help_text="Its name in the folder that the operator gave, or a pattern such as people-*.csv: the newest "
            "counts.",
            selects=True,
        ),
        ConnectorField("format", "Format", choice, choices=FORMATS, group=FORMAT),
        ConnectorField("encoding", "Encoding", choice, choices=ENCODINGS, group=FORMAT),
        ConnectorField("delimiter", "Between the cells", choice, choices=DELIMITERS, group=FORMAT),
        ConnectorField("sheet", "Sheet of a workbook", help_text="Blank: the first one.", group=FORMAT, selects=True),
        *person_fields(
            where="The name of the column or field",
            id="id",
            contracts_help="In a table, the columns that belong to a contract, with commas, such as start, end, "
            "contract_*; a person has a row for each contract. In JSON, the name of the list.",
            number_help="A column or field, unique to its person. Blank: the order in the file, which must then stay.",
        ),
        *department_fields(departments, id="id", name="name", parent="parent", manager="manager"),
        ConnectorField(
            "largest",
            "Largest file (MB)",
            FieldType.INTEGER,
            default=MEGABYTES,
            group=LIMITS,
            minimum=1,
            maximum=10_000,
            **harmless,
        ),
        ConnectorField(
            "settled",
            "Seconds that it must be left alone",
            FieldType.INTEGER,
            default=SETTLED,
            help_text="A file that was written to a moment ago may not be whole yet.",
            group=LIMITS,
            minimum=0,
            maximum=300,
            **harmless,
        ),
    )


class Files(RecordSource):
    """People in one file, departments in another."""

    kind: ClassVar[str] = "files"
    label: ClassVar[str] = "Files (CSV, Excel, JSON)"
    icon: ClassVar[str] = "table_view"
    fields = _fields()
    folded = frozenset({FORMAT, DEPARTMENTS, LIMITS})
    departments_at = "departments_file"
    attributes_word = "columns"

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        values = config.settings
        delimiter = text_of(values, "delimiter")
        self.reading = Reading(
            format=text_of(values, "format"),
            encoding=text_of(values, "encoding"),
            delimiter="\t" if delimiter == "tab" else delimiter,
            sheet=text_of(values, "sheet"),
        )
        for name, offered in (("format", FORMATS), ("encoding", ENCODINGS), ("delimiter", DELIMITERS)):
            if text_of(values, name) not in dict(offered):
                raise ConnectorError("Choose one of what is offered.", code="settings")
        self.largest = number_of(values, "largest", MEGABYTES) * 1024 * 1024
        blank = values.get("settled") in (None, "")
        self.settled = SETTLED if blank else number_of({"settled": str(values["settled"])}, "settled", SETTLED)

    def people(self) -> Iterator[Row]:
        """Stream the people; where a row is a contract, each comes when all rows were read."""
        places = self.places
        name = text_of(self.config.settings, "file")
        found = self._rows(name)
        if not places.contracts or format_of(chosen(name).name, self.reading.format) == JSON:
            return found
        columns = ContractColumns(places.contracts, places.contract_id)
        return grouped(found, key=places.id, columns=columns, contracts=places.contracts)

    def department_records(self) -> Iterator[Row]:
        """Stream the departments."""
        return self._rows(text_of(self.config.settings, "departments_file"))

    def cursor(self) -> Cursor | None:
        """Return which file the newest is, as it is now."""
        return {"mark": list(chosen(text_of(self.config.settings, "file")).mark)}

    def changes(self, cursor: Cursor, page_size: int = 1000) -> Iterator[Page]:
        """Read a file that is another one by now, or became another; only a whole import shows who is gone."""
        if cursor == self.cursor():
            yield Page((), last=True)
        else:
            yield from self.accounts(page_size)

    def test(self) -> ConnectionTest:
        """Look for the file, and read the first people."""
        try:
            file = chosen(text_of(self.config.settings, "file"))
            format_of(file.name, self.reading.format)
        except ConnectorError as error:
            return ConnectionTest([ConnectionStep(FILE, False, error.message)])
        written = dt.datetime.fromtimestamp(file.changed_at, dt.UTC)
        words = f"{file.name}, {file.size:,} bytes, of {written:%Y-%m-%d %H:%M} UTC."
        found = self.looked_at()
        return replace(found, steps=[ConnectionStep(FILE, True, words), *found.steps])

    def _rows(self, name: str) -> Iterator[Row]:
        file = chosen(name)
        with opened(file, largest=self.largest, settled=float(self.settled)) as stream:
            yield from rows(stream, file.name, self.reading, self.largest)
