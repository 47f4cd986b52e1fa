"""Gateways, the machines enrolled for them, and the calls that they are asked to do."""

from django.db import models
from django.utils import timezone

from directories.encryption import EncryptedJSONField

LINK_SECONDS = 20.0  # a machine that showed no sign of life for so long is silent


class Gateway(models.Model):
    """A place from which directories are reached. Any of its machines does what is asked of it."""

    name = models.CharField(max_length=64, unique=True)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Machine(models.Model):
    """A gateway program on one machine, which proves itself by its key.

    ``portal_key`` is the private key by which the portal proves itself to this machine. ``about`` is what it said of
    its directories (``connectors.gateway.description``), by their names, and ``digest`` stands for it. ``latency`` is
    in milliseconds, of a message there and back.
    """

    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, related_name="machines")
    name = models.CharField(max_length=64)
    public_key = models.CharField(max_length=64, unique=True)
    portal_key = EncryptedJSONField()
    enrolled_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.CharField(max_length=255, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    version = models.CharField(max_length=32, blank=True)
    latency = models.FloatField(null=True, blank=True)
    about = models.JSONField(default=dict, blank=True)
    digest = models.CharField(max_length=32, blank=True)

    class Meta:
        ordering = ["gateway", "name", "pk"]
        indexes = [
            models.Index(fields=["gateway", "seen_at"], name="machine_seen", condition=models.Q(withdrawn_at=None)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def silent(self) -> bool:
        """Whether it shows no sign of life."""
        return self.seen_at is None or (timezone.now() - self.seen_at).total_seconds() > LINK_SECONDS


class Channel(models.Model):
    """The number of the last message of one of a machine's channels: whatever is not greater was seen before."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="channels", db_index=False)
    number = models.PositiveSmallIntegerField()
    last = models.BigIntegerField()

    class Meta:
        ordering = ["machine", "number"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["machine", "number"], name="channel_once")]

    def __str__(self) -> str:
        return f"Channel {self.number}"


class EnrolmentCode(models.Model):
    """A code that enrols one machine, once and for a while; only its digest is kept."""

    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, related_name="codes")
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"Code {self.pk}"


class CallState(models.TextChoices):
    """Where a call is."""

    WAITING = "waiting", "Waiting"
    TAKEN = "taken", "Taken"
    LOST = "lost", "Lost"


class GatewayCall(models.Model):
    """One call of a connector's method, from its asker to whichever machine takes it.

    The row lasts only as long as somebody waits for the answer: ``heard_at`` is the asker's last sign of life, and
    ``leased_until`` how long the machine that took it is believed to work on it. ``writes``: it may have changed the
    directory, so it is given out once. ``urgent``: it is for somebody who loses access. ``received`` and ``used`` count
    the parts of its answer. ``body`` is encrypted.
    """

    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=255)
    body = models.BinaryField()
    writes = models.BooleanField()
    streams = models.BooleanField()
    urgent = models.BooleanField(default=False, db_default=False)
    state = models.CharField(max_length=8, choices=CallState.choices, default=CallState.WAITING)
    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    heard_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    received = models.PositiveIntegerField(default=0)
    used = models.PositiveIntegerField(default=0)
    ended = models.BooleanField(default=False)

    class Meta:
        ordering = ["pk"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["gateway", "id"], name="call_waiting", condition=models.Q(state="waiting")),
            models.Index(fields=["machine"], name="call_taken", condition=models.Q(state="taken")),
            models.Index(fields=["heard_at"], name="call_heard"),
        ]

    def __str__(self) -> str:
        return f"Call {self.pk}"


class AnswerPart(models.Model):
    """A part of a call's answer, until its asker has used it. ``body`` is encrypted."""

    call = models.ForeignKey(GatewayCall, on_delete=models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField()
    body = models.BinaryField()

    class Meta:
        ordering = ["call", "number"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["call", "number"], name="answer_part_once")]

    def __str__(self) -> str:
        return f"Part {self.number}"
