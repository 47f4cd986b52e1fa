"""A directory in this process's memory: for demonstrations, and the smallest example of a connector.

Directories of one name share their accounts; they are gone when the process ends.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from directories.attributes import Value
from directories.connectors.base import (
    Conflict,
    ConnectionStep,
    ConnectionTest,
    Connector,
    ConnectorConfig,
    ConnectorError,
    ConnectorField,
    DepartmentPage,
    Entry,
    GroupEntry,
    GroupPage,
    MemberPage,
    NotFound,
    Page,
    RefusedMember,
    RemoteAccount,
    RemoteContract,
    RemoteDepartment,
    RemoteGroup,
)


@dataclass(slots=True)
class StoredAccount:
    """One account of the directory."""

    attributes: dict[str, Value]
    enabled: bool = True
    password: str | None = field(default=None, repr=False)
    contracts: list[RemoteContract] = field(default_factory=list)


@dataclass(slots=True)
class StoredGroup:
    """One group: its members are refs of accounts and of groups."""

    name: str
    description: str = ""
    members: dict[str, None] = field(default_factory=dict)  # in the order in which they came


STORES: defaultdict[str, dict[str, StoredAccount]] = defaultdict(dict)
GROUPS: defaultdict[str, dict[str, StoredGroup]] = defaultdict(dict)
DEPARTMENTS: defaultdict[str, list[RemoteDepartment]] = defaultdict(list)


class Memory(Connector):
    """Accounts in a dictionary by user name, groups in another by a number that lasts."""

    kind: ClassVar[str] = "memory"
    label: ClassVar[str] = "Memory (for demonstrations)"
    icon: ClassVar[str] = "memory"
    recommended: ClassVar[bool] = False
    fields = (
        ConnectorField(
            "name", "Name", required=True, default="demo", help_text="Directories of one name share their accounts."
        ),
    )
    gives_passwords = True
    gives_contracts = True
    nested_groups = True

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        name = str(config.settings.get("name") or "demo")
        self.store, self.group_store, self.department_store = STORES[name], GROUPS[name], DEPARTMENTS[name]

    @classmethod
    def sample(cls, folder: Path) -> ConnectorConfig:
        """Return a name that nobody else has."""
        return ConnectorConfig({"name": str(folder)})

    def test(self) -> ConnectionTest:
        """There is nothing to reach."""
        names = {name: None for account in self.store.values() for name in account.attributes}
        return ConnectionTest([ConnectionStep("Memory", True, f"{len(self.store)} accounts.")], "1", 0.0, [*names])

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Return the account of the entry's ref or key."""
        ref = entry.ref or entry.key
        return self._account(ref) if ref in self.store else None

    def create(self, entry: Entry, password: str | None = None) -> RemoteAccount:
        """Add the account."""
        if entry.key in self.store:
            raise Conflict("Another account of the directory already has the same user name.")
        self.store[entry.key] = StoredAccount(dict(entry.attributes), entry.usable, password)
        return self._account(entry.key)

    def update(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount:
        """Change the attributes given and keep the others."""
        self._stored(entry).attributes.update(entry.attributes)
        return self._account(entry.ref or entry.key)

    def disable(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Mark the account as disabled."""
        self._stored(entry).enabled = False

    def enable(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Mark the account as enabled."""
        self._stored(entry).enabled = True

    def delete(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Forget the account."""
        self.store.pop(entry.ref or entry.key, None)

    def set_password(self, entry: Entry, password: str) -> None:
        """Keep the password."""
        self._stored(entry).password = password

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Give the accounts as they were when the crawl began."""
        refs = [*self.store]
        for start in range(0, len(refs) or 1, page_size):
            page = [self._account(ref) for ref in refs[start : start + page_size] if ref in self.store]
            yield Page(page, last=start + page_size >= len(refs))

    def departments(self, page_size: int = 1000) -> Iterator[DepartmentPage]:
        """Give the departments in the order in which they came."""
        found = [*self.department_store]
        for start in range(0, len(found) or 1, page_size):
            yield DepartmentPage(found[start : start + page_size], last=start + page_size >= len(found))

    def count(self) -> int | None:
        """Return how many accounts there are."""
        return len(self.store)

    def look_up(self, refs: Sequence[str]) -> Sequence[RemoteAccount]:
        """Return those that are there."""
        return [self._account(ref) for ref in refs if ref in self.store]

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

    def _stored(self, entry: Entry) -> StoredAccount:
        try:
            return self.store[entry.ref or entry.key]
        except KeyError:
            raise NotFound("The account is not in the directory.") from None

    def _account(self, ref: str) -> RemoteAccount:
        stored = self.store[ref]
        password = stored.password if self.config.with_passwords else None
        contracts = list(stored.contracts)
        return RemoteAccount(ref, ref, dict(stored.attributes), stored.enabled, password, contracts=contracts)

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
