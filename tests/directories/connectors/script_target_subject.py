"""Accounts that the sample script of the documentation keeps in one JSON file."""

import json
from pathlib import Path
from typing import Any

from directories.connectors.base import Connector, ConnectorConfig
from directories.connectors.script import ScriptTarget
from tests.directories.connectors.contract import Names

SAMPLE = Path(__file__).parents[3] / "docs" / "samples" / "accounts.py"


class ScriptTargetSubject:
    """The script in the operator's folder, and its file."""

    names = Names("first", "last", "mail")

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "accounts.json"
        self.write(SAMPLE.read_text("utf-8"))

    def write(self, script: str) -> None:
        """Put another script in its place."""
        path = self.folder / "accounts.py"
        path.write_text(script, "utf-8")
        path.chmod(0o700)

    @property
    def settings(self) -> dict[str, Any]:
        """The form's values."""
        usual = {field.name: field.default for field in ScriptTarget.fields}
        return {**usual, "script": "accounts.py", "arguments": str(self.file)}

    def open(self, *, with_passwords: bool = False, **more: Any) -> Connector:
        """Return a connector."""
        names = (self.names.first, self.names.last, self.names.mail)
        return ScriptTarget(ConnectorConfig({**self.settings, **more}, attributes=names, with_passwords=with_passwords))

    def kept(self) -> dict[str, dict[str, Any]]:
        """Return what the file holds, by user name."""
        found: dict[str, dict[str, Any]] = json.loads(self.file.read_text()) if self.file.exists() else {}
        return {one["username"]: one for one in found.values()}

    def enabled(self, key: str) -> bool | None:
        """Return what the file says."""
        found = self.kept().get(key)
        return None if found is None else bool(found["enabled"])
