"""The groups of a directory in an import: which there are, who is in them, and what a run is to do about it.

Groups come first, all of them, so that one group can be found in another; then their members, where groups nest by a
second look at the same pages. A group that is as before costs no row. Groups are deleted in the portal only after a
crawl that was complete, and nothing of a crawl that broke off is applied.
"""

import time
from collections.abc import Iterator, Sequence

from django.db.models import Count

from directories.config import DirectoryConfig
from directories.connectors.base import Capability, Connector, Cursor, GroupPage, NotFound, RemoteGroup
from provisioning.guard.limits import FEW
from provisioning.imports.bitmap import Bitmap
from provisioning.imports.groups import losses, plan
from provisioning.imports.groups.drift import DriftPlanner
from provisioning.imports.groups.membership import Coming, ComparedGroup, MemberPlanner
from provisioning.imports.groups.names import Holders, Names
from provisioning.imports.groups.plan import KnownGroup, PlannedRow
from provisioning.imports.groups.store import GroupPlanStore
from provisioning.imports.runs import Incomplete, Lease
from provisioning.imports.users.plan import storable
from provisioning.models import GroupAccount, ImportRun, Nesting, PlannedChange
from provisioning.models.imports import Action, GroupAction
from provisioning.outbound.digests import seen_digest

PAGE = 1000
MEMBERS = 2000
CHUNK = 1000
SHOWN = 3  # groups that the run's message names
SECONDS = 5.0  # between two heartbeats
BROKE_OFF = "{name} stopped before the last of its groups was read, so nothing was changed. Import again."
EMPTY = (
    "{name} gave no groups at all, although {gone:,} came from it before. Nothing was changed. "
    "Check where its groups are looked for and the rights of its login."
)
NOBODY = (
    "{name} gave groups with nobody in them, although there were {lost:,} memberships before. Nothing was changed. "
    "Check how its members are read and the rights of its login."
)
UNREADABLE = (
    "Groups whose key cannot be read: {number:,}. So it is not known which are missing, and no group is removed until "
    "that is corrected in the directory."
)


def plan_groups(
    run: ImportRun,
    config: DirectoryConfig,
    connector: Connector,
    lease: Lease,
    noted: Bitmap,
    *,
    since: Cursor | None = None,
) -> int:
    """Plan the groups of a directory when they are to be imported, and can be; return how many memberships are lost.

    With ``since`` only those are read that changed, unless the run brings new people: they may be in any group.
    """
    features = config.features
    if not (features.sync_groups and features.import_groups and Capability.IMPORT_GROUPS in connector.capabilities):
        return 0
    coming = PlannedChange.objects.filter(
        run=run, account_id=None, action__in=[Action.CREATE, Action.UPDATE, Action.LINK]
    )
    crawl = GroupCrawl(run, config, connector, lease, noted)
    crawl.run(None if coming.exists() else since)
    lease.write(unmatched_members=sum(number for _, number in crawl.nobody), unmatched_in=crawl.nobody[:SHOWN])
    return losses.lost(run, crawl.lost) if crawl.lost or crawl.gone else 0


