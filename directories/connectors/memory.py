"""A directory in this process's memory: for demonstrations, and the smallest example of a connector.

Directories of one name share their accounts; they are gone when the process ends.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from directories.attributes import Value
from directories.connectors._memory_groups import MemoryGroups
from directories.connectors.base import (
    Capability,
    Conflict,
    ConnectionStep,
    ConnectionTest,
    ConnectorConfig,
    ConnectorField,
    Entry,
    NotFound,
    Page,
    RemoteAccount,
)


@dataclass(slots=True)
class StoredAccount:
    """One account of the directory."""

    attributes: dict[str, Value]
    enabled: bool = True
    password: str | None = field(default=None, repr=False)


STORES: defaultdict[str, dict[str, StoredAccount]] = defaultdict(dict)


class Memory(MemoryGroups):
    """Accounts in a dictionary, by user name."""

    kind: ClassVar[str] = "memory"
    label: ClassVar[str] = "Memory (for demonstrations)"
    fields = (
        ConnectorField(
            "name", "Name", required=True, default="demo", help_text="Directories of one name share their accounts."
        ),
    )

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        self.store = STORES[str(config.settings.get("name") or "demo")]

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Everything but telling of changes."""
        return frozenset(Capability) - {Capability.INCREMENTAL, Capability.LISTEN}

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
        self.store[entry.key] = StoredAccount(dict(entry.attributes), password=password)
        return self._account(entry.key)

    def update(self, entry: Entry) -> RemoteAccount:
        """Change the attributes given and keep the others."""
        self._stored(entry).attributes.update(entry.attributes)
        return self._account(entry.ref or entry.key)

    def disable(self, entry: Entry) -> None:
        """Mark the account as disabled."""
        self._stored(entry).enabled = False

    def enable(self, entry: Entry) -> None:
        """Mark the account as enabled."""
        self._stored(entry).enabled = True

    def delete(self, entry: Entry) -> None:
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

    def count(self) -> int | None:
        """Return how many accounts there are."""
        return len(self.store)

    def _stored(self, entry: Entry) -> StoredAccount:
        try:
            return self.store[entry.ref or entry.key]
        except KeyError:
            raise NotFound("The account is not in the directory.") from None

    def _account(self, ref: str) -> RemoteAccount:
        stored = self.store[ref]
        password = stored.password if self.config.with_passwords else None
        return RemoteAccount(ref, ref, dict(stored.attributes), stored.enabled, password)
