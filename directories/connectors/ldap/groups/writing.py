"""Writing the groups of an LDAP directory: entries made, renamed and deleted.

Who is in a group is in ``membership``.
"""

import random
import re
from collections.abc import Collection, Sequence
from typing import Any, Protocol

import ldap3
from ldap3.utils.conv import escape_filter_chars

from directories.connectors.base import ConnectorError, GroupEntry, NotFound, RemoteGroup
from directories.connectors.ldap import names
from directories.connectors.ldap.decoding import Raw
from directories.connectors.ldap.groups.creation import AD_CLASS, DEMANDING, POSIX, NewGroups, member_attribute
from directories.connectors.ldap.groups.reading import DESCRIPTION, LdapGroupReader
from directories.connectors.ldap.session import LdapSession
from directories.connectors.ldap.tree import Tree

GONE = "The group is not in the directory."
SAM = "sAMAccountName"
NUMBER = "gidNumber"
TRIES = 5
SECURITY_GROUP = "-2147483646"  # GROUP_TYPE_ACCOUNT_GROUP | GROUP_TYPE_SECURITY_ENABLED ([MS-ADTS] 2.2.12)
_NOT_IN_ACCOUNT_NAMES = re.compile(r'["/\\\[\]:;|=,+*?<>@\x00-\x1f]')


class Finder(Protocol):
    """Finds the entry with a lasting id."""

    def __call__(self, ref: str, wanted: Sequence[str]) -> Raw | None:
        """Return the entry, wherever in the tree it is."""


class LdapGroupWriter:
    """Writes groups; ``find`` looks an entry up by its lasting id."""

    def __init__(self, session: LdapSession, tree: Tree, reader: LdapGroupReader, new: NewGroups, find: Finder) -> None:
        self.session, self.tree, self.reader, self.new, self.find = session, tree, reader, new, find
        self.settings = session.settings
        self.groups = reader.groups

    def look(self, group: GroupEntry) -> Raw | None:
        """Return the group's entry by its lasting id or, before it has one, by its name."""
        if group.ref:
            return self.find(group.ref, self.wanted)
        asked = f"(&{self.groups.filter}({self.groups.name}={escape_filter_chars(group.name)}))"
        found = self.session.search(asked, self.wanted, base=self.groups.base, scope=ldap3.SUBTREE).entries
        if len(found) > 1:
            message = f"The directory has several groups with this {self.groups.name}. Make it unique there."
            raise ConnectorError(message, code="ambiguous")
        return found[0] if found else None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The attributes of a group that are asked for."""
        return (*self.reader.wanted, "objectClass", SAM)

    def create(self, group: GroupEntry) -> RemoteGroup:
        """Add the group's entry in its container."""
        dn = f"cn={names.escape(group.name)},{self.new.container}"
        attributes = {"cn": [group.name.encode()], DESCRIPTION: [group.description.encode()] * bool(group.description)}
        attributes |= {self.groups.name: [group.name.encode()], **self._needed(group)}
        self.tree.add(dn, self.new.classes, attributes, create=self.settings.create_containers)
        if NUMBER in attributes:
            self._share_no_number(dn, int(attributes[NUMBER][0]))
        raw = self.session.read(dn, self.wanted)
        if raw is None or not self.reader.ref(raw):
            message = "The group was added, but the portal's login cannot read it. Give it the right to."
            raise ConnectorError(message, code="no_right")
        return self.reader.group(raw)

    def _needed(self, group: GroupEntry) -> dict[str, list[bytes]]:
        """Return what the group's classes demand besides its name."""
        classes = {name.lower() for name in self.new.classes}
        found: dict[str, list[bytes]] = {}
        if AD_CLASS in classes:
            found[SAM] = [account_name(group.name).encode()]
            found["groupType"] = [SECURITY_GROUP.encode()]
        if POSIX in classes:
            found[NUMBER] = [str(self._next_number()).encode()]
        if classes & DEMANDING:
            found[member_attribute(classes)] = [self.new.placeholder.encode()]
        return found

    def _share_no_number(self, dn: str, number: int) -> None:
        """Take another number when somebody else took the same one at the same moment: no server keeps it unique."""
        for _ in range(TRIES):
            query = f"(&(objectClass=posixGroup)({NUMBER}={number}))"
            found = self.session.search(query, ("1.1",), base=self.tree.top, scope=ldap3.SUBTREE).entries
            if len(found) < 2:
                return
            # Both may see it, so both go, and hardly to the same place.
            number = self._next_number() + random.randrange(100)  # noqa: S311
            changes = {NUMBER: [(ldap3.MODIFY_REPLACE, [str(number).encode()])]}
            self.session.run(lambda connection, changes=changes: connection.modify(dn, changes))  # type: ignore[misc]

    def _next_number(self) -> int:
        """Return a group number that nobody has: one more than the greatest, and at least where the admin begins."""
        greatest = self.new.first_number - 1
        query, cookie = "(&(objectClass=posixGroup)(gidNumber=*))", b""
        while True:
            found = self.session.search(
                query,
                ("gidNumber",),
                base=self.tree.top,
                scope=ldap3.SUBTREE,
                page=self.settings.page_size,
                cookie=cookie,
            )
            numbers = [int(raw.text("gidNumber")) for raw in found.entries if raw.text("gidNumber").isdigit()]
            greatest = max([greatest, *numbers])
            cookie = found.cookie
            if not cookie:
                return greatest + 1

    def update(self, group: GroupEntry) -> RemoteGroup:
        """Give the group its name and description; a naming attribute makes it a rename."""
        raw = self.must(group)
        held = self.reader.group(raw)
        changes: dict[str, list[Any]] = {}
        if group.description != held.description:
            wanted = [group.description.encode()] if group.description else []
            changes[DESCRIPTION] = [(ldap3.MODIFY_REPLACE, wanted)]
        naming = names.rdn(raw.dn)[0]
        if group.name != held.name and naming.lower() != self.groups.name.lower():
            changes[self.groups.name] = [(ldap3.MODIFY_REPLACE, [group.name.encode()])]
        if group.name != held.name and raw.text(SAM) == account_name(held.name):
            changes[SAM] = [(ldap3.MODIFY_REPLACE, [account_name(group.name).encode()])]
        if changes:
            self.session.run(lambda connection: connection.modify(raw.dn, changes))
        dn = raw.dn
        if group.name != held.name and naming.lower() == self.groups.name.lower():
            others = names.named_by(names.split(raw.dn)[0])[1:]
            dn = self.tree.move(raw.dn, names.part_of([(naming, group.name), *others]))
        return RemoteGroup(held.ref, group.name, group.description, names.normal(dn))

    def delete(self, group: GroupEntry) -> None:
        """Remove the entry."""
        raw = self.find(group.ref, self.wanted)
        if raw is not None:
            self.tree.delete(raw.dn)

    def must(self, group: GroupEntry) -> Raw:
        """Return the group's entry; raise NotFound when it is gone."""
        raw = self.find(group.ref, self.wanted)
        if raw is None:
            raise NotFound(GONE)
        return raw


def account_name(name: str) -> str:
    """Return a group's name as a sAMAccountName, which has 256 characters at most and not every one of them."""
    return _NOT_IN_ACCOUNT_NAMES.sub("_", name).strip(" .")[:256] or "group"


def classes_of(raw: Raw) -> Collection[str]:
    """Return an entry's object classes in lower case."""
    return {value.decode(errors="replace").lower() for value in raw.get("objectClass")}
