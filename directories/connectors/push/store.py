"""What was pushed to a source, as its connector reads it back. The portal says where it is kept when it starts.

A source keeps the newest record of each person and department. Each batch that changes something has a version, a
number that only grows.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from directories.connectors.errors import ConnectorError

PERSON, DEPARTMENT = "person", "department"
OUTSIDE = "What is pushed is kept by the portal alone, and for a source that is saved. Save it first."


class Store(Protocol):
    """Where records are kept, by the number of their source; each is JSON of one record."""

    def is_whole(self, source: int) -> bool:
        """Return whether a whole delivery was ever closed."""

    def version(self, source: int) -> int:
        """Return the version of the newest change, 0 before the first."""

    def count(self, source: int, kind: str) -> int:
        """Return how many records there are."""

    def records(self, source: int, kind: str, since: int = 0) -> Iterator[str]:
        """Stream the records that changed after a version; 0: all of them."""

    def named(self, source: int, refs: Sequence[str]) -> list[str]:
        """Return the records of people with these lasting numbers."""


_stores: list[Store] = []


def keep_in(store: Store) -> None:
    """Read what was pushed from here."""
    _stores[:] = [store]


def opened() -> Store:
    """Return where records are kept; raise ConnectorError outside the portal."""
    if not _stores:
        raise ConnectorError(OUTSIDE, code="settings")
    return _stores[0]
