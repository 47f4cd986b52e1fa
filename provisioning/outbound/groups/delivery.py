"""Groups as a kind of outbound work."""

from collections.abc import Collection, Sequence

from directories.config import DirectoryConfig
from directories.connectors.base import Connector
from provisioning.models import GroupAccount
from provisioning.models.outbox import AccountState, Lane, LastResult
from provisioning.outbound import batch as engine
from provisioning.outbound.accounts.plan import Step
from provisioning.outbound.allowance import Allowance
from provisioning.outbound.batch import Batch, Delivered, DirectoryWork
from provisioning.outbound.groups import messages, outbox, record
from provisioning.outbound.groups.reconcile import GroupOutcome, GroupReconciler
from provisioning.outbound.leases import Claim, Parked
from reports.models import Operation, Result

TAKEN = Parked("other_group", "Another group of the portal has this group of the directory. Rename one of the two.")


class GroupWork(DirectoryWork[GroupOutcome]):
    """Brings groups of one directory in sync."""

    leases = outbox.LEASES
    fields = record.FIELDS
    allowance: Allowance | None = None
    one_by_one = True  # the next group may get the name, and so the remote id, of one that was deleted just now
    step = Step.UPDATE  # what a failed line calls the work

    def load(self, ids: Collection[int]) -> Sequence[GroupAccount]:
        """Return the group accounts with their groups."""
        return list(GroupAccount.objects.filter(pk__in=ids).select_related("group"))

    def open(self, config: DirectoryConfig, connector: Connector, batch: Batch) -> None:
        """Keep what each group needs."""
        self.config, self.connector, self.batch = config, connector, batch
        self.allowance = Allowance(config, ())

    def one(self, row: GroupAccount, actor: str) -> GroupOutcome:
        """Bring one group in sync."""
        self.connector.urgent = self.batch.held.lane(row.pk) == Lane.LEAVERS
        reconciler = GroupReconciler(self.config, self.connector, self.batch, row, actor, allowance=self.allowance)
        try:
            return reconciler.reconcile()
        finally:
            self.asked |= reconciler.asked
            self.step = reconciler.step

    def wait(self, row: GroupAccount, message: str, actor: str) -> GroupOutcome:
        """Return the outcome of a group that is tried again later."""
        words = messages.waiting(row.key, message)
        line = messages.line(row.key, self.name, Operation.UPDATE, Result.WAITING, words, actor=actor)
        return GroupOutcome(row).wait(message, line)

    def park(self, row: GroupAccount, cause: Parked, actor: str) -> GroupOutcome:
        """Return the outcome of a group that someone must see to."""
        return self._park(row, self.step, cause, actor)

    def taken(self, row: GroupAccount, actor: str) -> GroupOutcome:
        """Return the outcome of a group whose remote id is another one's."""
        row.remote_id, row.pushed_digest, row.state, row.unanswered = "", "", AccountState.PENDING, ""
        return self._park(row, Step.CREATE, TAKEN, actor)

    def finish(self, held: Claim, outcomes: Sequence[GroupOutcome]) -> None:
        """End the claimed changes, but for the members that were refused."""
        for outcome in outcomes:
            outbox.finish(held, outcome.row.pk, outcome.refused)

    def close(self) -> None:
        """Give back what no group took of the directory's budget."""
        if self.allowance is not None:
            self.allowance.budget.close()

    def store(self, outcomes: Sequence[GroupOutcome]) -> None:
        """Forget groups that are not in the directory and need not be; groups of their names may be made then."""
        for name in {outcome.row.key for outcome in outcomes if outcome.row.group_id is None and not outcome.waits}:
            self._wake_namesakes(name)
        GroupAccount.objects.filter(pk__in=[outcome.row.pk for outcome in outcomes if outcome.gone]).delete()

    def _wake_namesakes(self, name: str) -> None:
        """Let a group be made at once that waited for what becomes of a deleted one."""
        waiting = GroupAccount.objects.filter(directory=self.directory_id, key__iexact=name, group__isnull=False)
        if ids := list(waiting.filter(last_result=LastResult.WAITING).values_list("pk", flat=True)):
            self.leases.hurry(ids)
            self.leases.wake(self.directory_id, ids)

    def _park(self, row: GroupAccount, step: Step, cause: Parked, actor: str) -> GroupOutcome:
        name = row.group.name if row.group else row.key
        words = messages.failed(step, name, self.name, cause.message)
        line = messages.line(name, self.name, messages.OPERATIONS[step], Result.FAILED, words, actor=actor)
        return GroupOutcome(row).park(cause, line)


def deliver(directory_id: int, group_account_ids: Sequence[int], limit: int | None = None) -> Delivered:
    """Bring those of the groups in sync that are due and that no other worker has."""
    return engine.deliver(GroupWork, directory_id, group_account_ids, limit)
