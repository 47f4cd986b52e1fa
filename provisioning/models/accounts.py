"""Accounts and the outbox of changes to look at."""

from django.db import models

from directories.models import Directory
from provisioning.models.outbox import AccountState, Counterpart, Lane, LastResult, QueuedChange
from provisioning.models.people import FoldedField, User

__all__ = ["LEFT_OPEN", "STALE", "Account", "AccountState", "Change", "LastResult", "ScheduledDeletion"]


# Accounts of people who left that can still be used; their users are inactive, or gone from the portal.
LEFT_OPEN = models.Q(last_result__in=[LastResult.OPEN, LastResult.PARKED], state=AccountState.ACTIVE) & (
    models.Q(user=None) | models.Q(user__is_active=False)
)

# Accounts that are disabled, and that nothing will delete: their users are still on the roll.
STALE = models.Q(state=AccountState.DISABLED, delete_at__isnull=True, user__isnull=False)


class Account(Counterpart):
    """One user in one directory; it outlives the user, so that a deleted user is still deprovisioned.

    ``key`` is the name of its user, or what that was when they were deleted; what the directory calls the account may
    be another (see ``remote_id``). ``seen_state`` is what the row last imported said of the
    person's state (see the imports' ``state``). ``attributes`` holds the directory attributes last seen or pushed,
    ``person`` the portal attributes of a user that was deleted, and ``deleted_at`` when. ``last_result`` "open": its
    user has left, the directory is written to, and nothing there closes the account. ``unseen``: the portal made it,
    and the directory's look-up has not found it since. ``password_set_at`` is when the portal last gave it a password
    that somebody chose. ``delete_at`` is when an account that is disabled will be deleted, and ``kept_by`` who decided
    that it will not be, until its user has returned. ``in_scope``: whoever has it is among those to whom the directory
    gives accounts (``outbound.accounts.scope`` decides and writes it); out of it they count as deactivated there.
    ``early``: it is there, disabled, before a contract of whoever has it begins, because a rule says so.
    """

    user = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="accounts", db_index=False)
    directory = models.ForeignKey(Directory, models.CASCADE, related_name="accounts", db_index=False)
    key_folded = FoldedField(source="key")
    seen_state = models.CharField(max_length=24, blank=True, default="", db_default="")
    attributes = models.JSONField(default=dict, blank=True)
    person = models.JSONField(null=True, blank=True)
    unseen = models.BooleanField(default=False, db_default=False)
    deleted_at = models.DateTimeField(null=True, blank=True)
    password_set_at = models.DateTimeField(null=True, blank=True)
    delete_at = models.DateTimeField(null=True, blank=True)
    kept_by = models.CharField(max_length=255, blank=True, default="", db_default="")
    in_scope = models.BooleanField(default=True, db_default=True)
    early = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "directory"], condition=models.Q(user__isnull=False), name="account_one_a_directory"
            ),
            # The id first: an import asks for thousands at once, and must not be led through a whole directory.
            models.UniqueConstraint(
                fields=["remote_id", "directory"], condition=~models.Q(remote_id=""), name="account_remote_id_once"
            ),
        ]
        indexes = [
            models.Index(fields=["directory", "key"], name="account_by_key"),
            models.Index(fields=["key_folded"], name="account_orphans", condition=models.Q(user__isnull=True)),
            models.Index(fields=["directory", "state"], name="account_by_state"),
            models.Index(fields=["directory", "place"], name="account_by_place", condition=~models.Q(place="")),
            models.Index(
                fields=["last_result"],
                name="account_needs_attention",
                condition=models.Q(last_result__in=["parked", "open"]),
            ),
            models.Index(
                fields=["delete_at", "id"], name="account_delete_at", condition=models.Q(delete_at__isnull=False)
            ),
            models.Index(
                fields=["directory", "delete_at"],
                name="account_scheduled",
                condition=models.Q(delete_at__isnull=False),
            ),
            models.Index(fields=["id"], name="account_stale", condition=STALE),
        ]

    def __str__(self) -> str:
        return f"{self.key} in {self.directory}"


class ScheduledDeletion(Account):
    """An account that is disabled and will be deleted: what the page "Scheduled" lists, with rights of its own."""

    class Meta:
        proxy = True
        verbose_name = "scheduled deletion"


class Change(QueuedChange):
    """An outbox row: "bring this account in sync, because ..."."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="changes")

    class Meta:
        verbose_name_plural = "failed and waiting"
        indexes = [
            models.Index(fields=["created_at"], name="change_due", condition=models.Q(parked__isnull=True)),
            models.Index(fields=["directory", "id"], name="change_waiting", condition=models.Q(parked__isnull=True)),
            models.Index(
                fields=["directory", "id"],
                name="change_leavers",
                condition=models.Q(parked__isnull=True, lane=Lane.LEAVERS),
            ),
            models.Index(
                fields=["directory", "parked_code", "id"],
                name="change_by_cause",
                condition=models.Q(parked__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.reason}"
