"""Inbound runs and what each one means to do."""

from django.db import models
from django.utils import timezone

from directories.models import Directory
from provisioning.models.people import FoldedField

NOTHING = models.Value([], models.JSONField())


class RunStatus(models.TextChoices):
    """Where a run stands."""

    QUEUED = "queued", "Queued"
    CRAWLING = "crawling", "Reading the directory"
    PLANNED = "planned", "Preview ready"
    APPROVAL = "approval", "Waiting for approval"
    APPLYING = "applying", "Applying"
    FINISHED = "finished", "Finished"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


ENDED = (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED)


class Trigger(models.TextChoices):
    """What started a run."""

    MANUAL = "manual", "Started by hand"
    SCHEDULE = "schedule", "Started by the schedule"
    COMMAND = "command", "Started on the command line"
    LISTENER = "listener", "Told by the directory"


class ImportRun(models.Model):
    """One inbound run. A preview is a plan that nobody applied yet; an approval applies that very plan.

    ``incremental``: only what changed since the last run was read, so that nobody who was not seen is missing.
    ``cursor`` is where the directory stood when the run began; the next one goes on from it once this one is applied.
    ``switched_off``, ``switched_on``, ``blanked`` and ``renamed`` count people whom it means to deactivate, to activate
    again, who lose a value, and who get another user name; ``follows`` says what comes of it in other directories;
    ``approved``: somebody agreed to that.
    ``left_alone`` are rows of people whom an import does not touch. ``applied_up_to`` is the id of the last planned
    change that is applied, in their order.
    ``groups_*`` and ``memberships_*`` count what happened to groups; ``unmatched_members`` are names in groups that no
    account here has, ``unmatched_in`` the first of those groups with the number of each.
    ``leased_until`` is the run's lease: a worker keeps it alive while it works, and a dead run is taken over after it.
    ``retry_at`` is when a run that failed is followed by another one, ``tries`` how many like it failed before.
    ``rest_applied``: all is applied but what is held, which waits for somebody; ``held`` is how many rows that are.
    """

    directory = models.ForeignKey(Directory, models.CASCADE, related_name="import_runs")
    status = models.CharField(max_length=10, choices=RunStatus.choices, default=RunStatus.QUEUED)
    preview = models.BooleanField(default=False)
    incremental = models.BooleanField(default=False)
    trigger = models.CharField(max_length=8, choices=Trigger.choices, default=Trigger.MANUAL)
    actor = models.CharField("started by", max_length=255, blank=True)
    message = models.TextField(blank=True)
    cursor = models.JSONField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    leased_until = models.DateTimeField(null=True, blank=True)
    expected = models.PositiveIntegerField(null=True, blank=True)
    seen = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    planned = models.PositiveIntegerField(default=0)
    applied = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    deactivated = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    left_alone = models.PositiveIntegerField(default=0, db_default=0)
    switched_on = models.PositiveIntegerField(default=0, db_default=0)
    switched_off = models.PositiveIntegerField(default=0)
    blanked = models.PositiveIntegerField(default=0)
    renamed = models.PositiveIntegerField(default=0, db_default=0)
    follows = models.JSONField(default=list, blank=True, db_default=NOTHING)
    approved = models.BooleanField(default=False)
    applied_up_to = models.BigIntegerField(default=0)
    rest_applied = models.BooleanField(default=False, db_default=False)
    held = models.PositiveIntegerField(default=0, db_default=0)
    groups_seen = models.PositiveIntegerField(default=0)
    groups_changed = models.PositiveIntegerField(default=0)
    memberships_added = models.PositiveIntegerField(default=0)
    memberships_removed = models.PositiveIntegerField(default=0)
    unmatched_members = models.PositiveIntegerField(default=0, db_default=0)
    unmatched_in = models.JSONField(default=list, blank=True, db_default=NOTHING)
    tries = models.PositiveIntegerField(default=0, db_default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    apply_started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "import"
        verbose_name_plural = "import history"
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["directory"],
                condition=models.Q(status__in=["queued", "crawling", "approval", "applying"]),
                name="import_one_run_a_directory",
            ),
        ]
        indexes = [
            models.Index(fields=["directory", "-created_at"], name="run_newest"),
            models.Index(fields=["retry_at"], name="run_to_try_again", condition=models.Q(retry_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{'Preview' if self.preview else 'Import'} of {self.directory} ({self.get_status_display()})"


class Action(models.TextChoices):
    """What a planned change means to do to the portal.

    LINK changes nothing of the user: it only notes the row on the account, and counts as unchanged. LEAVE is for a
    person whom an import does not touch, and for nothing that somebody has to correct.
    """

    CREATE = "create", "Create"
    UPDATE = "update", "Update"
    DEACTIVATE = "deactivate", "Deactivate"
    LINK = "link", "Link"
    LEAVE = "leave", "Leave alone"
    ERROR = "error", "Error"


class PlannedChange(models.Model):
    """One thing that a run means to do, with the values before and after.

    ``key`` is the row's user name or other key as the directory gave it. ``before`` and ``after`` hold only the portal
    attributes that differ, by "kind.name"; ``row`` what applying needs besides them (see the users' plan).
    ``user_id`` and ``account_id`` are plain numbers; ``match_value`` is the folded value by which two rows of one new
    user find each other, the new user name of somebody who is renamed, or what a row in error has of somebody else.
    ``losses`` are the kinds of losses that it is (``guard.losses.BITS``), and ``held`` says that it waits for somebody
    while the rest of the plan is applied.
    The run is no constraint of the database, which would look it up for every row: rows are only written under the
    run's lease.
    """

    run = models.ForeignKey(
        ImportRun, models.CASCADE, related_name="planned_changes", db_index=False, db_constraint=False
    )
    action = models.CharField(max_length=10, choices=Action.choices)
    key = models.CharField(max_length=255, blank=True)
    key_folded = FoldedField(source="key")
    match_value = models.CharField(max_length=255, blank=True)
    remote_id = models.CharField(max_length=512, blank=True)
    place = models.CharField(max_length=64, blank=True)
    user_id = models.BigIntegerField(null=True, blank=True)
    account_id = models.BigIntegerField(null=True, blank=True)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    row = models.JSONField(default=dict, blank=True)
    message = models.TextField(blank=True)
    losses = models.PositiveSmallIntegerField(default=0, db_default=0)
    held = models.BooleanField(default=False, db_default=False)

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["run", "action", "id"], name="planned_by_action"),
            models.Index(
                fields=["run", "key_folded"], name="planned_by_key", opclasses=["int8_ops", "varchar_pattern_ops"]
            ),
            models.Index(fields=["run", "remote_id"], name="planned_by_remote_id", condition=~models.Q(remote_id="")),
            models.Index(fields=["run", "place"], name="planned_by_place", condition=~models.Q(place="")),
            models.Index(fields=["run", "id"], name="planned_in_order"),
            models.Index(fields=["run", "id"], name="planned_held", condition=models.Q(held=True)),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.key}"


class GroupAction(models.TextChoices):
    """What a planned change means to do to a group. KEEP changes nothing of the group itself, only of its members."""

    CREATE = "create", "Create"
    UPDATE = "update", "Update"
    DELETE = "delete", "Delete"
    KEEP = "keep", "Members only"
    ERROR = "error", "Error"


class PlannedGroup(models.Model):
    """What a run means to do to one group of the directory; its members' changes are ``PlannedMember`` rows.

    ``before`` and ``after`` hold the name and description where they differ. ``added`` and ``removed`` count members.
    ``held``: its deletion, or some of its members, wait for somebody.
    """

    run = models.ForeignKey(ImportRun, models.CASCADE, related_name="planned_groups", db_index=False)
    action = models.CharField(max_length=8, choices=GroupAction.choices)
    name = models.CharField(max_length=255, blank=True)
    remote_id = models.CharField(max_length=512, blank=True)
    place = models.CharField(max_length=64, blank=True)
    group_account_id = models.BigIntegerField(null=True, blank=True)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    row = models.JSONField(default=dict, blank=True)
    added = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)
    message = models.TextField(blank=True)
    held = models.BooleanField(default=False, db_default=False)
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["run", "id"], name="planned_group_of"),
            models.Index(fields=["run", "place"], name="planned_group_by_place", condition=~models.Q(place="")),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.name}"


class PlannedMember(models.Model):
    """One membership that a run means to add or to remove.

    ``account_id`` or ``group_account_id`` (a nested group) says who it is when that was known while planning; else
    ``ref`` is the remote id or the place digest of somebody whom the same run adds. ``held``: it waits for somebody.
    """

    planned_group = models.ForeignKey(PlannedGroup, models.CASCADE, related_name="members", db_index=False)
    add = models.BooleanField()
    account_id = models.BigIntegerField(null=True, blank=True)
    group_account_id = models.BigIntegerField(null=True, blank=True)
    ref = models.CharField(max_length=512, blank=True)
    held = models.BooleanField(default=False, db_default=False)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["planned_group", "id"], name="planned_member_of")]

    def __str__(self) -> str:
        return f"{'Add' if self.add else 'Remove'} {self.account_id or self.group_account_id or self.ref}"
