"""What happened to a leaver, step by step, by the report; and what comes next."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from provisioning.models import Account, User
from provisioning.receipts.models import Receipt
from reports.models import Event

MOST = 100
NOT_KEPT = "What was before is not listed: lines of the report are kept for {days} days. The receipt itself stays."
BEFORE = dt.timedelta(seconds=5)  # the line of the decision is written a moment before the receipt


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """One step: what was done, and who asked for it; ``ahead``: it is still to come."""

    at: dt.datetime
    words: str
    by: str
    result: str = ""
    ahead: bool = False


def steps_of(receipt: Receipt) -> Sequence[TimelineStep]:
    """Return the steps since the portal learnt of it, the oldest first, and deletions that are still to come.

    Three queries.
    """
    lines = Event.objects.filter(user_id=receipt.user_id, at__gte=receipt.learnt_at - BEFORE).order_by("at", "pk")
    events = list(lines[:MOST])
    actors = {event.actor for event in events if event.actor}
    people = set(User.objects.filter(username__in=actors).values_list("username", flat=True)) if actors else set()
    found = [TimelineStep(one.at, one.message, _by(one.actor, people), one.get_result_display()) for one in events]
    if settings.REPORT_DAYS and receipt.learnt_at < (kept := timezone.now() - dt.timedelta(days=settings.REPORT_DAYS)):
        found.insert(0, TimelineStep(kept, NOT_KEPT.format(days=settings.REPORT_DAYS), "by itself"))
    ahead = Account.objects.filter(user=receipt.user_id, delete_at__isnull=False).select_related("directory")
    for account in ahead.order_by("delete_at", "pk"):
        assert account.delete_at is not None
        words = f"{account.key} will be deleted from {account.directory.name}, unless they return."
        found.append(TimelineStep(account.delete_at, words, "by itself", ahead=True))
    return found


def _by(actor: str, people: set[str]) -> str:
    """Say who is behind a step: a person, or that it happened by itself and because of what."""
    if actor in people:
        return actor
    return f"by itself: {actor}" if actor else "by itself"
