"""The causes of notices that events have: receivers that take nothing or were switched off, and what was given up."""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Count
from django.utils import timezone

from provisioning.events.models import EventDelivery, Subscription
from provisioning.notices.causes import DANGER, WARNING, Cause, FoundSubject, register

PATIENCE = dt.timedelta(minutes=15)
MOST = 200


def _failing() -> Iterator[FoundSubject]:
    failing = Subscription.objects.filter(enabled=True, failing_since__lte=timezone.now() - PATIENCE).order_by("pk")
    for one in failing[:MOST]:
        text = f"Events wait and go out when it takes them again. After {one.give_up_days} days it is switched off."
        yield FoundSubject(f"subscription {one.pk}", f"{one.name} takes no events", text, page(one.pk))


def _stopped() -> Iterator[FoundSubject]:
    stopped = Subscription.objects.filter(enabled=False).exclude(stopped_because="").order_by("pk")
    for one in stopped[:MOST]:
        text = f"{one.stopped_because} Look at it with the people who run it, and switch it on again."
        yield FoundSubject(f"subscription {one.pk}", f"Events for {one.name} were switched off", text, page(one.pk))


def _given_up() -> Iterator[FoundSubject]:
    rows = EventDelivery.objects.filter(parked__isnull=False).order_by().values("subscription_id", "subscription__name")
    for row in rows.annotate(number=Count("pk")).order_by("subscription_id")[:MOST]:
        number = "1 event" if row["number"] == 1 else f"{row['number']:,} events"
        title = f"{number} for {row['subscription__name']} {'was' if row['number'] == 1 else 'were'} given up"
        path = f"/events/subscription/{row['subscription_id']}/given-up/"
        yield FoundSubject(f"subscription {row['subscription_id']}", title, "Send them again, or drop them.", path)


def page(subscription_id: int) -> str:
    """Return the address of a subscription's page."""
    return f"/events/subscription/{subscription_id}/change/"


PERMISSION = "events.view_subscription"
register(Cause("events_failing", "Receivers of events that take nothing", WARNING, PERMISSION, _failing))
register(Cause("events_stopped", "Receivers of events that were switched off", DANGER, PERMISSION, _stopped))
register(Cause("events_given_up", "Events that were given up", WARNING, PERMISSION, _given_up))
