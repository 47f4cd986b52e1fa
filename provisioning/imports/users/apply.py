"""Applying a plan: exactly its rows, in order, a page a transaction; a crash resumes at the first row not applied."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import DataError, IntegrityError, transaction

from config.database import bulk, commits
from directories.attributes import OF_CONTRACTS
from directories.config import DirectoryConfig
from directories.encryption import decrypt
from directories.models import Directory, PushGroups
from directories.passwords import to_django
from provisioning.contracts import due
from provisioning.contracts.planned import number_of
from provisioning.guard import ledger
from provisioning.guard.losses import BITS, LossKind
from provisioning.imports.decisions import to_apply
from provisioning.imports.runs import COUNTED, DOOR, Lease, caused_by, is_first
from provisioning.imports.users import authority, store
from provisioning.imports.users.messages import Lines
from provisioning.imports.users.plan import CONTRACTS, DEACTIVATE, LINK, UPDATE, Planned
from provisioning.imports.users.state import ACTIVE
from provisioning.imports.users.store import gain
from provisioning.imports.users.tally import Tally
from provisioning.imports.users.writing import UserWriter, Written, user_ids
from provisioning.models import ImportRun, PlannedChange
from provisioning.outbound.accounts import outbox
from provisioning.outbound.groups import outbox as group_outbox
from reports.journal import record_many

HASHED_AT_ONCE = 100
LOST = BITS[LossKind.OFF] | BITS[LossKind.BLANKED]
NAME_TAKEN = "A user named {} exists by now."
REFUSED = "The row could not be written. Import again; if it happens again, check the values of the row."


def passed_guard(losses: int) -> dict[str, bool]:
    """Return what outbound need not ask about again: what people lose by a plan passed the guard, and no more."""
    return {"cleared": bool(losses), "closing": bool(losses & BITS[LossKind.OFF])}


def flows(change: Planned) -> bool:
    """Return whether other directories may have to follow; what contracts change of a person is planned after them."""
    if change.action == LINK:
        return False
    return CONTRACTS not in change.row or change.action != UPDATE or any(not number_of(one) for one in change.after)


class Applier:
    """Applies the plan of one run under its lease."""

    def __init__(self, config: DirectoryConfig, run: ImportRun, lease: Lease) -> None:
        assert config.id is not None
        self.directory_id = config.id
        self.run = run
        self.caused_by = caused_by(run)
        self.lease = lease
        self.writer = UserWriter(config.id, run.started_at)
        self.lines = Lines(config.name, run)
        self.groups_flow = config.features.sync_groups and config.features.push_groups != PushGroups.NONE
        self.employs = any(rule.kind in OF_CONTRACTS for rule in config.rules)
        self.first = is_first(run)
        self.flows_on = Directory.objects.exclude(pk=config.id).exists()

    def run_all(self) -> None:
        """Apply every row that is not applied yet."""
        pages = store.pages_ahead(to_apply(self.run), self.run.applied_up_to, self.lease.go_on)
        with pages as coming:
            for changes in coming:
                passwords = self._passwords(changes)
                with self.lease.page() as gains:
                    self._page(changes, passwords, gains)

    def _passwords(self, changes: Sequence[Planned]) -> dict[int, str]:
        """Return the imported passwords as Django keeps them; hashing is slow, so the lease is renewed meanwhile."""
        hashed: dict[int, str] = {}
        for change in changes:
            if token := change.row.get("password"):
                hashed[change.id] = to_django(decrypt(token))
                if len(hashed) % HASHED_AT_ONCE == 0:
                    self.lease.write()
        return hashed

    def _page(self, changes: Sequence[Planned], passwords: Mapping[int, str], gains: dict[str, Any]) -> None:
        self._keep_names(changes, gains)
        written = self._write(changes, passwords)
        self.lease.write(applied_up_to=changes[-1].id)
        if written.refused or written.staff:
            self._not_done(changes, written, gains)
        gains["applied"] = len(changes)
        if self.employs and not self.first:
            # Whose contracts named them while nobody here was meant.
            due.of_managers(self.directory_id, [one.remote_id for one in changes if one.id in written.linked])
        self._record([change for change in changes if change.id in written.people])
        self._forget(passwords, "password")
        leavers = [c.id for c in changes if c.after.get(ACTIVE) is False and c.id in written.people]
        if lost := [written.people[c.id][0] for c in changes if c.action == DEACTIVATE and c.id in written.people]:
            authority.let_speak(authority.below(self.directory_id, authority.sources()), lost)
        group_outbox.accounts_gone([account for pk in leavers if (account := written.people[pk][1])])
        if self.groups_flow:
            # Accounts that came into being, went, or may be used again; attributes say nothing of groups.
            moved = [c.id for c in changes if c.action == LINK or c.id in written.linked or ACTIVE in c.after]
            accounts = [account for pk in moved if pk in written.people and (account := written.people[pk][1])]
            group_outbox.accounts_changed(accounts, "import", self.caused_by)
            group_outbox.accounts_renamed(written.renamed, self.caused_by)
        if self.flows_on:
            done = [one for one in changes if one.id in written.people and flows(one)]
            by_losses: dict[int, list[int]] = {}
            for one in done:
                by_losses.setdefault(one.losses & LOST, []).append(written.people[one.id][0])
            for losses, flowing in sorted(by_losses.items()):
                passed = passed_guard(losses)
                outbox.enqueue_users(flowing, "import", self.caused_by, exclude=self.directory_id, **passed)

    def _record(self, changes: Sequence[Planned]) -> None:
        """Write what people lost just now into the ledger."""
        done = Tally()
        for change in changes:
            done.add(change)
        if self.first:
            del done.kinds[LossKind.CREATED]
        ledger.record(DOOR, self.directory_id, done.losses(), agreed=self.run.approved)

    def _keep_names(self, changes: Sequence[Planned], gains: dict[str, Any]) -> None:
        """Let people keep their names who would get names that somebody else has by now."""
        renames = [change for change in changes if change.renames]
        if not renames:
            return
        holders = user_ids({change.match_value for change in renames})
        taken = [one for one in renames if holders.get(one.match_value, one.user_id) != one.user_id]
        store.keep_names(taken, NAME_TAKEN.format, gains)

    def _not_done(self, changes: Sequence[Planned], written: Written, gains: dict[str, Any]) -> None:
        """Say in the plan what could not be done."""
        gain(gains, "changed_since", len(written.changed))
        for change in changes:
            action, message = written.outcome(change)
            if action != change.action or change.id in written.said:
                gain(gains, COUNTED[change.action], -1)
                gain(gains, COUNTED[action], 1)
                PlannedChange.objects.filter(pk=change.id).update(action=action, message=message)

    def _write(self, changes: Sequence[Planned], passwords: Mapping[int, str]) -> Written:
        """Write the page at once; when the database refuses it, row by row, so that one bad row stops nobody."""
        try:
            return self._written(changes, passwords)
        except (IntegrityError, DataError):
            done = Written()
            for change in changes:
                try:
                    done.add(self._written([change], passwords))
                except (IntegrityError, DataError):
                    refused = Written(refused={change.id: REFUSED})
                    record_many(self.lines.of([change], refused))
                    done.add(refused)
            return done

    def _written(self, changes: Sequence[Planned], passwords: Mapping[int, str]) -> Written:
        """Write changes with their report lines, or nothing at all."""
        with transaction.atomic(), commits.checked_at_once(), bulk.overlapping():
            written = self.writer.write(changes, passwords)
            record_many(self.lines.of(changes, written))
        return written

    def _forget(self, passwords: Mapping[int, str], name: str) -> None:
        """Take the tokens out of the plan: a password is kept there only until it is applied."""
        if not passwords:
            return
        rows = list(PlannedChange.objects.filter(pk__in=passwords).only("row"))
        for change in rows:
            change.row.pop(name, None)
        PlannedChange.objects.bulk_update(rows, ["row"], batch_size=HASHED_AT_ONCE)
