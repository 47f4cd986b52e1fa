"""What an admin describes: directories, their query templates, attribute mappings and provisioning settings."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower

from directories.attributes import Kind
from directories.encryption import EncryptedJSONField


class Reachable(models.Model):
    """A system outside that the portal sends to, and whether it can be reached (see ``directories.health``).

    ``unreachable_since``, ``retry_at`` and ``failures`` are the state of its connection, and so are ``refusals`` in a
    row, since ``refusing_since``, and ``quarantined``: it is tried rarely because it only refused. ``answered_at`` is
    when it answered first, as its connection is set up now.
    """

    name = models.CharField(max_length=100)
    enabled = models.BooleanField(default=True)
    answered_at = models.DateTimeField(null=True, blank=True, editable=False)
    unreachable_since = models.DateTimeField(null=True, blank=True, editable=False)
    retry_at = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    refusals = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    refusing_since = models.DateTimeField(null=True, blank=True, editable=False)
    quarantined = models.BooleanField(default=False, db_default=False, editable=False)
    last_error = models.TextField(blank=True, editable=False)

    class Meta:
        abstract = True


class Directory(Reachable):
    """An external system that holds accounts.

    ``settings`` and ``secrets`` hold the values of the fields that the connector of ``kind`` declares. While everyone
    is being pushed to it, ``push_cursor`` is the id of the last user that was enqueued.
    """

    kind = models.CharField(max_length=32)
    enabled = models.BooleanField(default=True, help_text="Changes wait while a directory is switched off.")
    is_default = models.BooleanField("default", default=False)
    description = models.TextField(blank=True)
    settings = models.JSONField(default=dict, blank=True)
    secrets = EncryptedJSONField(default=dict, blank=True)
    push_cursor = models.BigIntegerField(null=True, blank=True, editable=False)
    push_actor = models.CharField(max_length=255, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "directories"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="directory_name_unique"),
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="directory_one_default"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TemplateOperation(models.TextChoices):
    """What a query template is for."""

    IMPORT = "import", "Import attributes"
    CHECK = "check", "Check user"
    CREATE = "create", "Create user"
    UPDATE = "update", "Update user"
    DELETE = "delete", "Delete user"
    DISABLE = "disable", "Disable user"
    ENABLE = "enable", "Enable user"
    SET_PASSWORD = "set_password", "Set password"
    IMPORT_GROUPS = "import_groups", "Import groups"
    IMPORT_MEMBERS = "import_members", "Import memberships"
    CREATE_GROUP = "create_group", "Create group"
    UPDATE_GROUP = "update_group", "Rename group"
    DELETE_GROUP = "delete_group", "Delete group"
    ADD_MEMBER = "add_member", "Add member"
    REMOVE_MEMBER = "remove_member", "Remove member"
    CONTRACTS = "contracts", "Contracts"
    DEPARTMENTS = "departments", "Departments"
    TITLES = "titles", "Titles"
    CHANGES = "changes", "Changed people"


class QueryTemplate(models.Model):
    """One SQL statement with ``##NAME##`` placeholders; an operation runs its statements in order of position."""

    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, related_name="query_templates")
    operation = models.CharField(max_length=16, choices=TemplateOperation.choices)
    position = models.PositiveSmallIntegerField(default=0)
    sql = models.TextField("statement")

    class Meta:
        ordering = ["directory", "operation", "position", "pk"]

    def __str__(self) -> str:
        return f"{self.get_operation_display()} {self.position + 1}"


class MappingDirection(models.TextChoices):
    """Which way a mapped value flows."""

    IN = "in", "Directory to portal"
    OUT = "out", "Portal to directory"
    BOTH = "both", "Both"


