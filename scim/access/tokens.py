"""Secrets of SCIM applications: issued, shown again, renewed and revoked, each with its line in the report.

A bearer token is also the password of basic authentication and the client secret of OAuth 2: one secret to keep, one
to revoke. ``scim.authentication`` makes secrets and looks them up by their keyed digest.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from directories.encryption import is_lost
from reports import evidence, journal
from reports.models import Direction, Operation, Result
from scim import authentication
from scim.models import Client, Token, TokenKind

ACCESS_SECONDS = 3600
OVERLAP = dt.timedelta(days=7)
SOON = dt.timedelta(days=14)
NO_SETTINGS = ("id", "created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token and what it is in clear; nothing prints that."""

    token: Token
    clear: str = field(repr=False)

    @property
    def client(self) -> Client:
        """The application that it belongs to."""
        return self.token.client


@transaction.atomic
def issue(client: Client, actor: str, label: str = "", expires_at: dt.datetime | None = None) -> Issued:
    """Make a token with a random secret."""
    token, clear = authentication.issue(client, label, expires_at)
    until = f" It expires on {timezone.localtime(expires_at):%Y-%m-%d}." if expires_at else ""
    record(client, f"{actor} made a token for {client}: {token}.{until}", actor)
    return Issued(token, clear)


@transaction.atomic
def keep(client: Client, clear: str, actor: str, label: str = "") -> Token:
    """Make a token of a secret that was made elsewhere, as a blueprint brings it."""
    token = Token.objects.create(client=client, label=label, digest=authentication.digest(clear), secret=clear)
    record(client, f"{actor} set a token for {client}: {token}.", actor)
    return token


def show(token: Token, actor: str) -> str:
    """Return the token in clear for somebody to see; who saw it when stands in the report."""
    secret = str(token.secret or "")
    record(token.client, f"{actor} looked at a token of {token.client}: {token}.", actor)
    return secret


@transaction.atomic
def renew(token: Token, actor: str, overlap: dt.timedelta = OVERLAP) -> Issued:
    """Make a successor; the old one keeps working for ``overlap``, so that the other side can be changed in peace."""
    ends = timezone.now() + overlap
    lasting = Q(expires_at__isnull=True) | Q(expires_at__gt=ends)
    Token.objects.filter(lasting, pk=token.pk).update(expires_at=ends)
    return issue(token.client, actor, f"{(token.label or 'Token').removesuffix(' (renewed)')} (renewed)"[:100])


@transaction.atomic
def revoke(token: Token, actor: str) -> bool:
    """Close the door at once, also to access tokens that it was exchanged for; False when it was closed before."""
    now = timezone.now()
    if not Token.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now):
        return False
    Token.objects.filter(client=token.client_id, kind=TokenKind.ACCESS, revoked_at__isnull=True).update(revoked_at=now)
    record(token.client, f"{actor} revoked a token of {token.client}: {token}.", actor)
    return True


def keep_access(client: Client, clear: str) -> None:
    """Keep an OAuth 2 access token by its digest; expired ones go at the same time, so that they do not pile up."""
    now = timezone.now()
    until = now + dt.timedelta(seconds=ACCESS_SECONDS)
    digest = authentication.digest(clear)
    with transaction.atomic():
        Token.objects.filter(client=client, kind=TokenKind.ACCESS, expires_at__lt=now).delete()
        Token.objects.create(client=client, kind=TokenKind.ACCESS, digest=digest, expires_at=until)


def rekey(**_: Any) -> None:
    """Bring the hashes of tokens under the first encryption key, when secrets were re-encrypted.

    Access tokens, whose secret is not kept, do not outlive their hour. What no key opens, ``reencrypt`` names.
    """
    for token in Token.objects.exclude(secret=None).iterator():
        if is_lost(token, "secret"):
            continue
        key = authentication.digest(token.secret)
        if key != token.digest:
            Token.objects.filter(pk=token.pk).update(digest=key)


def record(client: Client, message: str, actor: str, *, gone: bool = False) -> None:
    """Write a line about the application itself to the provisioning report, and what changed to the chain of evidence.

    The chain has no secrets: a token is known by its number, its name and its dates.
    """
    journal.record(
        journal.Line("", client.name, Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, message, actor=actor)
    )
    state = None if gone else _state_of(Client.objects.get(pk=client.pk))
    evidence.changed(f"SCIM application {client.pk}", state, message, actor)


def _state_of(client: Client) -> dict[str, Any]:
    """Describe the application, its mapping and its tokens, but for access tokens, which come and go by themselves."""
    columns = [field.name for field in client._meta.concrete_fields if field.name not in NO_SETTINGS]
    rows = ("resource", "scim_path", "kind", "portal_attribute", "direction", "expression", "required")
    held = client.tokens.filter(kind=TokenKind.BEARER).order_by("pk")
    dates = ("label", "created_at", "expires_at", "revoked_at")
    return {
        **{name: getattr(client, name) for name in columns},
        "mapping": list(client.mappings.values(*rows)),
        "tokens": {str(token.pk): {name: getattr(token, name) for name in dates} for token in held},
    }
