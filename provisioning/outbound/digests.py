"""The digests that accounts keep, keyed so that nobody who reads the database can try values against them."""

import hashlib
from collections.abc import Mapping

from django.conf import settings

from directories.attributes import Value
from directories.mapping import digest

PLACE_BYTES = 20
OUTDATED = "outdated"  # a digest that no state of a group has: it was pushed, and is looked at anew


def seen_digest(values: Mapping[str, Value]) -> str:
    """Return the digest of what a directory gave."""
    return digest(values, settings.SECRET_KEY.encode())


def state_digest(desired: Mapping[str, Value], enabled: bool, container: str = "") -> str:
    """Return the digest of the state that a directory is to hold; a disabled account's attributes do not matter.

    ``container`` is where the account is to stand, "" where that does not matter.
    """
    if not enabled:
        return seen_digest({"\0enabled": False})
    place = {"\0container": container} if container else {}
    return seen_digest({**desired, "\0enabled": True, **place})


def place_digest(place: str) -> str:
    """Return the digest of where an entry stands (LDAP: a DN in its normal form), "" for none.

    It is no secret and no protection, only short: a DN may be longer than what a database indexes.
    """
    return hashlib.blake2b(place.encode(errors="surrogatepass"), digest_size=PLACE_BYTES).hexdigest() if place else ""
