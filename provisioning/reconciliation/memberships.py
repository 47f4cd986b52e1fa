"""Reading back who is in the groups that flow between a directory and the portal: a page of members at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from directories.config import DirectoryConfig
from directories.connectors.base import Capability, Connector, NotFound, RemoteGroup
from directories.models import GroupsOfLeavers, PushGroups
from provisioning.imports.bitmap import Bitmap
from provisioning.imports.groups.crawl import BROKE_OFF, MEMBERS, PAGE
from provisioning.imports.groups.membership import Coming, ComparedGroup, MemberPlanner
from provisioning.imports.runs import Incomplete
from provisioning.imports.users.plan import storable
from provisioning.models import Account, GroupAccount, GroupChange, Nesting
from provisioning.outbound.groups import deltas
from provisioning.reconciliation.comparing import Compared, Comparer
from provisioning.reconciliation.models import MAX_SUBJECT, FindingKind
from provisioning.reconciliation.notes import Notes

CHUNK = 1000
SCAN = 20_000
Changes = Iterator[list[tuple[FindingKind, int]]]


def accounts_in(config: DirectoryConfig, connector: Connector, refs: Mapping[str, int]) -> dict[int, Bitmap]:
    """Return which accounts are in groups just now, by the numbers that ``refs`` gives to the groups' lasting ids.

    A group that is not shown, or not to its end, is left out. Raises ConnectorError.
    """
    planner = MemberPlanner(0, config.id or 0, Bitmap(), None)
    found: dict[int, Bitmap] = {}
    for page in connector.groups(PAGE) if refs else ():
        for remote in page.groups:
            number = refs.get(remote.ref)
            if number is None or remote.problem:
                continue
            there, complete = Bitmap(), False
            try:
                for members in connector.members(remote, MEMBERS):
                    for pk in planner.accounts(members):
                        there.add(pk)
                    complete = members.last
            except NotFound:
                continue  # the group went while it was read
            if complete:
                found[number] = there
    return found


def compare_groups(config: DirectoryConfig, connector: Connector, comparer: Comparer, notes: Notes) -> None:
    """Compare the members of the directory's groups, where groups flow and the directory can list their members."""
    features = config.features
    if features.sync_groups and Capability.IMPORT_GROUPS in connector.capabilities:
        MemberComparer(config, connector, comparer, notes).run()


