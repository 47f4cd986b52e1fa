"""Signing in to an HTTP service: what every request carries, and tokens of OAuth 2 client credentials."""

import base64
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import RLock
from urllib.parse import quote_plus, urlencode

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from directories.connectors.base import ConnectorError, Unavailable
from directories.connectors.http_answers import BUSY, LOGIN, json_of, pause_of, problem_of
from directories.connectors.jmespaths import search
from directories.connectors.outgoing import HttpAnswer, HttpDoor

NO_TOKEN = "The answer of the address of tokens has no {path}. Check the address and the box Token in the answer."
NO_KEY = "The private key cannot be used. Paste an RSA or EC key, as PEM or as JWK."
NO_HEADER = "Name the header of the API key, for example X-Api-Key."
BAD_VALUE = "The token or key holds a character that cannot be sent. Type it again."
_RENEWED_BEFORE = 30.0  # seconds before a token's end
_ASSERTION_SECONDS, _SKEW = 300, 30  # by how much the other clock may be behind
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}  # RFC 7518 3.4


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to sign in: ``auth`` is none, bearer, basic, header, oauth2 (with the client's secret) or oauth2_key.

    ``secret`` is the password, token, API key or client's secret, or with oauth2_key its private key (PEM or JWK), of
    which ``key_id`` is the name. ``token_path`` is the JMESPath of the token in the answer to a request for one.
    """

    auth: str
    user: str = ""
    secret: str = field(default="", repr=False)
    header: str = ""
    token_url: str = ""
    scope: str = ""
    token_path: str = "access_token"
    key_id: str = ""


class ServiceSignIn:
    """Signs in to one service. Threads may share it; each brings the door through which a token is asked for."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._token = ""
        self._token_until = 0.0
        self._lock = RLock()

    @property
    def by_token(self) -> bool:
        """Whether the service has to be asked for a token."""
        return self._credentials.auth in {"oauth2", "oauth2_key"}

    @property
    def current_token(self) -> str:
        """The token that was got last, which no message may show; "" before the first."""
        return self._token

    def headers(self, door: HttpDoor) -> Mapping[str, str]:
        """Return what a request carries; raise ConnectorError."""
        known = self._credentials
        match known.auth:
            case "bearer":
                return {"Authorization": f"Bearer {header_value(known.secret)}"}
            case "basic":
                return {"Authorization": _basic(known.user, known.secret)}
            case "header":
                return {header_name(known.header): header_value(known.secret)}
            case "oauth2" | "oauth2_key":
                return {"Authorization": f"Bearer {self.token(door)}"}
        return {}

    def forget(self, refused: Mapping[str, str]) -> bool:
        """Forget a token that was refused, which may have ended before its time; False when there was none.

        ``refused`` is what ``headers`` gave: a token that another thread has renewed meanwhile stays.
        """
        with self._lock:
            if not self.by_token:
                return False
            if refused.get("Authorization") == f"Bearer {self._token}":
                self._token = ""
            return True

    def token(self, door: HttpDoor) -> str:
        """Return a token that is good for a while; raise ConnectorError."""
        with self._lock:
            if not self._token or time.monotonic() >= self._token_until:
                self._renew(door)
            return self._token

    def _renew(self, door: HttpDoor) -> None:
        """Get a token: RFC 6749 4.4, the client's secret in a header or, where that is refused, in the body."""
        known = self._credentials
        asked = {"grant_type": "client_credentials", **({"scope": known.scope} if known.scope else {})}
        if known.auth == "oauth2_key":
            answer = self._form(door, {**asked, **self._assertion()}, {})
        else:
            # RFC 6749 2.3.1: both are form-encoded before they are joined.
            answer = self._form(
                door, asked, {"Authorization": _basic(quote_plus(known.user), quote_plus(known.secret))}
            )
            if answer.status in {400, 401}:
                answer = self._form(door, {**asked, "client_id": known.user, "client_secret": known.secret}, {})
        if answer.status == 400:
            raise ConnectorError(LOGIN.format(status=400), code="login")
        if (pause := pause_of(answer, 0)) is not None:
            raise Unavailable(BUSY.format(status=answer.status), retry_after=pause)
        if problem := problem_of(answer):
            raise problem
        data = json_of(answer)
        token = search(known.token_path, data)
        if not isinstance(token, str) or not token:
            raise ConnectorError(NO_TOKEN.format(path=known.token_path), code="login")
        lasts = data.get("expires_in") if isinstance(data, Mapping) else None
        seconds = float(lasts) if isinstance(lasts, int | float) and lasts > 0 else 3600.0
        self._token = header_value(token)
        self._token_until = time.monotonic() + max(seconds - _RENEWED_BEFORE, seconds / 2)

    def _assertion(self) -> dict[str, str]:
        """Return who the client is, signed with its private key (RFC 7523 2.2 and 3)."""
        known, now = self._credentials, int(time.time())
        key = private_key(known.secret)
        algorithm = "RS256" if isinstance(key, RSAKey) else _CURVES.get(str(key.curve_name), "")
        claims = {
            "iss": known.user,
            "sub": known.user,
            "aud": known.token_url,
            "jti": secrets.token_urlsafe(24),
            "iat": now - _SKEW,
            "exp": now + _ASSERTION_SECONDS,
        }
        head = {"alg": algorithm, **({"kid": known.key_id} if known.key_id else {})}
        try:
            signed = jwt.encode(head, claims, key, algorithms=[algorithm])
        except (JoseError, ValueError):
            raise ConnectorError(NO_KEY, code="login") from None
        return {"client_id": known.user, "client_assertion_type": _ASSERTION, "client_assertion": signed}

    def _form(self, door: HttpDoor, values: Mapping[str, str], headers: Mapping[str, str]) -> HttpAnswer:
        kind = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        return door.post(self._credentials.token_url, urlencode(values).encode(), {**kind, **headers})


def private_key(text: str) -> RSAKey | ECKey:
    """Return the key of a JWK or a PEM, which may have lost its line ends in a form; raise ConnectorError."""
    for kind in (RSAKey, ECKey):
        try:
            key = kind.import_key(orjson.loads(text) if text.lstrip().startswith("{") else _lines(text))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if key.is_private:
            return key
    raise ConnectorError(NO_KEY, code="login")


def _lines(pem: str) -> str:
    """Give a PEM its lines back: a one-line box joins them with blanks or with nothing."""
    begin, _, rest = pem.strip().partition("KEY-----")
    body, _, end = rest.partition("-----END")
    return f"{begin}KEY-----\n{''.join(body.split())}\n-----END{end}\n"


def _basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def header_name(name: str) -> str:
    """Return the name of a header; raise ConnectorError for what is none."""
    if not name or not name.isascii() or not all(letter.isalnum() or letter in "-_" for letter in name):
        raise ConnectorError(NO_HEADER, code="settings")
    return name


def header_value(value: str) -> str:
    """Return what a header can carry; raise ConnectorError for anything else."""
    if not value.isascii() or not value.isprintable():
        raise ConnectorError(BAD_VALUE, code="login")
    return value
