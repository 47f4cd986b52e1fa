"""Accounts as a kind of outbound work."""

from collections.abc import Collection, Sequence

from django.db import transaction

from directories.config import DirectoryConfig
from directories.connectors.base import Connector, ConnectorError
from directories.models import GroupsOfLeavers
from provisioning.models import Account
from provisioning.models.outbox import AccountState, Lane, LastResult
from provisioning.outbound import batch as engine
from provisioning.outbound.accounts import grace, outbox
from provisioning.outbound.accounts.outcome import AccountOutcome, park, wait
from provisioning.outbound.accounts.reconcile import AccountReconciler
from provisioning.outbound.accounts.remote_ids import Owners
from provisioning.outbound.allowance import Allowance
from provisioning.outbound.batch import Batch, Delivered, DirectoryWork
from provisioning.outbound.groups import outbox as group_outbox
from provisioning.outbound.leases import Parked
from provisioning.outbound.passwords import pending
from provisioning.profile import person
from provisioning.profile.person import wanted
from provisioning.receipts import book
from reports.models import Operation

TAKEN = Parked(
    "other_account",
    "The row that was written has the user name of another account. Remove it in the directory, and make the Create "
    "query write each user's own name.",
)


CONNECTORS_OWN = ("on", "off", "absent")  # what the connector itself said; a mapped state has the digest of its rule


