"""The keys by which security event tokens are signed: made when they are first needed, published, and replaced.

A new key is published for an hour before it signs, so that receivers who keep the list for a while know it by then, and
an old one for a week after, so that what is still on its way can be checked.
"""

import datetime as dt
from typing import Any

from django.db import transaction
from django.utils import timezone
from joserfc.jwk import ECKey

from provisioning.events.envelopes import ALGORITHM
from provisioning.events.models import SigningKey
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

AHEAD = dt.timedelta(hours=1)
KEPT = dt.timedelta(days=7)


def signing() -> ECKey:
    """Return the key that signs now; raise SecretLost when no configured key opens it."""
    key = SigningKey.objects.filter(signs_from__lte=timezone.now()).first() or _first()
    return ECKey.import_key(key.private)


def rotate(actor: str) -> SigningKey:
    """Make a new key; the present one signs until its hour, and is published for a week more."""
    with transaction.atomic():
        begins, words = timezone.now() + AHEAD, f"{actor} made a new key for security event tokens."
        SigningKey.objects.filter(ends_at=None).update(ends_at=begins + KEPT)
        made = _made(begins)
        record(
            Line(
                identifier="",
                application="",
                direction=Direction.PORTAL,
                operation=Operation.SETTINGS,
                result=Result.SUCCESS,
                message=words,
                actor=actor,
            )
        )
        dates = {one.kid: {"signs_from": one.signs_from, "ends_at": one.ends_at} for one in SigningKey.objects.all()}
        evidence.changed("keys of events", dates, words, actor)
    return made


def published() -> dict[str, Any]:
    """Return the list of public keys (RFC 7517), the newest first."""
    now = timezone.now()
    keys = [key.public for key in SigningKey.objects.all() if key.ends_at is None or key.ends_at > now]
    return {"keys": keys}


def forget_ended() -> None:
    """Delete keys that are not published any more."""
    SigningKey.objects.filter(ends_at__lte=timezone.now()).delete()


def _first() -> SigningKey:
    """Return the first key, made by whoever is first to need one."""
    return SigningKey.objects.order_by("pk").first() or _made(timezone.now())


def _made(signs_from: dt.datetime) -> SigningKey:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    made = SigningKey(kid=str(key.kid), signs_from=signs_from)
    made.public, made.private = key.as_dict(private=False), key.as_dict(private=True)
    made.save()
    return made