class MemberComparer:
    """Compares the groups that the portal pushes to a directory, and those that it takes from it."""

    def __init__(self, config: DirectoryConfig, connector: Connector, comparer: Comparer, notes: Notes) -> None:
        assert config.id is not None
        self.config, self.directory_id, self.connector = config, config.id, connector
        self.comparer, self.notes = comparer, notes
        self.planner = MemberPlanner(0, config.id, Bitmap(), Coming() if connector.nested_groups else None)

    def run(self) -> None:
        """Read every group; raise Incomplete when the last page does not come."""
        last = False
        for page in self.connector.groups(PAGE):
            self._groups(page.groups)
            self.notes.write(Compared(), groups=len(page.groups))
            last = page.last
        if not last:
            raise Incomplete(BROKE_OFF.format(name=self.config.name))

    def _groups(self, groups: Sequence[RemoteGroup]) -> None:
        refs = {remote.ref: remote for remote in groups if remote.ref and storable(remote.ref) and not remote.problem}
        rows = GroupAccount.objects.filter(
            directory=self.directory_id, remote_id__any_of=list(refs), group__isnull=False
        )
        held = list(rows.select_related("group").order_by("pk")) if refs else []
        chosen = self._chosen(held)
        children = self._children([one.group_id for one in held if one.group_id])
        for account in held:
            assert account.group is not None
            remote = refs[account.remote_id]
            ours = account.group.owner_id != self.directory_id
            try:
                if ours and account.pk in chosen:
                    self._note(account, self._pushed(account, remote))
                elif not ours and self.config.features.import_groups:
                    nested = frozenset(children.get(account.group.pk, ()))
                    target = ComparedGroup(account.pk, account.group.pk, nested)
                    self._note(account, self._imported(target, remote))
            except NotFound:
                continue  # the group went while it was read

    def _chosen(self, held: Sequence[GroupAccount]) -> set[int]:
        """Return those of the groups that the portal pushes to the directory now."""
        ids = [one.pk for one in held]
        match self.config.features.push_groups:
            case PushGroups.ALL:
                return set(ids)
            case PushGroups.NONE:
                return set()
        rows = GroupAccount.objects.filter(pk__in=ids, group__directories=self.directory_id)
        return set(rows.values_list("pk", flat=True))

    def _children(self, parents: Sequence[int]) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {}
        for parent, child in Nesting.objects.filter(parent__in=parents).values_list("parent_id", "child_id"):
            found.setdefault(parent, set()).add(child)
        return found

    def _pushed(self, account: GroupAccount, remote: RemoteGroup) -> Changes:
        """Yield who is in a pushed group and does not belong there, and who belongs there and is not."""
        there, complete = Bitmap(), False
        leavers = self.config.features.groups_of_leavers == GroupsOfLeavers.NOW
        for page in self.connector.members(remote, MEMBERS):
            fresh = [pk for pk in self.planner.accounts(page) if there.add(pk)]
            if fresh and (extra := deltas.not_belonging(account, fresh, leavers=leavers)):
                yield [(FindingKind.MORE, pk) for pk in extra]
            complete = page.last
        if not complete:
            raise Incomplete(BROKE_OFF.format(name=self.config.name))
        last = 0
        belonging = deltas.belonging(account).order_by("pk").values_list("pk", flat=True)
        while ids := list(belonging.filter(pk__gt=last)[:SCAN]):
            last = ids[-1]
            # Whose account is not there either is missing already, and no member.
            yield [(FindingKind.LESS, pk) for pk in ids if pk not in there and pk in self.comparer.seen]

    def _imported(self, target: ComparedGroup, remote: RemoteGroup) -> Changes:
        """Yield who is in the directory's group only, and who is in that of the portal only."""
        pages = self.connector.members(remote, MEMBERS)
        try:
            for differences in self.planner.compare(target, pages, lambda: None):
                yield [
                    (FindingKind.MORE if one.add else FindingKind.LESS, one.account_id)
                    for one in differences
                    if one.account_id is not None
                ]
        except ValueError:
            raise Incomplete(BROKE_OFF.format(name=self.config.name)) from None

    # --- Findings ----------------------------------------------------------------------------------------------------

    def _note(self, group: GroupAccount, changes: Changes) -> None:
        for found in changes:
            for start in range(0, len(found), CHUNK):
                self._note_some(group, found[start : start + CHUNK])

    def _note_some(self, group: GroupAccount, found: Sequence[tuple[FindingKind, int]]) -> None:
        """Note members, but for those to whom a change is on its way."""
        ids = [pk for _, pk in found]
        waiting = GroupChange.objects.filter(group_account=group.pk, parked=None)
        if waiting.filter(account=None).exists():
            under_way = set(ids)
        else:
            under_way = set(waiting.filter(account__in=ids).values_list("account_id", flat=True))
        accounts = {one.pk: one for one in Account.objects.filter(pk__in=ids).only("key", "remote_id", "user")}
        rows = [
            self._finding(group, kind, accounts[pk]) for kind, pk in found if pk in accounts and pk not in under_way
        ]
        self.notes.write(Compared(findings=rows, under_way=len(under_way)))

    def _finding(self, group: GroupAccount, kind: FindingKind, account: Account) -> dict[str, Any]:
        name = self.config.name
        words = {
            FindingKind.LESS: f"{account.key} is in {group.key} in the portal, and not in {name}.",
            FindingKind.MORE: f"{account.key} is in {group.key} in {name}, and not in the portal.",
        }
        return {
            "directory_id": self.directory_id,
            "kind": kind,
            "subject": f"{group.pk} {account.remote_id}"[:MAX_SUBJECT],
            "key": account.key,
            "remote_id": account.remote_id,
            "account_id": account.pk,
            "user_id": account.user_id,
            "group_account_id": group.pk,
            "values": {},
            "version": "",
            "danger": False,
            "usable": None,
            "message": words[kind],
        }
