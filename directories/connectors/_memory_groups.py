"""The groups of a directory in memory."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from directories.connectors.base import (
    Conflict,
    Connector,
    ConnectorConfig,
    ConnectorError,
    Entry,
    GroupEntry,
    GroupPage,
    MemberPage,
    NotFound,
    RefusedMember,
    RemoteGroup,
)


@dataclass(slots=True)
class StoredGroup:
    """One group: its members are refs of accounts and of groups."""

    name: str
    description: str = ""
    members: dict[str, None] = field(default_factory=dict)  # in the order in which they came


GROUPS: defaultdict[str, dict[str, StoredGroup]] = defaultdict(dict)


class MemoryGroups(Connector):
    """Groups in a dictionary, by a number that lasts."""

    nested_groups = True

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        self.group_store = GROUPS[str(config.settings.get("name") or "demo")]

    def groups(self, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream the groups in the order in which they came."""
        found = [self._group(ref) for ref in self.group_store]
        for start in range(0, len(found), page_size) or [0]:
            yield GroupPage(found[start : start + page_size], last=start + page_size >= len(found))

    def members(self, group: RemoteGroup, page_size: int = 1000) -> Iterator[MemberPage]:
        """Stream the members' refs."""
        refs = list(self._stored_group(group.ref).members)
        for start in range(0, len(refs), page_size) or [0]:
            yield MemberPage(refs[start : start + page_size], last=start + page_size >= len(refs))

    def find_group(self, group: GroupEntry) -> RemoteGroup | None:
        """Return the group of the entry's ref or name."""
        ref = group.ref or self._named(group.name)
        return self._group(ref) if ref in self.group_store else None

    def create_group(self, group: GroupEntry) -> RemoteGroup:
        """Add the group."""
        if self._named(group.name):
            raise Conflict("Another group of the directory already has the same name.")
        ref = str(max((int(number) for number in self.group_store), default=0) + 1)
        self.group_store[ref] = StoredGroup(group.name, group.description)
        return self._group(ref)

    def update_group(self, group: GroupEntry) -> RemoteGroup:
        """Give the group its name and description."""
        stored = self._stored_group(group.ref)
        if self._named(group.name) not in ("", group.ref):
            raise Conflict("Another group of the directory already has the same name.")
        stored.name, stored.description = group.name, group.description
        return self._group(group.ref)

    def delete_group(self, group: GroupEntry) -> None:
        """Forget the group."""
        self.group_store.pop(group.ref, None)

    def add_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Put accounts into the group; one that the directory does not have cannot be."""
        stored = self._stored_group(group.ref)
        refused = []
        for entry in members:
            if self.find(entry) is None:
                error = ConnectorError("The account is not in the directory.", code="not_found")
                refused.append(RefusedMember(entry, error))
            else:
                stored.members[entry.ref or entry.key] = None
        return refused

    def remove_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Take accounts out of the group."""
        stored = self._stored_group(group.ref)
        for entry in members:
            stored.members.pop(entry.ref or entry.key, None)
        return ()

    def _named(self, name: str) -> str:
        return next((ref for ref, group in self.group_store.items() if group.name == name), "")

    def _group(self, ref: str) -> RemoteGroup:
        group = self.group_store[ref]
        return RemoteGroup(ref, group.name, group.description)

    def _stored_group(self, ref: str) -> StoredGroup:
        try:
            return self.group_store[ref]
        except KeyError:
            raise NotFound("The group is not in the directory.") from None