class AccountWork(DirectoryWork[AccountOutcome]):
    """Brings accounts of one directory in sync."""

    leases = outbox.LEASES
    fields = (*engine.FIELDS, "attributes", "password_set_at", "unseen")
    reconciler: AccountReconciler | None = None
    allowance: Allowance | None = None

    def load(self, ids: Collection[int]) -> Sequence[Account]:
        """Return the accounts with their users."""
        return list(Account.objects.filter(pk__any_id=ids).select_related("user__manager"))

    def open(self, config: DirectoryConfig, connector: Connector, batch: Batch) -> None:
        """Read what the accounts share: who owns which remote id, and the passwords that wait for them."""
        owners = Owners(self.directory_id, [account.key for account in batch.todo if not account.remote_id])
        passwords = pending.read(batch.held.changes)
        self.allowance = Allowance(config, {pk for pk in batch.held.changes if batch.held.cleared(pk)})
        leavers = [pk for pk in batch.held.changes if batch.held.lane(pk) == Lane.LEAVERS]
        to_prove = book.unproven(leavers) if leavers else ()
        self.reconciler = AccountReconciler(config, person.catalogue(), connector, owners, passwords, to_prove=to_prove)
        self.reconciler.allowance = self.allowance
        self.reconciler.read_managers(batch.todo)

    def begin(self, rows: Sequence[Account]) -> set[int]:
        """Write the first accounts together, where the directory can."""
        assert self.reconciler is not None
        try:
            return self.reconciler.begin(rows)
        finally:
            self.asked |= self.reconciler.asked

    def is_done(self, row: Account) -> bool:
        """Return whether the account was written together with others."""
        return self.reconciler is not None and self.reconciler.is_written(row)

    def one(self, row: Account, actor: str) -> AccountOutcome:
        """Bring one account in sync."""
        assert self.reconciler is not None
        try:
            outcome = self.reconciler.reconcile(row, actor)
        except ConnectorError:
            if self.allowance is not None:
                self.allowance.undo()
            raise
        finally:
            self.asked |= self.reconciler.asked
        if self.reconciler.replaced is not None:
            _forget(self.reconciler.replaced)
        return outcome

    def wait(self, row: Account, message: str, actor: str) -> AccountOutcome:
        """Return the outcome of an account that is tried again later."""
        return wait(AccountOutcome(row), self.name, message, actor)

    def park(self, row: Account, cause: Parked, actor: str) -> AccountOutcome:
        """Return the outcome of an account that someone must see to."""
        operation = self.reconciler.operation if self.reconciler else Operation.UPDATE
        return park(row, self.name, operation, cause, actor)

    def refuse(self, row: Account, error: ConnectorError, actor: str) -> AccountOutcome:
        """Return the outcome of an account that the directory refused."""
        assert self.reconciler is not None
        return self.reconciler.refuse(row, error, actor)

    def taken(self, row: Account, actor: str) -> AccountOutcome:
        """Return the outcome of an account whose remote id is another one's."""
        row.remote_id, row.attributes, row.pushed_digest = "", {}, ""
        row.state, row.unseen, row.unanswered = AccountState.PENDING, False, ""
        return park(row, self.name, Operation.CREATE, TAKEN, actor)

    def close(self) -> None:
        """Give back what nobody's account took of the directory's budget."""
        if self.allowance is not None:
            self.allowance.budget.close()

    def store(self, outcomes: Sequence[AccountOutcome]) -> None:
        """Write what became of passwords and of leavers, and let groups of accounts that came, went or moved follow."""
        pending.delivered([each.password for each in outcomes if each.password])
        pending.refused(dict(each.refused for each in outcomes if each.refused))
        group_outbox.accounts_renamed(each.row.pk for each in outcomes if each.renamed)
        came = [each.row for each in outcomes if each.moved and each.row.state == AccountState.ACTIVE]
        self._store_active([row.pk for row in came])
        self._store_named({row.user_id for row in came if row.user_id is not None})
        book.record({each.row.pk: each.proof for each in outcomes if each.proof})
        self._store_returned([each.row for each in outcomes])
        grace.store(outcomes)
        self._store_left([each.row.pk for each in outcomes if each.left and each.moved])
        self._store_gone([each.row for each in outcomes if each.row.state == AccountState.ABSENT and not each.parked])

    def _store_active(self, ids: Collection[int]) -> None:
        """Let the groups of accounts that came into being, or back, be looked at."""
        group_outbox.accounts_changed(ids)
        if ids:  # the next import finds them active because the portal made them so, which is no news of the source
            Account.objects.filter(pk__in=ids, seen_state__in=CONNECTORS_OWN).update(seen_state="")

    def _store_named(self, user_ids: Collection[int]) -> None:
        """Let the accounts be looked at that name these people as their managers, now that they have one too."""
        if not user_ids or self.reconciler is None or not self.reconciler.names_manager:
            return
        naming = Account.objects.filter(directory=self.directory_id, user__manager__in=user_ids, in_scope=True)
        ids = list(naming.exclude(state=AccountState.ABSENT).order_by("pk").values_list("pk", flat=True))
        if ids:
            outbox.enqueue({self.directory_id: ids}, "manager")

    def _store_left(self, ids: Collection[int]) -> None:
        """Let accounts that were disabled leave their groups now, where the settings say so."""
        if self.allowance is None or self.reconciler is None or not ids:
            return
        if self.reconciler.config.features.groups_of_leavers == GroupsOfLeavers.NOW:
            decided = {pk for pk in ids if pk in self.allowance.cleared}
            for some, cleared in ((decided, True), (set(ids) - decided, False)):
                group_outbox.accounts_left(some, "disabled", cleared=cleared)

    def _store_returned(self, rows: Sequence[Account]) -> None:
        """End the receipts of those who came back before their accounts were closed."""
        if self.reconciler is not None and self.reconciler.to_prove:
            proven = self.reconciler.to_prove
            book.returned({row.user.pk for row in rows if row.pk in proven and row.user and wanted(row.user)})

    def _store_gone(self, rows: Sequence[Account]) -> None:
        """Forget the memberships of accounts that are not there any more, and the accounts of deleted users."""
        ids = [row.pk for row in rows]
        group_outbox.accounts_gone(ids)
        if names := {row.key_folded for row in rows if row.user_id is None}:
            self._wake_namesakes(names)
        # A user made anew meanwhile has taken the account over: the filter is on what the row says now.
        left = Account.objects.filter(pk__in=ids, user=None)
        if self.reconciler is not None and self.reconciler.results.remembers:
            # A source may show the row of somebody who was deleted here: their account stays as the memory of it.
            left = left.filter(deleted_at=None)
        left.delete()

    def _wake_namesakes(self, keys: Collection[str]) -> None:
        """Let those be made at once who waited for the accounts of deleted users to go."""
        waiting = Account.objects.filter(
            directory=self.directory_id, key_folded__in=keys, user__isnull=False, last_result=LastResult.WAITING
        )
        if ids := list(waiting.values_list("pk", flat=True)):
            self.leases.hurry(ids)
            self.leases.wake(self.directory_id, ids)


@transaction.atomic
def _forget(account_id: int) -> None:
    """Forget the account of a user who was deleted: it was not there, and another one is now.

    It is locked first: one that somebody has got back meanwhile stays, with its memberships.
    """
    left = Account.objects.filter(pk=account_id, user=None).select_for_update().values_list("pk", flat=True)
    Account.objects.filter(pk__in=list(left)).delete()


def deliver(directory_id: int, account_ids: Sequence[int], limit: int | None = None) -> Delivered:
    """Bring those of the accounts in sync that are due and that no other worker has."""
    return engine.deliver(AccountWork, directory_id, account_ids, limit)
