"""The secrets by which webhooks are signed: the present one, and those before it, each for a week after its end.

A receiver may have any of those, however often another one was made meanwhile.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from directories.encryption import is_lost
from provisioning.events.models import Subscription

OVERLAP = dt.timedelta(days=7)
MOST = 5  # secrets that sign at one time: each makes every request longer


def secrets_of(subscription: Subscription) -> dict[str, Any]:
    """Return the secrets, none where no configured key opens them."""
    return {} if is_lost(subscription, "secrets") else dict(subscription.secrets)


def signing(subscription: Subscription) -> list[str]:
    """Return the secrets that sign now, the present one first; raise SecretLost."""
    present = subscription.secrets.get("secret")
    return [*([present] if present else []), *_previous(subscription, subscription.secrets)]


def replace(subscription: Subscription, fresh: str) -> None:
    """Let another secret sign, and the present one for a while more; it is not saved yet."""
    held = secrets_of(subscription)
    previous, present = _previous(subscription, held), held.get("secret", "")
    if present:
        subscription.previous_until = timezone.now() + OVERLAP
        previous[present] = subscription.previous_until.isoformat()
    previous.pop(fresh, None)
    subscription.secrets = {**held, "secret": fresh}
    subscription.secrets.pop("previous", None)
    if previous:
        newest = sorted(previous.items(), key=lambda one: one[1])[1 - MOST :]
        subscription.secrets["previous"] = dict(newest)


def _previous(subscription: Subscription, held: Mapping[str, Any]) -> dict[str, str]:
    """Return the secrets before that sign still, with their ends (ISO 8601, UTC)."""
    previous = held.get("previous") or {}
    if isinstance(previous, str):  # as it was stored when there was only one
        until = subscription.previous_until
        previous = {previous: until.isoformat()} if until else {}
    now = timezone.now()
    return {secret: end for secret, end in previous.items() if dt.datetime.fromisoformat(end) > now}
