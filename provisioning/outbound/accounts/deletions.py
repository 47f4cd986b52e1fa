"""Deletions that are scheduled: what is due is enqueued, and people cancel, hasten and reschedule.

A deletion that is due is a change like any other, so the guard counts it, and holds what is over the limit of a day.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from directories.config import Features
from directories.models import GroupsOfLeavers, OnLeave, ProvisioningSettings
from provisioning.guard import ledger
from provisioning.guard.budget import DOOR as DELIVERY
from provisioning.guard.losses import LossKind
from provisioning.models import Account, Change, PushedMember
from provisioning.models.accounts import AccountState, LastResult
from provisioning.models.outbox import HELD
from provisioning.outbound.accounts import grace, messages, outbox
from provisioning.outbound.groups import outbox as group_outbox
from provisioning.outbound.leases import PAGE
from reports.journal import record_many
from reports.models import Operation, Result

REASON, HASTEN = "grace time over", "delete now"
KEPT = "{key} will not be deleted from {name}: {actor} cancelled that. The account stays disabled."
HASTENED = "{actor} had {key} deleted from {name} before the grace time was over."
BEGUN = "{key} will be deleted from {name} on {at}, unless they return: {actor} changed the directory's settings."
ENDED = "{key} will not be deleted from {name} any more: {actor} changed the directory's settings."
Settings = ProvisioningSettings | Features
SCHEDULED = Q(delete_at__isnull=False)
LEFT = Q(user__is_active=False) | Q(user__provisioned=False)


def sweep() -> None:
    """Enqueue every account of which the deletion is due.

    Not those that have a change already, be it held, and not those that were looked at since: the directory's settings
    do not delete them now.
    """
    seen = Q(last_synced_at__isnull=True) | Q(last_synced_at__lt=F("delete_at"))
    waiting = Change.objects.filter(account=OuterRef("pk"))
    due = Account.objects.filter(seen, ~Exists(waiting), delete_at__lte=Now(), kept_by="")
    _by_page(due, lambda page: outbox.enqueue(_by_directory(page), REASON))


def cancel(accounts: QuerySet[Any], actor: str) -> int:
    """Keep accounts that would be deleted, until their users have returned; return how many there were.

    Those that a worker is deleting just now are left out.
    """

    def keep(page: Sequence[Account]) -> None:
        ids = [account.pk for account in page]
        Account.objects.filter(pk__in=ids).update(delete_at=None, kept_by=actor[:255])
        _let_go(Change.objects.filter(account__in=ids, parked__isnull=False))
        _record(page, KEPT, Result.SKIPPED, actor)

    now = timezone.now()
    return _by_page(accounts.filter(SCHEDULED).exclude(delete_at__lte=now, leased_until__gt=now), keep)


def delete_now(accounts: QuerySet[Any], actor: str) -> int:
    """Let accounts be deleted now whose time has not come yet, by a person's decision; return how many there were."""

    def delete(page: Sequence[Account]) -> None:
        Account.objects.filter(pk__in=[account.pk for account in page]).update(delete_at=Now())
        by_directory = _by_directory(page)
        outbox.enqueue(by_directory, HASTEN, actor, cleared=True)
        for directory_id, found in by_directory.items():
            ledger.record(DELIVERY, directory_id, {(LossKind.CLOSED, ""): len(found)})
        _record(page, HASTENED, Result.SUCCESS, actor)

    return _by_page(accounts.filter(SCHEDULED), delete)


def _let_go(changes: QuerySet[Change]) -> None:
    """Drop changes that wait for somebody and would delete what is not to be deleted now."""
    ids = list(changes.values_list("account_id", flat=True))
    if not ids:
        return
    changes.delete()
    parked = Account.objects.filter(pk__in=ids, last_result=LastResult.PARKED)
    parked.update(last_result=LastResult.OK, last_message="")


def refuse(changes: QuerySet[Any], actor: str) -> int:
    """Keep the accounts of held deletions that somebody refused; return how many there were."""
    return cancel(Account.objects.filter(state=AccountState.DISABLED, changes__in=changes), actor)


