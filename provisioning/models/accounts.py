"""Accounts and the outbox of changes to look at."""

from django.db import models
from django.utils import timezone

from directories.models import Directory
from provisioning.models.people import FoldedField, User


class AccountState(models.TextChoices):
    """What the portal believes the directory holds."""

    PENDING = "pending", "Not created yet"
    ACTIVE = "active", "Active"
    DISABLED = "disabled", "Disabled"
    ABSENT = "absent", "Not in the directory"


class LastResult(models.TextChoices):
    """How the last look at the account ended."""

    NONE = "", "Nothing yet"
    OK = "ok", "In step"
    WAITING = "waiting", "Waiting for the directory"
    PARKED = "parked", "Needs attention"
    OPEN = "open", "Still open"


# Accounts of people who left that can still be used; their users are inactive, or gone from the portal.
LEFT_OPEN = models.Q(last_result=LastResult.OPEN) | (
    models.Q(last_result=LastResult.PARKED, state=AccountState.ACTIVE)
    & (models.Q(user=None) | models.Q(user__is_active=False))
)


class Account(models.Model):
    """One user in one directory; it outlives the user, so that a deleted user is still deprovisioned.

    ``key`` is the user name that the account was made for; ``remote_id`` the directory's lasting id. ``seen_digest`` is
    of the row last imported, ``seen_state`` what that row said of the person's state (see the imports' ``state``),
    ``pushed_digest`` of the state last pushed or confirmed. ``attributes`` holds the directory attributes last seen or
    pushed, ``person`` the portal attributes of a user that was deleted, and ``deleted_at`` when. ``place`` is
    ``place_digest`` of where the entry stands (LDAP: of its DN), by which groups name their members; "" elsewhere.
    ``last_result`` "open": its user has left, the directory is written to, and nothing there closes the account.
    ``password_set_at`` is when the portal last gave it a password that somebody chose.
    ``leased_until``, ``not_before`` and ``attempts`` belong to the outbox.
    """

    user = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="accounts")
    directory = models.ForeignKey(Directory, models.CASCADE, related_name="accounts")
    key = models.CharField(max_length=255)
    key_folded = FoldedField(source="key")
    remote_id = models.CharField(max_length=512, blank=True)
    place = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=AccountState.choices, default=AccountState.PENDING)
    seen_digest = models.CharField(max_length=64, blank=True)
    seen_state = models.CharField(max_length=24, blank=True)
    pushed_digest = models.CharField(max_length=64, blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    person = models.JSONField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    last_result = models.CharField(max_length=8, choices=LastResult.choices, blank=True, default=LastResult.NONE)
    last_message = models.TextField(blank=True)
    last_synced_at = models.DateTimeField(null=True, blank=True)
    password_set_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "directory"], condition=models.Q(user__isnull=False), name="account_one_a_directory"
            ),
            models.UniqueConstraint(
                fields=["directory", "remote_id"], condition=~models.Q(remote_id=""), name="account_remote_id_once"
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
        ]

    def __str__(self) -> str:
        return f"{self.key} in {self.directory}"


class Change(models.Model):
    """An outbox row: "look at this account again, because ..."; it carries no payload.

    Only the outbox writes it. A parked change waits for someone; ``parked_code`` is the connector's stable
    name of the cause and ``parked_message`` its words. ``directory`` is the account's, kept here so that what waits for
    one directory is found without reading what waits for another.
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="changes")
    directory = models.ForeignKey(Directory, models.CASCADE, related_name="+", db_index=False)
    reason = models.CharField(max_length=64)
    actor = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    parked = models.DateTimeField(null=True, blank=True)
    parked_code = models.CharField(max_length=32, blank=True)
    parked_message = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "operations"
        indexes = [
            models.Index(fields=["created_at"], name="change_due", condition=models.Q(parked__isnull=True)),
            models.Index(fields=["directory", "id"], name="change_waiting", condition=models.Q(parked__isnull=True)),
            models.Index(
                fields=["directory", "parked_code", "id"],
                name="change_by_cause",
                condition=models.Q(parked__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.reason}"
