"""Groups of people, who is in them, and what each directory holds of them."""

import uuid

from django.db import models

from directories.models import Directory
from provisioning.models.accounts import Account
from provisioning.models.outbox import Counterpart, Lane, QueuedChange
from provisioning.models.people import FoldedField, User


class Group(models.Model):
    """A group of people; not a permission group of the portal.

    ``owner`` is the directory that the group comes from, ``pushed_by`` the name of the SCIM application that pushes it;
    with neither it is the portal's own, and only then is it edited here. ``directories`` are those that a group of the
    portal's (or of an application) is pushed to. ``privileged``: it gives special rights somewhere, so that nobody gets
    into it in passing, and its last member does not get out.
    """

    name = models.CharField(max_length=255)
    name_key = FoldedField(source="name", unique=True)
    description = models.TextField(blank=True)
    owner = models.ForeignKey(Directory, models.SET_NULL, null=True, blank=True, editable=False, related_name="groups")
    pushed_by = models.CharField(max_length=100, blank=True, editable=False)
    scim_id = models.UUIDField("SCIM id", default=uuid.uuid4, unique=True, editable=False)
    members: "models.ManyToManyField[User, Membership]" = models.ManyToManyField(
        User, through="Membership", related_name="roll_groups"
    )
    directories = models.ManyToManyField(Directory, blank=True, related_name="chosen_groups")
    privileged = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Its members have special rights somewhere, such as an administrator's.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name_key"]
        indexes = [models.Index(fields=["updated_at"], name="group_by_updated")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_ours(self) -> bool:
        """Whether people edit the group in the portal."""
        return self.owner_id is None and not self.pushed_by


class Membership(models.Model):
    """One user directly in one group. ``provisioning.identities.membership`` is the only writer."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.group}"


class Nesting(models.Model):
    """One group directly in another. Circles are allowed: whoever walks down counts each group once."""

    parent = models.ForeignKey(Group, models.CASCADE, related_name="nestings")
    child = models.ForeignKey(Group, models.CASCADE, related_name="nested_in")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["parent", "child"], name="nesting_once")]

    def __str__(self) -> str:
        return f"{self.child} in {self.parent}"


class GroupAccount(Counterpart):
    """One group in one directory, imported from it or pushed to it; it outlives the group, as an account its user.

    ``unanswered_members`` are the ids of accounts that the directory was asked to put into the group in a look at all
    of it, until the answer is recorded: they may be in it.
    """

    group = models.ForeignKey(Group, models.SET_NULL, null=True, blank=True, related_name="accounts")
    directory = models.ForeignKey(Directory, models.CASCADE, related_name="group_accounts")
    unanswered_members = models.JSONField(default=list, blank=True, db_default=[])

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["group", "directory"], condition=models.Q(group__isnull=False), name="group_one_a_directory"
            ),
            models.UniqueConstraint(
                fields=["directory", "remote_id"], condition=~models.Q(remote_id=""), name="group_remote_id_once"
            ),
        ]
        indexes = [
            models.Index(fields=["directory", "place"], name="group_by_place", condition=~models.Q(place="")),
            models.Index(fields=["directory", "state"], name="group_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.key} in {self.directory}"


class PushedMember(models.Model):
    """An account that the portal has put into a directory's group: what a delta is counted against."""

    group_account = models.ForeignKey(GroupAccount, models.CASCADE, related_name="pushed_members")
    account = models.ForeignKey(Account, models.CASCADE, related_name="pushed_memberships")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group_account", "account"], name="pushed_member_once")]

    def __str__(self) -> str:
        return f"{self.account_id} in {self.group_account_id}"


class GroupChange(QueuedChange):
    """An outbox row: "bring this group in sync", or, with ``account``, "look at whether this account is in it"."""

    group_account = models.ForeignKey(GroupAccount, models.CASCADE, related_name="changes", db_index=False)
    account = models.ForeignKey(Account, models.CASCADE, null=True, blank=True, related_name="group_changes")

    class Meta:
        verbose_name = "group operation"
        verbose_name_plural = "failed and waiting"
        indexes = [
            models.Index(fields=["group_account", "id"], name="group_change_of"),
            models.Index(fields=["created_at"], name="group_change_due", condition=models.Q(parked__isnull=True)),
            models.Index(
                fields=["directory", "id"], name="group_change_waiting", condition=models.Q(parked__isnull=True)
            ),
            models.Index(
                fields=["directory", "id"],
                name="group_change_leavers",
                condition=models.Q(parked__isnull=True, lane=Lane.LEAVERS),
            ),
            models.Index(
                fields=["directory", "parked_code", "id"],
                name="group_change_by_cause",
                condition=models.Q(parked__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group_account_id}: {self.reason}"
