"""What HR says of a person's employment: departments, locations and contracts; and what follows from all of them."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from directories.attributes import Value
from directories.models import Directory
from provisioning.contracts.fields import DEPARTMENT, LOCATION, MANAGER, NAMES, NUMBER, custom_name
from provisioning.models import Account, ImportRun, User

MAX_REF = 512  # as long as the lasting ids of accounts, by which sources name managers


class Location(models.Model):
    """A place of work, and the time zone whose days count for contracts there.

    One of a source with a blank ``external_id`` counts for all contracts of that source that name no location.
    """

    source = models.ForeignKey(Directory, models.CASCADE, null=True, blank=True, related_name="locations")
    external_id = models.CharField("number", max_length=128, blank=True)
    name = models.CharField(max_length=150)
    time_zone = models.CharField(max_length=64, blank=True, help_text="For example Europe/Amsterdam.")

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["source", "external_id"], name="location_once_a_source"),
            models.UniqueConstraint(
                fields=["external_id"], condition=Q(source__isnull=True), name="location_of_the_portal_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Department(models.Model):
    """A department in the tree; ``source`` is None for one that was made in the portal.

    ``manager_ref`` is the number of its head at the source, and ``manager`` who was chosen here, who goes first.
    """

    source = models.ForeignKey(Directory, models.CASCADE, null=True, blank=True, related_name="departments")
    external_id = models.CharField("number", max_length=128)
    code = models.CharField(max_length=64, blank=True)
    name = models.CharField(max_length=150)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="children")
    manager = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="heads", verbose_name="head")
    manager_ref = models.CharField("head, as the source says", max_length=MAX_REF, blank=True)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["source", "external_id"], name="department_once_a_source"),
            models.UniqueConstraint(
                fields=["external_id"], condition=Q(source__isnull=True), name="department_of_the_portal_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Contract(models.Model):
    """One contract of a person, owned by the source whose ``account`` it is, or by the portal, for a ``user``.

    A source's contract belongs to whoever its account belongs to. ``starts`` and ``ends`` are the first and the last
    day, None where it is open. ``manager_ref`` is a person's number at the source; ``manager`` was chosen here.
    """

    account = models.ForeignKey(
        Account, models.CASCADE, null=True, blank=True, related_name="contracts", db_index=False
    )
    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="contracts", db_index=False)
    external_id = models.CharField("number", max_length=128)
    starts = models.DateField("first day", null=True, blank=True)
    ends = models.DateField("last day", null=True, blank=True)
    type = models.CharField(max_length=64, blank=True)
    fte = models.DecimalField("FTE", max_digits=7, decimal_places=3, null=True, blank=True)
    hours = models.DecimalField("hours a week", max_digits=7, decimal_places=3, null=True, blank=True)
    percentage = models.DecimalField(max_digits=7, decimal_places=3, null=True, blank=True)
    sequence = models.IntegerField(null=True, blank=True)
    employer = models.CharField(max_length=150, blank=True)
    department = models.ForeignKey(Department, models.SET_NULL, null=True, blank=True, related_name="contracts")
    department_ref = models.CharField(max_length=128, blank=True, editable=False)
    title = models.CharField(max_length=150, blank=True)
    team = models.CharField(max_length=150, blank=True)
    location = models.ForeignKey(Location, models.SET_NULL, null=True, blank=True, related_name="contracts")
    cost_centre = models.CharField(max_length=64, blank=True)
    division = models.CharField(max_length=150, blank=True)
    manager = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="managed_contracts")
    manager_ref = models.CharField("manager, as the source says", max_length=MAX_REF, blank=True)
    custom = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["account", "external_id"], name="contract_once_an_account"),
            models.UniqueConstraint(fields=["user", "external_id"], name="contract_once_a_user"),
            models.CheckConstraint(
                condition=Q(account__isnull=True, user__isnull=False) | Q(account__isnull=False, user__isnull=True),
                name="contract_has_one_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"Contract {self.external_id}"

    def value(self, field: str) -> Value:
        """Return a field's value as people know it: a department or a location by its name; blank as None."""
        if field in (DEPARTMENT, LOCATION):
            related: Department | Location | None = getattr(self, field)
            return related.name if related else None
        if field == MANAGER:
            raise KeyError(field)  # who that is follows from more than the contract: ``managers``
        if field == NUMBER:
            return self.external_id
        if name := custom_name(field):
            held: Value = self.custom.get(name)
        else:
            held = getattr(self, field)
        return None if held == "" else held


