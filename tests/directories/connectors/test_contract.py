"""The connector contract over every kind of directory that there is."""

from collections.abc import Iterator

import pytest

from directories.connectors.base import ConnectorConfig
from directories.connectors.memory import STORES, Memory
from tests.directories.connectors.contract import ConnectorContract, Names
from tests.directories.connectors.ldap_subject import LdapSubject
from tests.directories.connectors.sql_subject import SqlSubject


class MemorySubject:
    """A directory in memory."""

    names = Names("first", "last", "mail")

    def open(self, *, with_passwords: bool = False) -> Memory:
        return Memory(ConnectorConfig({"name": "contract"}, with_passwords=with_passwords))


class TestSql(ConnectorContract):
    @pytest.fixture
    def subject(self, sql: SqlSubject) -> SqlSubject:
        return sql


class TestMemory(ConnectorContract):
    @pytest.fixture
    def subject(self) -> Iterator[MemorySubject]:
        STORES.pop("contract", None)
        yield MemorySubject()
        STORES.pop("contract", None)


class TestLdap(ConnectorContract):
    @pytest.fixture
    def subject(self, ldap: LdapSubject) -> LdapSubject:
        return ldap


class TestActiveDirectory(ConnectorContract):
    @pytest.fixture
    def subject(self, ad: LdapSubject) -> LdapSubject:
        return ad