class AttributeMapping(models.Model):
    """A directory attribute and the portal attribute that it stands for.

    ``required``: whoever has no value there is left as they are, and the reason is shown.
    An ``expression`` (sandboxed Jinja2) computes the value in the row's one direction, so a row for both directions has
    none: two rows do that.
    """

    OF_PEOPLE = [
        (Kind.PROFILE.value, "Default profile attribute"),
        (Kind.CUSTOM_PROFILE.value, "Custom profile attribute"),
        (Kind.CUSTOM.value, "Custom attribute"),
    ]
    KINDS = [
        *OF_PEOPLE,
        (Kind.CONTRACT.value, "Contract"),
        (Kind.CUSTOM_CONTRACT.value, "Custom field of contracts"),
        (Kind.RECORD.value, "Blocked by HR"),
    ]

    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, related_name="attribute_mappings")
    directory_attribute = models.CharField(max_length=128)
    kind = models.CharField(max_length=16, choices=KINDS, default=Kind.PROFILE.value)
    portal_attribute = models.CharField(max_length=128, blank=True, help_text="Left blank, the attribute is not used.")
    direction = models.CharField(max_length=4, choices=MappingDirection.choices, default=MappingDirection.BOTH)
    expression = models.TextField(blank=True)
    required = models.BooleanField(default=False, db_default=False)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["directory", "position", "pk"]

    def __str__(self) -> str:
        return f"{self.directory_attribute} ↔ {self.portal_attribute}"


class Schedule(models.TextChoices):
    """How often a directory is imported."""

    OFF = "off", "Off"
    HOURLY = "hourly", "Hourly"
    DAILY = "daily", "Daily"
    WEEKLY = "weekly", "Weekly"


class OnLeave(models.TextChoices):
    """What happens to the directory's account when its user is deactivated or deleted in the portal."""

    DISABLE = "disable", "Disable the account"
    DELETE = "delete", "Delete the account"
    LEAVE = "leave", "Leave the account as it is"


class GroupsOfLeavers(models.TextChoices):
    """When the account of somebody who is deactivated leaves the groups that the portal put it into."""

    LATER = "later", "When the account is deleted"
    NOW = "now", "When the account is disabled"


class InitialPassword(models.TextChoices):
    """The password that a created account gets."""

    FIXED = "fixed", "A fixed password"
    RANDOM = "random", "A random password for each account"


class PasswordStorage(models.TextChoices):
    """How the initial password is written into the directory."""

    PLAIN = "plain", "As it is"
    BCRYPT = "bcrypt", "bcrypt hash"
    ARGON2ID = "argon2id", "argon2id hash"


WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
PERCENT = [MinValueValidator(0), MaxValueValidator(100)]


class PushGroups(models.TextChoices):
    """Which groups of the portal a directory gets."""

    NONE = "none", "None"
    CHOSEN = "chosen", "The groups that are chosen for it"
    ALL = "all", "Every group of the portal"


class AccountsFor(models.TextChoices):
    """Who gets an account in a directory, of those who are active and provisioned."""

    EVERYONE = "everyone", "Everyone"
    GROUPS = "groups", "Members of chosen groups"
    RULES = "rules", "Whoever a rule gives one"


