"""The grace time: an account that is to be deleted is disabled first, and deleted when ``Account.delete_at`` is over.

The moment is counted from when the directory was seen to have disabled the account, so that a directory that was away
takes no day of it. Everything here is one statement for any number of accounts.
"""

import datetime as dt
from collections.abc import Collection, Iterable

from django.db.models import Q
from django.db.models.functions import Now

from directories.models import Directory
from provisioning.models import Account
from provisioning.models.accounts import AccountState
from provisioning.outbound.accounts.outcome import AccountOutcome


def clock(directory_id: int) -> dt.datetime:
    """Return the database's time, by which deletions are scheduled and due: no worker's own clock moves one."""
    moment: dt.datetime = Directory.objects.values_list(Now(), flat=True).get(pk=directory_id)
    return moment


def is_due(account: Account, days: int | None, now: dt.datetime) -> bool:
    """Return whether an account that the directory's settings delete may be deleted; ``days`` are the settings'."""
    if account.kept_by:
        return False
    return days is None if account.delete_at is None else account.delete_at <= now


def still_due(account: Account) -> bool:
    """Return whether what was read of an account is still so: its user is away, and nobody kept or moved the deletion.

    The time is the database's: a worker whose clock is wrong deletes nobody before their day.
    """
    user = account.user
    read = (account.user_id, user and user.is_active, user and user.provisioned, account.delete_at, account.kept_by)
    columns = ("user_id", "user__is_active", "user__provisioned", "delete_at", "kept_by")
    due = Account.objects.filter(Q(delete_at=None) | Q(delete_at__lte=Now()), pk=account.pk)
    return due.values_list(*columns).first() == read


def store(outcomes: Iterable[AccountOutcome]) -> None:
    """Write when accounts are to be deleted, in the transaction of the results.

    The rows say what is so by now, not the accounts as they were read: a person may have decided meanwhile.
    """
    scheduled: dict[int, dt.datetime] = {}
    over: list[int] = []
    for outcome in outcomes:
        if outcome.delete_at:
            scheduled[outcome.row.pk] = outcome.delete_at
        elif outcome.returned and (outcome.row.delete_at or outcome.row.kept_by):
            over.append(outcome.row.pk)
    if scheduled:
        unscheduled = Account.objects.filter(pk__in=scheduled, delete_at=None, kept_by="")
        unscheduled.update(delete_at=max(scheduled.values()))
    if over:
        Account.objects.filter(pk__in=over).update(delete_at=None, kept_by="")


def returned(user_ids: Collection[int]) -> None:
    """Delete nothing of users who are back; needs a transaction."""
    theirs = Account.objects.filter(user__in=user_ids, state=AccountState.DISABLED).order_by("pk")
    waiting = theirs.exclude(delete_at=None, kept_by="")
    if ids := list(waiting.select_for_update(no_key=True).values_list("pk", flat=True)):
        Account.objects.filter(pk__in=ids).update(delete_at=None, kept_by="")
