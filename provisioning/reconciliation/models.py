"""Runs that compare a directory with the portal, what they found, and how each directory is compared."""

from django.db import models
from django.utils import timezone

from directories.models import WEEKDAYS, Directory, Schedule
from provisioning.models.imports import RunStatus, Trigger

NOTHING = models.Value({}, models.JSONField())
MAX_SUBJECT = 255


class FindingKind(models.TextChoices):
    """What is not in step."""

    ENABLED = "enabled", "Enabled by mistake"
    ORPHAN = "orphan", "Orphans"
    MISSING = "missing", "Missing"
    DISABLED = "disabled", "Disabled by mistake"
    DIFFERENT = "different", "Different"
    SEVERAL = "several", "Several matches"
    UNREADABLE = "unreadable", "Unreadable"
    LESS = "member_less", "Member missing"
    MORE = "member_more", "Member too many"


MEMBERS = (FindingKind.LESS, FindingKind.MORE)


class Policy(models.TextChoices):
    """What a run does by itself with what it finds of one kind."""

    REPORT = "report", "Report only"
    PUSH = "push", "Push automatically"
    PULL = "pull", "Take over automatically"
    IGNORE = "ignore", "Ignore"


class ReconcileSettings(models.Model):
    """When a directory is reconciled by itself, and ``policies``: a ``Policy`` for each kind that is not just reported.

    Nothing is ever deleted by a policy: there is none that does.
    """

    directory = models.OneToOneField(Directory, models.CASCADE, related_name="reconciliation")
    schedule = models.CharField(max_length=8, choices=Schedule.choices, default=Schedule.OFF)
    schedule_time = models.TimeField(null=True, blank=True)
    schedule_weekday = models.PositiveSmallIntegerField(null=True, blank=True, choices=list(enumerate(WEEKDAYS)))
    next_run_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    policies = models.JSONField(default=dict, blank=True, db_default=NOTHING)

    class Meta:
        verbose_name = verbose_name_plural = "reconciliation settings"

    def __str__(self) -> str:
        return f"Reconciliation of {self.directory}"


class ReconcileRun(models.Model):
    """One comparison of a whole directory with the portal. It changes neither by itself but for its policies.

    ``seen`` are the accounts that were read, ``in_step`` those of them that are as wanted, ``under_way`` those that
    differ because a change is on its way to them, and ``passed_over`` those of kinds that the policy ignores.
    ``counts`` holds the number of findings by kind, once the run has ended. ``leased_until`` is the run's lease.
    """

    directory = models.ForeignKey(Directory, models.CASCADE, related_name="reconcile_runs", db_index=False)
    status = models.CharField(max_length=10, choices=RunStatus.choices, default=RunStatus.QUEUED)
    trigger = models.CharField(max_length=8, choices=Trigger.choices, default=Trigger.MANUAL)
    actor = models.CharField("started by", max_length=255, blank=True)
    message = models.TextField(blank=True)
    cancel_requested = models.BooleanField(default=False)
    leased_until = models.DateTimeField(null=True, blank=True)
    expected = models.PositiveIntegerField(null=True, blank=True)
    seen = models.PositiveIntegerField(default=0)
    in_step = models.PositiveIntegerField(default=0)
    under_way = models.PositiveIntegerField(default=0)
    passed_over = models.PositiveIntegerField(default=0)
    groups_seen = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict, blank=True, db_default=NOTHING)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "reconciliation"
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["directory"],
                condition=models.Q(status__in=["queued", "crawling"]),
                name="reconcile_one_run_a_directory",
            ),
        ]
        indexes = [models.Index(fields=["directory", "-created_at"], name="reconcile_newest")]

    def __str__(self) -> str:
        return f"Reconciliation of {self.directory} ({self.get_status_display()})"


class FindingState(models.TextChoices):
    """What became of a finding."""

    OPEN = "open", "Open"
    DONE = "done", "Acted on"
    IGNORED = "ignored", "Ignored"


class Finding(models.Model):
    """One thing that is not in step. Findings are those of a directory's newest run; older ones are deleted.

    ``subject`` says what it is about, the same in every run. ``values`` maps an attribute to [portal, directory].
    ``user_id``, ``account_id`` and ``group_account_id`` are plain numbers. ``version`` stands for what the portal
    wanted of the account when it was compared: once that is another, the finding is out of date. ``danger``: somebody
    may use an account who should not. ``action``, ``decided_by`` and ``decided_at`` tell what was done and by whom;
    an ignored one has a ``reason``, an ``owner``, and comes back after ``ignored_until``.
    The run is no constraint of the database: rows are only written under the run's lease.
    """

    run = models.ForeignKey(ReconcileRun, models.CASCADE, related_name="findings", db_index=False, db_constraint=False)
    directory = models.ForeignKey(Directory, models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=12, choices=FindingKind.choices)
    subject = models.CharField(max_length=MAX_SUBJECT)
    key = models.CharField(max_length=255, blank=True)
    remote_id = models.CharField(max_length=512, blank=True)
    user_id = models.BigIntegerField(null=True, blank=True)
    account_id = models.BigIntegerField(null=True, blank=True)
    group_account_id = models.BigIntegerField(null=True, blank=True)
    values = models.JSONField(default=dict, blank=True)
    version = models.CharField(max_length=64, blank=True)
    danger = models.BooleanField(default=False)
    usable = models.BooleanField(null=True)
    message = models.TextField(blank=True)
    state = models.CharField(max_length=8, choices=FindingState.choices, default=FindingState.OPEN)
    action = models.CharField(max_length=12, blank=True)
    reason = models.TextField(blank=True)
    owner = models.CharField(max_length=255, blank=True)
    ignored_until = models.DateField(null=True, blank=True)
    decided_by = models.CharField(max_length=255, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["run", "id"], name="finding_of_run"),
            models.Index(fields=["run", "kind", "id"], name="finding_by_kind"),
            models.Index(fields=["directory", "subject"], name="finding_ignored", condition=models.Q(state="ignored")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.key}"
