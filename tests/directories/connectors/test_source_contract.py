"""The contract of a source of truth over every kind that is one."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from directories.connectors import registry
from directories.connectors.base import Capability, Connector, ConnectorConfig, RemoteAccount, RemoteDepartment
from directories.connectors.memory import DEPARTMENTS, STORES, Memory, StoredAccount
from tests.directories.connectors.source_contract import SourceContract, SourcePerson, SourceSubject, remote


class MemorySource:
    """People in this process's memory."""

    def __init__(self, name: str) -> None:
        self.name = name

    def put(self, people: Sequence[SourcePerson], departments: Sequence[RemoteDepartment] = ()) -> None:
        """Let these be there and nobody else."""
        STORES[self.name] = {one.key: StoredAccount(dict(one.values), contracts=remote(one)) for one in people}
        DEPARTMENTS[self.name] = [*departments]

    def open(self) -> Connector:
        """Return a connector."""
        return Memory(ConnectorConfig({"name": self.name}))


class TestMemory(SourceContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> SourceSubject:
        return MemorySource(str(tmp_path))


class TestRecords(SourceContract):
    @pytest.fixture(params=["http_source", "table_source", "json_source"])
    def subject(self, request: pytest.FixtureRequest) -> SourceSubject:
        found: SourceSubject = request.getfixturevalue(request.param)
        return found


def test_a_directory_says_nothing_of_contracts_unless_it_does() -> None:
    assert RemoteAccount("ann", "ann").contracts is None


@pytest.mark.parametrize("kind", ["ldap", "active_directory"])
def test_who_gives_none_says_so(kind: str) -> None:
    connector = registry()[kind]
    for capability, words in ((Capability.CONTRACTS, "people's contracts"), (Capability.DEPARTMENTS, "departments")):
        assert words in connector.lacking(capability, ConnectorConfig({}))
