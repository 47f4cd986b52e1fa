"""Deliver a batch of groups of one directory: claim, look and act outside any transaction, record in one.

Members go in and out as differences, a page a call, and each page is recorded before the next one is begun: a worker
that is killed loses at most that page, and putting it into the group once more does no harm.
"""

import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress

from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError

from directories import config as directory_config
from directories import health
from directories.connectors.base import ConnectorError, NotFound, Unavailable
from directories.models import Directory
from provisioning.models import Account, GroupAccount
from provisioning.models.accounts import AccountState, LastResult
from provisioning.outbound.accounts.delivery import Delivered, answers, lease_for
from provisioning.outbound.accounts.outbox import LEASE, Parked, pause
from provisioning.outbound.accounts.outcome import UNEXPECTED, log_unexpected
from provisioning.outbound.accounts.plan import Step
from provisioning.outbound.dispatch import chunks
from provisioning.outbound.groups import deltas, outbox, record
from provisioning.outbound.groups.outbox import GroupClaim
from provisioning.outbound.groups.reconcile import GroupDesk, Refused

MEMBERS = 1000  # members a call
TAKEN = Parked("other_group", "Another group of the portal has this group of the directory. Rename one of the two.")


def deliver(directory_id: int, group_account_ids: Collection[int], limit: int | None = None) -> Delivered:
    """Bring those of the groups in step that are due and that no other worker has."""
    directory = (
        Directory.objects.filter(pk=directory_id, enabled=True).only("name", "unreachable_since", "last_error").first()
    )
    if directory is None:
        return Delivered()  # switched off or gone: changes wait
    probing = directory.unreachable_since is not None
    if probing and not health.start_probe(directory_id):
        outbox.claimable(group_account_ids).update(last_result=LastResult.WAITING, last_message=directory.last_error)
        return Delivered()
    held = outbox.claim(group_account_ids, 1 if probing else limit)
    result = Delivered(claimed=len(held.changes))
    if held.changes:
        _Batch(directory, held, result, probing=probing).run()
        result.again = outbox.left_over(held.changes)
    elif probing:
        result.resumed = answers(directory_id)
    return result


class _Batch:
    """The groups of one claim."""

    def __init__(self, directory: Directory, held: GroupClaim, result: Delivered, *, probing: bool) -> None:
        self.directory_id, self.name = directory.pk, directory.name
        self.held, self.result, self.probing = held, result, probing
        rows = GroupAccount.objects.filter(pk__in=held.changes).select_related("group")
        self.todo = sorted(rows, key=lambda account: held.changes[account.pk][0])
        self.renewed = time.monotonic()
        self.lease = self.granted = LEASE

    def run(self) -> None:
        """Work through the groups; what is left when the portal itself fails is claimed again after the lease."""
        with ExitStack() as stack:
            try:
                config = directory_config.load(self.directory_id)
                connector = stack.enter_context(directory_config.open_connector(config))
                self.lease = lease_for(connector.patience)
                desk = GroupDesk(config, connector)
            except Unavailable as error:
                self._unreachable(error)
            except ConnectorError as error:
                self._park_all(Parked(error.code, error.message))
            except ImproperlyConfigured as error:
                self._park_all(Parked("secrets", str(error)))
            else:
                self._work(desk)

    def _work(self, desk: GroupDesk) -> None:
        while self.todo:
            try:
                self.keep_lease()
                _Delivery(self, desk, self.todo[0]).run()
            except record.Lost:
                pass  # whoever has it now works on it
            except Unavailable as error:
                self._unreachable(error)
                return
            del self.todo[0]
            if self.probing and desk.asked:
                self.probing = False
                self.result.resumed = health.record_success(self.directory_id)
        if self.probing:
            health.retry_now(self.directory_id)  # nobody had to be asked about, so nothing was tried

    def keep_lease(self) -> None:
        """At least half of the lease must be left before a call; raise Lost when the first group is not ours now."""
        if self.granted - (time.monotonic() - self.renewed) >= self.lease / 2:
            return
        first = self.todo[0].pk
        kept = outbox.renew(self.held, [account.pk for account in self.todo], self.lease)
        self.todo = [account for account in self.todo if account.pk in kept or account.pk == first]
        self.renewed, self.granted = time.monotonic(), self.lease
        if first not in kept:
            raise record.Lost

    def _unreachable(self, error: Unavailable) -> None:
        """Let every group that is left wait, without trying the directory again."""
        self.result.retry_in = health.record_failure(self.directory_id, error, probe=self.probing)
        for account in self.todo:
            with suppress(record.Lost):
                record.wait(self.held, account, self.name, error.message)

    def _park_all(self, cause: Parked) -> None:
        if self.probing:
            self.result.resumed = health.record_success(self.directory_id)
        for account in self.todo:
            with suppress(record.Lost):
                record.park(self.held, account, self.name, Step.UPDATE, cause)


