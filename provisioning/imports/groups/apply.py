"""Applying the planned groups of a run: first every group, then their members, a page a transaction.

A crash resumes where it stopped: groups that are made are found by their account, a long list of members goes on from
its cursor, and what is in the portal already is neither written nor recorded again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone

from config.database import keyset
from directories.config import DirectoryConfig
from directories.models import ProvisioningSettings, PushGroups
from provisioning.groups import nesting
from provisioning.guard import ledger
from provisioning.guard.losses import GROUP, LossKind
from provisioning.identities import membership
from provisioning.imports.decisions import groups_to_apply
from provisioning.imports.groups.drift import DRIFT, repair
from provisioning.imports.groups.losses import in_effect, lost_with
from provisioning.imports.groups.messages import GroupLines
from provisioning.imports.groups.resolve import Resolver
from provisioning.imports.groups.writing import GroupWriter
from provisioning.imports.runs import DOOR, Lease, applied_now, caused_by
from provisioning.models import ImportRun, PlannedGroup, PlannedMember
from provisioning.models.imports import GroupAction
from reports.journal import record_many

PAGE = 500
MEMBERS = 2000
TRIES = 3  # somebody may delete a user, or take a group's name, at the very moment


class DirectoryGroupApplier:
    """Applies the planned groups of one run under its lease."""

    def __init__(self, config: DirectoryConfig, run: ImportRun, lease: Lease) -> None:
        assert config.id is not None
        self.run, self.lease = run, lease
        self.caused_by = caused_by(run)
        self.lines = GroupLines(config.name, run)
        self.writer = GroupWriter(config.id, config.name, self.caused_by)
        self.resolver = Resolver(config.id)
        self.notify = True

    @cached_property
    def privileged(self) -> set[int]:
        """The groups whose members have special rights."""
        return nesting.leading_to_privileged()

    def run_all(self) -> None:
        """Apply everything that is not applied yet."""
        if not groups_to_apply(self.run).exists():
            return
        pushed = ProvisioningSettings.objects.filter(sync_groups=True).exclude(push_groups=PushGroups.NONE)
        # Perhaps only to this very directory: a group of the portal's may hold one of the directory's own.
        self.notify = self.writer.notify = pushed.exists()
        for groups in self._pages():
            self._page(lambda groups=groups: self._groups(groups))  # type: ignore[misc]
        for pack in self._packs():
            if pack[0].added + pack[0].removed > MEMBERS:
                self._long_list(pack[0])
            else:
                self._page(lambda pack=pack: self._members(pack, list(self._rows(pack))) + _close(pack))  # type: ignore[misc]

    def _page(self, write: Callable[[], int]) -> None:
        """Run one page's work, which says how much it applied, in a transaction of its own."""
        for left in reversed(range(TRIES)):
            try:
                with self.lease.page() as gains:
                    gains["applied"] = write()
                return
            except IntegrityError:
                if not left:
                    raise

    # --- Groups ------------------------------------------------------------------------------------------------------

    def _pages(self) -> Iterator[list[PlannedGroup]]:
        rows = groups_to_apply(self.run)
        if not self.run.approved:
            rows = rows.exclude(action=GroupAction.DELETE, held=True)
        return keyset.pages(rows, PAGE)

    def _groups(self, groups: Sequence[PlannedGroup]) -> int:
        """Make, change and remove the groups of one page; those without members to write are done then."""
        leaving = [one.group_account_id for one in groups if one.action == GroupAction.DELETE]
        self._record(lost_with(leaving) if leaving else Counter())
        done = self.writer.write(groups)
        record_many(self.lines.of_groups(done))
        repaired = sum(repair(one, self.caused_by) for one in groups if one.row.get(DRIFT))
        return repaired + _close(
            [one for one in groups if one.action == GroupAction.DELETE or not one.added + one.removed]
        )

    def _record(self, lost: Counter[int]) -> None:
        """Write the memberships that are lost just now, by group, into the ledger."""
        counts: dict[tuple[str, str], int] = {(LossKind.MEMBERS, ""): lost.total()}
        counts |= {(LossKind.MEMBERS, f"{GROUP}{pk}"): number for pk, number in in_effect(lost).items()}
        ledger.record(DOOR, self.run.directory_id, counts, agreed=self.run.approved)

    # --- Members -----------------------------------------------------------------------------------------------------

    def _packs(self) -> Iterator[list[PlannedGroup]]:
        """Yield groups whose members fit into one page together, and bigger ones alone."""
        pack: list[PlannedGroup] = []
        number = 0
        for groups in self._pages():
            for one in groups:
                if pack and number + one.added + one.removed > MEMBERS:
                    yield pack
                    pack, number = [], 0
                pack.append(one)
                number += one.added + one.removed
        if pack:
            yield pack

    def _long_list(self, group: PlannedGroup) -> None:
        """Write the members of one group in pages; its cursor says how far that has come."""
        cursor = "held_cursor" if self.run.rest_applied else "cursor"  # what was held is gone through on its own
        while rows := list(self._rows([group]).filter(pk__gt=group.row.get(cursor, 0))[:MEMBERS]):
            row = {**group.row, cursor: rows[-1].pk}
            self._page(lambda rows=rows, row=row: self._members([group], rows, row))  # type: ignore[misc]
            group.row = row
        self._page(lambda: _close([group]))

    def _rows(self, groups: Sequence[PlannedGroup]) -> "QuerySet[PlannedMember]":
        rows = PlannedMember.objects.filter(planned_group__in=[one.pk for one in groups])
        if (held := applied_now(self.run)) is not None:
            rows = rows.filter(held=held)
        return rows.order_by("planned_group", "pk")

    def _members(
        self, groups: Sequence[PlannedGroup], rows: Sequence[PlannedMember], row: dict[str, object] | None = None
    ) -> int:
        found = self.resolver.resolve(groups, rows)
        actor, notify = self.caused_by, self.notify
        inside = nesting.effective_counts({child for _, child in found.free})
        added = membership.write_pairs(found.add, "import", actor, notify=notify)
        kept = membership.last_of(self.privileged, found.remove) if found.remove else set()
        leaving = [pair for pair in found.remove if pair not in kept]
        erased = membership.erase_pairs(leaving, "import", actor, notify=notify, cleared=True)
        for verb, pairs in (("added to", added), ("removed from", erased)):
            record_many(self.lines.of_members(pairs, verb))
        lost = Counter(group for group, _ in erased)
        for parent, child in found.free:
            lost[parent] += inside.get(child, 0)
        self._record(lost)
        elevated = sum(group in self.privileged for group, _ in added) if added else 0
        ledger.record(DOOR, self.run.directory_id, {(LossKind.ELEVATED, ""): elevated}, agreed=self.run.approved)
        record_many(self.lines.of_children(membership.nest_pairs(found.nest, actor, notify=notify), "added to"))
        record_many(
            self.lines.of_children(
                membership.free_pairs(found.free, actor, notify=notify, cleared=True), "removed from"
            )
        )
        if row is not None:
            PlannedGroup.objects.filter(pk=groups[0].pk).update(row=row)
        return len(rows)


def _close(groups: Sequence[PlannedGroup]) -> int:
    """Mark the groups as applied; return how many that were."""
    rows = PlannedGroup.objects.filter(pk__in=[one.pk for one in groups], applied_at=None)
    return rows.update(applied_at=timezone.now())
