"""What people do with subscriptions, and what the portal does by itself: switching off, forgetting, sending again."""

import base64
import datetime as dt
import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from config.database import bulk
from directories import health
from provisioning.events import keys, rotation
from provisioning.events.delivery import LEASES
from provisioning.events.fan_out import again, send_to
from provisioning.events.kinds import OF_SCIM, family
from provisioning.events.models import Attempt, Envelope, EventDelivery, OutgoingEvent, Stream, Subscription
from provisioning.events.rotation import secrets_of
from provisioning.outbound import dispatch
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

STATED = ("name", "envelope", "kinds", "filter", "fields", "audience", "authority", "give_up_days", "enabled")
PAGE = 1000
BAD_TOKEN = "A token holds plain letters, digits and signs only."
GIVEN_UP = "It has taken no event for {days} days."


def new_secret() -> str:
    """Return a secret of 32 random bytes, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def is_token(text: str) -> bool:
    """Return whether a token can stand in a header."""
    return text.isascii() and text.isprintable()


def can_tell(envelope: str, kinds: Iterable[str]) -> bool:
    """Return whether an envelope can tell of all these kinds of events."""
    return envelope != Envelope.SET or all(family(kind) in OF_SCIM for kind in kinds)


def save(subscription: Subscription, actor: str) -> None:
    """Save what a person typed, with a line in the report and in the evidence; who has no secret gets one."""
    new = subscription.pk is None
    subscription.secrets = {"secret": new_secret(), **secrets_of(subscription)}
    with transaction.atomic():
        subscription.save()
        verb = "added" if new else "changed"
        say(subscription, f"{actor} {verb} the subscription of {subscription} to events.", actor)


def remove(subscription: Subscription, actor: str) -> None:
    """Delete a subscription with all that waits for it, and its log."""
    with transaction.atomic():
        say(subscription, f"{actor} removed the subscription of {subscription} to events.", actor, gone=True)
        for model in (EventDelivery, Attempt, Stream):
            bulk.delete(model._default_manager.filter(subscription=subscription.pk))
        subscription.delete()


def show_secret(subscription: Subscription, actor: str) -> str:
    """Return the secret, and report who looked at it."""
    say(subscription, f"{actor} looked at the secret of {subscription}.", actor)
    return str(secrets_of(subscription).get("secret", ""))


def rotate_secret(subscription: Subscription, actor: str) -> str:
    """Give a subscription a new secret and return it; webhooks are signed by the one before too, for a week."""
    fresh = new_secret()
    with transaction.atomic():
        held = Subscription.objects.select_for_update().get(pk=subscription.pk)  # of two at once none is forgotten
        rotation.replace(held, fresh)
        held.save(update_fields=["secrets", "previous_until", "updated_at"])
        say(held, f"{actor} gave {held} a new secret. The one before signs for a week more.", actor)
    subscription.secrets, subscription.previous_until = held.secrets, held.previous_until
    return fresh


def switch(subscription: Subscription, enabled: bool, actor: str) -> None:
    """Switch a subscription on, with a clean slate, or off. What waits stays, and goes out once it is on."""
    now: dict[str, Any] = {"enabled": enabled}
    if enabled:
        now |= {"stopped_because": "", "failures": 0, "last_error": ""}
        now |= dict.fromkeys(("failing_since", "unreachable_since", "retry_at"))
    with transaction.atomic():
        held = Subscription.objects.select_for_update().get(pk=subscription.pk)  # with the secret that it has by now
        for one in (held, subscription):
            for name, value in now.items():
                setattr(one, name, value)
        held.save(update_fields=[*now, "updated_at"])
        say(held, f"{actor} switched events for {held} {'on' if enabled else 'off'}.", actor)
    if enabled:
        transaction.on_commit(lambda: send_to(subscription.pk), robust=True)


def send_again(attempts: "QuerySet[Attempt]", actor: str) -> int:
    """Send the events of lines of the log once more, each with its own id; return how many are still kept."""
    pairs = list(attempts.order_by("event").values_list("subscription_id", "event").distinct()[:PAGE])
    events = OutgoingEvent.objects.in_bulk({event for _, event in pairs})
    return again([(subscription, events[event]) for subscription, event in pairs if event in events], actor)


def retry_given_up(deliveries: "QuerySet[EventDelivery]", actor: str) -> int:
    """Try what was given up once more; return how many subjects that is about."""
    concerned = set(deliveries.order_by().values_list("subscription_id", flat=True).distinct())
    for subscription_id in concerned:
        health.retry_now(subscription_id, Subscription)
    number = LEASES.retry(deliveries, actor)
    for subscription_id in sorted(concerned):
        send_to(subscription_id, LEASES.drains)
    return number


def drop_given_up(deliveries: "QuerySet[EventDelivery]", actor: str) -> int:
    """Forget what was given up; return how many."""
    ids = list(deliveries.filter(parked__isnull=False).order_by("pk").values_list("pk", flat=True)[: 100 * PAGE])
    for page in dispatch.chunks(ids, PAGE):
        bulk.delete(EventDelivery.objects.filter(pk__any_id=page, parked__isnull=False))
    return len(ids)


def try_now(subscription: Subscription) -> None:
    """Ask a receiver that could not be reached now, not at its next trial."""
    health.retry_now(subscription.pk, Subscription)
    transaction.on_commit(lambda: send_to(subscription.pk), robust=True)


def shown_address(url: str) -> str:
    """Return where an address leads, without what may be a key in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def sweep() -> None:
    """Switch those off that have taken nothing for days; one for which nothing waits any more does not fail."""
    now = timezone.now()
    failing = Subscription.objects.filter(Q(failing_since__isnull=False) | Q(unreachable_since__isnull=False))
    waiting = EventDelivery.objects.filter(subscription=OuterRef("pk"), parked=None)
    for quiet in failing.filter(~Exists(waiting)).order_by("pk").values_list("pk", flat=True):
        health.record_success(quiet, Subscription)
        Subscription.objects.filter(pk=quiet).update(failing_since=None)
    for one in failing.filter(Exists(waiting), enabled=True).order_by("pk"):
        since = min(filter(None, [one.failing_since, one.unreachable_since]))
        if since > now - dt.timedelta(days=one.give_up_days):
            continue
        words = GIVEN_UP.format(days=one.give_up_days)
        if Subscription.objects.filter(pk=one.pk, enabled=True).update(enabled=False, stopped_because=words):
            say(one, f"The portal switched events for {one} off. {words}", "")


