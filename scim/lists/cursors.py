"""The cursors of RFC 9865: where a page ended, signed, so that no client can make one up.

They hold the key of one row, the list that it belongs to and when it was written. Nothing is kept on the server, so a
cursor survives restarts and works on every process; it is not secret, since its client has just read that row.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from django.core.signing import BadSignature, SignatureExpired, TimestampSigner

from scim.errors import ScimError

TIMEOUT = 24 * 3600  # seconds; ServiceProviderConfig says so
MAX_LENGTH = 4000
_SALT = "scim.cursors"


@dataclass(frozen=True, slots=True)
class Position:
    """Just after the row with this key (before it, backwards) in the source of that number."""

    source: int
    key: tuple[Any, ...]
    backwards: bool = False


def write(position: Position, query: str) -> str:
    """Return the cursor, of unreserved characters only (RFC 9865 section 2)."""
    content = [_digest(query), position.source, list(position.key), position.backwards]
    return _signer().sign_object(content, compress=True)


def read(cursor: str, query: str) -> Position:
    """Return the position; raise ScimError 400 invalidCursor or expiredCursor."""
    try:
        if len(cursor) > MAX_LENGTH:
            raise BadSignature
        digest, source, key, backwards = _signer().unsign_object(cursor, max_age=TIMEOUT)
    except SignatureExpired:
        raise ScimError(400, "The cursor has expired. Begin with the first page again.", "expiredCursor") from None
    except (BadSignature, UnicodeError, ValueError):
        raise ScimError(400, "The cursor is not one of ours.", "invalidCursor") from None
    if digest != _digest(query):
        raise ScimError(400, "The cursor belongs to another query.", "invalidCursor")
    return Position(source, tuple(key), backwards)


def _signer() -> TimestampSigner:
    return TimestampSigner(sep="~", salt=_SALT)  # the usual colon is a reserved character


def _digest(query: str) -> str:
    return blake2b(query.encode(errors="replace"), digest_size=8).hexdigest()
