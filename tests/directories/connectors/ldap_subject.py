"""An LDAP or Active Directory connector over an empty part of the tests' real servers."""

from typing import Any, cast

from directories.connectors import connector_class
from directories.connectors.base import ConnectorConfig, Entry
from directories.connectors.ldap.connector import Ldap
from tests.directories.connectors.contract import Names
from tests.fixtures.ldap import LdapDirectory


class LdapSubject:
    """``names`` are attributes that every server lets be empty."""

    names = Names("givenName", "displayName", "mail")
    attributes: tuple[str, ...] = ("givenName", "displayName", "mail")

    def __init__(self, unit: LdapDirectory) -> None:
        self.unit = unit

    def open(self, *, with_passwords: bool = False, attributes: tuple[str, ...] = (), **settings: Any) -> Ldap:
        """Return a connector; ``settings`` replace those of their names."""
        config = ConnectorConfig(
            {**self.unit.settings, **settings},
            attributes=attributes or self.attributes,
            with_passwords=with_passwords,
        )
        return cast("Ldap", connector_class(self.unit.kind)(config))

    def enabled(self, key: str) -> bool | None:
        """Return what the entry says."""
        with self.open() as connector:
            found = connector.find(Entry(key))
            return found.enabled if found else None
