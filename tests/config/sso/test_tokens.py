"""ID tokens: the good one is taken, and none that is forged, stale, somebody else's, or of another sign-in."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from config.sso import tokens

KEY, OTHER = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
ISSUER, CLIENT, NONCE = "https://login.example.com", "rollcall", "n-0S6"


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**json.loads(kind.to_jwk(key.public_key())), "kid": kid, "use": "sig", **more}


KEYS = {
    "keys": [jwk(KEY, "1"), jwk(CURVE, "2"), jwk(OTHER, "3", use="enc"), {"kty": "oct", "k": "c2VjcmV0", "kid": "4"}]
}


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    told = {"iss": ISSUER, "sub": "7", "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": NONCE, "auth_time": now}
    return {name: value for name, value in {**told, **changed}.items() if value is not None}


def token(key: Any = KEY, kid: str | None = "1", algorithm: str = "RS256", **changed: Any) -> str:
    return jwt.encode(claims(**changed), key, algorithm, headers={"kid": kid} if kid else None)


def look(text: str, keys: Mapping[str, Any] = KEYS, since: float | None = None) -> dict[str, Any]:
    return tokens.verified(text, keys, issuer=ISSUER, client_id=CLIENT, nonce=NONCE, since=since)


@pytest.mark.parametrize(
    "good",
    [
        token,
        lambda: token(CURVE, "2", "ES256"),
        lambda: token(algorithm="PS256"),
        lambda: token(aud=[CLIENT]),
        lambda: token(aud=[CLIENT, "another"], azp=CLIENT),
        lambda: token(exp=int(time.time()) - 30),
    ],
)
def test_a_good_one_is_taken(good: Callable[[], str]) -> None:
    assert look(good())["sub"] == "7"


def test_a_key_without_a_name_is_the_only_one_of_its_kind() -> None:
    assert look(token(kid=None), {"keys": [jwk(KEY, "1"), jwk(CURVE, "2")]})["sub"] == "7"
    with pytest.raises(tokens.TokenRefused, match="No key"):
        look(token(kid=None), {"keys": [jwk(KEY, "1"), jwk(OTHER, "2")]})


def forged(secret: bytes, kid: str) -> str:
    """Return a token whose signature is a hash with a secret that everybody can read."""
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims())]
    signature = hmac.digest(secret, b".".join(parts), "sha256")
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (lambda: token(OTHER), "not valid"),  # signed by somebody else
        (lambda: token(OTHER, "3"), "No key"),  # a key that is not for signatures
        (lambda: token(kid="9"), "No key"),
        (lambda: token("", None, "none"), "signed with none"),
        (lambda: forged(PUBLIC, "1"), "signed with HS256"),  # the public key as a secret
        (lambda: forged(b"secret", "4"), "signed with HS256"),
        (lambda: token(CURVE, "1", "ES256"), "No key"),
        (lambda: token(iss="https://evil.example"), "not valid"),
        (lambda: token(iss=None), "not valid"),
        (lambda: token(aud="another"), "not valid"),
        (lambda: token(aud=[CLIENT, "another"]), "another client"),
        (lambda: token(azp="another"), "another client"),
        (lambda: token(exp=int(time.time()) - 300), "not valid"),
        (lambda: token(exp=None), "not valid"),
        (lambda: token(iat=int(time.time()) - 3600), "long ago"),
        (lambda: token(iat=int(time.time()) + 3600), "not valid"),
        (lambda: token(nonce="another"), "another sign-in"),
        (lambda: token(nonce=None), "another sign-in"),
        (lambda: token(sub=None), "not valid"),
        (lambda: token(sub=""), "nobody"),
        (lambda: token(sub="7" * 300), "nobody"),
        (lambda: "no.token.at-all", "not valid"),
        (lambda: "", "not valid"),
    ],
)
def test_others_are_refused(bad: Callable[[], str], why: str) -> None:
    """The tokens are made here, not when the file is read: they last for five minutes."""
    with pytest.raises(tokens.TokenRefused, match=why):
        look(bad())


@pytest.mark.parametrize("keys", [{}, {"keys": None}, {"keys": ["x"]}, {"keys": [{"kty": "RSA", "kid": "1"}]}])
def test_keys_that_are_none_verify_nothing(keys: Mapping[str, Any]) -> None:
    with pytest.raises(tokens.TokenRefused):
        look(token(), keys)


def test_a_new_proof_is_a_new_one() -> None:
    now = time.time()
    assert look(token(), since=now)["sub"] == "7"
    for said in (int(now) - 3600, None, "now", True):
        with pytest.raises(tokens.TokenRefused, match="did not ask again"):
            look(token(auth_time=said), since=now)
