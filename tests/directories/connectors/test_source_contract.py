"""The contract of a source of truth over every kind that is one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from directories.connectors import connector_class, registry
from directories.connectors.base import (
    Capability,
    Connector,
    ConnectorConfig,
    ConnectorError,
    RemoteAccount,
    RemoteDepartment,
)
from directories.connectors.memory import DEPARTMENTS, STORES, Memory, StoredAccount
from tests.directories.connectors.contract import crawl
from tests.directories.connectors.source_contract import SourceContract, SourcePerson, SourceSubject, remote, told
from tests.fixtures.databases import Database


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
    @pytest.fixture(params=["http_source", "table_source", "json_source", "script_source", "push_source"])
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


class SqlSource:
    """People, contracts, departments and titles in four tables."""

    TEMPLATES: Mapping[str, Sequence[str]] = {
        "import": ["SELECT FIRSTNAME FROM USERS WHERE USERNAME='##USERNAME##'"],
        "contracts": ["SELECT PERSON, NUMBER, TITLE AS title, NOTE AS note FROM CONTRACTS ORDER BY NUMBER"],
        "departments": ["SELECT NUMBER, NAME, PARENT, HEAD FROM DEPARTMENTS"],
    }

    def __init__(self, database: Database) -> None:
        self.database = database
        long = "VARCHAR(100)"
        for table in (
            f"USERS (USERNAME {long}, FIRSTNAME {long})",
            f"CONTRACTS (PERSON {long}, NUMBER INTEGER, TITLE {long}, NOTE {long})",
            f"DEPARTMENTS (NUMBER INTEGER, NAME {long}, PARENT INTEGER, HEAD {long})",
        ):
            database.execute(f"CREATE TABLE {table}")

    def put(self, people: Sequence[SourcePerson], departments: Sequence[RemoteDepartment] = ()) -> None:
        """Fill the tables."""
        for one in people:
            self.insert("USERS", one.key, "x")
            for number, row in one.contracts.items():
                self.insert("CONTRACTS", one.key, int(number), row.get("title"), row.get("note"))
        for each in departments:
            parent = int(each.parent) if each.parent else None
            self.insert("DEPARTMENTS", int(each.ref), each.name, parent, each.manager or None)

    def insert(self, table: str, *values: Any) -> None:
        """Add one row."""
        self.database.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(values))})", *values)

    def open(self, **templates: Sequence[str]) -> Connector:
        """Return a connector."""
        table = {"user_table": "USERS", "username_column": "USERNAME"}
        settings = {**self.database.settings, **table}
        return connector_class(self.database.kind)(ConnectorConfig(settings, {**self.TEMPLATES, **templates}))


@pytest.fixture(params=["pg", "mariadb", "sqlite"])
def sql_source(request: pytest.FixtureRequest) -> SqlSource:
    """The tables, once on each kind of database."""
    return SqlSource(request.getfixturevalue(f"{request.param}_directory"))


class TestSql(SourceContract):
    @pytest.fixture
    def subject(self, sql_source: SqlSource) -> SourceSubject:
        return sql_source


def test_titles_are_joined_by_the_name_of_their_first_column(sql_source: SqlSource) -> None:
    sql_source.database.execute("CREATE TABLE TITLES (TITLE VARCHAR(100), LONG_TITLE VARCHAR(100))")
    sql_source.insert("TITLES", "DEV", "Developer")
    sql_source.put([SourcePerson("ann", {}, {"1": {"title": "DEV"}, "2": {"title": "OPS"}})])
    with sql_source.open(titles=["SELECT TITLE, LONG_TITLE FROM TITLES"]) as connector:
        (account,) = crawl(connector, 10)[1]
    assert {number: row.get("long_title") for number, row in told(account).items()} == {"1": "Developer", "2": None}


def test_rows_of_one_key_are_not_taken_for_one_person(sql_source: SqlSource) -> None:
    sql_source.put([SourcePerson("ann"), SourcePerson("ann"), SourcePerson("bob", {}, {"1": {"title": "x"}})])
    sql_source.insert("USERS", None, "nobody")
    sql_source.insert("CONTRACTS", "stranger", 9, "x", "x")
    with sql_source.open() as connector:
        found = crawl(connector, 2)[1]
    assert sorted(one.key for one in found) == ["", "ann", "ann", "bob"]
    assert sum(len(one.contracts or ()) for one in found) == 1


@pytest.mark.parametrize(
    "query",
    [
        "SELECT PERSON FROM CONTRACTS",
        "SELECT PERSON, NUMBER FROM CONTRACTS WHERE PERSON = '##USERNAME##'",
    ],
)
def test_a_contracts_query_that_cannot_be_used_says_so(query: str, tmp_path: Path) -> None:
    config = ConnectorConfig(
        {"database": str(tmp_path / "a.db"), "user_table": "USERS", "username_column": "USERNAME"},
        {"contracts": [query]},
    )
    with connector_class("sqlite")(config) as connector, pytest.raises(ConnectorError, match="contracts query"):
        list(connector.accounts(10))


def test_both_notations_and_unions_give_contracts(sql_source: SqlSource) -> None:
    sql_source.put([SourcePerson("ann", {}, {"1": {"title": "x", "note": "y"}})])
    queries = (
        "SELECT PERSON, NUMBER, '##title##', TITLE FROM CONTRACTS",
        "SELECT PERSON, NUMBER, TITLE AS title FROM CONTRACTS WHERE NOTE = 'y' "
        "UNION ALL SELECT PERSON, NUMBER, NOTE FROM CONTRACTS WHERE NUMBER > 5",
        "SELECT c.PERSON, c.NUMBER, MAX(c.TITLE) AS title FROM CONTRACTS c GROUP BY c.PERSON, c.NUMBER",
    )
    for query in queries:
        with sql_source.open(contracts=[query]) as connector:
            (account,) = crawl(connector, 10)[1]
        assert told(account) == {"1": {"title": "x"}}
