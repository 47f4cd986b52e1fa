"""What becomes of a group while it is worked on, written in short transactions as far as the lease is still ours."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.db import transaction

from config.database import bulk, rows
from provisioning.models import Account, GroupAccount, PushedMember
from provisioning.outbound import batch
from provisioning.outbound.batch import Lost
from provisioning.outbound.groups import messages, outbox
from provisioning.outbound.leases import Claim, Parked
from reports import journal
from reports.journal import Line

FIELDS = (*batch.FIELDS, "key")  # a group has the name that the directory gave it


def group(held: Claim, account: GroupAccount, lines: Sequence[Line], *, fresh: bool) -> None:
    """Write that the group itself is in the directory now; nobody was put into a ``fresh`` one yet.

    What the portal remembers of a deleted group that had the same id there is over.
    """
    with _ours(held, account):
        if fresh:
            theirs = GroupAccount.objects.filter(
                directory=account.directory_id, remote_id=account.remote_id, group=None
            )
            theirs.exclude(pk=account.pk).delete()
            bulk.delete(PushedMember.objects.filter(group_account=account))
            account.unanswered_members = []
        account.leased_until = held.until
        account.save(update_fields=(*FIELDS, "unanswered_members"))
        journal.record_many(lines)


def asking(held: Claim, account: GroupAccount, member_ids: Sequence[int]) -> None:
    """Write that the directory is about to be asked to put accounts into the group."""
    with _ours(held, account):
        _save_unanswered(account, {*account.unanswered_members, *member_ids})


def members(
    held: Claim,
    account: GroupAccount,
    directory: str,
    accounts: Sequence[Account],
    refused: Mapping[int, Parked],
    *,
    added: bool,
) -> set[int]:
    """Write that accounts were put into the group or taken out; return those that were refused and are still there."""
    actor = held.actor(account.pk)
    with _ours(held, account):
        if account.unanswered_members:
            _save_unanswered(account, set(account.unanswered_members).difference(each.pk for each in accounts))
        # An account that was deleted during the call has nothing to be recorded of it.
        there = rows.keep(Account, [each.pk for each in accounts])
        accounts = [each for each in accounts if each.pk in there]
        refused = {pk: cause for pk, cause in refused.items() if pk in there}
        done = [each.pk for each in accounts if each.pk not in refused]
        if added:
            pushed = [PushedMember(group_account=account, account_id=pk) for pk in done]
            PushedMember.objects.bulk_create(pushed, ignore_conflicts=True)
        else:
            PushedMember.objects.filter(group_account=account, account__in=done).delete()
        journal.record_many(
            messages.member(
                each,
                account.key,
                directory,
                actor,
                added=added,
                refused=refused[each.pk].message if each.pk in refused else "",
            )
            for each in accounts
        )
        outbox.members_seen(held, account, [each.pk for each in accounts], refused)
    return set(refused)


def _save_unanswered(account: GroupAccount, member_ids: Collection[int]) -> None:
    account.unanswered_members = sorted(member_ids)
    account.save(update_fields=["unanswered_members"])


@contextmanager
def _ours(held: Claim, account: GroupAccount) -> Iterator[None]:
    """Open a transaction in which the group is ours to write; raise Lost when it is not any more."""
    with transaction.atomic():
        if not outbox.LEASES.lock(held, [account.pk]):
            raise Lost
        yield
