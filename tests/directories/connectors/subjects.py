"""A test subject for every kind of connector that there is.

A connector that needs no server says itself where an empty directory can be (``Connector.sample``), so that one which
is dropped in is in the contract suites without a word about it here. The others have a fixture.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from directories.connectors import connector_class, registry
from directories.connectors.base import Capability, Connector, ConnectorConfig
from tests.directories.connectors.contract import Names, Subject, entry
from tests.directories.connectors.sql_groups_subject import BY_ID, BY_NAME, SqlGroupsSubject

FIXTURES: Mapping[str, str] = {
    "postgresql": "pg",
    "mariadb": "mariadb_sql",
    "sqlite": "sqlite_sql",
    "ldap": "ldap",
    "active_directory": "ad",
    "http_json": "http_source",
    "files": "table_source",
    "script": "script_source",
    "script_target": "script_target",
    "push": "push_source",
    "scim": "scim",
    "gateway": "gateway_subject",
}
# Kinds without a server to be tried on.
UNTRIED: Mapping[str, str] = {
    "mysql": "as MariaDB",
    "mssql": "its label says that it is not tested",
    "oracle": "its label says that it is not tested",
}


class SampleSubject:
    """A directory that a connector makes for itself."""

    names = Names("first", "last", "mail")

    def __init__(self, connector: type[Connector], config: ConnectorConfig) -> None:
        self.connector = connector
        self.config = replace(config, attributes=("first", "last", "mail"))

    def open(self, *, with_passwords: bool = False) -> Connector:
        """Return a connector."""
        return self.connector(replace(self.config, with_passwords=with_passwords))

    def enabled(self, key: str) -> bool | None:
        """Return what the connector finds."""
        with self.open() as connector:
            found = connector.find(entry(self, key))
            return found.enabled if found else None


def kinds() -> list[str]:
    """Return every kind that the contract is tried on."""
    return [kind for kind in registry() if kind not in UNTRIED]


def group_kinds() -> list[str]:
    """Return those that keep groups; the admin's statements may go by a group's id or by its name."""
    found = []
    for kind in kinds():
        connector = connector_class(kind)
        if connector.templated:
            found += [f"{kind} by id", f"{kind} by name"]
        elif {Capability.CREATE_GROUP, Capability.MEMBERS} <= connector.implemented():
            found.append(kind)
    return found


def subject_of(kind: str, folder: Path, request: pytest.FixtureRequest | None = None) -> Subject:
    """Return an empty directory of a kind, which may be in ``folder``."""
    kind, _, by = kind.partition(" by ")
    if kind not in FIXTURES:
        config = connector_class(kind).sample(folder)
        assert config is not None, f"{kind} has no test subject: give it a sample or a fixture"
        return SampleSubject(connector_class(kind), config)
    assert request is not None
    found: Subject = request.getfixturevalue(FIXTURES[kind])
    return SqlGroupsSubject(found, BY_ID if by == "id" else BY_NAME) if by else found  # type: ignore[arg-type]
