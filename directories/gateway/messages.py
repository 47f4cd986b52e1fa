"""What the portal and a gateway's machine send each other: signed, numbered, and bounded in size.

A message is a head (JSON) and any number of blobs, which carry calls and answers and are packed each for itself, so
that whoever only passes one on need not look into it. Both ends sign with Ed25519 (RFC 8032), each with a key of its
own, and what one end signed is never taken for what the other did.
"""

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from directories.connectors.gateway.codec import Malformed

LARGEST = 24 * 1024 * 1024  # bytes of a message
LARGEST_BLOB = 32 * 1024 * 1024  # bytes of a blob when it is unpacked; whoever reads it has them in memory
MOST_BLOBS = 64
TO_PORTAL, TO_GATEWAY = b"rollcall gateway 1 to portal\n", b"rollcall gateway 1 to gateway\n"
SIGNATURE, MACHINE = "X-Rollcall-Signature", "X-Rollcall-Machine"
CONTENT_TYPE = "application/vnd.rollcall.gateway"
CLOCKS = 120.0  # seconds that the clocks of both ends may differ, and a message be under way
WAIT = 4.0  # seconds that the portal keeps a machine waiting for calls, so that it shows a sign of life that often
LEASE = 3 * WAIT  # seconds after which a machine that showed none has lost its calls
BEGIN = 10.0  # seconds after which a call that was given out is not begun any more
_LENGTH = 4  # bytes


class BadSignature(Exception):
    """A message was not signed by whom it should be, or was changed on its way."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    head: dict[str, Any]
    blobs: Sequence[bytes] = field(default=(), repr=False)

    def packed(self) -> bytes:
        """Return it as bytes."""
        head = orjson.dumps({**self.head, "sizes": [len(blob) for blob in self.blobs]})
        return b"".join([len(head).to_bytes(_LENGTH, "big"), head, *self.blobs])


def unpacked(body: bytes) -> Message:
    """Return the message in a body; raise Malformed for anything that is none."""
    end = _LENGTH + int.from_bytes(body[:_LENGTH], "big")
    if len(body) > LARGEST or end > len(body):
        raise Malformed
    try:
        head = orjson.loads(body[_LENGTH:end])
    except orjson.JSONDecodeError:
        raise Malformed from None
    sizes = head.pop("sizes", None) if type(head) is dict else None
    if type(sizes) is not list or len(sizes) > MOST_BLOBS or not all(type(size) is int and size >= 0 for size in sizes):
        raise Malformed
    blobs = []
    for size in sizes:
        blobs.append(body[end : end + size])
        end += size
    if end != len(body):
        raise Malformed
    return Message(head, blobs)


def pack(data: bytes) -> bytes:
    """Return data as a blob."""
    return zlib.compress(data, 1)


def unpack(blob: bytes, most: int = LARGEST_BLOB) -> bytes:
    """Return what is in a blob; raise Malformed for one that is broken, or would grow to more than so many bytes."""
    reader = zlib.decompressobj()
    try:
        data = reader.decompress(blob, most)
    except zlib.error:
        raise Malformed from None
    if not reader.eof or reader.unused_data:
        raise Malformed
    return data


def sign(key: Ed25519PrivateKey, purpose: bytes, body: bytes) -> str:
    """Return the signature of a body for one direction."""
    return base64.b64encode(key.sign(purpose + body)).decode()


def verify(key: Ed25519PublicKey, purpose: bytes, body: bytes, signature: str) -> None:
    """Raise BadSignature unless the body was signed for this direction by the key's owner."""
    try:
        key.verify(base64.b64decode(signature, validate=True), purpose + body)
    except (InvalidSignature, ValueError):
        raise BadSignature from None


def new_key() -> str:
    """Return a new private key as text."""
    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def private_key(text: str) -> Ed25519PrivateKey:
    """Return the private key; raise Malformed."""
    return Ed25519PrivateKey.from_private_bytes(_key_bytes(text))


def public_key(text: str) -> Ed25519PublicKey:
    """Return the public key; raise Malformed."""
    return Ed25519PublicKey.from_public_bytes(_key_bytes(text))


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public half of a key as text."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _key_bytes(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise Malformed from None
    if len(raw) != 32:
        raise Malformed
    return raw