class ProvisioningSettings(models.Model):
    """Which features are on for a directory, when it is imported, and how much an import may do without being asked.

    ``sync_groups`` switches groups on in both directions: ``import_groups`` and ``push_groups`` say which.
    ``import_cursor`` is where the next incremental import goes on (the connector's own words), ``incremental_minutes``
    how often that is tried between two full ones, and ``listen`` whether the listener process follows the directory.
    ``match_attribute`` is what a row that is new finds its user by; where nobody has its value, ``match_second`` and
    then ``match_third`` (blank: no such key).
    ``source_rank``: of two sources that say something else of one person, the one with the lower number decides.
    ``follow_renames``: whoever has another user name there gets it in the portal. ``four_eyes``: a plan is approved by
    somebody else than who started the import or changed the settings. ``delete_after_days``: an account that is to be
    deleted is disabled, and deleted so many days later; blank: it is deleted at once.
    ``accounts_for`` is who gets an account at all.
    The limits (``max_...``) hold for 24 hours, and none can be switched off: 0 means "always ask". ``max_leavers`` and
    ``max_lost_members`` are also how many accounts and memberships of this directory other doors may take away.
    """

    directory = models.OneToOneField(Directory, on_delete=models.CASCADE, related_name="provisioning")
    import_users = models.BooleanField(default=False)
    create_users = models.BooleanField(default=False)
    update_users = models.BooleanField(default=False)
    deactivate_users = models.BooleanField(default=False)
    delete_users = models.BooleanField(default=False)
    accounts_for = models.CharField(
        max_length=8, choices=AccountsFor.choices, default=AccountsFor.EVERYONE, db_default=AccountsFor.EVERYONE
    )
    deactivate_missing = models.BooleanField("deactivate users missing from the source", default=False)
    import_passwords = models.BooleanField(default=False)
    on_deactivate = models.CharField(max_length=8, choices=OnLeave.choices, default=OnLeave.DISABLE)
    on_delete = models.CharField(max_length=8, choices=OnLeave.choices, default=OnLeave.DELETE)
    delete_after_days = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(3650)]
    )
    groups_of_leavers = models.CharField(
        max_length=8, choices=GroupsOfLeavers.choices, default=GroupsOfLeavers.LATER, db_default=GroupsOfLeavers.LATER
    )
    match_attribute = models.CharField(max_length=128, default="profile.username")
    match_second = models.CharField(max_length=128, blank=True, default="", db_default="")
    match_third = models.CharField(max_length=128, blank=True, default="", db_default="")
    source_rank = models.PositiveSmallIntegerField(default=100, db_default=100, validators=[MinValueValidator(1)])
    follow_renames = models.BooleanField(default=False, db_default=False)
    initial_password = models.CharField(max_length=8, choices=InitialPassword.choices, default=InitialPassword.RANDOM)
    fixed_password = EncryptedJSONField(null=True, blank=True)
    password_storage = models.CharField(max_length=8, choices=PasswordStorage.choices, default=PasswordStorage.BCRYPT)
    schedule = models.CharField(max_length=8, choices=Schedule.choices, default=Schedule.OFF)
    schedule_time = models.TimeField(null=True, blank=True)
    schedule_weekday = models.PositiveSmallIntegerField(null=True, blank=True, choices=list(enumerate(WEEKDAYS)))
    next_import_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    set_passwords = models.BooleanField("pass passwords on", default=False)
    sync_groups = models.BooleanField("group sync", default=False)
    import_groups = models.BooleanField(default=True)
    push_groups = models.CharField(max_length=8, choices=PushGroups.choices, default=PushGroups.CHOSEN)
    delete_groups = models.BooleanField(default=False)
    listen = models.BooleanField("follow changes as they happen", default=False)
    incremental_minutes = models.PositiveIntegerField(null=True, blank=True)
    import_cursor = models.JSONField(null=True, blank=True, editable=False)
    max_lost_members = models.PositiveIntegerField(default=500)
    max_lost_members_percent = models.PositiveSmallIntegerField(default=20, validators=PERCENT)
    max_leavers = models.PositiveIntegerField(default=50)
    max_leavers_percent = models.PositiveSmallIntegerField(default=10, validators=PERCENT)
    max_blanked = models.PositiveIntegerField(default=100)
    max_blanked_percent = models.PositiveSmallIntegerField(default=10, validators=PERCENT)
    max_activated = models.PositiveIntegerField(default=50, db_default=50)
    max_activated_percent = models.PositiveSmallIntegerField(default=10, db_default=10, validators=PERCENT)
    max_opened = models.PositiveIntegerField(default=500, db_default=500)
    max_created = models.PositiveIntegerField(default=200, db_default=200)
    max_created_percent = models.PositiveSmallIntegerField(default=20, db_default=20, validators=PERCENT)
    max_changed = models.PositiveIntegerField(default=500, db_default=500)
    max_changed_percent = models.PositiveSmallIntegerField(default=30, db_default=30, validators=PERCENT)
    max_department_percent = models.PositiveSmallIntegerField(default=50, db_default=50, validators=PERCENT)
    max_group_percent = models.PositiveSmallIntegerField(default=50, db_default=50, validators=PERCENT)
    max_elevated = models.PositiveIntegerField(default=5, db_default=5)
    max_contracts_added = models.PositiveIntegerField(default=500, db_default=500)
    max_contracts_added_percent = models.PositiveSmallIntegerField(default=30, db_default=30, validators=PERCENT)
    max_contracts_removed = models.PositiveIntegerField(default=50, db_default=50)
    max_contracts_removed_percent = models.PositiveSmallIntegerField(default=10, db_default=10, validators=PERCENT)
    max_contracts_changed = models.PositiveIntegerField(default=500, db_default=500)
    max_contracts_changed_percent = models.PositiveSmallIntegerField(default=30, db_default=30, validators=PERCENT)
    max_blocked = models.PositiveIntegerField(default=50, db_default=50)
    max_blocked_percent = models.PositiveSmallIntegerField(default=10, db_default=10, validators=PERCENT)
    four_eyes = models.BooleanField(default=False, db_default=False)

    class Meta:
        verbose_name = verbose_name_plural = "provisioning settings"

    def __str__(self) -> str:
        return f"Provisioning of {self.directory}"

    @property
    def match_attributes(self) -> tuple[str, ...]:
        """The attributes by which a new row finds its user, in the order in which they are tried."""
        return in_order(self.match_attribute, self.match_second, self.match_third)


