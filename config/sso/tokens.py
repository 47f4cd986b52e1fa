"""ID tokens: what makes one good for this portal, for this sign-in. No Django and no network in here.

OpenID Connect Core 1.0, section 3.1.3.7; algorithms by RFC 8725 3.1: only those with a key pair, never what the token
itself would like.
"""

import time
from collections.abc import Mapping
from typing import Any

import jwt

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY = 60  # seconds that clocks may differ
OLDEST = 600  # seconds since a token was issued
NEEDED = ("iss", "sub", "aud", "exp", "iat")


class TokenRefused(Exception):
    """The token is not good; the text says why, for the log."""


def verified(
    token: str, keys: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, since: float | None = None
) -> dict[str, Any]:
    """Return the claims of an ID token; raise TokenRefused.

    ``keys`` is the provider's JWK set (RFC 7517). ``since``: somebody proved who they are after that moment, in seconds
    of the epoch (``auth_time``).
    """
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise TokenRefused(f"It is signed with {algorithm}.")
        claims: dict[str, Any] = jwt.decode(
            token,
            key=_key(keys, header.get("kid"), algorithm),
            algorithms=[algorithm],
            audience=client_id,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": list(NEEDED)},
        )
    except jwt.PyJWTError as error:
        raise TokenRefused(f"It is not valid ({type(error).__name__}).") from None
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if claims.get("azp", client_id) != client_id or (len(audiences) > 1 and "azp" not in claims):
        raise TokenRefused("It is for another client.")
    if claims.get("nonce") != nonce:
        raise TokenRefused("It is of another sign-in.")
    if claims["iat"] < time.time() - OLDEST:
        raise TokenRefused("It was issued long ago.")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
        raise TokenRefused("It names nobody.")
    if since is not None and proved_at(claims) < since - LEEWAY:
        raise TokenRefused("The provider did not ask again who it is.")
    return claims


def proved_at(claims: Mapping[str, Any]) -> float:
    """Return when somebody proved to the provider who they are, in seconds of the epoch; 0 where it does not say."""
    at = claims.get("auth_time")
    return float(at) if isinstance(at, int | float) and not isinstance(at, bool) else 0.0


def _key(keys: Mapping[str, Any], kid: Any, algorithm: str) -> Any:
    """Return the key that a token names; without a name the only one of its kind."""
    listed = keys.get("keys")
    found = []
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
            continue
        if kid is not None and entry.get("kid") != kid:
            continue
        if entry.get("kty") == "oct":
            continue  # a secret that is published is none
        try:
            found.append(jwt.PyJWK(entry, algorithm=algorithm).key)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    if len(found) != 1:
        raise TokenRefused("No key of the provider fits it.")
    return found[0]
