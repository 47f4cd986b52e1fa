"""Deliver a batch of accounts of one directory: claim, look and act outside any transaction, record in one.

Results are written every few accounts, so a worker that is killed loses at most those: their leases run out, the sweep
sends them again, and ``plan`` finds what is already done.
"""

import logging
import time
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field

from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction

from config.database import bulk
from directories import config as directory_config
from directories import health
from directories.connectors.base import ConnectorError, Unavailable
from directories.models import Directory
from provisioning.models import Account
from provisioning.models.accounts import AccountState, LastResult
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.outbox import Claim, Parked
from provisioning.outbound.accounts.outcome import UNEXPECTED, Outcome, log_unexpected, park, wait
from provisioning.outbound.accounts.reconcile import Desk
from provisioning.outbound.accounts.remote_ids import Owners
from provisioning.outbound.groups import outbox as group_outbox
from provisioning.outbound.passwords import pending
from provisioning.profile import person
from reports.journal import record_many
from reports.models import Operation

TAKEN = Parked(
    "other_account",
    "The row that was written has the user name of another account. Remove it in the directory, and make the Create "
    "query write each user's own name.",
)
FLUSH_ITEMS = 100
FLUSH_SECONDS = 1.0
FIELDS = (
    "remote_id",
    "place",
    "state",
    "pushed_digest",
    "attributes",
    "last_result",
    "last_message",
    "last_synced_at",
    "password_set_at",
    "not_before",
    "attempts",
    "leased_until",
)
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Delivered:
    """What a delivery leaves to its caller.

    ``again`` are accounts that got another change meanwhile. ``resumed``: the directory could be reached again, so what
    waited for it can go. ``retry_in``: it could not, and is worth a trial after so many seconds.
    """

    claimed: int = 0
    again: list[int] = field(default_factory=list)
    resumed: bool = False
    retry_in: float | None = None


def deliver(directory_id: int, account_ids: Collection[int], limit: int | None = None) -> Delivered:
    """Bring those of the accounts in step that are due and that no other worker has."""
    directory = (
        Directory.objects.filter(pk=directory_id, enabled=True).only("name", "unreachable_since", "last_error").first()
    )
    if directory is None:
        return Delivered()  # switched off or gone: changes wait
    probing = directory.unreachable_since is not None
    if probing and not health.start_probe(directory_id):
        _wait_for(directory, account_ids)
        return Delivered()
    held = outbox.claim(account_ids, 1 if probing else limit)
    result = Delivered(claimed=len(held.changes))
    if held.changes:
        _Batch(directory, held, result, probing=probing).run()
        result.again = outbox.left_over(held.changes)
    elif probing:
        result.resumed = answers(directory_id)
    return result


class _Batch:
    """The accounts of one claim."""

    def __init__(self, directory: Directory, held: Claim, result: Delivered, *, probing: bool) -> None:
        self.directory_id, self.name = directory.pk, directory.name
        self.held, self.result, self.probing = held, result, probing
        accounts = Account.objects.filter(pk__in=held.changes).select_related("user__manager")
        # In the order in which the changes came, so that what catches up does so as it happened.
        self.todo = sorted(accounts, key=lambda account: held.changes[account.pk][0])
        self.outcomes: list[Outcome] = []
        self.flushed = self.renewed = time.monotonic()
        self.lease = self.granted = outbox.LEASE

    def run(self) -> None:
        """Work through the accounts; what is left when the portal itself fails is claimed again after the lease."""
        with ExitStack() as stack:
            try:
                config = directory_config.load(self.directory_id)
                connector = stack.enter_context(directory_config.open_connector(config))
                self.lease = lease_for(connector.patience)
                owners = Owners(self.directory_id, [account.key for account in self.todo if not account.remote_id])
                passwords = pending.read(self.held.changes)
                desk = Desk(config, person.catalogue(), connector, owners, passwords)
            except Unavailable as error:
                self._unreachable(error)
            except ConnectorError as error:
                self._park_all(Parked(error.code, error.message))
            except ImproperlyConfigured as error:
                self._park_all(Parked("secrets", str(error)))
            except Exception as error:
                log_unexpected(error, f"opening directory {self.directory_id}")
                self._park_all(UNEXPECTED)
            else:
                self._work(desk)
        self._flush()

    def _work(self, desk: Desk) -> None:
        while self.todo:
            self._keep_lease()
            if not self.todo:
                return
            account = self.todo[0]
            try:
                outcome = desk.work(account, self._actor(account))
            except Unavailable as error:
                self._unreachable(error)
                return
            self.outcomes.append(outcome)
            del self.todo[0]
            if self.probing and desk.asked:
                self.probing = False
                self.result.resumed = health.record_success(self.directory_id)
            if len(self.outcomes) >= FLUSH_ITEMS or time.monotonic() - self.flushed >= FLUSH_SECONDS:
                self._flush()
        if self.probing:
            health.retry_now(self.directory_id)  # nobody had to be asked about, so nothing was tried

    def _unreachable(self, error: Unavailable) -> None:
        """Let every account that is left wait, without trying the directory again."""
        self.result.retry_in = health.record_failure(self.directory_id, error, probe=self.probing)
        self.outcomes += [wait(account, self.name, error.message, self._actor(account)) for account in self.todo]
        self.todo = []

    def _park_all(self, cause: Parked) -> None:
        if self.probing:
            self.result.resumed = health.record_success(self.directory_id)
        for account in self.todo:
            self.outcomes.append(park(account, self.name, Operation.UPDATE, cause, self._actor(account)))
        self.todo = []

    def _keep_lease(self) -> None:
        """Before an account is begun, at least half of the lease must be left; drop those that were lost."""
        if self.granted - (time.monotonic() - self.renewed) >= self.lease / 2:
            return
        self._flush()
        kept = outbox.renew(self.held, [account.pk for account in self.todo], self.lease)
        self.todo = [account for account in self.todo if account.pk in kept]
        self.renewed, self.granted = time.monotonic(), self.lease

    def _flush(self) -> None:
        """Write results, report lines and the end of the changes in one transaction, as far as the lease is ours."""
        outcomes, self.outcomes, self.flushed = self.outcomes, [], time.monotonic()
        if outcomes:
            flush(self.held, outcomes, self.name)

    def _actor(self, account: Account) -> str:
        return self.held.actors.get(account.pk, "")


