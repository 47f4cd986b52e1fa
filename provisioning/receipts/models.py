"""The receipt of a leaver, with a row for each account."""

import datetime as dt
import zoneinfo

from django.db import models
from django.utils import timezone

LATE = dt.timedelta(minutes=5)  # after which a leaver has to be disabled everywhere (IPSIE AL)


class ReceiptStatus(models.TextChoices):
    """Where a receipt stands."""

    OPEN = "open", "Open"
    CLOSED = "closed", "Proven"
    CANCELLED = "cancelled", "Cancelled: returned"


class Seen(models.TextChoices):
    """What a look at the directory showed. NEVER: it has no account, and never had one by the portal's knowledge."""

    NOTHING = "", "Not looked yet"
    DISABLED = "disabled", "Disabled"
    ABSENT = "absent", "Not there"
    NEVER = "never", "Never had an account"
    ACTIVE = "active", "Active"
    UNCLEAR = "unclear", "There, state not shown"


PROVEN = (Seen.DISABLED, Seen.ABSENT, Seen.NEVER)


class Receipt(models.Model):
    """What became of everything that one person had, from the moment when the portal learnt that they leave.

    ``hr_end`` is when the last contract ends, by the days of ``hr_zone`` (a name of the IANA time zone database).
    ``origin`` says from where the portal learnt it and ``decision`` what was decided. ``late``: it was proven later
    than ``LATE`` allows. ``evidence`` is the row of the chain, once it has ended. User, manager (of that
    moment) and directories are plain numbers: a receipt outlives them.
    """

    user_id = models.BigIntegerField()
    username = models.CharField("user name", max_length=255)
    name = models.CharField(max_length=310)
    employee_number = models.CharField(max_length=64, blank=True)
    manager_id = models.BigIntegerField(null=True, blank=True)
    hr_end = models.DateTimeField("HR's end", null=True, blank=True)
    hr_zone = models.CharField("HR's time zone", max_length=64, blank=True)
    learnt_at = models.DateTimeField(default=timezone.now)
    origin = models.CharField(max_length=255, blank=True)
    decision = models.CharField(max_length=64)
    version = models.CharField("product version", max_length=32)
    status = models.CharField(max_length=10, choices=ReceiptStatus.choices, default=ReceiptStatus.OPEN)
    ended_at = models.DateTimeField(null=True, blank=True)
    late = models.BooleanField(default=False)
    evidence = models.BigIntegerField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "leavers"  # what the pages about them are called
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user_id"], condition=models.Q(status=ReceiptStatus.OPEN), name="receipt_one_open_a_user"
            ),
        ]
        indexes = [
            models.Index(fields=["user_id", "-id"], name="receipt_of_user"),
            models.Index(fields=["status", "-id"], name="receipt_by_status"),
            models.Index(fields=["-learnt_at", "-id"], name="receipt_newest"),
            models.Index(fields=["employee_number"], name="receipt_by_number"),
            models.Index(fields=["username"], name="receipt_by_name"),
            models.Index(fields=["id"], name="receipt_unsealed", condition=models.Q(evidence=None)),
        ]

    def __str__(self) -> str:
        return self.name if self.name == self.username else f"{self.name} ({self.username})"

    @property
    def hr_end_there(self) -> str:
        """HR's end by the clock of its zone, "" where none is known."""
        if self.hr_end is None:
            return ""
        return f"{self.hr_end.astimezone(zoneinfo.ZoneInfo(self.hr_zone or 'UTC')):%Y-%m-%d %H:%M:%S}"

    @property
    def unproven(self) -> bool:
        """Whether it has been open for longer than it may be."""
        return self.status == ReceiptStatus.OPEN and timezone.now() - self.learnt_at > LATE


class ReceiptAccount(models.Model):
    """One account of a leaver: when the directory was told, what it answered, and what a look showed after that.

    ``before`` is the state that the portal believed it in. ``reason``, ``owner`` and ``until`` are of an exception:
    somebody chose to leave it open, answers for that, and until when. ``gone_at`` is when a look showed that an account
    which had been disabled was deleted later on, and ``gone_evidence`` the row of the chain that tells so.
    """

    receipt = models.ForeignKey(Receipt, models.CASCADE, related_name="accounts", db_index=False)
    directory_id = models.BigIntegerField()
    directory = models.CharField(max_length=100)
    account_id = models.BigIntegerField()
    key = models.CharField(max_length=255)
    remote_id = models.CharField(max_length=512, blank=True)
    before = models.CharField(max_length=8)
    sent_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=255, blank=True)
    seen = models.CharField(max_length=8, choices=Seen.choices, blank=True, default=Seen.NOTHING)
    read_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=255, blank=True)
    owner = models.CharField(max_length=255, blank=True)
    until = models.DateField(null=True, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)
    gone_evidence = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["directory", "pk"]
        constraints = [models.UniqueConstraint(fields=["receipt", "account_id"], name="receipt_account_once")]
        indexes = [
            models.Index(fields=["account_id"], name="receipt_account"),
            models.Index(fields=["directory_id", "receipt"], name="receipt_of_directory"),
            models.Index(
                fields=["id"],
                name="receipt_gone_untold",
                condition=models.Q(gone_at__isnull=False, gone_evidence__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} in {self.directory}"

    @property
    def proven(self) -> bool:
        """Whether a look showed that the account gives no access."""
        return self.seen in PROVEN

    @property
    def excepted(self) -> bool:
        """Whether somebody answers for leaving it open."""
        return not self.proven and bool(self.owner)

    @property
    def done(self) -> bool:
        """Whether nothing is to be waited for."""
        return self.proven or self.excepted
