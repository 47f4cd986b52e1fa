"""Fixtures: directories under test."""

import pytest

pytest.register_assert_rewrite("tests.directories.connectors.contract", "tests.directories.connectors.group_contract")

from tests.directories.connectors.ldap_subject import LdapSubject  # noqa: E402 - after the rewrite is registered
from tests.directories.connectors.sql_subject import SqlSubject  # noqa: E402 - after the rewrite is registered
from tests.fixtures.databases import Database  # noqa: E402
from tests.fixtures.ldap import LdapDirectory  # noqa: E402


@pytest.fixture(params=["pg", "mariadb", "sqlite"])
def sql(request: pytest.FixtureRequest) -> SqlSubject:
    """A SQL directory, once on each kind of database."""
    return SqlSubject(request.getfixturevalue(f"{request.param}_directory"))


@pytest.fixture
def pg(pg_directory: Database) -> SqlSubject:
    """A SQL directory on PostgreSQL."""
    return SqlSubject(pg_directory)


@pytest.fixture
def mariadb_sql(mariadb_directory: Database) -> SqlSubject:
    """A SQL directory on MariaDB."""
    return SqlSubject(mariadb_directory)


@pytest.fixture
def sqlite_sql(sqlite_directory: Database) -> SqlSubject:
    """A SQL directory in a SQLite file."""
    return SqlSubject(sqlite_directory)


@pytest.fixture
def ldap(ldap_directory: LdapDirectory) -> LdapSubject:
    """A directory on OpenLDAP."""
    return LdapSubject(ldap_directory)


@pytest.fixture
def ad(ad_directory: LdapDirectory) -> LdapSubject:
    """A directory on Samba's domain controller."""
    return LdapSubject(ad_directory)
