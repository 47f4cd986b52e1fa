"""The tree of a directory server: entries added, moved and deleted in it, and containers made when they are missing."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import ldap3

from directories.connectors.base import Conflict, ConnectorError, NotFound
from directories.connectors.ldap import names
from directories.connectors.ldap.errors import NoBase
from directories.connectors.ldap.session import LdapSession

_CLASSES: Mapping[str, str] = {"ou": "organizationalUnit", "o": "organization", "cn": "container", "l": "locality"}
NO_CONTAINER = "The container for this account is not in the directory. Add it there, or let the portal add containers."


class Tree:
    """What is done to entries whatever they stand for."""

    def __init__(self, session: LdapSession) -> None:
        self._session = session

    @cached_property
    def top(self) -> str:
        """The DN under which everything of the base DN's tree is, so that an entry is found wherever it was moved."""
        base = self._session.settings.base_dn
        root = self._session.read("", ("namingContexts",))
        contexts = [value.decode() for value in (root.get("namingContexts") if root else ())]
        return next((context for context in contexts if context and names.below(base, context)), base)

    def add(
        self, dn: str, classes: Sequence[str], attributes: Mapping[str, list[bytes]], *, create: bool = False
    ) -> None:
        """Add an entry; those without values are left out. With ``create``, missing containers are added."""
        given = {name: data for name, data in attributes.items() if data}

        request = partial(_add, dn, classes, given)
        try:
            self._session.run(request)
        except NotFound:
            if not create:
                raise ConnectorError(NO_CONTAINER, code="container") from None
            self.contain(names.parent(dn))
            self._session.run(request)

    def contain(self, container: str) -> None:
        """Add those of a container's parts that are missing, the highest first."""
        missing = []
        for dn in names.ancestors(container):
            if self._session.read(dn, ("objectClass",)) is not None:
                break
            missing.append(dn)
        for dn in reversed(missing):
            pairs = names.named_by(names.split(dn)[0])
            if pairs[0][0].lower() not in _CLASSES:
                raise ConnectorError(NO_CONTAINER, code="container")
            classes = ["top", _CLASSES[pairs[0][0].lower()]]
            try:
                self._session.run(partial(_add, dn, classes, {name: [value.encode()] for name, value in pairs}))
            except Conflict:
                continue  # another worker added it meanwhile

    def move(self, dn: str, rdn: str, container: str = "", create: bool = False) -> str:
        """Give an entry another first part, another container or both; return its new DN."""

        def request(connection: Any) -> None:
            connection.modify_dn(dn, rdn, delete_old_dn=True, new_superior=container or None)

        if container and self._session.read(container, ("objectClass",)) is None:
            if not create:
                raise ConnectorError(NO_CONTAINER, code="container")
            self.contain(container)
        self._session.run(request)
        return f"{rdn},{container or names.parent(dn)}"

    def delete(self, dn: str, *, below: bool = False) -> None:
        """Delete an entry, with ``below`` what is under it first. What is gone already is as good."""
        try:
            for each in self._lowest_first(dn) if below else [dn]:
                self._delete_one(each)
        except NoBase:
            return

    def _lowest_first(self, dn: str) -> list[str]:
        found = self._session.search("(objectClass=*)", ("1.1",), base=dn, scope=ldap3.SUBTREE).entries
        return sorted((raw.dn for raw in found), key=lambda each: -len(names.split(each)))

    def _delete_one(self, dn: str) -> None:
        try:
            self._session.run(partial(_delete, dn))
        except NotFound:
            return


def _add(dn: str, classes: Sequence[str], attributes: Mapping[str, list[bytes]], connection: Any) -> None:
    connection.add(dn, list(classes), dict(attributes))


def _delete(dn: str, connection: Any) -> None:
    connection.delete(dn)