class _Delivery:
    """One group of a batch: first the group itself, then who leaves it and who comes in."""

    def __init__(self, batch: _Batch, desk: GroupDesk, account: GroupAccount) -> None:
        self.batch, self.desk, self.account = batch, desk, account
        self.held, self.name = batch.held, batch.name
        self.changes = batch.held.changes[account.pk]
        self.refused: set[int] = set()

    def run(self) -> None:
        """Bring the group in step; raise Unavailable when the whole directory cannot be reached, and Lost."""
        try:
            self._bring_twice()
        except Refused as error:
            self._park(error.step, error.cause)
        except Unavailable as error:
            if error.whole_directory:
                raise
            self.account.not_before = pause(self.account.attempts, error.retry_after)
            self.account.attempts += 1
            record.wait(self.held, self.account, self.name, error.message)
        except ConnectorError as error:
            self._park(Step.UPDATE, Parked(error.code, error.message))
        except IntegrityError:
            self.account.remote_id, self.account.pushed_digest = "", ""
            self.account.state = AccountState.PENDING
            self._park(Step.CREATE, TAKEN)
        except record.Lost:
            raise
        except Exception as error:
            log_unexpected(error, f"delivering group {self.account.pk}")
            self._park(Step.UPDATE, UNEXPECTED)

    def _bring_twice(self) -> None:
        try:
            self._bring()
        except NotFound:
            # The group is gone from the directory: begin again with a look at it, once.
            self.account.state, self.account.pushed_digest = AccountState.ABSENT, ""
            self._bring()

    def _bring(self) -> None:
        settled = self.desk.settle(self.account, self.held.actors.get(self.account.pk, ""))
        if settled.gone:
            record.forget(self.held, self.account, settled.lines)
            return
        if settled.lines:
            record.group(self.held, self.account, settled.lines, fresh=settled.fresh)
        if settled.members:
            whole = settled.whole or any(member is None for _, member in self.changes)
            self._members(None if whole else sorted({member for _, member in self.changes if member is not None}))
        record.finish(self.held, self.account, settled.reason, self.refused)

    def _members(self, among: Sequence[int] | None) -> None:
        """Take out who does not belong in the group and put in who does, a page a call."""
        for page in [None] if among is None else chunks(among, MEMBERS):
            for find, add in ((deltas.to_remove, False), (deltas.to_add, True)):
                last = 0
                while ids := find(self.account, last, page, MEMBERS):
                    last = ids[-1]
                    self._change(ids, add=add)

    def _change(self, account_ids: Sequence[int], *, add: bool) -> None:
        self.batch.keep_lease()
        rows = Account.objects.filter(pk__in=account_ids).select_related("user__manager").order_by("pk")
        members = list(rows)
        refused = self.desk.change(self.account, members, add=add)
        self.refused |= record.members(self.held, self.account, self.name, members, refused, added=add)

    def _park(self, step: Step, cause: Parked) -> None:
        record.park(self.held, self.account, self.name, step, cause)
