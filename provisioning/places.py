"""Where an entry stands, in a form of fixed length that an index can hold."""

import hashlib

BYTES = 20


def digest(place: str) -> str:
    """Return the digest of a place (LDAP: a DN in its normal form), "" for none.

    It is no secret and no protection, only short: a DN may be longer than what a database indexes.
    """
    return hashlib.blake2b(place.encode(errors="surrogatepass"), digest_size=BYTES).hexdigest() if place else ""
