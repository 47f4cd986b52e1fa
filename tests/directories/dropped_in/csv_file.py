"""A directory in a CSV file, that accounts are only created in and deleted from: a whole connector."""

import csv
from collections.abc import Iterator
from pathlib import Path

from directories.connectors.base import (
    Conflict,
    ConnectionStep,
    ConnectionTest,
    Connector,
    ConnectorConfig,
    ConnectorError,
    ConnectorField,
    Entry,
    Page,
    RemoteAccount,
)


class CsvFile(Connector):
    """One row an account; the first column, ``login``, is the user name."""

    kind = "csv_file"
    label = "CSV file"
    fields = (ConnectorField("path", "File", required=True, help_text="The full path of the file."),)

    @classmethod
    def sample(cls, folder: Path) -> ConnectorConfig:
        """Return a file that is not there yet."""
        return ConnectorConfig({"path": str(folder / "accounts.csv")})

    def test(self) -> ConnectionTest:
        """Read the file."""
        try:
            names = [name for row in self._rows()[:1] for name in row]
        except OSError:
            return ConnectionTest([ConnectionStep("File", False, "The file cannot be read. Check its path.")])
        return ConnectionTest([ConnectionStep("File", True, "It can be read.")], attributes=names)

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Return the row of the user name."""
        wanted = entry.ref or entry.key
        return next((account for account in map(_account, self._rows()) if account.ref == wanted), None)

    def create(self, entry: Entry, password: str | None = None) -> RemoteAccount:
        """Append a row."""
        if self.find(Entry(entry.key)):
            raise Conflict("Another row of the file already has the same login.")
        row = {"login": entry.key, **{name: str(value or "") for name, value in entry.attributes.items()}}
        self._write([*self._rows(), row])
        return _account(row)

    def delete(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Leave the row out."""
        self._write([row for row in self._rows() if row["login"] != (entry.ref or entry.key)])

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Stream the rows."""
        found = [_account(row) for row in self._rows()]
        for start in range(0, len(found) or 1, page_size):
            yield Page(found[start : start + page_size], last=start + page_size >= len(found))

    def _rows(self) -> list[dict[str, str]]:
        path = Path(str(self.config.settings.get("path") or ""))
        if not path.is_file():
            return []
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    def _write(self, rows: list[dict[str, str]]) -> None:
        names = list(dict.fromkeys(["login", *(name for row in rows for name in row)]))
        try:
            with Path(str(self.config.settings["path"])).open("w", newline="") as file:
                writer = csv.DictWriter(file, names, restval="")
                writer.writeheader()
                writer.writerows(rows)
        except OSError:
            raise ConnectorError("The file cannot be written. Check its path and its rights.", code="file") from None


def _account(row: dict[str, str]) -> RemoteAccount:
    values = {name: value or None for name, value in row.items() if name != "login"}
    return RemoteAccount(row["login"], row["login"], values)
