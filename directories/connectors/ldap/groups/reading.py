"""Reading the groups of an LDAP directory and who is in them.

Three ways in which directories keep it: the group lists its members (by DN, or by user name as posixGroup does, RFC
2307), the user's group attribute holds the DNs of their groups (memberOf), or it holds plain names. The last two are
asked in reverse, a page at a time, so that a group of any size streams. Active Directory gives a long list in parts
([MS-ADTS] 3.1.1.3.1.3.3, range retrieval), other servers whole. It keeps one group of each user elsewhere: whose
primary group it is stands only in the user's primaryGroupID, the last part of the group's objectSid (2.2.12 there).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import ldap3
from ldap3.utils.conv import escape_bytes, escape_filter_chars

from directories.connectors.base import GroupPage, MemberPage, NotFound, RemoteGroup
from directories.connectors.ldap import names, values
from directories.connectors.ldap.decoding import Raw
from directories.connectors.ldap.errors import NoBase
from directories.connectors.ldap.groups.settings import NAMES, OF_USER, GroupSettings
from directories.connectors.ldap.referrals import demand_all
from directories.connectors.ldap.session import LdapSession
from directories.connectors.ldap.settings import LEVEL

Scope = Literal["LEVEL", "SUBTREE"]
DESCRIPTION = "description"
BY_NAME = "memberuid"
SID, PRIMARY, DOMAIN_USERS = "objectSid", "primaryGroupID", "513"
ASKED_FOR = 200  # user names in one filter
_LONGEST_NAME = 255


class LdapGroupReader:
    """Reads groups over connections of its own, which ``close`` gives back.

    ``members`` is quick for groups of the page that ``pages`` gave last, whose DN is remembered.
    """

    def __init__(self, session: LdapSession, groups: GroupSettings) -> None:
        self.settings = session.settings
        self.groups = groups
        self._session = session
        self._connection: ldap3.Connection | None = None
        self._page: dict[str, Raw] = {}
        self._primary: set[str] | None = None

    def close(self) -> None:
        """Log out."""
        if self._connection is not None:
            self._session.drop(self._connection)
            self._connection = None

    # --- Groups ------------------------------------------------------------------------------------------------------

    def pages(self, page_size: int, since: str = "") -> Iterator[GroupPage]:
        """Stream every group, or those that the filter ``since`` finds; the final page says ``last``."""
        if self.groups.membership == NAMES:
            yield from self._named(page_size)
            return
        connection = self._session.new()
        try:
            asked = f"(&{self.groups.filter}{since})" if since else self.groups.filter
            for found in self._searched(asked, self.wanted, page_size, connection, self._groups_at):
                self._page = {self.ref(raw): raw for raw in found}
                yield GroupPage([self.group(raw) for raw in found])
        finally:
            self._session.drop(connection)
        yield GroupPage((), last=True)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The attributes of a group that are asked for."""
        return (self.settings.id_attribute, self.groups.name, DESCRIPTION, *([SID] if self.groups.primary else ()))

    def ref(self, raw: Raw) -> str:
        """Return the lasting id of an entry, "" when it cannot be seen."""
        return str(values.decode(self.settings.id_attribute, raw.get(self.settings.id_attribute)[:1]) or "")

    def group(self, raw: Raw) -> RemoteGroup:
        """Return what an entry says of its group; one that cannot be used carries its problem."""
        ref, name = self.ref(raw), raw.text(self.groups.name).strip()
        problem = ""
        if not ref:
            problem = (
                f"The portal's login cannot see the {self.settings.id_attribute} of this group. Give it the right."
            )
        elif not name:
            problem = f"The group has no {self.groups.name}, which is its name here."
        elif len(name) > _LONGEST_NAME:
            problem = f"The group's name is longer than {_LONGEST_NAME} characters."
        return RemoteGroup(ref, name[:_LONGEST_NAME], raw.text(DESCRIPTION).strip(), names.normal(raw.dn), problem)

    def _named(self, page_size: int) -> Iterator[GroupPage]:
        """Give the groups that users' attributes name: each comes into being with its first member."""
        found: dict[str, str] = {}
        attribute = self.groups.group_attribute
        for page in self._users(f"({attribute}=*)", (attribute,), page_size):
            for name in (value.decode(errors="replace").strip() for raw in page for value in raw.get(attribute)):
                if name:  # of several ways to write it always the same one, whoever is read first
                    found[_fold(name)] = min(name, found.get(_fold(name), name))
        refs = sorted(found)
        for start in range(0, len(refs), page_size):
            yield GroupPage([_plain(ref, found[ref]) for ref in refs[start : start + page_size]])
        yield GroupPage((), last=True)

    # --- Members -----------------------------------------------------------------------------------------------------

    def members(self, group: RemoteGroup, page_size: int) -> Iterator[MemberPage]:
        """Stream the direct members of a group; raise NotFound when it is not there any more."""
        if self.groups.membership == NAMES:
            yield from self._reverse(escape_filter_chars(group.name), page_size, nested=False)
            return
        raw = self._page.get(group.ref) or self._group_of(group)
        yield from self._whose_primary(raw, page_size)
        if self.groups.membership == OF_USER:
            yield from self._reverse(escape_filter_chars(raw.dn), page_size, nested=True)
            return
        for attribute, data in self._listed(raw.dn, page_size):
            for start in range(0, len(data), page_size):
                part = [value.decode(errors="replace") for value in data[start : start + page_size]]
                if attribute == BY_NAME:
                    yield from self._by_user_name(part)
                else:
                    yield MemberPage(places=[names.normal(_without_uid(value)) for value in part])
        yield MemberPage(last=True)

    def _reverse(self, value: str, page_size: int, *, nested: bool) -> Iterator[MemberPage]:
        """Ask whose group attribute holds the value: users, and groups when those may be ``nested``."""
        asked = f"({self.groups.group_attribute}={value})"
        wanted = (self.settings.id_attribute,)
        together = self.settings.scope != LEVEL and names.below(self.groups.base, self.settings.base_dn)
        also = self.groups.filter if nested and together else ""
        for page in self._users(asked, wanted, page_size, also):
            yield self._refs(page)
        if nested and not together:
            query = f"(&{self.groups.filter}{asked})"
            for page in self._searched(query, wanted, page_size, self._own(), self._groups_at):
                yield self._refs(page)
        yield MemberPage(last=True)

    def _whose_primary(self, raw: Raw, page_size: int) -> Iterator[MemberPage]:
        """Stream the users whose primary group it is; only groups that are one are asked about."""
        rid = relative_id(raw)
        if not rid:
            return
        if self._primary is None:
            asked = f"(!({PRIMARY}={DOMAIN_USERS}))"
            self._primary = {
                user.text(PRIMARY) for page in self._users(asked, (PRIMARY,), page_size) for user in page
            } | {DOMAIN_USERS}
        if rid in self._primary:
            for page in self._users(f"({PRIMARY}={rid})", (self.settings.id_attribute,), page_size):
                yield self._refs(page)

    def _refs(self, page: Iterable[Raw]) -> MemberPage:
        return MemberPage(refs=[ref for ref in map(self.ref, page) if ref])

    def _listed(self, dn: str, size: int) -> Iterator[tuple[str, Sequence[bytes]]]:
        """Yield the values of the group's member attributes, part by part, with the attribute in lower case."""
        first = f";range=0-{size - 1}" if self.groups.ranged else ""
        wanted = [f"{attribute}{first}" for attribute in self.groups.member_attributes]
        while wanted:
            raw = self._entry(dn, wanted)
            wanted = []
            for key, data in raw.values.items():
                name, _, part = key.partition(";range=")
                if data:
                    yield name, data
                if part and not part.endswith("*"):
                    start = int(part.partition("-")[2]) + 1
                    wanted.append(f"{name};range={start}-{start + size - 1}")

    def _entry(self, dn: str, wanted: Sequence[str]) -> Raw:
        try:
            found = self._session.search(
                "(objectClass=*)", wanted, base=dn, scope=ldap3.BASE, connection=self._own()
            ).entries
        except NoBase:
            found = []
        if not found:
            raise NotFound("The group is not in the directory any more.")
        return found[0]

    def _by_user_name(self, wanted: Sequence[str]) -> Iterator[MemberPage]:
        """Look up the users whom a posixGroup names."""
        for start in range(0, len(wanted), ASKED_FOR):
            asked = "".join(f"(uid={escape_filter_chars(name)})" for name in wanted[start : start + ASKED_FOR])
            for page in self._users(f"(|{asked})", (self.settings.id_attribute,), ASKED_FOR):
                yield self._refs(page)

    def _group_of(self, group: RemoteGroup) -> Raw:
        attribute = self.settings.id_attribute
        asked = f"({attribute}={escape_bytes(values.encode(attribute, group.ref)[0])})"
        found = self._session.search(asked, self.wanted, base=self.groups.base, scope=ldap3.SUBTREE).entries
        if not found:
            raise NotFound("The group is not in the directory any more.")
        return found[0]

    # --- Searches ----------------------------------------------------------------------------------------------------

    def _users(self, asked: str, wanted: Sequence[str], page_size: int, also: str = "") -> Iterator[list[Raw]]:
        """Stream the users, and what another filter finds, that a filter is true of."""
        kinds = f"(|{self.settings.user_filter}{also})" if also else self.settings.user_filter
        scope: Scope = "LEVEL" if self.settings.scope == LEVEL else "SUBTREE"
        there = (self.settings.base_dn, scope)
        return self._searched(f"(&{kinds}{asked})", wanted, page_size, self._own(), there)

    @property
    def _groups_at(self) -> tuple[str, Scope]:
        return self.groups.base, "SUBTREE"

    def _searched(
        self, query: str, wanted: Sequence[str], page_size: int, connection: ldap3.Connection, there: tuple[str, Scope]
    ) -> Iterator[list[Raw]]:
        """Stream what a search finds ``there``: below a base, to a scope."""
        size = max(1, min(page_size, self.settings.page_size))
        cookie = b""
        while True:
            found = self._session.search(
                query,
                wanted,
                base=there[0],
                scope=there[1],
                connection=connection,
                page=size,
                cookie=cookie,
            )
            demand_all(found.references)
            if found.entries:
                yield found.entries
            cookie = found.cookie
            if not cookie:
                return

    def _own(self) -> ldap3.Connection:
        """Return a connection for members, on which no other paged search is under way (OpenLDAP keeps only one).

        Lists come in parts as the server gives them, so ldap3 must neither put them together nor add empty ones.
        """
        if self._connection is None:
            self._connection = self._session.new()
            self._connection.auto_range = self._connection.empty_attributes = False
        return self._connection


def relative_id(raw: Raw) -> str:
    """Return the last part of a group's security identifier, by which users name their primary group; "" for none."""
    return values.sid(raw.get(SID)[0]).rpartition("-")[2] if raw.get(SID) else ""


def _fold(name: str) -> str:
    return " ".join(name.casefold().split())


def _plain(ref: str, name: str) -> RemoteGroup:
    if len(name) > _LONGEST_NAME:
        return RemoteGroup(ref[:512], name[:_LONGEST_NAME], problem="The group's name is too long.")
    return RemoteGroup(ref, name)


def _without_uid(value: str) -> str:
    """Return the DN of a "name and optional UID" (RFC 4517, 3.3.21), as uniqueMember has it."""
    dn, mark, uid = value.rpartition("#'")
    return dn if mark and uid.rstrip().endswith("'B") else value
