"""The planned changes of groups, written many at once: a row for a group only when something about it differs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F

from config.database import bulk
from directories.connectors.base import RemoteGroup
from provisioning.imports.groups.membership import ComparedGroup, MemberDifference
from provisioning.imports.groups.plan import PlannedRow
from provisioning.imports.runs import Lease
from provisioning.models import ImportRun, PlannedGroup, PlannedMember
from provisioning.models.imports import GroupAction
from provisioning.outbound.digests import place_digest

FULL = 2000  # rows of members that are kept back at most


@dataclass(slots=True)
class Changing:
    """A group whose members differ; ``planned_id`` is None until it has a row. The counts are of what is kept back."""

    name: str
    remote_id: str
    place: str
    account_id: int | None
    planned_id: int | None
    added: int = 0
    removed: int = 0


class GroupPlanStore:
    """Writes the plan of one run under its lease."""

    def __init__(self, run: ImportRun, lease: Lease) -> None:
        self.run, self.lease = run, lease
        self._kept: list[tuple[Changing, MemberDifference]] = []
        self._planned: dict[int, int] = {}  # rows of groups that are in the portal, by their account

    def groups(self, rows: Sequence[PlannedRow], *, seen: int = 0) -> list[int]:
        """Write planned groups and return the ids of their rows."""
        if not rows and not seen:
            return []
        with self.lease.page() as gains:
            ids = bulk.insert_returning(PlannedGroup, [self._values(row) for row in rows])
            counts = [row.action for row in rows]
            errors = counts.count(GroupAction.ERROR)
            gains |= {"groups_seen": seen, "planned": len(rows), "errors": errors}
            gains["groups_changed"] = len(rows) - errors - counts.count(GroupAction.KEEP)
            gains["memberships_removed"] = sum(row.removed for row in rows)
        self._planned |= {row.account_id: pk for row, pk in zip(rows, ids, strict=True) if row.account_id}
        return ids

    def changing(self, remote: RemoteGroup, target: ComparedGroup, name: str, planned_id: int | None) -> Changing:
        """Return what collects the differences of one group."""
        pk = planned_id or self._planned.get(target.account_id or 0)
        return Changing(name or remote.name, remote.ref, place_digest(remote.place), target.account_id, pk)

    def members(self, group: Changing, differences: Sequence[MemberDifference]) -> None:
        """Plan who joins and leaves the group."""
        self._kept += [(group, one) for one in differences]
        if len(self._kept) >= FULL:
            self.flush()

    def flush(self) -> None:
        """Write what is kept back; renew the lease in any case."""
        with self.lease.page() as gains:
            if self._kept:
                gains.update(self._write())
        self._kept = []

    def _write(self) -> dict[str, int]:
        groups = list({id(group): group for group, _ in self._kept}.values())
        for group, one in self._kept:
            group.added += one.add
            group.removed += not one.add
        new = [group for group in groups if group.planned_id is None]
        rows = [
            self._values(PlannedRow(GroupAction.KEEP, one.name, one.remote_id, one.place, one.account_id))
            for one in new
        ]
        for group, pk in zip(new, bulk.insert_returning(PlannedGroup, rows), strict=True):
            group.planned_id = pk
        first = self._counted(groups)
        bulk.insert(PlannedMember, [self._member(group, one) for group, one in self._kept])
        gains = {
            "planned": len(new) + len(self._kept),
            "groups_changed": first,
            "memberships_added": sum(group.added for group in groups),
            "memberships_removed": sum(group.removed for group in groups),
        }
        for group in groups:
            group.added = group.removed = 0
        return gains

    def _counted(self, groups: Sequence[Changing]) -> int:
        """Add to the counts of the rows; return how many groups of which nothing differed until now that makes."""
        by_count: dict[tuple[int, int], list[int]] = {}
        for group in groups:
            by_count.setdefault((group.added, group.removed), []).append(group.planned_id or 0)
        ids = [group.planned_id for group in groups]
        fresh = PlannedGroup.objects.filter(pk__in=ids, action=GroupAction.KEEP, added=0, removed=0).count()
        for (added, removed), pks in by_count.items():
            PlannedGroup.objects.filter(pk__in=pks).update(added=F("added") + added, removed=F("removed") + removed)
        return fresh

    def _values(self, row: PlannedRow) -> dict[str, Any]:
        return {
            "run_id": self.run.pk,
            "action": row.action,
            "name": row.name,
            "remote_id": row.remote_id,
            "place": row.place,
            "group_account_id": row.account_id,
            "before": row.before,
            "after": row.after,
            "row": row.row,
            "removed": row.removed,
            "message": row.message,
        }

    def _member(self, group: Changing, one: MemberDifference) -> dict[str, Any]:
        return {
            "planned_group_id": group.planned_id,
            "add": one.add,
            "account_id": one.account_id,
            "group_account_id": one.group_account_id,
            "ref": one.ref,
        }
