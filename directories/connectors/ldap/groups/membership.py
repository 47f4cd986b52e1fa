"""Putting accounts into the groups of an LDAP directory and taking them out, as differences.

Memberships are written into the group's own entry, never into the user's: memberOf and its like are kept by the server.
A list of members is neither read nor sent whole.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import ldap3
from ldap3.utils.conv import escape_bytes, escape_filter_chars

from directories.connectors.base import ConnectorError, Entry, GroupEntry, NotFound, RefusedMember, Unavailable
from directories.connectors.ldap import values
from directories.connectors.ldap.errors import NoBase, refused
from directories.connectors.ldap.groups.creation import DEMANDING, MEMBER_UID, member_attribute
from directories.connectors.ldap.groups.reading import PRIMARY, relative_id
from directories.connectors.ldap.groups.writing import GONE, LdapGroupWriter, classes_of

LOOKED_UP = 200  # ids in one filter
AT_ONCE = 500  # values in one modify operation
ITS_PRIMARY = (
    "This is the account's primary group in Active Directory, and nobody can leave that. Give the account another "
    "primary group there, then try again."
)
NO_ACCOUNT = "The account is not in the directory any more."
# LDAP_SERVER_PERMISSIVE_MODIFY_OID ([MS-ADTS] 3.1.1.3.4.1.8): adding what is there and removing what is not succeeds.
# It is not critical: a server without it answers with the codes below instead.
PERMISSIVE = ("1.2.840.113556.1.4.1413", False, None)
THERE, NOT_THERE, NO_OBJECT, SCHEMA = (20, 68), 16, 32, 65
OF_A_VALUE = (16, 17, 19, 20, 21, 32, 34, 53, 68)  # codes that may be about one member and not about the others
MemberValue = tuple[Entry, bytes]


class ServerRefusal(ConnectorError):
    """A server's refusal with its result code (RFC 4511, appendix A)."""

    def __init__(self, number: int, meaning: ConnectorError) -> None:
        super().__init__(meaning.message, code=meaning.code)
        self.number, self.meaning = number, meaning