class Employment(models.Model):
    """What follows from all contracts of a person at this moment.

    ``active``: one of them holds; None as long as nobody looked. ``primary`` and ``why`` name the primary contract.
    ``said`` is what it says of the profile ("kind.name"), so that only what changes there is taken over.
    ``next_change_at`` is when all of that may become another; a moment that has passed means: look now.
    ``refused`` is why the person was to be switched, in words, where somebody refused or cancelled that.
    """

    user = models.OneToOneField(User, models.CASCADE, related_name="employment")
    active = models.BooleanField(null=True)
    primary = models.ForeignKey(Contract, models.SET_NULL, null=True, related_name="+")
    why = models.TextField(blank=True)
    said = models.JSONField(default=dict)
    next_change_at = models.DateTimeField(null=True)
    refused = models.TextField(blank=True, default="", db_default="")

    class Meta:
        indexes = [
            models.Index(
                fields=["next_change_at", "id"],
                name="employment_due",
                condition=Q(next_change_at__isnull=False),
            ),
            models.Index(fields=["user"], name="employment_over", condition=Q(active=False)),
            models.Index(fields=["next_change_at", "id"], name="employment_joining", condition=Q(active=False)),
        ]

    def __str__(self) -> str:
        return f"Employment of {self.user_id}"


class PrimaryOrder(models.Model):
    """One step of the order by which the primary contract is chosen."""

    position = models.PositiveSmallIntegerField()
    field = models.CharField(max_length=80)
    descending = models.BooleanField(default=False)

    class Meta:
        ordering = ["position", "pk"]
        verbose_name = "step of the order of contracts"
        verbose_name_plural = "order of contracts"

    def __str__(self) -> str:
        return f"{NAMES.get(self.field, self.field)}, {'highest' if self.descending else 'lowest'} first"


class ProfileSource(models.Model):
    """An attribute of the profile ("profile.title") that follows a field of the primary contract."""

    attribute = models.CharField(max_length=80, unique=True)
    field = models.CharField(max_length=80)

    class Meta:
        ordering = ["attribute"]
        verbose_name = "attribute that follows the contract"
        verbose_name_plural = "attributes that follow the contract"

    def __str__(self) -> str:
        return f"{self.attribute} follows {NAMES.get(self.field, self.field)}"


class SourceRecord(models.Model):
    """What a source of truth said last of one person, as it said it, whether anything was done about it or not.

    ``raw`` is the row with its contracts (see ``imports.users.records``). ``blocked``: the source wants nothing done
    about the person, or the row cannot be used; ``reason`` says why, and their account is left as it is.
    """

    source = models.ForeignKey(Directory, models.CASCADE, related_name="records", db_index=False)
    remote_id = models.CharField("number", max_length=MAX_REF)
    key = models.CharField("name", max_length=255)
    raw = models.JSONField()
    blocked = models.BooleanField(default=False)
    reason = models.TextField(blank=True)
    seen_at = models.DateTimeField("read", default=timezone.now)

    class Meta:
        ordering = ["pk"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["source", "remote_id"], name="record_once_a_source")]
        indexes = [
            models.Index(fields=["source", "id"], name="record_in_order"),
            models.Index(fields=["id"], name="record_blocked", condition=Q(blocked=True)),
        ]

    def __str__(self) -> str:
        return self.key or self.remote_id


class PlannedDepartment(models.Model):
    """A department of a ``source`` that a run adds or changes, before its people, or an undo takes away after them.

    ``parent`` is where it is to stand, and ``before`` what it was, None where it was not there. ``problem`` is why it
    keeps its place, or is left as it is where it is not ``usable``. ``gone``: it is to be taken away.
    """

    source = models.ForeignKey(Directory, models.CASCADE, null=True, related_name="+", db_index=False)
    run = models.ForeignKey(ImportRun, models.CASCADE, related_name="planned_departments")
    number = models.CharField(max_length=128, blank=True)
    name = models.CharField(max_length=150, blank=True)
    code = models.CharField(max_length=64, blank=True)
    parent = models.CharField(max_length=128, blank=True)
    head = models.CharField(max_length=MAX_REF, blank=True)
    new = models.BooleanField(default=False)
    gone = models.BooleanField(default=False, db_default=False)
    before = models.JSONField(null=True)
    usable = models.BooleanField(default=True)
    problem = models.TextField(blank=True)
    applied_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.number})"
