"""Being told of changes as they happen: LDAP content synchronisation (RFC 4533) or Active Directory's notifications.

Both are a search that never ends. What it says is not read, only that it says something: what changed is then asked
for like every other time. ldap3 knows neither operation, so it logs in, writes the request and takes messages apart,
and the socket is read here.
"""

import select
import socket
import ssl
import time
from collections.abc import Iterator
from threading import Event
from typing import Any

import ldap3
from ldap3.operation.search import search_operation
from ldap3.strategy.base import BaseStrategy
from ldap3.utils.asn1 import decode_message_fast, ldap_result_to_dict_fast
from pyasn1.codec.ber import encoder
from pyasn1.type.univ import Enumerated, OctetString, Sequence

from directories.connectors.base import ConnectorError
from directories.connectors.ldap.errors import LDAP_ERRORS, broken, refused, unavailable
from directories.connectors.ldap.session import Control, LdapSession
from directories.connectors.ldap.tree import Tree

SYNC = "1.3.6.1.4.1.4203.1.9.1.1"  # Sync Request Control (RFC 4533, 2.2)
REFRESH_AND_PERSIST = 3
NOTIFICATION: Control = ("1.2.840.113556.1.4.528", True, None)  # LDAP_SERVER_NOTIFICATION_OID ([MS-ADTS] 3.1.1.3.4.1.9)
DONE = 5  # SearchResultDone
TURN = 0.5  # seconds after which ``stop`` is looked at
SIGN = 10.0  # seconds between two heartbeats
SETTLED = 1.0  # seconds that a server may take to begin listening
WORDS = "This server does not tell of changes by itself. Read changes every few minutes instead."


def listen(session: LdapSession, tree: Tree, stop: Event, *, active_directory: bool) -> Iterator[bool]:
    """Yield True once the server listens and whenever something changed, and False as a heartbeat in between.

    Raise Unavailable when the connection ends, and ConnectorError when the server cannot do this.
    """
    connection = session.new()
    try:
        yield from _listen(connection, session, tree, stop, active_directory)
    except LDAP_ERRORS as error:
        raise broken(error) from None
    finally:
        session.drop(connection)


def _listen(
    connection: ldap3.Connection, session: LdapSession, tree: Tree, stop: Event, active_directory: bool
) -> Iterator[bool]:
    control = NOTIFICATION if active_directory else _sync(_cookie(session, tree))
    # Active Directory notifies of a whole tree only from the root of its partition.
    base = tree.top if active_directory else session.settings.base_dn
    request = search_operation(
        base, "(objectClass=*)", ldap3.SUBTREE, ldap3.DEREF_NEVER, ["1.1"], 0, 0, False, False, False
    )
    connection.strategy.send("searchRequest", request, [control])
    wire = _Wire(connection.socket)
    began = told = time.monotonic()
    ready = news = False
    while not stop.is_set():
        for message in wire.messages():
            _demand(message)
            news = True
        now = time.monotonic()
        ready = ready or now - began >= SETTLED
        if ready and (news or told == began or now - told >= SIGN):
            yield news or told == began
            news, told = False, time.monotonic()


def _cookie(session: LdapSession, tree: Tree) -> str:
    """Return OpenLDAP's words for "all that there is now", so that it does not begin with every entry it has."""
    top = session.read(tree.top, ("contextCSN",))
    known = [value.decode(errors="replace") for value in (top.get("contextCSN") if top else ())]
    return f"rid=999,csn={';'.join(known)}" if known else ""


def _sync(cookie: str) -> Control:
    value = Sequence()
    value.setComponentByPosition(0, Enumerated(REFRESH_AND_PERSIST))
    if cookie:
        value.setComponentByPosition(1, OctetString(cookie.encode()))
    return (SYNC, True, encoder.encode(value))


def _demand(message: bytes) -> None:
    """Raise when a message ends the search."""
    found: dict[str, Any] = decode_message_fast(message)  # type: ignore[no-untyped-call]
    if found["protocolOp"] != DONE:
        return
    result = ldap_result_to_dict_fast(found["payload"])  # type: ignore[no-untyped-call]
    if result["result"] in (11, 12, 53):  # administrative limit (of such searches), unknown control, unwilling
        raise ConnectorError(WORDS, code="control")
    if result["result"] in (0, 4096):  # it ended by itself; e-syncRefreshRequired
        raise unavailable("connection", "The directory ended the listening. The portal listens again by itself.")
    raise refused(result)


class _Wire:
    """The messages that come over a socket."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._rest = b""
        # A peer that vanished is noticed after a minute and a half.
        for name, value in ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4)):
            connected.setsockopt(socket.IPPROTO_TCP, name, value)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connected.settimeout(TURN)

    def messages(self) -> Iterator[bytes]:
        """Yield what came within a turn."""
        if not self._pending() and not select.select([self._socket], [], [], TURN)[0]:
            return
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return
        if not data:
            raise ConnectionResetError("closed by the server")
        self._rest += data
        while (size := _size(self._rest)) != -1 and len(self._rest) >= size:
            message, self._rest = self._rest[:size], self._rest[size:]
            yield message

    def _pending(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0


def _size(data: bytes) -> int:
    """Return the length of the message that ``data`` begins with, -1 while that cannot be known."""
    return int(BaseStrategy.compute_ldap_message_size(data))  # type: ignore[no-untyped-call]