class MemberWriter:
    """Changes the members of one group."""

    def __init__(self, writer: LdapGroupWriter, group: GroupEntry) -> None:
        self.session, self.tree, self.settings = writer.session, writer.tree, writer.settings
        raw = writer.must(group)
        self.relative_id = relative_id(raw) if writer.groups.primary else ""
        classes = set(classes_of(raw))
        self.dn = raw.dn
        self.attribute = writer.new.member_attribute or member_attribute(classes)
        self.placeholder = writer.new.placeholder.encode() if classes & DEMANDING else b""

    def add(self, entries: Sequence[Entry]) -> list[RefusedMember]:
        """Put accounts into the group, and the placeholder of an empty group out of it."""
        members, refused_ones, _ = self._members(entries)  # whose primary group it is, is in it already
        for start in range(0, len(members), AT_ONCE):
            refused_ones += self._change(members[start : start + AT_ONCE], ldap3.MODIFY_ADD)
        if members and self.placeholder:
            self._drop_placeholder()
        return refused_ones

    def remove(self, entries: Sequence[Entry]) -> list[RefusedMember]:
        """Take accounts out of the group; those that are gone from the directory are in no group that one can name."""
        members, _, primary = self._members(entries)
        refused_ones = [RefusedMember(entry, ConnectorError(ITS_PRIMARY, code="primary_group")) for entry in primary]
        for start in range(0, len(members), AT_ONCE):
            refused_ones += self._change(members[start : start + AT_ONCE], ldap3.MODIFY_DELETE)
        return refused_ones

    def _members(self, entries: Sequence[Entry]) -> tuple[list[MemberValue], list[RefusedMember], list[Entry]]:
        """Return what the group calls each account, who is not in the directory, and whose primary group it is."""
        found, primary = self._named([entry.ref for entry in entries])
        members = [(entry, found[entry.ref]) for entry in entries if entry.ref in found]
        missing = [entry for entry in entries if entry.ref not in found and entry.ref not in primary]
        return (
            members,
            [RefusedMember(entry, ConnectorError(NO_ACCOUNT, code="not_found")) for entry in missing],
            [entry for entry in entries if entry.ref in primary],
        )

    def _named(self, refs: Sequence[str]) -> tuple[dict[str, bytes], set[str]]:
        """Return the DN, or for posixGroup (RFC 2307) the user name, of accounts by their lasting ids.

        Apart from them the ids of those whose primary group it is: they are in no list of the group.
        """
        attribute, by_name = self.settings.id_attribute, self.attribute.lower() == MEMBER_UID.lower()
        found: dict[str, bytes] = {}
        primary: set[str] = set()
        for start in range(0, len(refs), LOOKED_UP):
            asked = (values.encode(attribute, ref) for ref in refs[start : start + LOOKED_UP])
            query = "".join(f"({attribute}={escape_bytes(data[0])})" for data in asked if data)
            wanted = (attribute, "uid", *([PRIMARY] if self.relative_id else ()))
            entries = self.session.search(f"(|{query})", wanted, base=self.tree.top, scope=ldap3.SUBTREE).entries
            for raw in entries if query else ():
                ref = str(values.decode(attribute, raw.get(attribute)[:1]) or "")
                name = raw.get("uid")[:1] if by_name else [raw.dn.encode()]
                if self.relative_id and raw.text(PRIMARY) == self.relative_id:
                    primary.add(ref)
                elif name:
                    found[ref] = name[0]
        return found, primary

    def _change(self, members: Sequence[MemberValue], how: str) -> list[RefusedMember]:
        """Change members in one operation; halve them to find the ones that the server refuses."""
        data = [value for _, value in members]
        try:
            self._modify([(how, data)])
        except ServerRefusal as error:
            if error.number == SCHEMA and how == ldap3.MODIFY_DELETE and self.placeholder:
                # Its last members leave, and a group of this class must have one (RFC 4519, 3.5).
                return self._emptied(members)
            if error.number not in OF_A_VALUE or self._gone(error):
                raise (NotFound(GONE) if error.number == NO_OBJECT else error.meaning) from None
            if len(members) > 1:
                half = len(members) // 2
                return self._change(members[:half], how) + self._change(members[half:], how)
            wanted = how == ldap3.MODIFY_ADD
            return [] if self._holds(data[0]) == wanted else [RefusedMember(members[0][0], error.meaning)]
        return []

    def _holds(self, value: bytes) -> bool:
        """Return whether it is in the group now: servers refuse what is so already with one code or another."""
        query = f"({self.attribute}={escape_filter_chars(value.decode(errors='replace'))})"
        try:
            return bool(self.session.search(query, ("1.1",), base=self.dn, scope=ldap3.BASE).entries)
        except NoBase:
            raise NotFound(GONE) from None

    def _emptied(self, members: Sequence[MemberValue]) -> list[RefusedMember]:
        try:
            self._modify([(ldap3.MODIFY_ADD, [self.placeholder])])
        except ServerRefusal as error:
            if error.number not in THERE:
                raise error.meaning from None
        placeholder, self.placeholder = self.placeholder, b""  # it is there now: no second try
        try:
            return self._change(members, ldap3.MODIFY_DELETE)
        finally:
            self.placeholder = placeholder

    def _drop_placeholder(self) -> None:
        try:
            self._modify([(ldap3.MODIFY_DELETE, [self.placeholder])])
        except ServerRefusal as error:
            if error.number not in (NOT_THERE, SCHEMA):  # nobody came in, so it stays
                raise error.meaning from None

    def _gone(self, error: ServerRefusal) -> bool:
        return error.number == NO_OBJECT and self.session.read(self.dn, ("objectClass",)) is None

    def _modify(self, changes: Sequence[tuple[str, Sequence[bytes]]]) -> None:
        request = partial(_modify, self.dn, {self.attribute: list(changes)})
        self.session.run(request, fails=_told)


def _modify(dn: str, changes: Mapping[str, Any], connection: Any) -> None:
    connection.modify(dn, changes, controls=[PERMISSIVE])


def _told(result: Mapping[str, Any]) -> ConnectorError:
    meaning = refused(result)
    return meaning if isinstance(meaning, Unavailable) else ServerRefusal(int(result.get("result") or 0), meaning)
