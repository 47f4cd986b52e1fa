"""Initial passwords that a target application can verify, and imported ones that Django can."""

import base64
import hashlib

import argon2
import bcrypt
import pytest
from django.contrib.auth.hashers import check_password, identify_hasher, is_password_usable
from django.test import override_settings

from directories import passwords
from directories.config import Features
from directories.passwords import MAX_STORED, initial_password, random_password, stored_form, to_django
from tests.plugin import COSTS

CLEAR = "Grüße aus Łódź 42"
RAW = CLEAR.encode()


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _ab64(raw: bytes) -> str:
    return _b64(raw).rstrip("=").replace("+", ".")


def _ssha(scheme: str, name: str, salt: bytes = b"\x00\xffsalt$") -> str:
    return f"{{{scheme}}}{_b64(hashlib.new(name, RAW + salt).digest() + salt)}"


def _passlib(name: str, salt: bytes = b"\xfe\x00$binary salt\xff") -> str:
    data = hashlib.pbkdf2_hmac(name, RAW, salt, 1000)
    return f"$pbkdf2{'' if name == 'sha1' else '-' + name}$1000${_ab64(salt)}${_ab64(data)}"


BCRYPT = bcrypt.hashpw(RAW, bcrypt.gensalt(4)).decode()
ARGON2 = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
ARGON2D = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, type=argon2.Type.D)
SCRYPT = hashlib.scrypt(RAW, salt=b"saltsalt", n=32768, r=8, p=1, maxmem=2**27)

KEPT = {
    "bcrypt 2b": BCRYPT,
    "bcrypt 2a": BCRYPT.replace("$2b$", "$2a$"),
    "bcrypt 2y": BCRYPT.replace("$2b$", "$2y$"),
    "bcrypt in LDAP": "{CRYPT}" + BCRYPT.replace("$2b$", "$2y$"),
    "bcrypt in Spring": "{bcrypt}" + BCRYPT,
    "argon2id": ARGON2.hash(RAW),
    "argon2d": ARGON2D.hash(RAW),
    "argon2 in LDAP": "{ARGON2}" + ARGON2.hash(RAW),
    "werkzeug sha256": f"pbkdf2:sha256:1000$s4lt${hashlib.pbkdf2_hmac('sha256', RAW, b's4lt', 1000).hex()}",
    "werkzeug sha1": f"pbkdf2:sha1:1000$s4lt${hashlib.pbkdf2_hmac('sha1', RAW, b's4lt', 1000).hex()}",
    "werkzeug scrypt": f"scrypt:32768:8:1$saltsalt${SCRYPT.hex()}",
    "passlib sha256": _passlib("sha256"),
    "passlib sha1": _passlib("sha1"),
    "SSHA": _ssha("SSHA", "sha1"),
    "SSHA small letters": _ssha("ssha", "sha1"),
    "SHA": _ssha("SHA", "sha1", b""),
    "SSHA256": _ssha("SSHA256", "sha256"),
    "SSHA384": _ssha("SSHA384", "sha384"),
    "SSHA512": _ssha("SSHA512", "sha512", b"12345678"),
    "passlib sha512": _passlib("sha512", b"\xff2345678"),
    "Django PBKDF2": f"pbkdf2_sha256$1000$s4lt${_b64(hashlib.pbkdf2_hmac('sha256', RAW, b's4lt', 1000))}",
    "Django bcrypt": f"bcrypt${BCRYPT}",
    "Django argon2": f"argon2{ARGON2.hash(RAW)}",
}


@pytest.mark.parametrize("value", KEPT.values(), ids=KEPT.keys())
def test_recognised_hashes_are_kept_and_verify(value: str) -> None:
    stored = to_django(value)
    assert len(stored) <= MAX_STORED
    replaced: list[str] = []
    assert not check_password(CLEAR + "!", stored)
    assert check_password(CLEAR, stored, setter=replaced.append)
    assert replaced == [CLEAR], "the first sign-in replaces the hash by one of the portal's own"
    assert identify_hasher(stored).safe_summary(stored)


