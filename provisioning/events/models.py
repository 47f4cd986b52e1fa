"""Who subscribed to events, the outbox of events, and what became of each delivery."""

import uuid
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from directories.encryption import EncryptedJSONField
from directories.models import Reachable
from provisioning.models.outbox import Leased, Queued


class Envelope(models.TextChoices):
    """How events are wrapped and signed."""

    WEBHOOK = "webhook", "Signed webhook (Standard Webhooks)"
    SET = "set", "Security event token (RFC 8935, SCIM events)"


class Subscription(Reachable):
    """A receiver of events.

    ``kinds`` are names of kinds of events ("user.created"); ``filter`` is one of SCIM's filter language over what
    an event tells (see ``filters``), "" for every event. ``fields`` are the attributes that are sent, as "kind.name"
    ("profile.email"). ``secrets`` holds ``secret``, by which webhooks are signed, ``previous``, by which they are
    signed too (with the end of each; ``previous_until`` is the last one), and ``token``, which is sent along.
    ``audience`` is whom security event tokens are for. ``failing_since``: no delivery has succeeded since then.
    ``stopped_because``: why the portal switched it off.
    """

    url = models.TextField("address")
    envelope = models.CharField(max_length=8, choices=Envelope.choices, default=Envelope.WEBHOOK)
    kinds = models.JSONField(default=list)
    filter = models.TextField(blank=True)
    fields = models.JSONField(default=list, blank=True)
    secrets = EncryptedJSONField(default=dict, blank=True)
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)
    audience = models.CharField(max_length=255, blank=True)
    authority = models.TextField("certificate authority", blank=True)
    give_up_days = models.PositiveSmallIntegerField(
        "switch off after days of failure", default=5, validators=[MinValueValidator(1), MaxValueValidator(30)]
    )
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    stopped_because = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "receiver"
        verbose_name_plural = "events"  # what the pages about them are called
        ordering = ["name"]
        constraints = [models.UniqueConstraint(models.functions.Lower("name"), name="subscription_name_once")]

    def __str__(self) -> str:
        return self.name


class OutgoingEvent(models.Model):
    """Something that happened, kept as long as ``EVENT_DAYS`` says.

    ``ident`` is its id for ever, the same for every receiver and every try. ``subject`` names what its order is kept
    by: "user 12". ``told``: it has its deliveries. ``about`` is what was known of its user or group then: its SCIM id,
    its name and its attributes. ``changes`` maps labels to [before, after]. All ids are plain numbers.
    """

    ident = models.UUIDField(default=uuid.uuid4, unique=True)
    kind = models.CharField(max_length=32)
    at = models.DateTimeField("time", default=timezone.now)
    subject = models.CharField(max_length=32)
    user_id = models.BigIntegerField(null=True)
    group_id = models.BigIntegerField(null=True)
    run_id = models.BigIntegerField(null=True)
    identifier = models.CharField(max_length=255, blank=True)
    application = models.CharField(max_length=100, blank=True)
    actor = models.CharField(max_length=255, blank=True)
    message = models.TextField(blank=True)
    changes = models.JSONField(default=dict)
    about = models.JSONField(default=dict)
    told = models.BooleanField(default=False, db_default=False)
    only: "models.ForeignKey[Any, Any]" = models.ForeignKey(Subscription, models.CASCADE, null=True, related_name="+")

    class Meta:
        verbose_name = "event"
        ordering = ["-pk"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["id"], name="event_untold", condition=models.Q(told=False)),
            models.Index(fields=["at"], name="event_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.ident}"


class Stream(Leased):
    """What one subscription gets of one subject, in order: one worker at a time sends it."""

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="streams", db_index=False)
    subject = models.CharField(max_length=32)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["subscription", "subject"], name="stream_once")]
        indexes = [
            models.Index(
                fields=["subscription", "leased_until"],
                name="stream_leased",
                condition=models.Q(leased_until__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} to {self.subscription}"


class EventDelivery(Queued):
    """An event that a subscription is still to get; parked, it was given up and waits for someone."""

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="deliveries", db_index=False)
    stream = models.ForeignKey(Stream, models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(OutgoingEvent, models.CASCADE, related_name="deliveries")

    class Meta:
        verbose_name = "delivery"
        verbose_name_plural = "deliveries"
        ordering = ["pk"]
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["subscription", "id"], name="event_delivery_waiting", condition=models.Q(parked__isnull=True)
            ),
            models.Index(
                fields=["subscription", "id"], name="event_delivery_dead", condition=models.Q(parked__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.subscription_id}"


class Attempt(models.Model):
    """One line of the delivery log: what was sent when, and what the receiver answered, cut and without secrets.

    ``status`` is HTTP's, None where no answer came. ``event`` may be gone by retention: ``ident`` stays.
    """

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="attempts", db_index=False)
    event = models.BigIntegerField()
    ident = models.UUIDField()
    kind = models.CharField(max_length=32)
    identifier = models.CharField(max_length=255, blank=True)
    at = models.DateTimeField("time", default=timezone.now)
    status = models.PositiveSmallIntegerField(null=True)
    milliseconds = models.PositiveIntegerField(default=0)
    taken = models.BooleanField(default=False)
    words = models.TextField(blank=True)

    class Meta:
        verbose_name = "delivery attempt"
        ordering = ["-pk"]
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["subscription", "-id"], name="attempt_of_subscription"),
            models.Index(fields=["at"], name="attempt_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.status or 'no answer'}"


class SigningKey(models.Model):
    """A key by which security event tokens are signed.

    The newest of those that may sign by now does, and all are published until they end. ``private`` and ``public``
    are JWKs (RFC 7517).
    """

    kid = models.CharField(max_length=64, unique=True)
    private = EncryptedJSONField()
    public = models.JSONField()
    signs_from = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-signs_from", "-pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.kid


class FanOut(models.Model):
    """One row, which whoever gives events to subscriptions locks, so that deliveries come into being in order."""

    ONE = 1

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return "Fan-out"
