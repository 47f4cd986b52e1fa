"""Sources of truth that give records, for the contract suites: people with contracts, and departments."""

import csv
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import orjson

from directories.connectors import connector_class
from directories.connectors.base import Connector, ConnectorConfig, Entry, RemoteDepartment
from directories.connectors.push.store import PERSON
from tests.directories.connectors.contract import Names
from tests.directories.connectors.source_contract import SourcePerson
from tests.fixtures.http import HttpServer, Request, reply

Record = dict[str, Any]


class RecordSubject(ABC):
    """Holds what the source is to give, and writes it where the connector reads it."""

    kind: ClassVar[str]
    names = Names("first", "last", "mail")

    def __init__(self) -> None:
        self.people: list[Record] = []
        self.departments: list[Record] = []

    @abstractmethod
    def write(self) -> None:
        """Put people and departments where they are read."""

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """The settings of the connector."""

    def put_account(self, entry: Entry) -> None:
        """Add a person without contracts."""
        self.people.append({"id": entry.key, **entry.attributes})
        self.write()

    def put(self, people: Sequence[SourcePerson], departments: Sequence[RemoteDepartment] = ()) -> None:
        """Let these be there and nobody else."""
        self.people = [
            {"id": one.key, **one.values, "contracts": [{"id": ref, **row} for ref, row in one.contracts.items()]}
            for one in people
        ]
        self.departments = [
            {"id": one.ref, "name": one.name, "parent": one.parent, "manager": one.manager} for one in departments
        ]
        self.write()

    def open(self, *, with_passwords: bool = False, **settings: Any) -> Connector:
        """Return a connector."""
        config = ConnectorConfig({**self.settings, **settings}, with_passwords=with_passwords)
        return connector_class(self.kind)(config)

    def enabled(self, key: str) -> bool | None:
        """Such a source does not say it."""
        return None


class HttpSubject(RecordSubject):
    """People on a real HTTP server, in pages of two."""

    kind = "http_json"

    def __init__(self, server: HttpServer) -> None:
        super().__init__()
        self.server = server

    @property
    def settings(self) -> Mapping[str, Any]:
        """The address, and how its pages are asked for."""
        return {
            "url": f"{self.server.url}/people",
            "paging": "offset",
            "page_param": "from",
            "total": "total",
            "records": "items",
            "id": "id",
            "contracts": "contracts",
            "contract_id": "id",
            "departments_url": f"{self.server.url}/departments",
            "departments_records": "items",
            "department_parent": "parent",
            "department_manager": "manager",
        }

    def write(self) -> None:
        """Nothing is written: the server answers from memory."""

    def answer(self, handler: Request) -> None:
        """Answer one request."""
        parts = urlsplit(handler.path)
        start = int(parse_qs(parts.query).get("from", ["0"])[0])
        records = self.departments if parts.path == "/departments" else self.people
        reply(handler, orjson.dumps({"total": len(records), "items": records[start : start + 2]}))


class TableSubject(RecordSubject):
    """People in a CSV file, a row for each contract; the only folder of sources is a temporary one."""

    kind = "files"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.write()

    @property
    def settings(self) -> Mapping[str, Any]:
        """The newest file of a pattern."""
        return {
            "file": "people-*.csv",
            "id": "id",
            "contracts": "title, note",
            "contract_id": "contract",
            "departments_file": "departments.csv",
            "department_id": "id",
            "department_name": "name",
            "department_parent": "parent",
            "department_manager": "manager",
            "settled": 0,
        }

    def write(self) -> None:
        """Write both files anew."""
        rows = [
            {**{name: value for name, value in one.items() if name != "contracts"}, **contract}
            for one in self.people
            for contract in (
                [
                    {"contract" if name == "id" else name: value for name, value in row.items()}
                    for row in one["contracts"]
                ]
                if one.get("contracts")
                else [{}]
            )
        ]
        self._table("people-1.csv", ["id", "first", "last", "mail", "contract", "title", "note"], rows)
        self._table("departments.csv", ["id", "name", "parent", "manager"], self.departments)

    def _table(self, name: str, columns: Sequence[str], rows: Sequence[Record]) -> None:
        with (self.folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)


class JsonSubject(TableSubject):
    """People in a JSON file, a record a line."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The names of the records."""
        table = {**super().settings, "contracts": "contracts", "contract_id": "id"}
        return table | {"file": "people.jsonl", "departments_file": "departments.json"}

    def write(self) -> None:
        """Write both files anew; an empty list is written as one, since an empty file is a fault."""
        lines = b"\n".join(map(orjson.dumps, self.people)) or b"[]"
        (self.folder / "people.jsonl").write_bytes(lines)
        (self.folder / "departments.json").write_bytes(orjson.dumps(self.departments))


class ScriptSubject(RecordSubject):
    """People that a Python script prints out of a file beside it."""

    kind = "script"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        for name in ("people", "departments"):
            self.script(f"{name}.py", f"print(open({str(folder / name)!r}).read())")
        self.write()

    def script(self, name: str, body: str) -> None:
        """Put a script into the operator's folder."""
        path = self.folder / name
        path.write_text(f"#!{sys.executable} -IS\nimport os, sys, time\n{body}\n")
        path.chmod(0o700)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The scripts, and the names of their records."""
        return {
            "script": "people.py",
            "id": "id",
            "contracts": "contracts",
            "contract_id": "id",
            "departments_script": "departments.py",
            "department_id": "id",
            "department_name": "name",
            "department_parent": "parent",
            "department_manager": "manager",
        }

    def write(self) -> None:
        """Write what the scripts print."""
        (self.folder / "people").write_bytes(b"\n".join(map(orjson.dumps, self.people)) or b"[]")
        (self.folder / "departments").write_bytes(orjson.dumps(self.departments))


class PushSubject(RecordSubject):
    """People whom somebody pushed into this process's memory; it is the store that the connector reads."""

    kind = "push"
    whole = True

    @property
    def settings(self) -> Mapping[str, Any]:
        """The names of the records."""
        return {
            "id": "id",
            "contracts": "contracts",
            "contract_id": "id",
            "departments": "pushed",
            "department_id": "id",
            "department_name": "name",
            "department_parent": "parent",
            "department_manager": "manager",
        }

    def write(self) -> None:
        """Nothing is written: they are read as they are."""

    def open(self, *, with_passwords: bool = False, **settings: Any) -> Connector:
        """Return a connector of a saved source."""
        config = ConnectorConfig({**self.settings, **settings}, with_passwords=with_passwords, directory=1)
        return connector_class(self.kind)(config)

    def is_whole(self, source: int) -> bool:
        """As it is set."""
        return self.whole

    def version(self, source: int) -> int:
        """One for each person."""
        return len(self.people)

    def count(self, source: int, kind: str) -> int:
        """Count them."""
        return len([*self.records(source, kind)])

    def records(self, source: int, kind: str, since: int = 0) -> Iterator[str]:
        """Give those who came later."""
        found = self.people[since:] if kind == PERSON else self.departments
        yield from (orjson.dumps(one).decode() for one in found)

    def named(self, source: int, refs: Sequence[str]) -> list[str]:
        """Give those who are asked for."""
        return [orjson.dumps(one).decode() for one in self.people if one["id"] in refs]


@contextmanager
def http_subject() -> Iterator[HttpSubject]:
    """Serve a source over HTTP."""
    server = HttpServer(lambda handler: None)
    subject = HttpSubject(server)
    server.answer = subject.answer
    with server.running():
        yield subject
