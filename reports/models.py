"""The event table, one line of history each, and the chain of evidence; both outlive what they tell of.

Beside it: the searches of the report that people keep, and may share, and how many lines each hour has.
"""

from django.conf import settings
from django.db import models

DEPARTMENT = "Department"  # the label under which lines tell of it


class Direction(models.TextChoices):
    """Which way the change went."""

    IN = "in", "Into the portal"
    OUT = "out", "Out to an application"
    PORTAL = "portal", "In the portal"


class Operation(models.TextChoices):
    """What was done, or tried."""

    CREATE = "create", "Create"
    UPDATE = "update", "Update"
    ENABLE = "enable", "Enable"
    DISABLE = "disable", "Disable"
    DELETE = "delete", "Delete"
    LINK = "link", "Link"
    PASSWORD = "password", "Set password"
    IMPORT = "import", "Import"
    SETTINGS = "settings", "Settings"
    SIGN_IN = "sign_in", "Sign in"
    SIGN_OUT = "sign_out", "Sign out"


class Result(models.TextChoices):
    """How it ended."""

    SUCCESS = "success", "Success"
    PARTLY = "partly", "With errors"
    FAILED = "failed", "Failed"
    WAITING = "waiting", "Waiting"
    SKIPPED = "skipped", "Skipped"


class Event(models.Model):
    """One line of the provisioning report.

    ``identifier`` is the end user's name as it was at the time and ``application`` the directory's (both plain text);
    ``identifier_key`` is the folded identifier that searches use. ``changes`` maps an attribute to [before, after].
    ``user_id``, ``account_id``, ``group_id`` and ``run_id`` are plain numbers, not foreign keys: history outlives its
    subject. A line about a membership has both its user and its group.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField("time")
    identifier = models.CharField("end-user identifier", max_length=255, blank=True)
    identifier_key = models.CharField(max_length=255, blank=True, editable=False)
    application = models.CharField("application name", max_length=100, blank=True)
    direction = models.CharField(max_length=8, choices=Direction.choices)
    operation = models.CharField(max_length=16, choices=Operation.choices)
    result = models.CharField(max_length=8, choices=Result.choices)
    message = models.TextField()
    changes = models.JSONField(default=dict, blank=True)
    actor = models.CharField("caused by", max_length=255, blank=True)
    user_id = models.BigIntegerField(null=True, blank=True)
    account_id = models.BigIntegerField(null=True, blank=True)
    group_id = models.BigIntegerField(null=True, blank=True)
    run_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "provisioning report line"
        verbose_name_plural = "provisioning report"
        # Every column that a search can name stands before (at, id) in one of these, so that no search sorts, counts or
        # walks past lines it does not show; see ``reports.search``.
        indexes = [
            models.Index(fields=["-at", "-id"], name="event_newest"),
            models.Index(fields=["direction", "result", "operation", "-at", "-id"], name="event_by_outcome"),
            models.Index(
                fields=["application", "direction", "result", "operation", "-at", "-id"], name="event_by_application"
            ),
            models.Index(
                fields=["actor", "application", "direction", "result", "operation", "-at", "-id"],
                name="event_by_actor",
                opclasses=["varchar_pattern_ops", *["varchar_ops"] * 4, "timestamptz_ops", "int8_ops"],
            ),
            models.Index(
                fields=["identifier_key", "-at", "-id"],
                name="event_by_identifier",
                opclasses=["varchar_pattern_ops", "timestamptz_ops", "int8_ops"],
            ),
            models.Index(
                fields=["run_id", "direction", "result", "operation", "-at", "-id"],
                name="event_by_run",
                condition=models.Q(run_id__isnull=False),
            ),
            models.Index(
                fields=["user_id", "-at", "-id"], name="event_by_user", condition=models.Q(user_id__isnull=False)
            ),
            models.Index(
                fields=["account_id", "-at", "-id"],
                name="event_by_account",
                condition=models.Q(account_id__isnull=False),
            ),
            models.Index(
                fields=["group_id", "-at", "-id"], name="event_by_group", condition=models.Q(group_id__isnull=False)
            ),
            # Who came into a department or left one: few lines, and no column of their own.
            models.Index(
                fields=["-at", "-id"], name="event_of_department", condition=models.Q(changes__has_key=DEPARTMENT)
            ),
        ]

    def __str__(self) -> str:
        return self.message


class EvidenceKind(models.TextChoices):
    """What a row of the chain proves."""

    RECEIPT = "receipt", "Receipt of a leaver"
    APPROVAL = "approval", "Decision about an import"
    CONFIGURATION = "configuration", "Change of the configuration"


class Evidence(models.Model):
    """One row of the chain, which ``reports.evidence`` alone writes; nothing changes or deletes it.

    ``hash`` is over the columns before it, ``previous`` (the hash of the row before) among them. ``payload`` holds no
    secrets, and no numbers but whole ones, so that it is read back as it was hashed. ``subject`` and ``actor`` are what
    the payload of a change of the configuration says of itself, for searches.
    """

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField("time")
    kind = models.CharField(max_length=16, choices=EvidenceKind.choices)
    payload = models.JSONField()
    previous = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)
    subject = models.CharField(max_length=255, blank=True, default="", db_default="")
    actor = models.CharField(max_length=255, blank=True, default="", db_default="")

    class Meta:
        ordering = ["seq"]
        verbose_name_plural = "evidence"
        indexes = [
            models.Index(fields=["kind", "seq"], name="evidence_by_kind"),
            models.Index(fields=["subject", "seq"], name="evidence_by_subject"),
            models.Index(fields=["actor", "seq"], name="evidence_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.get_kind_display()}"


class EvidenceHead(models.Model):
    """Where the chain ends: one row, which whoever appends to the chain locks."""

    number = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


class KnownState(models.Model):
    """How something was configured when that was last put into the chain: what the next change is compared with.

    A secret is a mark there, by which another one is seen and which gives nothing away. ``former`` is the subject under
    which older rows tell of the same: of rules and products by their name.
    """

    subject = models.CharField(max_length=255, unique=True)
    former = models.CharField(max_length=255, blank=True, default="", db_default="")
    state = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.subject


class SavedFilter(models.Model):
    """A search of the report that a person named; ``filters`` are those of the page's address.

    Nobody else sees it, unless it is shared: with ``everybody`` who may see the report, or with those of a ``role``.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    filters = models.JSONField()
    everybody = models.BooleanField(default=False, db_default=False)
    role = models.ForeignKey("auth.Group", models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["name", "pk"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="saved_filter_name_once")]
        default_permissions = ()  # who may see the report may keep filters of it

    def __str__(self) -> str:
        return self.name


class HourCount(models.Model):
    """How many lines an application has of a direction and a result in the hour from ``hour`` on (``reports.hours``).

    ``newest`` is the id of the last of them; a line that tells of no application counts under "".
    """

    hour = models.DateTimeField()
    application = models.CharField(max_length=100, blank=True)
    direction = models.CharField(max_length=8, choices=Direction.choices)
    result = models.CharField(max_length=8, choices=Result.choices)
    number = models.PositiveIntegerField()
    newest = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "application", "direction", "result"], name="hour_count_once")
        ]
        indexes = [models.Index(fields=["application", "-hour", "-newest"], name="hour_count_newest")]
        default_permissions = ()  # who may see the report may see how many lines it has

    def __str__(self) -> str:
        return f"{self.number} {self.result} at {self.hour}"


class CountedUntil(models.Model):
    """Until when the lines of the report are counted: one row, which whoever counts them locks."""

    at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.at)