@pytest.mark.parametrize("value", ["defaultPassword123#", " spaces ", "!Secret1", "{CLEAR}{x}y", "pässwörd", "x" * 200])
def test_clear_text_is_hashed(value: str) -> None:
    stored = to_django(value)
    assert check_password(value.removeprefix("{CLEAR}"), stored)
    assert value not in stored


UNVERIFIABLE = {
    "sha512-crypt": "$6$rounds=5000$salt$" + "a" * 86,
    "locked shadow": "!$6$salt$abc",
    "locked": "!!",
    "no password": "*",
    "empty": "",
    "MD5": hashlib.md5(RAW).hexdigest(),
    "MySQL native": "*" + hashlib.sha1(RAW).hexdigest().upper(),
    "unknown scheme": "{SMD5}abcd",
    "bcrypt cost bomb": BCRYPT.replace("$04$", "$31$"),
    "broken bcrypt": BCRYPT[:-2],
    "argon2 memory bomb": "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
    "broken argon2": "$argon2id$v=19$m=64",
    "PBKDF2 bomb": "pbkdf2:sha256:99999999999$salt$" + "0" * 64,
    "Django PBKDF2 bomb": "pbkdf2_sha256$99999999999$salt$aaaa",
    "scrypt bomb": "scrypt:1073741824:8:1$salt$" + "0" * 128,
    "salt too long": _ssha("SSHA512", "sha512", b"x" * 64),
    "broken SSHA": "{SSHA}abc",
}


@pytest.mark.parametrize("value", UNVERIFIABLE.values(), ids=UNVERIFIABLE.keys())
def test_a_hash_that_cannot_be_verified_opens_nothing(value: str) -> None:
    stored = to_django(value)
    assert not is_password_usable(stored)
    assert not check_password(value, stored)


def test_a_long_password_against_bcrypt_is_compared_not_an_error() -> None:
    long = "ä" * 100
    stored = to_django(stored_form(long, "bcrypt"))
    assert check_password(long, stored)
    assert not check_password("b" * 100, stored)
    assert not check_password("nul\0nul", stored)


@pytest.mark.parametrize("storage", ["plain", "bcrypt", "argon2id"])
def test_a_fixed_initial_password_is_stored_as_asked(monkeypatch: pytest.MonkeyPatch, storage: str) -> None:
    monkeypatch.setattr(passwords, "BCRYPT_ROUNDS", COSTS["bcrypt"])
    fixed = Features(initial_password="fixed", fixed_password="defaultPassword123#", password_storage=storage)
    password = initial_password(fixed)
    assert password.clear == "defaultPassword123#"
    assert "defaultPassword123#" not in repr(password)
    if storage == "plain":
        assert password.stored == password.clear
    elif storage == "bcrypt":
        assert password.stored.startswith("$2b$10$")
        assert bcrypt.checkpw(password.clear.encode(), password.stored.encode())
    else:
        assert password.stored.startswith("$argon2id$v=19$")
        assert argon2.PasswordHasher().verify(password.stored, password.clear)


def test_random_passwords_differ_and_satisfy_the_usual_policies() -> None:
    made = {random_password() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        assert len(password) == 20
        assert password[0].isalpha()
        assert any(c.islower() for c in password)
        assert any(c.isupper() for c in password)
        assert any(c.isdigit() for c in password)
        assert any(not c.isalnum() for c in password)


def test_a_fixed_password_that_was_never_set_is_random() -> None:
    features = Features(initial_password="fixed", fixed_password=None, password_storage="plain")
    assert initial_password(features).clear != initial_password(features).clear


def test_the_hashers_are_those_of_the_settings() -> None:
    """The tests' own fast hasher must not hide a missing entry of the settings file."""
    from config import settings

    with override_settings(PASSWORD_HASHERS=settings.PASSWORD_HASHERS):
        assert check_password(CLEAR, to_django(KEPT["SSHA"]))
        assert check_password(CLEAR, to_django(KEPT["passlib sha256"]))
