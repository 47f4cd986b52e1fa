"""Members of pushed groups whom somebody took out, or put in, over there: an import sees it, and the delivery mends it.

Deliveries count differences against what the portal noted of each group, and never read a list. An import that meets
such a group reads it and compares it with the notes. Only those count who belong in the group: whom others put into it
is none of the portal's business, nor are computers and nested groups. Who was never seen by an import is not missed in
a list either, because a filter may hide them from it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from django.db.models import F, QuerySet

from config.database import bulk, keyset
from directories.config import DirectoryConfig
from directories.connectors.base import Capability, Connector, MemberPage, NotFound, RemoteGroup
from directories.models import PushGroups
from provisioning.imports.bitmap import Bitmap
from provisioning.imports.groups.membership import MemberDifference, MemberPlanner
from provisioning.imports.runs import Lease
from provisioning.models import GroupAccount, ImportRun, PlannedGroup, PlannedMember, PushedMember
from provisioning.models.accounts import AccountState
from provisioning.models.imports import GroupAction
from provisioning.outbound.groups import deltas, outbox

DRIFT = "drift"  # in the row of a planned group: its members are the portal's notes, not people of the portal
SCAN = 20_000
CHUNK = 1000
MEMBERS = 2000
log = logging.getLogger(__name__)


class DriftPlanner:
    """Plans what differs in the pushed groups of one run; ``mine`` are their accounts, by id in the directory."""

    def __init__(
        self, run: ImportRun, config: DirectoryConfig, connector: Connector, lease: Lease, people: MemberPlanner
    ) -> None:
        self.import_run, self.config, self.connector = run, config, connector
        self.lease, self.people = lease, people
        self.mine: dict[str, int] = {}

    def plan(self, groups: Sequence[RemoteGroup], alive: Callable[[], None]) -> None:
        """Compare those of a page of groups that the portal pushes."""
        refs = {self.mine[remote.ref]: remote for remote in groups if remote.ref in self.mine}
        if not refs or Capability.MEMBERS not in self.connector.capabilities:
            return
        for account in self._in_scope(list(refs)):
            planned_id = 0
            try:
                pages = self.connector.members(refs[account.pk], MEMBERS)
                for found in self._differences(account, pages, alive):
                    planned_id = self._write(account, found, planned_id)
            except NotFound:
                continue  # the group went while it was read; its next delivery makes it again

    def _in_scope(self, ids: Sequence[int]) -> QuerySet[GroupAccount]:
        rows = _pushed(ids).order_by("pk")
        match self.config.features.push_groups:
            case PushGroups.ALL:
                return rows
            case PushGroups.NONE:
                return rows.none()
        return rows.filter(group__directories=self.config.id)

    def _differences(
        self, account: GroupAccount, pages: Iterable[MemberPage], alive: Callable[[], None]
    ) -> Iterator[list[MemberDifference]]:
        """Yield who is there without a note (``add``), and who has a note and is not; nothing before the last page."""
        noted = Bitmap()
        left = sum(noted.add(pk) for ids in _noted(account) for pk in ids)  # who was not seen yet
        seen, unnoted, complete = Bitmap(), list[int](), False
        for page in pages:
            fresh = [pk for pk in self.people.accounts(page) if seen.add(pk)]
            extra = [pk for pk in fresh if pk not in noted]
            left -= len(fresh) - len(extra)
            unnoted += _belonging(account, extra)
            alive()
            complete = page.last
        if not complete:
            log.warning("The list of members of group %s broke off; it is not compared.", account.pk)
            return
        for some in _chunks(unnoted):
            yield [MemberDifference(add=True, account_id=pk) for pk in some]
        if left:
            yield from self._missing(account, noted, seen)

    def _missing(self, account: GroupAccount, noted: Bitmap, seen: Bitmap) -> Iterator[list[MemberDifference]]:
        """Yield who has a note and was not seen; what a delivery noted since the list was read is not missing."""
        for ids in _noted(account):
            for some in _chunks([pk for pk in ids if pk in noted and pk not in seen]):
                if found := _belonging(account, some, seen=True):
                    yield [MemberDifference(add=False, account_id=pk) for pk in found]

    def _write(self, account: GroupAccount, found: Sequence[MemberDifference], planned_id: int) -> int:
        """Plan a page of differences; return the row of their group, which is made with the first page."""
        with self.lease.page() as gains:
            gains["planned"] = len(found) + (not planned_id)
            if not planned_id:
                row = {"run_id": self.import_run.pk, "action": GroupAction.KEEP, "name": account.key}
                row |= {"group_account_id": account.pk, "row": {DRIFT: True}}
                [planned_id] = bulk.insert_returning(PlannedGroup, [row])
            rows = [{"planned_group_id": planned_id, "add": one.add, "account_id": one.account_id} for one in found]
            bulk.insert(PlannedMember, rows)
        return planned_id


def repair(group: PlannedGroup, actor: str) -> int:
    """Correct the notes of a pushed group and let the delivery look at whom that concerns; return how many it read.

    Call it in a transaction. Who does not belong in the group any more since the plan was made is left to deliveries.
    """
    rows = PlannedMember.objects.filter(planned_group=group.pk)
    account = _pushed([group.group_account_id or 0]).first()
    number = 0
    concerned: list[int] = []
    for page in keyset.pages(rows, CHUNK):
        number += len(page)
        if account is None:
            continue
        belong = set(_belonging(account, [one.account_id or 0 for one in page]))
        gone = [one.account_id for one in page if not one.add and one.account_id in belong]
        there = [one.account_id for one in page if one.add and one.account_id in belong]
        PushedMember.objects.filter(group_account=account, account__in=gone).delete()
        notes = [{"group_account_id": account.pk, "account_id": pk} for pk in there]
        bulk.insert(PushedMember, notes, ignore_conflicts=True)
        concerned += belong
    if account is not None and len(concerned) > outbox.WHOLE:
        outbox.enqueue_whole({account.directory_id: [account.pk]}, "import", actor)
    elif account is not None and concerned:
        outbox.enqueue_pairs({account.directory_id: [(account.pk, pk) for pk in concerned]}, "import", actor)
    return number


def _pushed(ids: Sequence[int]) -> QuerySet[GroupAccount]:
    """Return those of the group accounts that the portal has put into their directory and that are still its own."""
    rows = GroupAccount.objects.filter(pk__in=ids, state=AccountState.ACTIVE, group__isnull=False)
    return rows.exclude(pushed_digest="").exclude(group__owner=F("directory"))


def _belonging(account: GroupAccount, ids: Sequence[int], *, seen: bool = False) -> list[int]:
    """Return those of the accounts that belong in the group; with ``seen`` only whom an import has seen."""
    if not ids:
        return []
    rows = deltas.belonging(account).filter(pk__in=ids)
    return list((rows.exclude(seen_digest="") if seen else rows).order_by("pk").values_list("pk", flat=True))


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _noted(account: GroupAccount) -> Iterator[list[int]]:
    last = 0
    rows = PushedMember.objects.filter(group_account=account.pk).order_by("account_id")
    while ids := list(rows.filter(account__gt=last).values_list("account_id", flat=True)[:SCAN]):
        yield ids
        last = ids[-1]
