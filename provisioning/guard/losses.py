"""What the guard counts: the kinds of what people and directories lose, or are given without anybody's word."""

from collections.abc import Mapping

from django.db import models


class LossKind(models.TextChoices):
    """One kind of loss. SHRANK and UNPROVEN are reasons to ask only: nothing is counted by them."""

    OFF = "off", "People deactivated"
    ON = "on", "People activated again"
    BLANKED = "blanked", "People who lose a value"
    CHANGED = "changed", "People with another value of one attribute"
    RENAMED = "renamed", "People with another user name"
    CREATED = "created", "People added"
    OPENED = "opened", "Accounts opened"
    CLOSED = "closed", "Accounts closed"
    MEMBERS = "members", "Memberships lost"
    ELEVATED = "elevated", "Memberships of privileged groups given"
    CONTRACTS_ADDED = "con_added", "People who get a contract"
    CONTRACTS_REMOVED = "con_gone", "People who lose a contract"
    CONTRACTS_CHANGED = "con_other", "People whose contract changes"
    BLOCKED = "blocked", "People who are blocked by HR, or cannot be taken"
    SHRANK = "shrank", "A source that became small"
    UNPROVEN = "unproven", "Absence that is not proven"


# A planned change carries its kinds as bits, so that they are counted and held by statements over whole plans.
BITS: Mapping[LossKind, int] = {
    LossKind.OFF: 1,
    LossKind.ON: 2,
    LossKind.BLANKED: 4,
    LossKind.RENAMED: 8,
    LossKind.CREATED: 16,
    LossKind.CONTRACTS_ADDED: 32,
    LossKind.CONTRACTS_REMOVED: 64,
    LossKind.CONTRACTS_CHANGED: 128,
    LossKind.BLOCKED: 256,
}
OF_CONTRACTS = (LossKind.CONTRACTS_ADDED, LossKind.CONTRACTS_REMOVED, LossKind.CONTRACTS_CHANGED)

DEPARTMENT, GROUP = "department:", "group:"  # begin a scope; "" is everything, and else it is an attribute
MAX_SCOPE = 200
