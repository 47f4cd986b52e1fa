"""Tokens of the REST API made, looked up and revoked; making and revoking are in the report and in the evidence."""

import datetime as dt
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Group as Role
from django.db import transaction
from django.utils import timezone

from provisioning.models import User
from provisioning.tokens.models import ApiToken
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

PREFIX = "rollcall_api_"  # lets people and secret scanners tell what it is
USED = dt.timedelta(minutes=1)  # so rarely is it noted that a token was used
READ, WRITE = "read", "write"
STILL = "{who} answers for {token}. Somebody else can once they have left; else revoke it and make a new one."


class StillAnswered(Exception):
    """Whoever answers for a token has not left; the message says so."""


@transaction.atomic
def make(*, name: str, holder: User | Role, scopes: Mapping[str, str], days: int, maker: User) -> tuple[ApiToken, str]:
    """Make a token of a person or of a service with a role; return it with its secret, which nobody sees again."""
    actor = maker.get_username()
    secret = PREFIX + secrets.token_urlsafe(32)
    of = {"owner": holder} if isinstance(holder, User) else {"role": holder}
    token = ApiToken.objects.create(
        name=name,
        digest=_digest(secret),
        scopes=dict(scopes),
        maker=maker,
        created_by=actor,
        expires_at=timezone.now() + dt.timedelta(days=days),
        **of,
    )
    may = ", ".join(f"{family}: {scope}" for family, scope in token.scopes.items())
    words = f"{actor} made the API token {_called(token)}. It may {may}, and ends on {_day(token.expires_at)}."
    _record(token, words, actor)
    return token, secret


@transaction.atomic
def take_over(token: ApiToken, user: User) -> None:
    """Let somebody answer for the token of a service whose maker has left; raise StillAnswered for another one."""
    token = ApiToken.objects.select_for_update(of=("self",)).select_related("owner", "role", "maker").get(pk=token.pk)
    if answers(token):
        raise StillAnswered(STILL.format(who=answerer(token), token=token.name))
    actor = user.get_username()
    words = f"{actor} answers for the API token {_called(token)} from now on; {answerer(token)} did."
    token.maker, token.created_by = user, actor
    token.save(update_fields=["maker", "created_by"])
    _record(token, words, actor)


def answerer(token: ApiToken) -> str:
    """Return the user name of who answers for the token of a service; of who is gone, the one that they had."""
    return token.maker.username if token.maker else token.created_by


def answers(token: ApiToken) -> bool:
    """Return whether somebody who may use the portal answers for a token, whatever they may there."""
    who = token.owner or token.maker
    return who is not None and who.is_active and who.is_staff


@transaction.atomic
def revoke(token: ApiToken, actor: str) -> bool:
    """Let nobody use the token any more; False when it was revoked before."""
    gone = {"revoked_at": timezone.now(), "revoked_by": actor}
    if not ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(**gone):
        return False
    token.refresh_from_db()
    _record(token, f"{actor} revoked the API token {_called(token)}.", actor)
    return True


def find(secret: str) -> ApiToken | None:
    """Return the token of a secret, and note that it is used; None for one that is not known, over or revoked."""
    now = timezone.now()
    usable = ApiToken.objects.filter(digest=_digest(secret), revoked_at=None, expires_at__gt=now)
    token = usable.select_related("owner", "role", "maker").first()
    if token is not None and (token.used_at is None or now - token.used_at > USED):
        ApiToken.objects.filter(pk=token.pk).update(used_at=now)
    return token


def ended(token: ApiToken) -> str:
    """Say why a token does not work any more, "" while it does."""
    if token.revoked_at is not None:
        return f"revoked {_day(token.revoked_at)}"
    return f"ended {_day(token.expires_at)}" if token.expires_at <= timezone.now() else ""


def _called(token: ApiToken) -> str:
    return f"{token.name} ({token.owner.username if token.owner else f'service, role {token.role}'})"


def _day(at: dt.datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d}"


def _record(token: ApiToken, words: str, actor: str) -> None:
    whom: dict[str, Any] = {"user_id": token.owner_id} if token.owner_id else {}
    name = token.owner.username if token.owner else ""
    record(Line(name, "", Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, words, actor=actor, **whom))
    columns = (
        "name",
        "owner_id",
        "role_id",
        "scopes",
        "maker_id",
        "created_by",
        "expires_at",
        "revoked_at",
        "revoked_by",
    )
    evidence.changed(f"API token {token.pk}", {one: getattr(token, one) for one in columns}, words, actor)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
