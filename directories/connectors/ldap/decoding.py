"""Taking found entries apart, several times as fast as ldap3 does.

ldap3 decodes every element of a message into a tree of tuples and then into two dictionaries of attributes; it reads
about 10,000 entries a second so. An entry has one fixed shape (RFC 4511, 4.5.2), which is walked through here by its
lengths. Everything else, and an entry that shows a part of a long attribute (range retrieval), stays with ldap3.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.strategy.sync import SyncStrategy

# ``EntryStrategy`` overrides private parts of ldap3 as this release has them. Whoever takes another release reads those
# parts first; until then nothing is decoded by guesswork.
assert version("ldap3") == "2.9.1", "directories.connectors.ldap.decoding is written for ldap3 2.9.1"

POST_READ = "1.3.6.1.1.13.2"  # RFC 4527: the entry as it is after a request, with the answer to that
ENTRY = 0x64  # [APPLICATION 4] SearchResultEntry
LONG = 0x80  # from here on, the first byte of a length says how many bytes the length has
AT_ONCE = 65536
_SPELT: dict[bytes, tuple[str, str]] = {}  # attribute names as they came -> as text, and in lower case
_MOST_NAMES = 10_000


@dataclass(frozen=True, slots=True)
class Raw:
    """One entry as it came: values in bytes, by the attributes' names in lower case; ``names`` as they were spelt."""

    dn: str
    values: Mapping[str, Sequence[bytes]]
    names: Sequence[str] = ()

    def get(self, name: str) -> Sequence[bytes]:
        """Return the values of an attribute, none when the entry does not show it."""
        return self.values.get(name.lower(), ())

    def text(self, name: str) -> str:
        """Return the first value of an attribute as text, "" for none."""
        values = self.get(name)
        return values[0].decode(errors="replace") if values else ""


class EntryStrategy(SyncStrategy):
    """ldap3's synchronous strategy, whose found entries are ``{"type": "searchResEntry", "entry": Raw}``."""

    def __init__(self, connection: ldap3.Connection) -> None:
        super().__init__(connection)
        self._rest = b""
        self._entries: list[dict[str, Any]] = []

    def receiving(self) -> list[bytes]:  # type: ignore[override]
        """Return the next messages that are no plain entries, keeping those; none when the server closed."""
        others: list[bytes] = []
        while not others:
            try:
                data = self.connection.socket.recv(AT_ONCE)
            except (OSError, AttributeError) as error:
                with suppress(LDAPException, OSError, AttributeError):
                    self.close()
                raise error if isinstance(error, OSError) else ConnectionResetError("closed") from None
            if not data:
                return []
            self._rest = self._taken_apart(self._rest + data if self._rest else data, others)
        return others

    def _taken_apart(self, data: bytes, others: list[bytes]) -> bytes:
        """Decode the whole messages in ``data``, and return what is left of it."""
        start, end = 0, len(data)
        while start < end:
            size = _size(data, start)
            if size < 0 or start + size > end:
                break
            raw = entry_in(data, start)
            if raw is None:
                others.append(data[start : start + size])
            else:
                self._entries.append({"type": "searchResEntry", "entry": raw})
            start += size
        return data[start:]

    @staticmethod
    def decode_control_fast(control: Any, from_server: bool = True) -> tuple[str, dict[str, Any]]:
        """Keep the values of an entry that was read after a request in bytes; ldap3 would guess what text they are."""
        if control[0][3] == POST_READ.encode():
            return POST_READ, {"value": entry_at(control[-1][3], 0)}
        found: tuple[str, dict[str, Any]] = SyncStrategy.decode_control_fast(control, from_server)
        return found

    def _get_response(self, message_id: int, timeout: float) -> Any:
        """Return ldap3's own answer with the entries before it: its last two items are the result and the end."""
        self._entries = []
        responses = super()._get_response(message_id, timeout)  # type: ignore[misc]
        return [*self._entries, *responses] if isinstance(responses, list) else responses


def use(connection: ldap3.Connection) -> None:
    """Let a connection that is not open yet decode entries so."""
    strategy = EntryStrategy(connection)
    connection.strategy = strategy
    for name in ("send", "open", "get_response", "post_send_single_response", "post_send_search"):
        setattr(connection, name, getattr(strategy, name))
    connection.empty_attributes = False


def entry_in(data: bytes, start: int) -> Raw | None:
    """Return the entry in the message that begins at ``start``; None when it is another message, or has ranges."""
    at, _ = _value(data, start)
    _, at = _value(data, at)  # the message's id
    return entry_at(data, at) if data[at] == ENTRY else None


def entry_at(data: bytes, at: int) -> Raw | None:
    """Return the entry whose element begins at ``at``; None when it has ranges."""
    at, _ = _value(data, at)
    at, end = _value(data, at)
    dn = data[at:end].decode(errors="surrogateescape")
    at, last = _value(data, end)
    values: dict[str, list[bytes]] = {}
    names: list[str] = []
    while at < last:
        # Lengths of one byte are read here: they are nearly all there are, and a call for each would take most time.
        at += 2 if data[at + 1] < LONG else _value(data, at)[0] - at
        size = data[at + 1]
        at, end = (at + 2, at + 2 + size) if size < LONG else _value(data, at)
        spelt, name = _SPELT.get(data[at:end]) or _learnt(data[at:end])
        if ";range=" in name:
            return None
        size = data[end + 1]
        at, stop = (end + 2, end + 2 + size) if size < LONG else _value(data, end)
        values[name] = found = []
        names.append(spelt)
        while at < stop:
            size = data[at + 1]
            at, end = (at + 2, at + 2 + size) if size < LONG else _value(data, at)
            found.append(data[at:end])
            at = end
    return Raw(dn, values, names)


def _value(data: bytes, at: int) -> tuple[int, int]:
    """Return where the value of the element at ``at`` begins and ends (X.690, 8.1.3: definite lengths)."""
    size = data[at + 1]
    if size < LONG:
        return at + 2, at + 2 + size
    begin = at + 2 + (size & 0x7F)
    return begin, begin + int.from_bytes(data[at + 2 : begin], "big")


def _size(data: bytes, at: int) -> int:
    """Return the length of the message at ``at``, -1 while it cannot be known."""
    if at + 6 > len(data) and (at + 2 > len(data) or at + 2 + (data[at + 1] & 0x7F) > len(data)):
        return -1
    return _value(data, at)[1] - at


def _learnt(name: bytes) -> tuple[str, str]:
    spelt = name.decode(errors="replace")
    found = (spelt, spelt.lower())
    if len(_SPELT) < _MOST_NAMES:
        _SPELT[bytes(name)] = found
    return found
