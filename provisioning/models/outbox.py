"""What every kind of outbound work has in common: what is brought in sync, and the changes that ask for it."""

from typing import TypeVar

from django.db import models
from django.utils import timezone

from directories.models import Directory


class AccountState(models.TextChoices):
    """What the portal believes the directory holds."""

    PENDING = "pending", "Not created yet"
    ACTIVE = "active", "Active"
    DISABLED = "disabled", "Disabled"
    ABSENT = "absent", "Not in the directory"


class LastResult(models.TextChoices):
    """How the last look at the account ended."""

    NONE = "", "Nothing yet"
    OK = "ok", "In sync"
    WAITING = "waiting", "Waiting for the directory"
    PARKED = "parked", "Needs attention"
    OPEN = "open", "Still open"


class Lane(models.IntegerChoices):
    """What goes first: whoever loses access does not wait behind changes of names."""

    LEAVERS = 0, "Leavers"
    USUAL = 1, "Usual"


class Leased(models.Model):
    """Something that one worker at a time works on.

    ``leased_until``, ``not_before`` and ``attempts`` belong to ``provisioning.outbound.leases``: the end of a worker's
    lease, when the next attempt is due, and how many attempts in a row found it busy. ``unanswered`` is the step that
    was asked for and not answered: it may have been done ("unknown": a worker died at it).
    """

    last_result = models.CharField(max_length=8, choices=LastResult.choices, blank=True, default=LastResult.NONE)
    last_message = models.TextField(blank=True)
    last_synced_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    unanswered = models.CharField(max_length=8, blank=True, default="", db_default="")

    class Meta:
        abstract = True


class Counterpart(Leased):
    """Something of the portal in one directory, which is brought in sync.

    ``key`` is its name there and ``remote_id`` the directory's lasting id. ``place`` is ``place_digest`` of where the
    entry stands (LDAP: of its DN), by which members are named; "" elsewhere. ``seen_digest`` is of what was last
    imported, ``pushed_digest`` of the state last pushed or confirmed. Of a step that was not answered the directory is
    asked before anything is believed.
    """

    directory_id: int

    key = models.CharField(max_length=255)
    remote_id = models.CharField(max_length=512, blank=True)
    place = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=AccountState.choices, default=AccountState.PENDING)
    seen_digest = models.CharField(max_length=64, blank=True)
    pushed_digest = models.CharField(max_length=64, blank=True)

    class Meta:
        abstract = True


HELD = "held"  # the ``parked_code`` of what the guard holds back


class Queued(models.Model):
    """An outbox row: something that is to be done outside, because of ``reason``.

    Only the outbox of its kind writes it. A parked one waits for someone; ``parked_code`` is the stable name of the
    cause and ``parked_message`` its words. What is in the lane of leavers goes before everything else. ``cleared``: the
    loss that it stands for passed the guard, or somebody decided it.
    """

    lane = models.PositiveSmallIntegerField(choices=Lane.choices, default=Lane.USUAL, db_default=Lane.USUAL)
    reason = models.CharField(max_length=64)
    actor = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    cleared = models.BooleanField(default=False, db_default=False)
    parked = models.DateTimeField(null=True, blank=True)
    parked_code = models.CharField(max_length=32, blank=True)
    parked_message = models.TextField(blank=True)

    class Meta:
        abstract = True


class QueuedChange(Queued):
    """An outbox row: "bring this in sync, because ..."; it carries no payload.

    ``directory`` is that of what it is about, kept here so that what waits for one directory is found without reading
    what waits for another.
    """

    directory = models.ForeignKey(Directory, models.CASCADE, related_name="+", db_index=False)

    class Meta:
        abstract = True


AnyLeased = TypeVar("AnyLeased", bound=Leased)