def in_order(*matches: str) -> tuple[str, ...]:
    """Return match attributes ("kind.name") in the order in which they are tried, none of them twice."""
    return tuple(dict.fromkeys(match for match in matches if match))


class PushedDelivery(models.Model):
    """What was pushed to a source in one or more batches. Only one that was closed says that nobody else is there.

    ``records`` are the people in it, ``changed`` those of them (and departments) that were new or differed, ``missing``
    how many were not in it when it was closed. ``version`` is that of its newest change (``connectors.push.store``).
    ``run_id`` is the import that takes it in; ``waits``: something in it waits for one.
    """

    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, related_name="deliveries")
    actor = models.CharField(max_length=255)
    opened_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True)
    records = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    missing = models.PositiveIntegerField(default=0)
    version = models.BigIntegerField(default=0)
    waits = models.BooleanField(default=False)
    run_id = models.BigIntegerField(null=True)

    class Meta:
        verbose_name_plural = "pushed deliveries"
        ordering = ["pk"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["directory"], name="delivery_waits", condition=models.Q(waits=True)),
        ]

    def __str__(self) -> str:
        return f"Delivery {self.pk}"


class PushedRecord(models.Model):
    """The newest record of a person or a department that was pushed, as JSON; ``delivery`` is the last that had it."""

    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, related_name="pushed", db_index=False)
    kind = models.CharField(max_length=10)
    ref = models.CharField(max_length=512)
    delivery = models.BigIntegerField()
    version = models.BigIntegerField()
    digest = models.CharField(max_length=32)
    data = models.TextField()

    class Meta:
        ordering = ["pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["directory", "kind", "ref"], name="pushed_once_a_source"),
        ]
        indexes = [
            models.Index(fields=["directory", "kind", "version", "id"], name="pushed_since"),
        ]

    def __str__(self) -> str:
        return self.ref


class PushToken(models.Model):
    """A token that may push to one source; only its digest is kept. ``expires_at`` None: it has no end."""

    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, related_name="push_tokens")
    label = models.CharField(max_length=100, blank=True)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.label or f"Token {self.pk}"


class RateLevels(models.Model):
    """How fast one account at an application was asked (``rate_stores``); ``levels`` is JSON, by bucket."""

    account = models.CharField(max_length=32, unique=True)
    version = models.BigIntegerField(default=0)
    levels = models.TextField(default="{}")

    class Meta:
        verbose_name_plural = "rate levels"
        ordering = ["pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.account
