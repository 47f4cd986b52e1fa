"""Answers that are kept for a request which may come twice (the Idempotency-Key header of an IETF draft).

What is done and its answer are one transaction: a second request waits for the first one, and is then answered in the
same way without doing anything. A request that was refused leaves nothing, so that it can be sent again.
"""

import datetime as dt
import hashlib
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from provisioning.tokens.models import RepeatAnswer

KEPT = dt.timedelta(days=1)


class AnotherRequest(Exception):
    """The key was used for another request."""


def digest(*parts: bytes) -> str:
    """Return a digest of the parts, each with its length, so that no two lists of them are alike."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


def sealed(*parts: bytes) -> str:
    """Return a digest that nobody without the portal's key can try texts against: bodies hold secrets."""
    return salted_hmac("provisioning.tokens.answers", digest(*parts), algorithm="sha256").hexdigest()


def once(key: str, request: str, do: Callable[[], tuple[int, dict[str, str], Any]]) -> tuple[RepeatAnswer, bool]:
    """Return the answer to a request, and whether it was there already.

    ``do`` returns status, headers and body; what it raises undoes all of it, and so does a status from 400 on. Raises
    AnotherRequest.
    """
    with transaction.atomic():
        RepeatAnswer.objects.filter(key=key, at__lt=timezone.now() - KEPT).delete()
        RepeatAnswer.objects.bulk_create([RepeatAnswer(key=key, request=request)], ignore_conflicts=True)
        kept = RepeatAnswer.objects.select_for_update().get(key=key)
        if kept.request != request:
            raise AnotherRequest
        if kept.status is not None:
            return kept, True
        kept.status, kept.headers, kept.body = do()
        if kept.status >= 400:
            transaction.set_rollback(True)
        else:
            kept.save(update_fields=["status", "headers", "body"])
    return kept, False


def forget() -> int:
    """Delete answers that are over; return how many."""
    return RepeatAnswer.objects.filter(at__lt=timezone.now() - KEPT).delete()[0]
