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
WAITING = (RunStatus.APPROVAL, RunStatus.PLANNED)  # for a person


class Trigger(models.TextChoices):
    """What started a run."""

    MANUAL = "manual", "Started by hand"
    SCHEDULE = "schedule", "Started by the schedule"
    COMMAND = "command", "Started on the command line"
    LISTENER = "listener", "Told by the directory"


class Door(models.TextChoices):
    """Through which door many people can change at once; only an import reads a directory."""

    IMPORT = "import", "Import"
    UPLOAD = "upload", "Uploaded file"
    ACTION = "action", "Bulk action"
    UNDO = "undo", "Undo"
    CONTRACTS = "contract", "Contracts"
    PULL = "pull", "Taken over"
    RULES = "rule", "Rules"


class PlanPart(models.TextChoices):
    """Which rows of its plan a run applies: all that nobody refused, or only those that were approved by name."""

    REST = "rest", "All that is left"
    CHOSEN = "chosen", "What was approved"


class ImportRun(models.Model):
    """One run of planned changes. A preview is a plan that nobody applied yet; an approval applies that very plan.

    ``door`` is where it came from; only an import has a ``directory``, the others say in ``subject`` what they are
    about, and an undo in ``undoes`` which run it takes back. ``plan_hash`` is the SHA-256 of the rows that wait (see
    ``imports.plan_hash``), ``checked`` that an approved plan was found to be that one, and ``facets`` counts its rows
    (see ``imports.facets``). ``part`` is which of the rows are applied now, ``changed_since`` how many were not because
    their person or source row had changed, ``refused`` how many a person refused; ``deleted`` and ``restored`` count
    people.

    ``incremental``: only what changed since the last run was read, so that nobody who was not seen is missing.
    ``from_records``: nothing was read, but what was read last is planned again, with the mapping as it is now.
    ``cursor`` is where the directory stood when the run began; the next one goes on from it once this one is applied.
    ``switched_off``, ``switched_on``, ``blanked`` and ``renamed`` count people whom it means to deactivate, to activate
    again, who lose a value, and who get another user name; ``follows`` says what comes of it in other directories;
    ``approved``: somebody agreed to that.
    ``left_alone`` are rows of people whom an import does not touch, ``blocked`` of those whom the source has blocked.
    ``applied_up_to`` is the id of the last planned
    change that is applied, in their order.
    ``departments_changed`` counts departments that it means to add, change or take away.
    ``groups_*`` and ``memberships_*`` count what happened to groups; ``unmatched_members`` are names in groups that no
    account here has, ``unmatched_in`` the first of those groups with the number of each.
    ``leased_until`` is the run's lease: a worker keeps it alive while it works, and a dead run is taken over after it.
    ``retry_at`` is when a run that failed is followed by another one, ``tries`` how many like it failed before.
    ``rest_applied``: all is applied but what is held, which waits for somebody; ``held`` is how many rows that are.
    """

    directory = models.ForeignKey(Directory, models.CASCADE, null=True, blank=True, related_name="import_runs")
    door = models.CharField(max_length=8, choices=Door.choices, default=Door.IMPORT, db_default=Door.IMPORT)
    subject = models.CharField(max_length=255, blank=True, default="", db_default="")
    undoes = models.BigIntegerField(null=True, blank=True)
    plan_hash = models.CharField(max_length=64, blank=True, default="", db_default="")
    facets = models.JSONField(default=dict, blank=True, db_default=models.Value({}, models.JSONField()))
    checked = models.BooleanField(default=False, db_default=False)
    part = models.CharField(max_length=8, choices=PlanPart.choices, default=PlanPart.REST, db_default=PlanPart.REST)
    status = models.CharField(max_length=10, choices=RunStatus.choices, default=RunStatus.QUEUED)
    preview = models.BooleanField(default=False)
    incremental = models.BooleanField(default=False)
    from_records = models.BooleanField(default=False, db_default=False)
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
    blocked = models.PositiveIntegerField(default=0, db_default=0)
    switched_on = models.PositiveIntegerField(default=0, db_default=0)
    switched_off = models.PositiveIntegerField(default=0)
    blanked = models.PositiveIntegerField(default=0)
    renamed = models.PositiveIntegerField(default=0, db_default=0)
    follows = models.JSONField(default=list, blank=True, db_default=NOTHING)
    approved = models.BooleanField(default=False)
    applied_up_to = models.BigIntegerField(default=0)
    rest_applied = models.BooleanField(default=False, db_default=False)
    held = models.PositiveIntegerField(default=0, db_default=0)
    departments_changed = models.PositiveIntegerField(default=0, db_default=0)
    groups_seen = models.PositiveIntegerField(default=0)
    groups_changed = models.PositiveIntegerField(default=0)
    memberships_added = models.PositiveIntegerField(default=0)
    memberships_removed = models.PositiveIntegerField(default=0)
    unmatched_members = models.PositiveIntegerField(default=0, db_default=0)
    unmatched_in = models.JSONField(default=list, blank=True, db_default=NOTHING)
    changed_since = models.PositiveIntegerField(default=0, db_default=0)
    refused = models.PositiveIntegerField(default=0, db_default=0)
    deleted = models.PositiveIntegerField(default=0, db_default=0)
    restored = models.PositiveIntegerField(default=0, db_default=0)
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
            models.Index(fields=["undoes"], name="run_that_undoes", condition=models.Q(undoes__isnull=False)),
        ]

    def __str__(self) -> str:
        what = "Preview" if self.preview and self.door == Door.IMPORT else self.get_door_display()
        joint = " of " if self.door == Door.IMPORT else ": "
        return f"{what}{joint}{self.source} ({self.get_status_display()})"

    @property
    def source(self) -> str:
        """Where the changes come from: the directory's name, or what a run of another door is about."""
        return self.directory.name if self.directory is not None else self.subject


