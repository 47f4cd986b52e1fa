"""Django password hashers for the hashes of imported accounts, which Django itself cannot verify.

They only verify: at the first sign-in Django replaces such a hash by one of the preferred hasher. Each stores its
parameters in a form of ours, fit for the 128 characters of ``User.password``.
"""

import base64
import binascii
import hashlib
from typing import Any

import bcrypt
from django.contrib.auth import hashers
from django.utils.crypto import constant_time_compare, pbkdf2

BCRYPT_BYTES = 72
MAX_SCRYPT_BYTES = 64 * 2**20


class BCryptPasswordHasher(hashers.BCryptPasswordHasher):
    """bcrypt as every other system does it: only the first 72 bytes count.

    The bcrypt library raises ValueError for a longer password since 5.0, which would be an error page at sign-in.
    """

    def encode(self, password: str, salt: bytes | str) -> str:
        """Hash the first 72 bytes."""
        salt = salt.encode() if isinstance(salt, str) else salt
        data = bcrypt.hashpw(password.encode()[:BCRYPT_BYTES], salt)
        return f"{self.algorithm}${data.decode('ascii')}"

    def verify(self, password: str, encoded: str) -> bool:
        """Compare; a password that bcrypt cannot take (U+0000) is a wrong one."""
        try:
            return bool(super().verify(password, encoded))
        except ValueError:
            return False


class ScryptPasswordHasher(hashers.ScryptPasswordHasher):  # type: ignore[misc,name-defined]  # not in the stubs
    """scrypt with the memory that other systems' settings need; OpenSSL's own limit is 32 MiB, just too little."""

    maxmem = 2 * MAX_SCRYPT_BYTES


class _ImportedHasher(hashers.BasePasswordHasher):
    """A hasher that only verifies what was imported."""

    def encode(self, password: str, salt: str) -> str:
        """Refuse: no password is ever stored in this form anew."""
        raise NotImplementedError("Imported hashes are verified, never made.")

    def must_update(self, encoded: str) -> bool:
        """Every sign-in replaces the hash."""
        return True

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Do nothing: there is no work factor of ours to match."""

    def safe_summary(self, encoded: str) -> dict[Any, Any]:
        """Return what the admin's password field may show."""
        return {"algorithm": self.algorithm, "hash": hashers.mask_hash(encoded.rsplit("$", 1)[-1])}


class SSHAPasswordHasher(_ImportedHasher):
    """LDAP's {SHA}, {SSHA}, {SSHA256}, {SSHA384} and {SSHA512}: ``ssha$sha256$base64(digest + salt)``."""

    algorithm = "ssha"

    def verify(self, password: str, encoded: str) -> bool:
        """Hash the password with the stored salt and compare."""
        _, name, data = encoded.split("$", 2)
        try:
            raw = base64.b64decode(data, validate=True)
        except binascii.Error:
            return False
        size = hashlib.new(name).digest_size
        digest, salt = raw[:size], raw[size:]
        return constant_time_compare(hashlib.new(name, password.encode() + salt).digest(), digest)


class BinarySaltPBKDF2PasswordHasher(_ImportedHasher):
    """PBKDF2 with a salt of bytes (passlib, 389 DS), which Django's own cannot hold.

    ``pbkdf2_binary$sha256$iterations$base64(salt)$base64(hash)``.
    """

    algorithm = "pbkdf2_binary"

    def verify(self, password: str, encoded: str) -> bool:
        """Derive the key with the stored salt and compare."""
        _, name, iterations, salt, data = encoded.split("$", 4)
        expected = base64.b64decode(data)
        found = pbkdf2(
            password, base64.b64decode(salt), int(iterations), dklen=len(expected), digest=getattr(hashlib, name)
        )
        return constant_time_compare(found, expected)