class Rescheduling:
    """What other settings of a directory do to people who have left: their scheduled deletions, and their groups."""

    def __init__(self, directory_id: int, before: Settings, after: Settings) -> None:
        self.directory_id = directory_id
        self.scheduled = Account.objects.filter(SCHEDULED, directory=directory_id)
        self.before, self.after = before, after

    @property
    def starting(self) -> QuerySet[Account]:
        """Those of people who had left before, which will be deleted from now on: days after today, not after then."""
        left = Q(pk__in=())
        for deleted, whose in ((False, LEFT), (True, Q(user__isnull=True))):
            days = _grace(self.after, deleted=deleted)
            if days is not None and days != _grace(self.before, deleted=deleted):
                left |= whose
        disabled = Account.objects.filter(directory=self.directory_id, state=AccountState.DISABLED)
        return disabled.filter(left, delete_at=None, kept_by="")

    @property
    def ending(self) -> QuerySet[Account]:
        """Those that will not be deleted any more."""
        kept = Q(pk__in=())
        if not _deletes(self.after, deleted=False):
            kept |= Q(user__isnull=False)
        if not _deletes(self.after, deleted=True):
            kept |= Q(user__isnull=True)
        return self.scheduled.filter(kept)

    @property
    def moving(self) -> QuerySet[Account]:
        """Those that will be deleted at another time.

        More days move also what is due and not done, perhaps because it is held, but for what a person had done now.
        """
        if self.before.delete_after_days == self.after.delete_after_days:
            return self.scheduled.none()
        moving = self.scheduled.exclude(pk__in=self.ending.values("pk"))
        if not self._later:
            return moving.filter(delete_at__gt=Now())
        return moving.exclude(changes__reason=HASTEN)

    @property
    def due(self) -> QuerySet[Account]:
        """Those of them that are due at once then."""
        shift = self._shift
        return self.moving if shift is None else self.moving.filter(delete_at__lte=Now() - shift)

    @property
    def first_due(self) -> dt.datetime | None:
        """When the first is deleted of those that begin to be scheduled, or move, but for what is due at once."""
        found = []
        if self.starting.exists():
            found.append(self._begins_at)
        shift = self._shift
        if shift is not None and (
            first := self.moving.filter(delete_at__gt=Now() - shift).aggregate(at=Min("delete_at"))["at"]
        ):
            found.append(first + shift)
        return min(found, default=None)

    @property
    def memberships(self) -> QuerySet[PushedMember]:
        """The memberships of disabled accounts that are taken away now."""
        settings = [one.groups_of_leavers for one in (self.before, self.after)]
        if settings != [GroupsOfLeavers.LATER, GroupsOfLeavers.NOW] or not self.after.sync_groups:
            return PushedMember.objects.none()
        left = Q(account__user__is_active=False) | Q(account__user__provisioned=False) | Q(account__in_scope=False)
        disabled = Q(account__directory=self.directory_id, account__state=AccountState.DISABLED)
        return PushedMember.objects.filter(left, disabled)

    @property
    def _begins_at(self) -> dt.datetime:
        """When those are deleted that begin to be scheduled now."""
        return grace.clock(self.directory_id) + dt.timedelta(days=self.after.delete_after_days or 0)

    @property
    def _shift(self) -> dt.timedelta | None:
        """By how much they move, None when all are due at once."""
        days = self.after.delete_after_days
        return None if days is None else dt.timedelta(days=days - (self.before.delete_after_days or days))

    @property
    def _later(self) -> bool:
        """Whether they move to a later day."""
        shift = self._shift
        return shift is not None and shift > dt.timedelta()

    def write(self, actor: str) -> None:
        """Write it."""

        def begin(page: Sequence[Account]) -> None:
            at = self._begins_at
            Account.objects.filter(pk__in=[account.pk for account in page]).update(delete_at=at)
            _record(page, BEGUN, Result.WAITING, actor, at=f"{timezone.localtime(at):%Y-%m-%d}")

        def end(page: Sequence[Account]) -> None:
            Account.objects.filter(pk__in=[account.pk for account in page]).update(delete_at=None)
            _record(page, ENDED, Result.SKIPPED, actor)

        def move(page: Sequence[Account]) -> None:
            # What is due by that is due now: it may have been looked at since the moment that would have been.
            shift = self._shift
            at = Now() if shift is None else Greatest(F("delete_at") + shift, Now())
            ids = [account.pk for account in page]
            Account.objects.filter(pk__in=ids).update(delete_at=at)
            if self._later:
                _let_go(Change.objects.filter(account__in=ids, account__delete_at__gt=Now(), parked_code=HELD))

        def leave(page: Sequence[Account]) -> None:
            group_outbox.accounts_left({account.pk for account in page}, "settings changed", actor)

        _by_page(Account.objects.filter(pk__in=self.memberships.values("account")), leave)
        _by_page(self.ending, end)
        _by_page(self.moving, move)
        _by_page(self.starting, begin)


def _deletes(settings: Settings, *, deleted: bool) -> bool:
    """Return whether the settings delete the accounts of people who are deactivated, or deleted."""
    if deleted:
        return settings.delete_users and settings.on_delete == OnLeave.DELETE
    return settings.deactivate_users and settings.on_deactivate == OnLeave.DELETE


def _grace(settings: Settings, *, deleted: bool) -> int | None:
    """Return after how many days the settings delete those accounts; None for never, or at once."""
    return settings.delete_after_days if _deletes(settings, deleted=deleted) else None


def _by_page(accounts: QuerySet[Any], act: Callable[[Sequence[Account]], None]) -> int:
    """Act on accounts, which are locked, a page a transaction; return how many there were."""
    number, last = 0, 0
    while True:
        with transaction.atomic():
            rows = accounts.filter(pk__gt=last).order_by("pk").select_related("directory")
            page = list(rows.select_for_update(of=("self",), no_key=True)[:PAGE])
            if page:
                act(page)
        number += len(page)
        if len(page) < PAGE:
            return number
        last = page[-1].pk


def _by_directory(page: Sequence[Account]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for account in page:
        found.setdefault(account.directory_id, []).append(account.pk)
    return found


def _record(page: Sequence[Account], said: str, result: Result, actor: str, **words: str) -> None:
    record_many(
        messages.line(
            account,
            account.directory.name,
            Operation.DELETE,
            result,
            said.format(key=account.key, name=account.directory.name, actor=actor, **words),
            actor=actor,
        )
        for account in page
    )
