"""The ledger of losses."""

from django.db import models
from django.utils import timezone

from directories.models import PERCENT, Directory
from provisioning.guard.losses import MAX_SCOPE, LossKind


class AwaitedSettings(models.Model):
    """Settings of a directory with four eyes that somebody wants to loosen: they wait for another person.

    Without a directory they are the guard limits of other doors. ``values`` are by the column's name, as they are to
    be.
    """

    directory = models.OneToOneField(Directory, models.CASCADE, null=True, blank=True, related_name="awaited_settings")
    values = models.JSONField()
    actor = models.CharField(max_length=255)
    asked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "awaited settings"

    def __str__(self) -> str:
        return f"{self.directory or 'Guard limits'}: {', '.join(self.values)}"


class DoorLimits(models.Model):
    """How much each other door than an import may do within 24 hours before somebody is asked: one row for all doors.

    A number, and a share of the active people (or of all memberships) in per cent. None can be switched off: 0 means
    "always ask", and at 100 per cent only the number counts.
    """

    max_off = models.PositiveIntegerField("people", default=50)
    max_off_percent = models.PositiveSmallIntegerField("share in per cent", default=10, validators=PERCENT)
    max_on = models.PositiveIntegerField("people", default=50)
    max_on_percent = models.PositiveSmallIntegerField("share in per cent", default=10, validators=PERCENT)
    max_blanked = models.PositiveIntegerField("people", default=100)
    max_blanked_percent = models.PositiveSmallIntegerField("share in per cent", default=10, validators=PERCENT)
    max_renamed = models.PositiveIntegerField("people", default=50)
    max_renamed_percent = models.PositiveSmallIntegerField("share in per cent", default=10, validators=PERCENT)
    max_changed = models.PositiveIntegerField("people", default=500)
    max_changed_percent = models.PositiveSmallIntegerField("share in per cent", default=30, validators=PERCENT)
    max_lost_members = models.PositiveIntegerField("memberships", default=500)
    max_lost_members_percent = models.PositiveSmallIntegerField("share in per cent", default=20, validators=PERCENT)

    class Meta:
        verbose_name = verbose_name_plural = "guard limits"
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return "Guard limits"


class Loss(models.Model):
    """How much one page of applied changes, or one batch of deliveries, took away: one row for each kind and scope.

    ``door`` is the way by which it came, and ``directory`` the one that it came from or in which it was done (None: the
    portal itself). ``number`` is below 0 where a batch gives back what it did not need. ``agreed``: somebody approved
    it, so that it counts no more.
    """

    at = models.DateTimeField(default=timezone.now)
    door = models.CharField(max_length=16)
    directory = models.ForeignKey(
        Directory, models.CASCADE, null=True, blank=True, related_name="losses", db_index=False
    )
    kind = models.CharField(max_length=10, choices=LossKind.choices)
    scope = models.CharField(max_length=MAX_SCOPE, blank=True)
    number = models.IntegerField()
    agreed = models.BooleanField(default=False, db_default=False)

    class Meta:
        verbose_name_plural = "losses"
        ordering = ["-at", "-pk"]
        indexes = [
            models.Index(
                fields=["directory", "door", "kind", "scope", "at"],
                name="loss_of_window",
                condition=models.Q(agreed=False),
            ),
            models.Index(fields=["at"], name="loss_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.get_kind_display()} ({self.door})"