def purge() -> None:
    """Forget what is older than ``EVENT_DAYS``, a page a statement: events with their deliveries, and the log.

    What waits for a receiver that is on is kept until it is sent or given up.
    """
    before = timezone.now() - dt.timedelta(days=settings.EVENT_DAYS)
    off = list(Subscription.objects.filter(enabled=False).order_by("pk").values_list("pk", flat=True))
    deliveries = EventDelivery.objects.filter(event=OuterRef("pk"))
    waiting = deliveries.filter(parked=None).exclude(subscription__in=off)
    over = OutgoingEvent.objects.filter(~Exists(waiting), at__lt=before, told=True).order_by("at")
    while ids := list(over.values_list("pk", flat=True)[:PAGE]):
        with transaction.atomic():
            bulk.delete(EventDelivery.objects.filter(Q(parked__isnull=False) | Q(subscription__in=off), event__in=ids))
            bulk.delete(OutgoingEvent.objects.filter(~Exists(deliveries), pk__in=ids))
    _purge_pages(Attempt.objects.filter(at__lt=before).order_by("at"))
    idle = Stream.objects.filter(~Exists(EventDelivery.objects.filter(stream=OuterRef("pk"))), not_before__lt=before)
    _purge_pages(idle.filter(leased_until=None).order_by("pk"))
    keys.forget_ended()


def _purge_pages(over: "QuerySet[Any]") -> None:
    """Delete rows; those that something was added to since they were read are kept."""
    while ids := list(over.values_list("pk", flat=True)[:PAGE]):
        bulk.delete(over.filter(pk__in=ids).order_by())


def say(subscription: Subscription, message: str, actor: str, *, gone: bool = False) -> None:
    """Write a line of the report about a subscription, and how it is set up now into the evidence."""
    state = {name: getattr(subscription, name) for name in STATED}
    state["url"] = [shown_address(subscription.url), evidence.masked(subscription.url)]  # the rest may be a key
    state |= {name: evidence.masked(str(secret)) for name, secret in secrets_of(subscription).items() if secret}
    evidence.changed(f"subscription {subscription.pk}", None if gone else state, message, actor)
    record(
        Line(
            identifier="",
            application=subscription.name,
            direction=Direction.PORTAL,
            operation=Operation.SETTINGS,
            result=Result.SUCCESS,
            message=message,
            actor=actor,
        )
    )
