"""How the work on groups ended, written in short transactions as far as the lease is still ours."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.db import transaction
from django.utils import timezone

from provisioning.models import Account, GroupAccount, PushedMember
from provisioning.models.accounts import LastResult
from provisioning.outbound.accounts.outbox import Parked
from provisioning.outbound.accounts.plan import Step
from provisioning.outbound.groups import messages, outbox
from provisioning.outbound.groups.outbox import GroupClaim
from reports import journal
from reports.journal import Line
from reports.models import Operation, Result

FIELDS = (
    *("key", "remote_id", "place", "state", "pushed_digest"),
    *("last_result", "last_message", "last_synced_at", "not_before", "attempts", "leased_until"),
)


class Lost(Exception):
    """The lease ran out and another worker has the group."""


def group(held: GroupClaim, account: GroupAccount, lines: Sequence[Line], *, fresh: bool) -> None:
    """Write that the group itself is in the directory now; nobody was put into a ``fresh`` one yet."""
    with _ours(held, account):
        if fresh:
            members = PushedMember.objects.filter(group_account=account)
            members._raw_delete(members.db)
        _write(held, account)
        journal.record_many(lines)


def members(
    held: GroupClaim,
    account: GroupAccount,
    directory: str,
    accounts: Sequence[Account],
    refused: Mapping[int, Parked],
    *,
    added: bool,
) -> set[int]:
    """Write that accounts were put into the group or taken out; return those that were refused and are still there."""
    actor = held.actors.get(account.pk, "")
    with _ours(held, account):
        there = _there(accounts)  # an account that was deleted during the call has nothing to be recorded of it
        accounts = [each for each in accounts if each.pk in there]
        refused = {pk: cause for pk, cause in refused.items() if pk in there}
        done = [each.pk for each in accounts if each.pk not in refused]
        if added:
            rows = [PushedMember(group_account=account, account_id=pk) for pk in done]
            PushedMember.objects.bulk_create(rows, ignore_conflicts=True)
        else:
            PushedMember.objects.filter(group_account=account, account__in=done).delete()
        journal.record_many(
            messages.member(
                *(each, account.key, directory, actor),
                added=added,
                refused=refused[each.pk].message if each.pk in refused else "",
            )
            for each in accounts
        )
        outbox.members_seen(held, account, [each.pk for each in accounts], refused)
    return set(refused)


def finish(held: GroupClaim, account: GroupAccount, reason: str, refused: Collection[int]) -> None:
    """End the claimed changes: the group is in step, but for the refused members."""
    account.last_result, account.attempts, account.last_synced_at = LastResult.OK, 0, timezone.now()
    account.last_message = reason
    if refused:
        account.last_result = LastResult.PARKED
        account.last_message = f"{len(refused)} of its members could not be changed."
    with _ours(held, account):
        _write(held, account, ends=True)
        outbox.finish(held, account.pk, refused)


def forget(held: GroupClaim, account: GroupAccount, lines: Sequence[Line]) -> None:
    """The group is not in the directory and need not be: its account goes, with its changes."""
    with _ours(held, account):
        journal.record_many(lines)
        account.delete()


def wait(held: GroupClaim, account: GroupAccount, directory: str, message: str) -> None:
    """Let the group wait; its changes stay. It gets a line only when it begins to wait."""
    lines = []
    if account.last_result != LastResult.WAITING:
        words = f"The changes of the group {account.key} wait. {message}"
        actor = held.actors.get(account.pk, "")
        lines = [messages.line(account.key, directory, Operation.UPDATE, Result.WAITING, words, actor=actor)]
    account.last_result, account.last_message = LastResult.WAITING, message
    with _ours(held, account):
        _write(held, account, ends=True)
        journal.record_many(lines)


def park(held: GroupClaim, account: GroupAccount, directory: str, step: Step, cause: Parked) -> None:
    """Let the group wait for someone."""
    name = account.group.name if account.group else account.key
    words = messages.failed(step, name, directory, cause.message)
    actor = held.actors.get(account.pk, "")
    line = messages.line(name, directory, messages.OPERATIONS[step], Result.FAILED, words, actor=actor)
    account.last_result, account.last_message, account.attempts = LastResult.PARKED, cause.message, 0
    with _ours(held, account):
        _write(held, account, ends=True)
        journal.record(line)
        outbox.park(held, account.pk, cause)


def _there(accounts: Sequence[Account]) -> set[int]:
    """Lock those of the accounts that still have a row, so that they have one when the transaction ends."""
    rows = Account.objects.filter(pk__in=[each.pk for each in accounts]).order_by("pk")
    return set(rows.select_for_update(no_key=True).values_list("pk", flat=True))


@contextmanager
def _ours(held: GroupClaim, account: GroupAccount) -> Iterator[None]:
    """Open a transaction in which the group is ours to write; raise Lost when it is not any more."""
    with transaction.atomic():
        if not outbox.lock(held, [account.pk]):
            raise Lost
        yield


def _write(held: GroupClaim, account: GroupAccount, *, ends: bool = False) -> None:
    account.leased_until = None if ends else held.until
    account.save(update_fields=FIELDS)
