"""Reading a list of users or groups page by page: by index (RFC 7644 section 3.4.2.4) or by cursor (RFC 9865).

A list is whole only where the count agrees and nothing came twice, and where the preset says that the application
leaves nobody out. Anything else is either an error or a list that proves nobody's absence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from directories.connectors.base import AGAIN, ConnectorError, Unavailable
from directories.connectors.scim.client import Json
from directories.connectors.scim.discovery import Application
from directories.connectors.scim.paths import member

MOST_PAGES = 1_000_000
NO_LIST = "The answer has no list of resources. Check the base URL."
CUT = f"The list ended after {{count}} of {{total}}, so it is not complete. {AGAIN}"
MOVED = f"The list changed while it was read: it has {{total}} entries now, and had {{before}}. {AGAIN}"
TWICE = f"The list has an entry twice, or changed while it was read. {AGAIN}"
NO_ID = "The list has an entry without an id, so that it cannot be told from others. Ask the application's makers."
SAME_CURSOR = "The application gives the same page again. Ask its makers."
ENDLESS = "The list has no end. Ask the application's makers."


@dataclass(frozen=True, slots=True)
class ListedPage:
    """One page. ``whole``: with the last page, whether whoever was in none of them is not there."""

    resources: list[Json]
    last: bool = False
    whole: bool = True


def pages(application: Application, place: str, size: int, query: Mapping[str, str]) -> Iterator[ListedPage]:
    """Stream a list in pages of at most ``size``. It ends with a page that is the last, or with an error."""
    client, offered, paging = application.client, application.offered, application.settings.preset.paging
    by_cursor = paging.mode == "cursor" or (bool(offered.cursors) and offered.indexes is False)
    most = min(size, paging.max, offered.largest_page or size)
    reading = _ListRead(total_is_said=paging.total)
    if paging.mode == "none":
        page = client.list(place, query)
        yield from _in_pieces(reading.take(page), size, whole=paging.complete and reading.agrees)
        return
    following: dict[str, str] = {"cursor": ""} if by_cursor else {"startIndex": "1"}
    for _ in range(MOST_PAGES):
        page = client.list(place, {**query, **following, "count": str(most)})
        resources = reading.take(page)
        if by_cursor:
            cursor = member(page, "nextCursor")
            ended = not isinstance(cursor, str) or not cursor
            following = {"cursor": str(cursor)}
            if not ended:
                reading.must_be_new(str(cursor))
        else:
            ended = reading.has_ended(resources)
            following = {"startIndex": str(reading.count + 1)}
        if ended:
            reading.must_agree()
            yield ListedPage(resources, True, paging.complete and (by_cursor or reading.agrees))
            return
        yield ListedPage(resources)
    raise ConnectorError(ENDLESS, code="paging")


def _in_pieces(resources: list[Json], size: int, *, whole: bool) -> Iterator[ListedPage]:
    for start in range(0, len(resources) or 1, size):
        yield ListedPage(resources[start : start + size], start + size >= len(resources), whole)


@dataclass(slots=True)
class _ListRead:
    """How far a list was read; ``total`` is what the first page says of how many there are, None for nothing."""

    total_is_said: bool
    count: int = 0
    pages: int = 0
    total: int | None = None
    seen: set[int] = field(default_factory=set)  # hashes: of a million ids, the ids themselves are too many
    cursors: set[str] = field(default_factory=set)

    def take(self, page: Mapping[str, Any]) -> list[Json]:
        """Return the resources of a page; raise ConnectorError for what is no list, or no longer the same one."""
        said = member(page, "totalResults")
        total = said if isinstance(said, int) and not isinstance(said, bool) and self.total_is_said else None
        resources = member(page, "Resources")
        if resources is None and (said == 0 or total is not None or self.pages):
            resources = []  # RFC 7644 3.4.2: an empty list may be left out
        if not isinstance(resources, list) or not all(isinstance(one, dict) for one in resources):
            raise ConnectorError(NO_LIST, code="answer")
        if self.pages and total != self.total:
            raise Unavailable(MOVED.format(total=total, before=self.total))
        self.total, self.pages, self.count = total, self.pages + 1, self.count + len(resources)
        for one in resources:
            ref = member(one, "id")
            if not isinstance(ref, str) or not ref:
                raise ConnectorError(NO_ID, code="answer")
            if hash(ref) in self.seen:
                raise Unavailable(TWICE)
            self.seen.add(hash(ref))
        return resources

    def has_ended(self, resources: list[Json]) -> bool:
        """Return whether a list that is read by index has ended."""
        return not resources or (self.total is not None and self.count >= self.total)

    @property
    def agrees(self) -> bool:
        """Whether as many came as the application said that there are."""
        return self.total is not None and self.count == self.total

    def must_agree(self) -> None:
        """Raise Unavailable when the list ended too early."""
        if self.total is not None and self.count < self.total:
            raise Unavailable(CUT.format(count=self.count, total=self.total))

    def must_be_new(self, cursor: str) -> None:
        """Raise ConnectorError for a cursor that came before."""
        if cursor in self.cursors:
            raise ConnectorError(SAME_CURSOR, code="paging")
        self.cursors.add(cursor)
