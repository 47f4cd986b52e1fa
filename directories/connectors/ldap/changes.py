"""What changed in an LDAP directory since a moment, by the server's own reckoning.

Active Directory counts its changes, each domain controller for itself: the count (uSNChanged) means something only on
the controller that it was read from, in the same incarnation of its database ([MS-ADTS] 3.1.1.1.9, invocationId). Other
servers keep the time of an entry's last change (modifyTimestamp, RFC 4512, 3.4); times overlap generously, because an
entry that is read twice costs nothing and one that is missed stays wrong until the next whole import.
"""

import datetime as dt
from collections.abc import Iterator, Sequence

import ldap3

from directories.connectors.base import ConnectorError, Cursor, CursorLost, Unavailable
from directories.connectors.ldap import names, values
from directories.connectors.ldap.decoding import Raw
from directories.connectors.ldap.session import Control, LdapSession
from directories.connectors.ldap.settings import LEVEL
from directories.connectors.ldap.tree import Tree

# LDAP_SERVER_SHOW_DELETED_OID ([MS-ADTS] 3.1.1.3.4.1.14)
SHOW_DELETED: Control = ("1.2.840.113556.1.4.417", True, None)
USN = ("dsServiceName", "highestCommittedUSN")
OVERLAP = dt.timedelta(minutes=5)  # between servers that replicate, and within one that commits out of order
STRANGE_CLOCK = dt.timedelta(minutes=15)  # instead, where the server does not tell its time
ANOTHER = "Another domain controller answers now, or this one was restored, so its changes cannot be told apart."
BACK = "The directory's clock or contents went back, so what changed cannot be told."


class Changes:
    """The moments of one server. ``counted``: it is Active Directory, whose changes are counted."""

    def __init__(self, session: LdapSession, tree: Tree, *, counted: bool) -> None:
        self._session, self._tree, self._counted = session, tree, counted

    def cursor(self) -> Cursor | None:
        """Return where the server stands now; None when it does not say."""
        return self._usn() if self._counted else self._time()

    def since(self, cursor: Cursor) -> str:
        """Return the filter for what changed since; raise CursorLost when the server cannot tell."""
        now = self.cursor()
        if now is None or now["kind"] != cursor.get("kind"):
            raise CursorLost(BACK)
        if cursor["kind"] == "usn":
            if any(now[name] != cursor.get(name) for name in ("server", "invocation")):
                raise CursorLost(ANOTHER)
            if now["usn"] < cursor["usn"]:
                raise CursorLost(BACK)
            return f"(uSNChanged>={cursor['usn'] + 1})"
        if now["at"] < cursor["at"] or now["told"] != cursor.get("told"):
            raise CursorLost(BACK)
        begin = dt.datetime.fromisoformat(cursor["at"]) - (OVERLAP if cursor["told"] else STRANGE_CLOCK)
        return f"(modifyTimestamp>={begin.astimezone(dt.UTC):%Y%m%d%H%M%SZ})"

    def gone(self, since: str, page_size: int) -> Iterator[list[str]]:
        """Yield the lasting ids of users that were deleted since, as far as the server shows deleted objects."""
        if self._counted:
            asked = f"(&(isDeleted=TRUE)(objectClass=user){since})"
            for found in self._pages(asked, "objectGUID", page_size, everywhere=True, controls=(SHOW_DELETED,)):
                yield self._ids(found, "objectGUID")

    def left(self, since: str, page_size: int) -> Iterator[list[str]]:
        """Yield the lasting ids of what changed since and is not, or not any more, what the user filter finds.

        Among them is whoever left the filter or was moved out of the base, and every other entry that changed, so only
        ids are asked for. What the server refuses here it refuses to tell: the next whole import finds it.
        """
        settings = self._session.settings
        attribute = settings.id_attribute
        try:
            for found in self._pages(f"(&{since}(!{settings.user_filter}))", attribute, page_size):
                yield self._ids(found, attribute)
            if settings.scope == LEVEL or not names.same(self._tree.top, settings.base_dn):
                for found in self._pages(since, attribute, page_size, everywhere=True):
                    yield self._ids([raw for raw in found if not self._in_scope(raw.dn)], attribute)
        except ConnectorError as error:
            if isinstance(error, Unavailable) and error.code != "limit":
                raise

    def _pages(
        self, asked: str, attribute: str, size: int, *, everywhere: bool = False, controls: Sequence[Control] = ()
    ) -> Iterator[Sequence[Raw]]:
        """Yield the entries of a search with one attribute; from the top of the tree, or as the settings say."""
        cookie, first = b"", True
        while first or cookie:
            found = self._session.search(
                asked,
                (attribute,),
                base=self._tree.top if everywhere else None,
                scope=ldap3.SUBTREE if everywhere else None,
                controls=controls,
                page=size,
                cookie=cookie,
            )
            cookie, first = found.cookie, False
            yield found.entries

    def _ids(self, found: Sequence[Raw], attribute: str) -> list[str]:
        return [str(values.decode(attribute, held[:1])) for raw in found if (held := raw.get(attribute))]

    def _in_scope(self, dn: str) -> bool:
        settings = self._session.settings
        if settings.scope == LEVEL:
            return names.same(names.parent(dn), settings.base_dn)
        return names.below(dn, settings.base_dn)

    def _usn(self) -> Cursor | None:
        root = self._session.read("", USN)
        service, usn = (root.text(name) if root else "" for name in USN)
        server = self._session.read(service, ("invocationId",)) if service and usn.isdigit() else None
        invocation = b"".join(server.get("invocationId")[:1]) if server else b""
        if not invocation:
            return None
        return {"kind": "usn", "server": service, "invocation": invocation.hex(), "usn": int(usn)}

    def _time(self) -> Cursor | None:
        """The newest change that the server knows of, or its time; the portal's own time where it tells neither."""
        told = self._newest_change() or self._clock()
        at = told or values.now()
        return {"kind": "time", "at": at.astimezone(dt.UTC).isoformat(timespec="seconds"), "told": told is not None}

    def _newest_change(self) -> dt.datetime | None:
        """OpenLDAP's contextCSN: one change sequence number for each server that writes."""
        top = self._session.read(self._tree.top, ("contextCSN",))
        times = [_generalized(csn.decode(errors="replace").partition("#")[0]) for csn in _of(top, "contextCSN")]
        return max((time for time in times if time), default=None)

    def _clock(self) -> dt.datetime | None:
        root = self._session.read("", ("currentTime",))
        return next((time for text in _of(root, "currentTime") if (time := _generalized(text.decode()))), None)


def _of(raw: Raw | None, name: str) -> list[bytes]:
    return list(raw.get(name)) if raw else []


def _generalized(text: str) -> dt.datetime | None:
    found = values.from_generalized(text)
    return found if isinstance(found, dt.datetime) else None
