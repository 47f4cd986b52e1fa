"""Who asks: a client by its token, in one indexed look-up by keyed hash.

A token is taken as a bearer token, as the password of basic authentication (user name: the client's short name), and as
an OAuth 2 access token. ``ClientAuthentication`` is around every view.
"""

import base64
import binascii
import datetime as dt
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.models import CharField, DateTimeField, Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from config.database.prepared import Parameter, Prepared
from config.signin.limits import duration
from directories.encryption import Sealed, clear
from scim.access import strangers
from scim.errors import ScimError
from scim.log import record as live_log
from scim.models import Client, Token, TokenKind
from scim.responses import respond

PREFIX = "rollcall_"  # lets people and secret scanners tell whose token it is
_BASE = re.compile(r".*?/scim/(?:[a-z0-9-]+/)?v2(?=/|$)")
USED = dt.timedelta(minutes=1)  # how exact "last used" is: not a write for each request
MOST = 500  # characters of a token worth looking at
_UNUSED = ("secret", "created_at", "client__created_at", "client__updated_at")  # what no request asks about


class TooManyTokens(ScimError):
    """Too many tokens from one address opened nothing (RFC 6585 section 4)."""

    def __init__(self, left: dt.timedelta) -> None:
        super().__init__(429, f"Too many tokens that are not known. Try again in {duration(left)}.")
        self.left = left


class ClientAuthentication:
    """Let known clients in, and write down what they asked and got; django-scim2 puts it around every view."""

    def __init__(self, get_response: Callable[..., HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer 401 to strangers; ``request.scim_client`` is the client in views."""
        slug = kwargs.pop("client", "")
        with live_log.recorded(request, slug) as record:
            try:
                client = identify(request, slug)
            except ScimError as error:
                return record(_refusal(request, error))
            client.base_url = _base_url(request)
            request.scim_client = record.client = client  # type: ignore[attr-defined]
            return record(self.get_response(request, *args, **kwargs))


def identify(request: HttpRequest, slug: str = "") -> Client:
    """Return the client that the request's credentials belong to; raise ScimError 401 or 429."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    name = ""
    match scheme.casefold():
        case "bearer":
            secret = credentials.strip()
        case "basic":
            name, secret = _basic(credentials)
        case "":
            raise ScimError(401, "The request has no Authorization header. Send the application's bearer token.")
        case _:
            raise ScimError(401, "The Authorization header is neither Bearer nor Basic.")
    token = _find(secret)
    if token is None or (slug and token.client.slug != slug) or not _allowed(token, scheme.casefold(), name):
        if left := strangers.count(request, slug):
            raise TooManyTokens(left)
        raise ScimError(401, "The token is not known, has expired or was revoked.")
    _touch(token)
    return token.client


def digest(secret: str | Sealed) -> str:
    """Return the keyed hash that is kept of a token: under the first of ``ENCRYPTION_KEYS``.

    Migration 0006 gives it what the column holds.
    """
    return digests(clear(secret))[0]


def digests(secret: str) -> list[str]:
    """Return the keyed hashes by which a token may be found: while keys are rotated, each of them counts."""
    content = secret.encode("utf-8", "surrogatepass")
    keys = (f"scim token {key}".encode() for key in settings.ENCRYPTION_KEYS)
    return [hmac.digest(key, content, "sha256").hex() for key in keys]


def issue(client: Client, label: str = "", expires_at: dt.datetime | None = None) -> tuple[Token, str]:
    """Make a token of the client; return it with its secret in clear."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token.objects.create(
        client=client, label=label, digest=digest(secret), secret=secret, expires_at=expires_at
    )
    return token, secret


def _find(secret: str) -> Token | None:
    if not secret or len(secret) > MOST:
        return None
    now = timezone.now()
    found = (_ALIVE.first(now=now, digest=key) for key in digests(secret))
    return next((token for token in found if token is not None), None)


def _alive() -> "QuerySet[Token]":
    alive = Q(expires_at=None) | Q(expires_at__gt=Parameter("now", DateTimeField()))
    found = Token.objects.select_related("client").defer(*_UNUSED).order_by()
    return found.filter(alive, digest=Parameter("digest", CharField()), revoked_at=None, client__enabled=True)


_ALIVE = Prepared(_alive)


def _allowed(token: Token, scheme: str, name: str) -> bool:
    client = token.client
    if token.kind == TokenKind.ACCESS:
        return scheme == "bearer" and client.allow_oauth
    return client.allow_basic and name == client.slug if scheme == "basic" else client.allow_bearer


def _basic(credentials: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise ScimError(401, "The Basic credentials cannot be read.") from None
    name, _, secret = text.partition(":")
    return name, secret


def _touch(token: Token) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > USED:
        Token.objects.filter(pk=token.pk).update(last_used_at=now)


def _base_url(request: HttpRequest) -> str:
    """Return the address of the service as this request reached it: everything up to the version."""
    found = _BASE.match(request.path)
    return request.build_absolute_uri(found.group() if found else "/scim/v2")


def _refusal(request: HttpRequest, error: ScimError) -> HttpResponseBase:
    """Return the 401 with its challenge (RFC 7235 section 4.1) in the scheme that was tried, or the 429."""
    basic = request.headers.get("Authorization", "").casefold().startswith("basic")
    response = respond(error.to_dict(), error.status)
    if isinstance(error, TooManyTokens):
        response["Retry-After"] = str(max(1, round(error.left.total_seconds())))
    response["WWW-Authenticate"] = f'{"Basic" if basic else "Bearer"} realm="Rollcall SCIM"'
    return response
