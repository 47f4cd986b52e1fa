"""Reading a list page by page, to an end that the service itself says or shows: anything else is no end."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from directories.connectors.base import AGAIN, ConnectorError, Unavailable
from directories.connectors.http_json.service import Read, Service
from directories.connectors.http_json.settings import HttpSettings
from directories.connectors.jmespaths import search

MOST_PAGES = 100_000
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[^",;=]+(?:="[^"]*"|=[^",;]*)?)*)')
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"([^"]*)"|([^\s";,]+))')

NO_LIST = "The answer has no list at {path}. Check the box List of people or List of departments."
NOT_A_LIST = "The answer is no list. Say in the box List of people or List of departments where the list stands."
SAME_AGAIN = "The service gives the same page again. Check how it wants pages asked for."
ELSEWHERE = "The service names another server for its next page. The portal does not send the sign-in there."
NO_NEXT = "Say in the box Next cursor or address where the next page stands."
NO_PARAMETER = "Name the parameter of the page, offset or cursor."
CUT = f"The list ended after {{count}} of {{total}} records, so it is not complete. {AGAIN}"
MOVED = f"The list changed while it was read: it has {{total}} records now, and had {{before}}. {AGAIN}"
ENDLESS = "The list has no end. Check how the service wants pages asked for."


def listed(
    service: Service, settings: HttpSettings, url: str, path: str, *, body: str = "", extra: Mapping[str, str]
) -> Iterator[Any]:
    """Stream the records of a list. It ends without an error only where the service's paging says so."""
    reading = _ListReading(settings)
    following: str | None = with_parameters(url, {**extra, **reading.first()})
    for _ in range(MOST_PAGES):
        if following is None:
            reading.ended()
            return
        page = service.read(following, body)
        records = _records(page, path)
        reading.take(page, records)
        yield from records
        following = reading.following(following, page, records)
    raise ConnectorError(ENDLESS, code="paging")


@dataclass(slots=True)
class _ListReading:
    """How far a list was read. ``total`` is what the first page says of how many records there are."""

    settings: HttpSettings
    pages: int = 0
    count: int = 0
    total: int | None = None
    seen: set[bytes] = field(default_factory=set)

    def first(self) -> dict[str, str]:
        """Return the parameters of the first page."""
        settings = self.settings
        if settings.paging == "none":
            return {}
        size = {settings.size_param: str(settings.page_size)} if settings.size_param else {}
        match settings.paging:
            case "page":
                return {**size, self._parameter(): str(settings.first_page)}
            case "offset":
                return {**size, self._parameter(): "0"}
        return size

    def take(self, page: Read, records: list[Any]) -> None:
        """Count a page; raise Unavailable when the list became another meanwhile."""
        said = search(self.settings.total, page.data) if self.settings.total else None
        total = said if isinstance(said, int) and not isinstance(said, bool) else None
        if self.pages and self.total is not None and total is not None and total != self.total:
            raise Unavailable(MOVED.format(total=total, before=self.total))
        self.total = total if self.total is None else self.total
        self.pages += 1
        self.count += len(records)

    def following(self, url: str, page: Read, records: list[Any]) -> str | None:
        """Return the address of the next page, None when this one was the last."""
        settings = self.settings
        match settings.paging:
            case "page" | "offset":
                if not records or (self.total is not None and self.count >= self.total):
                    return None
                if not self._is_new(page.answer.body):
                    raise ConnectorError(SAME_AGAIN, code="paging")
                value = settings.first_page + self.pages if settings.paging == "page" else self.count
                return with_parameters(url, {self._parameter(): str(value)})
            case "cursor":
                if not settings.next:
                    raise ConnectorError(NO_NEXT, code="settings")
                return self._after(url, search(settings.next, page.data))
            case "link":
                return self._after(url, _linked(page.answer.headers.get("link", "")))
        return None

    def ended(self) -> None:
        """Raise Unavailable when the list ended too early."""
        if self.total is not None and self.count < self.total:
            raise Unavailable(CUT.format(count=self.count, total=self.total))

    def _after(self, url: str, cursor: object) -> str | None:
        """Return the address that a cursor, or a whole or relative address, stands for; None for the end."""
        if cursor is None or cursor is False or cursor == "":
            return None
        text = str(cursor)
        if not self._is_new(text.encode()):
            raise ConnectorError(SAME_AGAIN, code="paging")
        if self.settings.paging == "link" or text.startswith(("https://", "http://", "/", "?")):
            target = urljoin(url, text)
            if urlsplit(target)[:2] != urlsplit(url)[:2]:
                raise ConnectorError(ELSEWHERE, code="paging")
            return target
        return with_parameters(url, {self._parameter(): text})

    def _is_new(self, mark: bytes) -> bool:
        """Return whether this mark of a page did not come before."""
        digest = blake2b(mark, digest_size=16).digest()
        known = digest in self.seen
        self.seen.add(digest)
        return not known

    def _parameter(self) -> str:
        if not self.settings.page_param:
            raise ConnectorError(NO_PARAMETER, code="settings")
        return self.settings.page_param


def _records(page: Read, path: str) -> list[Any]:
    found = search(path, page.data)
    if isinstance(found, list):
        return found
    raise ConnectorError(NO_LIST.format(path=path) if path else NOT_A_LIST, code="answer")


def _linked(header: str) -> str:
    """Return the target whose relation is "next" (RFC 8288), "" without one."""
    for target, parameters in _LINK.findall(header):
        for name, quoted, word in _PARAMETER.findall(parameters):
            if name.lower() == "rel" and "next" in (quoted or word).lower().split():
                return str(target)
    return ""


def with_parameters(url: str, values: Mapping[str, str]) -> str:
    """Return an address with these parameters, in place of those of the same names; the others stay as they are."""
    if not values:
        return url
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and _name(pair) not in values]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(values)])))


def _name(pair: str) -> str:
    return parse_qsl(pair, keep_blank_values=True)[0][0] if pair != "=" else ""
