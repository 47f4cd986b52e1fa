"""Rules, what they give, and what people have by them now."""

import json
from typing import Any

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from directories.models import Directory
from provisioning.contracts.models import Contract
from provisioning.models import Group, User
from provisioning.rules.conditions import GROUPS

MOST_DAYS = 365


class BusinessRule(models.Model):
    """Who should have what: a condition on people and their contracts, and entitlements.

    ``position``: of two rules that give two values to one attribute, the lower one wins. ``days_before`` and
    ``days_after`` widen the days of each contract. ``asks_groups``: its condition
    names groups. ``retired``: it was removed, and what it gave is being taken away; then it goes.
    ``by_request``: it is that of a product, and holds for whoever was given that (``Holding``), whatever its condition.
    """

    name = models.CharField(max_length=150)
    category = models.CharField(max_length=80, blank=True)
    published = models.BooleanField(default=False)
    retired = models.BooleanField(default=False, editable=False)
    position = models.PositiveIntegerField("order", default=100)
    condition = models.JSONField(default=dict)
    days_before = models.PositiveSmallIntegerField(
        "days before the start", default=0, validators=[MaxValueValidator(MOST_DAYS)]
    )
    days_after = models.PositiveSmallIntegerField(
        "days after the end", default=0, validators=[MaxValueValidator(MOST_DAYS)]
    )
    asks_groups = models.BooleanField(default=False, editable=False)
    by_request = models.BooleanField(default=False, editable=False, db_default=False)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "rule"
        ordering = ["position", "pk"]
        constraints = [models.UniqueConstraint(fields=["name", "by_request"], name="rule_name_once")]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write the rule, and whether it asks for groups."""
        self.asks_groups = GROUPS in json.dumps(self.condition)
        super().save(*args, **kwargs)

    @property
    def what(self) -> str:
        """What people call it."""
        return "product" if self.by_request else "rule"

    def people(self) -> int:
        """Count the people who have something by it."""
        return Granted.objects.filter(entitlement__rule=self).values("user").distinct().count()


class Holding(models.Model):
    """What a person was given because somebody asked for it: the rule of a product, until a moment or for good."""

    user = models.ForeignKey(User, models.CASCADE, related_name="holdings", db_index=False)
    rule = models.ForeignKey(BusinessRule, models.CASCADE, related_name="holdings", db_index=False)
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["user", "rule"], name="holding_once")]
        indexes = [
            models.Index(fields=["rule", "user"], name="holding_by_rule"),
            models.Index(fields=["until"], name="holding_due", condition=Q(until__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.rule_id}"


class EntitlementKind(models.TextChoices):
    """What a rule gives."""

    ACCOUNT = "account", "An account in a directory"
    GROUP = "group", "Membership of a group"
    VALUE = "value", "A value of an attribute"


class Entitlement(models.Model):
    """One thing that a rule gives. ``attribute`` is "kind.name" ("profile.title").

    ``ended``: the rule gives it no more, and what it gave is being taken away. With a group or a directory goes what
    rules gave of it.
    """

    rule = models.ForeignKey(BusinessRule, models.CASCADE, related_name="entitlements")
    kind = models.CharField(max_length=8, choices=EntitlementKind.choices)
    directory = models.ForeignKey(Directory, models.CASCADE, null=True, blank=True, related_name="entitlements")
    group = models.ForeignKey(Group, models.CASCADE, null=True, blank=True, related_name="entitlements")
    attribute = models.CharField(max_length=80, blank=True)
    value = models.JSONField(null=True, blank=True)
    ended = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "directory"], condition=Q(kind="account"), name="entitlement_account_once"
            ),
            models.UniqueConstraint(fields=["rule", "group"], condition=Q(kind="group"), name="entitlement_group_once"),
            models.UniqueConstraint(
                fields=["rule", "attribute"], condition=Q(kind="value"), name="entitlement_value_once"
            ),
            models.CheckConstraint(
                condition=Q(kind="account", directory__isnull=False, group__isnull=True, attribute="")
                | Q(kind="group", directory__isnull=True, group__isnull=False, attribute="")
                | (Q(kind="value", directory__isnull=True, group__isnull=True) & ~Q(attribute="")),
                name="entitlement_of_its_kind",
            ),
        ]

    def __str__(self) -> str:
        match self.kind:
            case EntitlementKind.ACCOUNT:
                return f"account in {self.directory}"
            case EntitlementKind.GROUP:
                return f"group {self.group}"
        return f"{self.attribute.partition('.')[2].replace('_', ' ')} = {self.value}"


class Granted(models.Model):
    """What a person has by a rule now; ``contract`` is the one because of which, None for the person alone.

    ``wins``: it is this rule's value that the attribute got. ``value`` is what was written, and ``before`` what was
    there without rules: {"value": ...} of an attribute, {"member": true} of a group that the person was in already.
    ``begins_at`` is when the contract begins, of one that was yet to begin: until then an account is disabled.
    ``entitlement`` None: the rule is gone, and somebody decided that the account in ``directory`` stays.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="granted", db_index=False)
    entitlement = models.ForeignKey(
        Entitlement, models.CASCADE, null=True, blank=True, related_name="granted", db_index=False
    )
    directory = models.ForeignKey(
        Directory, models.CASCADE, null=True, blank=True, related_name="granted", db_index=False
    )
    contract = models.ForeignKey(Contract, models.SET_NULL, null=True, blank=True, related_name="granted")
    value = models.JSONField(null=True, blank=True)
    before = models.JSONField(default=dict, blank=True)
    wins = models.BooleanField(default=True)
    begins_at = models.DateTimeField(null=True)
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "granted"
        constraints = [
            models.UniqueConstraint(fields=["user", "entitlement"], name="granted_once"),
        ]
        indexes = [
            models.Index(fields=["entitlement", "user"], name="granted_by_entitlement"),
            models.Index(fields=["directory", "user"], name="granted_accounts", condition=Q(directory__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.entitlement_id or 'kept'}"


class Look(models.Model):
    """When a person is to be looked at again: ``next_at``, because a window begins or ends, or somebody asked.

    ``seen`` is when the person's own row was last changed, as it was read; another time there means: look again.
    """

    user = models.OneToOneField(User, models.CASCADE, related_name="look_of_rules")
    next_at = models.DateTimeField(null=True)
    seen = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["next_at", "id"], name="look_due", condition=Q(next_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.next_at}"


class ScopeGroup(models.Model):
    """A group whose members get accounts in a directory that gives accounts to members of chosen groups."""

    directory = models.ForeignKey(Directory, models.CASCADE, related_name="scope_groups")
    group = models.ForeignKey(Group, models.CASCADE, related_name="scope_of")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["directory", "group"], name="scope_group_once")]

    def __str__(self) -> str:
        return f"{self.group} in {self.directory}"


class Evaluation(models.Model):
    """When everybody was last looked at, and whether that is due again: one row.

    ``actor`` is who asked for it, "" for nobody, and ``look``: the plan is to wait for them in any case.
    """

    evaluated_at = models.DateTimeField(null=True)
    due = models.BooleanField(default=False)
    look = models.BooleanField(default=False)
    actor = models.CharField(max_length=255, blank=True, default="")

    def __str__(self) -> str:
        return f"Evaluated at {self.evaluated_at}"
