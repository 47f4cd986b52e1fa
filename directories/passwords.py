"""The passwords of accounts: the first one of a created account, and the stored ones of imported accounts."""

import base64
import binascii
import re
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import argon2
import bcrypt
from django.contrib.auth.hashers import make_password

from directories.hashers import BCRYPT_BYTES, MAX_SCRYPT_BYTES

RANDOM_LENGTH = 20
# No letters that look alike, and only signs that need no quoting anywhere.
_CLASSES = ("abcdefghijkmnopqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789", "-_.+=#")
# OWASP's minimum (Password Storage Cheat Sheet): one is made for every created account.
BCRYPT_ROUNDS = 10
_ARGON2 = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

MAX_STORED = 128  # the width of User.password
# Work factors beyond these would let one imported row keep a web worker busy for minutes at sign-in.
MAX_BCRYPT_ROUNDS, MAX_PBKDF2_ITERATIONS, MAX_ARGON2_KIB, MAX_ARGON2_PASSES = 16, 5_000_000, 524_288, 20

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_WERKZEUG = re.compile(r"pbkdf2:(sha1|sha256):(\d+)\$([^$]+)\$([0-9a-f]+)")
_WERKZEUG_SCRYPT = re.compile(r"scrypt:(\d+):(\d+):(\d+)\$([^$]+)\$([0-9a-f]{128})")
_PASSLIB = re.compile(r"\$pbkdf2(?:-(sha256|sha512))?\$(\d+)\$([./A-Za-z0-9]+)\$([./A-Za-z0-9]+)")
_SSHA = re.compile(r"\{(S?SHA(?:256|384|512)?)\}([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
_DJANGO = re.compile(r"(pbkdf2_sha1|pbkdf2_sha256|argon2|bcrypt|bcrypt_sha256|scrypt)\$.+")
_WRAPPED = re.compile(r"\{(?:BCRYPT|CRYPT|ARGON2|PBKDF2)\}(?=\$)", re.IGNORECASE)
_CLEAR = re.compile(r"\{(?:CLEAR|CLEARTEXT|NOOP)\}", re.IGNORECASE)
_HASH_LIKE = re.compile(
    r"\$[\w.-]+\$.*|\{[A-Za-z0-9./@_-]{2,30}\}.+|\*?(?:[0-9a-f]{2}){16,64}|[!*]+(\$.*)?", re.I | re.S
)
_DIGESTS = {"SHA": ("sha1", 20), "256": ("sha256", 32), "384": ("sha384", 48), "512": ("sha512", 64)}


class _Features(Protocol):
    """The part of ``directories.config.Features`` that decides about initial passwords."""

    @property
    def initial_password(self) -> str: ...
    @property
    def fixed_password(self) -> str | None: ...
    @property
    def password_storage(self) -> str: ...


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A created account's password: what its owner types, and what the directory stores."""

    clear: str = field(repr=False)
    stored: str = field(repr=False)


def initial_clear(features: _Features) -> str:
    """Return what the owner of an account that is to be created types; a fixed one that was never set is random."""
    fixed = features.fixed_password if features.initial_password == "fixed" else None
    return fixed or random_password()


def initial_password(features: _Features) -> NewPassword:
    """Return the password of an account that is to be created, with the form in which the directory stores it."""
    clear = initial_clear(features)
    return NewPassword(clear, stored_form(clear, features.password_storage))


def stored_form(clear: str, storage: str) -> str:
    """Return ``clear`` as the directory stores it: "plain", or "bcrypt" or "argon2id" in their standard form."""
    if storage == "bcrypt":
        return bcrypt.hashpw(clear.encode()[:BCRYPT_BYTES], bcrypt.gensalt(BCRYPT_ROUNDS)).decode()
    if storage == "argon2id":
        return _ARGON2.hash(clear)
    if storage == "plain":
        return clear
    raise ValueError(f"unknown password storage {storage!r}")


def random_password(length: int = RANDOM_LENGTH) -> str:
    """Return a random password with a letter of each case, a digit and a sign: about 120 bits at 20 characters."""
    everything = "".join(_CLASSES)
    while True:
        number = secrets.randbelow(len(everything) ** length)  # all letters by one call of the system
        password = ""
        for _ in range(length):
            number, place = divmod(number, len(everything))
            password += everything[place]
        # A sign in front is taken for an option or a formula by shells and spreadsheets.
        if password[0] in string.ascii_letters and not any(set(password).isdisjoint(each) for each in _CLASSES):
            return password


def to_django(value: str) -> str:
    """Return an imported password in the form of ``User.password``.

    Recognised hashes are kept; clear text is hashed. What looks like a hash that cannot be verified here gives an
    unusable password: hashed as if it were clear text, the stolen hash itself would open the account.
    """
    if _CLEAR.match(value):
        return make_password(_CLEAR.sub("", value, count=1))
    bare = _WRAPPED.sub("", value.strip(), count=1)
    for recognise in _RECOGNISED:
        found = recognise(bare)
        if found is not None:
            return found if found and len(found) <= MAX_STORED else make_password(None)
    return make_password(None if not value or _HASH_LIKE.fullmatch(bare) else value)


def _bcrypt(value: str) -> str | None:
    """$2a$, $2b$ and $2y$ are one algorithm; the library only writes $2b$."""
    match = _BCRYPT.fullmatch(value)
    if not match:
        return None
    return f"bcrypt$$2b{value[3:]}" if 4 <= int(match[1]) <= MAX_BCRYPT_ROUNDS else ""


def _argon2(value: str) -> str | None:
    if not re.match(r"\$argon2(id|i|d)\$", value):
        return None
    try:
        parameters = argon2.extract_parameters(value)
    except (argon2.exceptions.InvalidHashError, ValueError):
        return ""
    bounded = parameters.memory_cost <= MAX_ARGON2_KIB and parameters.time_cost <= MAX_ARGON2_PASSES
    return f"argon2{value}" if bounded and parameters.parallelism <= 64 and _ascii_salt(value) else ""


def _ascii_salt(value: str) -> bool:
    """Whether the salt is readable base64, as Django wants it when it looks at the hash."""
    salt = value.split("$")[-2]
    try:
        return bool(base64.b64decode(salt + "=" * (-len(salt) % 4), validate=True))
    except binascii.Error:
        return False


def _pbkdf2(value: str) -> str | None:
    """Werkzeug's form: the salt is text, the hash hexadecimal."""
    match = _WERKZEUG.fullmatch(value)
    if not match:
        return None
    name, iterations, salt, data = match.groups()
    size = {"sha1": 20, "sha256": 32}[name]
    if len(data) != 2 * size or not _bounded(iterations):
        return ""
    return f"pbkdf2_{name}${int(iterations)}${salt}${base64.b64encode(bytes.fromhex(data)).decode()}"


def _scrypt(value: str) -> str | None:
    """Werkzeug's form of scrypt, with the text salt and 64 bytes that Django's hasher has too."""
    match = _WERKZEUG_SCRYPT.fullmatch(value)
    if not match:
        return None
    work, block, parallel = (int(part[:9]) for part in match.groups()[:3])
    if not _bounded_scrypt(work, block, parallel):
        return ""
    return f"scrypt${work}${match[4]}${block}${parallel}${base64.b64encode(bytes.fromhex(match[5])).decode()}"


def _bounded_scrypt(work: int, block: int, parallel: int) -> bool:
    return work.bit_count() == 1 and work > 1 and 0 < work * block <= MAX_SCRYPT_BYTES // 128 and 0 < parallel <= 16


def _passlib(value: str) -> str | None:
    """Passlib's form: salt and hash are bytes in base64 with "." for "+" and no padding."""
    match = _PASSLIB.fullmatch(value)
    if not match:
        return None
    salt, data = (_padded(part.replace(".", "+")) for part in match.groups()[2:])
    if not salt or not data or not _bounded(match[2]):
        return ""
    return f"pbkdf2_binary${match[1] or 'sha1'}${int(match[2])}${salt}${data}"


def _padded(text: str) -> str:
    try:
        return base64.b64encode(base64.b64decode(text + "=" * (-len(text) % 4), validate=True)).decode()
    except binascii.Error:
        return ""


def _bounded(iterations: str) -> bool:
    return len(iterations) < 9 and 0 < int(iterations) <= MAX_PBKDF2_ITERATIONS


def _ssha(value: str) -> str | None:
    match = _SSHA.fullmatch(value)
    if not match:
        return None
    name, size = _DIGESTS[match[1].upper()[-3:]]
    data = _padded(match[2].rstrip("="))
    salted = len(base64.b64decode(data)) - size
    return f"ssha${name}${data}" if salted > 0 or (salted == 0 and match[1].upper().startswith("SHA")) else ""


def _django(value: str) -> str | None:
    """Django's own form, checked like the forms it is made of."""
    if not _DJANGO.fullmatch(value):
        return None
    algorithm, rest = value.split("$", 1)
    if algorithm == "argon2":
        return _argon2(f"${rest}")
    if algorithm in ("bcrypt", "bcrypt_sha256"):
        return f"{algorithm}{known[6:]}" if (known := _bcrypt(rest)) else ""
    if algorithm == "scrypt":
        found = re.fullmatch(r"(\d{1,9})\$[^$]+\$(\d{1,9})\$(\d{1,9})\$[A-Za-z0-9+/]{86}==", rest)
        return value if found and _bounded_scrypt(*map(int, found.groups())) else ""
    match = re.fullmatch(r"(\d+)\$[^$]+\$[A-Za-z0-9+/]+=*", rest)
    return value if match and _bounded(match[1]) else ""


# Each gives None for what is not its form, and "" for what is but cannot be verified here.
_RECOGNISED: tuple[Callable[[str], str | None], ...] = (_bcrypt, _argon2, _pbkdf2, _scrypt, _passlib, _ssha, _django)