class Action(models.TextChoices):
    """What a planned change means to do to the portal.

    LINK changes nothing of the user: it only notes the row on the account, and counts as unchanged. LEAVE is for a
    person whom an import does not touch, and for nothing that somebody has to correct. Only other doors than an import
    DELETE people, MERGE them into others, and RESTORE them from the recycle bin. BLOCK is for people about whom the
    source wants nothing done.
    """

    CREATE = "create", "Create"
    UPDATE = "update", "Update"
    DEACTIVATE = "deactivate", "Deactivate"
    LINK = "link", "Link"
    LEAVE = "leave", "Leave alone"
    ERROR = "error", "Error"
    DELETE = "delete", "Delete"
    RESTORE = "restore", "Restore"
    BLOCK = "block", "Blocked"
    MERGE = "merge", "Merge"


class Verdict(models.TextChoices):
    """What a person decided about a planned change that waits; DONE is what was approved, and is applied."""

    OPEN = "", "Undecided"
    APPROVED = "approved", "Approved"
    REFUSED = "refused", "Refused"
    DONE = "done", "Applied"


class Decision(models.Model):
    """Who approved or refused which rows of a plan, when and why; ``rows`` is how many, ``scope`` says which."""

    run = models.ForeignKey(ImportRun, models.CASCADE, related_name="decisions")
    verdict = models.CharField(max_length=8, choices=Verdict.choices)
    actor = models.CharField(max_length=255)
    reason = models.TextField(blank=True)
    scope = models.CharField(max_length=255)
    rows = models.PositiveIntegerField()
    plan_hash = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} by {self.actor}: {self.scope}"


class PlannedChange(models.Model):
    """One thing that a run means to do, with the values before and after.

    ``key`` is the row's user name or other key as the directory gave it. ``before`` and ``after`` hold only the portal
    attributes that differ, by "kind.name"; ``row`` what applying needs besides them (see the users' plan).
    ``user_id`` and ``account_id`` are plain numbers; ``match_value`` is the folded value by which two rows of one new
    user find each other, the new user name of somebody who is renamed, or what a row in error has of somebody else.
    ``losses`` are the kinds of losses that it is (``guard.losses.BITS``), and ``held`` says that it waits for somebody
    while the rest of the plan is applied.
    ``department`` is the person's, ``cause`` why it is planned (see the users' ``causes``), and ``attributes`` names
    what an update changes, between bars. ``verdict`` is what was decided about the row, ``decision_id`` by whom.
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
    department = models.CharField(max_length=150, blank=True, default="", db_default="")
    cause = models.CharField(max_length=16, blank=True, default="", db_default="")
    attributes = models.TextField(blank=True, default="", db_default="")
    verdict = models.CharField(max_length=8, choices=Verdict.choices, blank=True, default="", db_default="")
    decision_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["run", "action", "id"], name="planned_by_action"),
            models.Index(fields=["run", "cause", "id"], name="planned_by_cause", condition=~models.Q(cause="")),
            models.Index(
                fields=["run", "department", "id"], name="planned_by_department", condition=~models.Q(department="")
            ),
            models.Index(
                fields=["run", "attributes", "id"], name="planned_by_attributes", condition=~models.Q(attributes="")
            ),
            models.Index(fields=["run", "verdict", "id"], name="planned_by_verdict", condition=~models.Q(verdict="")),
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
    ``group_id`` is a group of the portal, in runs of other doors than an import.
    """

    run = models.ForeignKey(ImportRun, models.CASCADE, related_name="planned_groups", db_index=False)
    action = models.CharField(max_length=8, choices=GroupAction.choices)
    name = models.CharField(max_length=255, blank=True)
    remote_id = models.CharField(max_length=512, blank=True)
    place = models.CharField(max_length=64, blank=True)
    group_account_id = models.BigIntegerField(null=True, blank=True)
    group_id = models.BigIntegerField(null=True, blank=True)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    row = models.JSONField(default=dict, blank=True)
    added = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)
    message = models.TextField(blank=True)
    held = models.BooleanField(default=False, db_default=False)
    applied_at = models.DateTimeField(null=True, blank=True)
    verdict = models.CharField(max_length=8, choices=Verdict.choices, blank=True, default="", db_default="")
    decision_id = models.BigIntegerField(null=True, blank=True)

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
    ``ref`` is the remote id or the place digest of somebody whom the same run adds. Runs of other doors name the
    portal's own ``user_id``, or ``child_id`` for a group.
    """

    planned_group = models.ForeignKey(PlannedGroup, models.CASCADE, related_name="members", db_index=False)
    add = models.BooleanField()
    account_id = models.BigIntegerField(null=True, blank=True)
    group_account_id = models.BigIntegerField(null=True, blank=True)
    ref = models.CharField(max_length=512, blank=True)
    held = models.BooleanField(default=False, db_default=False)
    user_id = models.BigIntegerField(null=True, blank=True)
    child_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["planned_group", "id"], name="planned_member_of")]

    def __str__(self) -> str:
        who = self.account_id or self.group_account_id or self.user_id or self.child_id or self.ref
        return f"{'Add' if self.add else 'Remove'} {who}"