def lease_for(patience: float) -> float:
    """Return the seconds of a lease. Half of it outlasts a time-out of the directory, which ends the batch."""
    return max(outbox.LEASE, 2.0 * patience)


def flush(held: Claim, outcomes: Collection[Outcome], directory: str) -> None:
    """Write the outcomes; singly when the database refuses one, so that no account holds up the others of its batch."""
    try:
        _write(held, outcomes)
        return
    except IntegrityError:
        log.warning("%s accounts are recorded one by one: two of them have one remote id.", len(outcomes))
    for outcome in outcomes:
        try:
            _write(held, [outcome])
        except IntegrityError:
            _write(held, [_taken(outcome, directory, held.actors.get(outcome.account.pk, ""))])


def _taken(outcome: Outcome, directory: str, actor: str) -> Outcome:
    """Return the outcome of an account whose remote id is another one's: it is not linked, and parked."""
    account = outcome.account
    account.remote_id, account.attributes, account.pushed_digest = "", {}, ""
    account.state = AccountState.PENDING
    return park(account, directory, Operation.CREATE, TAKEN, actor)


def _write(held: Claim, outcomes: Collection[Outcome]) -> None:
    """Write the outcomes of accounts that are still leased to us; of the others somebody else takes care."""
    with transaction.atomic():
        ours = outbox.lock(held, [outcome.account.pk for outcome in outcomes])
        kept = [outcome for outcome in outcomes if outcome.account.pk in ours]
        for outcome in kept:
            outcome.account.leased_until = None
        bulk.update([outcome.account for outcome in kept], FIELDS)
        outbox.finish(held, [each.account.pk for each in kept if not each.parked and not each.waits])
        outbox.park(held, {each.account.pk: each.parked for each in kept if each.parked})
        pending.delivered([each.password for each in kept if each.password])
        pending.refused(dict(each.refused for each in kept if each.refused))
        record_many(line for outcome in kept for line in outcome.lines)
        group_outbox.accounts_renamed(each.account.pk for each in kept if each.renamed)
        gone = [each.account.pk for each in kept if each.account.state == AccountState.ABSENT and not each.parked]
        come = [each.account.pk for each in kept if each.moved and each.account.state == AccountState.ACTIVE]
        group_outbox.accounts_changed(come)
        if come:  # the next import finds them active because the portal made them so, which is no news of the source
            Account.objects.filter(pk__in=come).exclude(seen_state="").update(seen_state="")
        group_outbox.accounts_gone(gone)
        # A user made anew meanwhile has taken the account over: the filter is on what the row says now.
        Account.objects.filter(pk__in=gone, user=None).delete()


def answers(directory_id: int) -> bool:
    """Try a directory that nothing waits for any more, so that it is not called unreachable for ever."""
    try:
        with directory_config.open_connector(directory_config.load(directory_id)) as connector:
            failed = next((step.message for step in connector.test().steps if step.ok is False), None)
        error = Unavailable(failed) if failed is not None else None
    except ConnectorError as refused:
        error = Unavailable(refused.message)
    if error is None:
        return health.record_success(directory_id)
    health.record_failure(directory_id, error, probe=True)
    return False


def _wait_for(directory: Directory, account_ids: Collection[int]) -> None:
    """Mark accounts as waiting for a directory that is known to be unreachable, once an outage."""
    with transaction.atomic():
        rows = outbox.claimable(account_ids).exclude(last_result=LastResult.WAITING).order_by("pk")
        accounts = list(rows.select_for_update(skip_locked=True, no_key=True))
        outcomes = [wait(account, directory.name, directory.last_error, "") for account in accounts]
        Account.objects.filter(pk__in=[account.pk for account in accounts]).update(
            last_result=LastResult.WAITING, last_message=directory.last_error
        )
        record_many(line for outcome in outcomes for line in outcome.lines)
