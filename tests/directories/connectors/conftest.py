"""Fixtures: directories under test."""

import pytest

pytest.register_assert_rewrite("tests.directories.connectors.contract", "tests.directories.connectors.group_contract")

from tests.directories.connectors.ldap_subject import LdapSubject  # noqa: E402 - after the rewrite is registered
from tests.directories.connectors.sql_subject import SqlSubject  # noqa: E402 - after the rewrite is registered


@pytest.fixture(params=["pg", "mariadb", "sqlite"])
def sql(request: pytest.FixtureRequest) -> SqlSubject:
    """A SQL directory, once on each kind of database."""
    return SqlSubject(request.getfixturevalue(f"{request.param}_directory"))


@pytest.fixture
def pg(request: pytest.FixtureRequest) -> SqlSubject:
    """A SQL directory on PostgreSQL."""
    return SqlSubject(request.getfixturevalue("pg_directory"))


@pytest.fixture
def mariadb_sql(request: pytest.FixtureRequest) -> SqlSubject:
    """A SQL directory on MariaDB."""
    return SqlSubject(request.getfixturevalue("mariadb_directory"))


@pytest.fixture
def sqlite_sql(request: pytest.FixtureRequest) -> SqlSubject:
    """A SQL directory in a SQLite file."""
    return SqlSubject(request.getfixturevalue("sqlite_directory"))


@pytest.fixture
def ldap(request: pytest.FixtureRequest) -> LdapSubject:
    """A directory on OpenLDAP."""
    return LdapSubject(request.getfixturevalue("ldap_directory"))


@pytest.fixture
def ad(request: pytest.FixtureRequest) -> LdapSubject:
    """A directory on Samba's domain controller."""
    return LdapSubject(request.getfixturevalue("ad_directory"))
