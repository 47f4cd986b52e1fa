"""The digests that accounts keep, keyed so that nobody who reads the database can try values against them."""

from collections.abc import Mapping

from django.conf import settings

from directories.attributes import Value
from directories.mapping import digest


def seen_digest(values: Mapping[str, Value]) -> str:
    """Return the digest of what a directory gave."""
    return digest(values, settings.SECRET_KEY.encode())


def state_digest(desired: Mapping[str, Value], enabled: bool) -> str:
    """Return the digest of the state that a directory is to hold; a disabled account's attributes do not matter."""
    return seen_digest({**desired, "\0enabled": True} if enabled else {"\0enabled": False})
