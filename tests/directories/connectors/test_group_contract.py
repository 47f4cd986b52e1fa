"""The contract of groups over every kind of directory that keeps groups."""

from collections.abc import Iterator

import pytest

from directories.connectors._memory_groups import GROUPS
from directories.connectors.memory import STORES
from tests.directories.connectors.group_contract import GroupContract
from tests.directories.connectors.ldap_subject import LdapSubject
from tests.directories.connectors.sql_groups_subject import BY_ID, BY_NAME, SqlGroupsSubject
from tests.directories.connectors.sql_subject import SqlSubject
from tests.directories.connectors.test_contract import MemorySubject


class TestMemory(GroupContract):
    @pytest.fixture
    def subject(self) -> Iterator[MemorySubject]:
        STORES.pop("contract", None)
        GROUPS.pop("contract", None)
        yield MemorySubject()
        STORES.pop("contract", None)
        GROUPS.pop("contract", None)


class TestSqlById(GroupContract):
    @pytest.fixture
    def subject(self, sql: SqlSubject) -> SqlGroupsSubject:
        return SqlGroupsSubject(sql, BY_ID)


class TestSqlByName(GroupContract):
    @pytest.fixture
    def subject(self, sql: SqlSubject) -> SqlGroupsSubject:
        return SqlGroupsSubject(sql, BY_NAME)


class TestLdap(GroupContract):
    @pytest.fixture
    def subject(self, ldap: LdapSubject) -> LdapSubject:
        return ldap


class TestActiveDirectory(GroupContract):
    @pytest.fixture
    def subject(self, ad: LdapSubject) -> LdapSubject:
        return ad