class GroupCrawl:
    """Plans the groups of one run. ``noted`` are accounts whose place the run's plan tells anew."""

    def __init__(
        self, run: ImportRun, config: DirectoryConfig, connector: Connector, lease: Lease, noted: Bitmap
    ) -> None:
        assert config.id is not None
        self.config, self.directory_id, self.import_run = config, config.id, run
        self.connector = connector
        self.store = GroupPlanStore(run, lease)
        self.names = Names(config.name)
        self.coming = Coming()
        self.members = MemberPlanner(run.pk, config.id, noted, self.coming if connector.nested_groups else None)
        self.drift = DriftPlanner(run, config, connector, lease, self.members)
        self.seen = Bitmap()
        self.new: dict[str, int] = {}  # the planned groups that come into being, by id in the directory
        self.skipped: set[str] = set()
        self.read = self.unreadable = self.lost = self.gone = 0
        self.nobody: list[tuple[str, int]] = []  # groups with members who have no account here, and how many
        self._alive_at = time.monotonic()

    def run(self, since: Cursor | None = None) -> None:
        """Plan every group, or only those that changed: then none is missing."""
        nested = self.connector.nested_groups
        for page in self._pages(since):
            self._groups(page.groups)
            if not nested:
                self._members(page.groups)
        if nested:
            for page in self._pages(since):
                self._members(page.groups)
        if since is None:
            self._missing()
            self._must_not_be_empty()
        self.store.flush()

    def _must_not_be_empty(self) -> None:
        """Raise Incomplete when there is no group, or nobody in any of them, where there were some before."""
        if not self.read and self.gone:
            raise Incomplete(EMPTY.format(name=self.config.name, gone=self.gone))
        if self.lost > FEW and not self.members.found:
            raise Incomplete(NOBODY.format(name=self.config.name, lost=self.lost))

    def _pages(self, since: Cursor | None) -> Iterator[GroupPage]:
        last = False
        for page in self.connector.changed_groups(since, PAGE) if since else self.connector.groups(PAGE):
            yield page
            last = page.last
        if not last:
            raise Incomplete(BROKE_OFF.format(name=self.config.name))

    # --- Groups ------------------------------------------------------------------------------------------------------

    def _groups(self, groups: Sequence[RemoteGroup]) -> None:
        """Plan what happens to the groups of one page: two queries when nothing changed."""
        self.read += len(groups)
        known = self._known(groups)
        rows, usable = [], []
        for remote in groups:
            held = known.get(remote.ref)
            row = self._refused(remote, held)
            if row is not None:
                rows.append(row)
            if row is not None or (held is not None and held.ours):
                self.skipped.add(remote.ref)
                if row is None and held is not None:
                    self.drift.mine[remote.ref] = held.id
            elif held is None or held.seen_digest != _digest(remote) or held.name != remote.name.strip():
                usable.append((remote, held))  # one that has another name gets its own as soon as that is free
        rows += self._planned(usable)
        ids = self.store.groups(rows, seen=len(groups))
        for row, pk in zip(rows, ids, strict=True):
            self._note(row, pk)

    def _refused(self, remote: RemoteGroup, held: KnownGroup | None) -> PlannedRow | None:
        """Return the error of a group that cannot be imported; mark the account of any other as seen."""
        if held is not None and not self.seen.add(held.id):
            return plan.error(remote, "The directory gave this group twice.")
        if problem := plan.unusable(remote):
            self.unreadable += not remote.ref
            return plan.error(remote, problem, held)
        if held is not None and held.group_id is None and not held.ours:
            return plan.error(remote, plan.deleted_here(self.config.name), held)
        return None

    def _planned(self, groups: Sequence[tuple[RemoteGroup, KnownGroup | None]]) -> list[PlannedRow]:
        if not groups:
            return []
        pushed = self._pushed([remote.name for remote, held in groups if held is None])
        holder = Holders(self.names.candidates(remote.name for remote, _ in groups))
        rows = []
        for remote, held in groups:
            if held is None and remote.name in pushed:
                self.skipped.add(remote.ref)
            elif held is None and remote.ref not in self.coming.new:
                self.coming.new.add(remote.ref)
                name = self.names.choose(remote.name.strip(), holder)
                rows.append(plan.created(remote, _digest(remote), name))
            elif held is not None:
                name, digest = held.name, _digest(remote)
                if remote.name.strip() != name:
                    name = self.names.choose(remote.name.strip(), holder, held.group_id)
                if (digest, name) != (held.seen_digest, held.name):
                    rows.append(plan.changed(remote, digest, held, name))
        return rows

    def _note(self, row: PlannedRow, planned_id: int) -> None:
        """Remember where a planned group stands, for its members and for the groups that it is in."""
        if row.action == GroupAction.CREATE:
            self.new[row.remote_id] = planned_id
            if row.place:
                self.coming.new_places[row.place] = row.remote_id
        elif row.action != GroupAction.ERROR and row.account_id is not None:
            self.coming.moved.add(row.account_id)
            if row.place:
                self.coming.places[row.place] = row.account_id

    def _known(self, groups: Sequence[RemoteGroup]) -> dict[str, KnownGroup]:
        refs = [remote.ref for remote in groups if remote.ref and storable(remote.ref)]
        rows = GroupAccount.objects.filter(directory=self.directory_id, remote_id__any_of=refs).select_related("group")
        return {account.remote_id: _known(account) for account in rows} if refs else {}

    def _pushed(self, names: Sequence[str]) -> set[str]:
        """Return those names under which the portal is about to push groups of its own: they are linked, not made."""
        rows = GroupAccount.objects.filter(
            directory=self.directory_id, remote_id="", key__in=names, group__isnull=False
        )
        return set(rows.values_list("key", flat=True)) if names else set()

    # --- Members -----------------------------------------------------------------------------------------------------

    def _members(self, groups: Sequence[RemoteGroup]) -> None:
        """Plan who joins and leaves the groups of one page, and what is to be repaired in those that are pushed."""
        self.drift.plan(groups, self._alive)
        usable = [remote for remote in groups if remote.ref not in self.skipped and not remote.problem]
        known = self._known(usable)
        children = self._children([held.group_id for held in known.values() if held.group_id])
        for remote in usable:
            held = known.get(remote.ref)
            if held is None and remote.ref not in self.new:
                continue  # it came into being between the two looks; the next import brings it
            if held is not None and (held.ours or held.group_id is None):
                continue
            group_id = held.group_id if held else None
            target = ComparedGroup(held.id if held else None, group_id, frozenset(children.get(group_id or 0, ())))
            self._members_of(remote, target, held)

    def _members_of(self, remote: RemoteGroup, target: ComparedGroup, held: KnownGroup | None) -> None:
        changing = self.store.changing(remote, target, held.name if held else "", self.new.get(remote.ref))
        pages = self.connector.members(remote, MEMBERS)
        try:
            for differences in self.members.compare(target, pages, self._alive):
                self.lost += sum(not one.add for one in differences)
                self.store.members(changing, differences)
        except NotFound:
            return  # the group went while it was read; the next import sees that
        except ValueError:
            raise Incomplete(BROKE_OFF.format(name=self.config.name)) from None
        if self.members.nobody:
            self.nobody.append((held.name if held else remote.name, len(self.members.nobody)))

    def _children(self, parents: Sequence[int]) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {}
        if self.connector.nested_groups and parents:
            for parent, child in Nesting.objects.filter(parent__in=parents).values_list("parent_id", "child_id"):
                found.setdefault(parent, set()).add(child)
        return found

    def _alive(self) -> None:
        """Renew the lease now and then: groups that are as before write nothing else."""
        if time.monotonic() - self._alive_at > SECONDS:
            self.store.flush()
            self._alive_at = time.monotonic()

    # --- Missing groups ----------------------------------------------------------------------------------------------

    def _missing(self) -> None:
        """Plan the end of the groups that came from the directory and that it does not have any more."""
        if self.unreadable:
            row = PlannedRow(GroupAction.ERROR, "", message=UNREADABLE.format(number=self.unreadable))
            self.store.groups([row])
            return
        last = 0
        theirs = GroupAccount.objects.filter(directory=self.directory_id, group__owner=self.directory_id).order_by("pk")
        while ids := list(theirs.filter(pk__gt=last).values_list("pk", flat=True)[:CHUNK]):
            last = ids[-1]
            gone = theirs.filter(pk__in=[pk for pk in ids if pk not in self.seen])
            rows = [
                PlannedRow(
                    GroupAction.DELETE,
                    name=name,
                    remote_id=ref,
                    place=place,
                    account_id=pk,
                    removed=number,
                    message=f"Missing from {self.config.name}",
                )
                for pk, name, ref, place, number in gone.annotate(number=Count("group__memberships")).values_list(
                    "pk", "group__name", "remote_id", "place", "number"
                )
            ]
            self.lost += sum(row.removed for row in rows)
            self.gone += len(rows)
            self.store.groups(rows)


def _known(account: GroupAccount) -> KnownGroup:
    group = account.group
    if group is None:
        return KnownGroup(account.pk, None, account.key, account.seen_digest, ours=bool(account.pushed_digest))
    ours = group.owner_id != account.directory_id
    return KnownGroup(account.pk, group.pk, account.key, account.seen_digest, ours, group.name, group.description)


def _digest(remote: RemoteGroup) -> str:
    return seen_digest({"name": remote.name, "description": remote.description, "place": remote.place})
