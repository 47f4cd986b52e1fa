"""Sources of truth that give records, for the contract suites: people with contracts, and departments."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import orjson

from directories.connectors import connector_class
from directories.connectors.base import Connector, ConnectorConfig, Entry, RemoteDepartment
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


@contextmanager
def http_subject() -> Iterator[HttpSubject]:
    """Serve a source over HTTP."""
    server = HttpServer(lambda handler: None)
    subject = HttpSubject(server)
    server.answer = subject.answer
    with server.running():
        yield subject
