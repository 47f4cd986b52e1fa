"""The live log: one line a request, with secrets masked and bodies cut, and pruned by a beat task."""

import datetime as dt
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import orjson
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from config.database.bulk import Values
from config.signin.addresses import client_address
from scim.errors import printable
from scim.log import writer
from scim.models import Client, RequestLog

MOST_BODY = 4000  # characters of a body that are kept
MASK = "********"
CUT = "…"
PAGE = 5000
MOST_PATH = 1900
MOST_ITEMS = 100  # elements of a list
MOST_STRANGERS = 30  # lines a minute, process and application of those who have no token: they could fill the disk
_SECRET = re.compile("password|secret|token", re.IGNORECASE)
_strangers: dict[int, tuple[int, int]] = {}  # by application: the minute, and how many came in it


class Record:
    """One request on its way: call it with the response; ``client`` is set once it is known."""

    def __init__(self, request: HttpRequest, slug: str) -> None:
        self.request, self.slug = request, slug
        self.client: Client | None = None
        self.response: HttpResponseBase | None = None
        self.started = time.monotonic()

    def __call__(self, response: HttpResponseBase) -> HttpResponseBase:
        """Remember the response and hand it on."""
        self.response = response
        return response


@contextmanager
def recorded(request: HttpRequest, slug: str) -> Iterator[Record]:
    """Write the request down when it is over; a log that cannot be written never costs the client its answer."""
    record = Record(request, slug)
    request.scim_done = []  # type: ignore[attr-defined]
    yield record
    row = _row(record)
    if row is None:
        return
    if settings.SCIM_LOG_BESIDE and not connection.in_atomic_block:
        writer.writer.put(row)
    else:
        with suppress(DatabaseError):
            writer.write([row])


def note(request: HttpRequest, words: str) -> None:
    """Add a sentence on what was done."""
    request.scim_done.append(words)  # type: ignore[attr-defined]


def masked(document: Any) -> Any:
    """Return a body with the values of everything that sounds like a secret replaced, also where a PATCH names it."""
    if isinstance(document, dict):
        path = document.get("path")
        hidden = isinstance(path, str) and _SECRET.search(path)
        return {
            key: MASK if value and (_SECRET.search(key) or (hidden and key.casefold() == "value")) else masked(value)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [*map(masked, document[:MOST_ITEMS]), *([CUT] if len(document) > MOST_ITEMS else [])]
    return _hushed(document) if isinstance(document, str) else document


def _hushed(text: str) -> str:
    """Return a text, which may be a filter, without what stands in quotes after the name of a secret."""
    found = _SECRET.search(text)
    quote = text.find('"', found.end()) if found else -1
    return text if quote < 0 else f"{text[: quote + 1]}{MASK}"


def _address(request: HttpRequest) -> str:
    path, mark, query = request.get_full_path().partition("?")
    read = unquote_plus(query)
    hushed = _hushed(read)
    return f"{path}{mark}{query if hushed == read else quote_plus(hushed, safe='=&*()[].:')}"


def prune(now: dt.datetime | None = None) -> int:
    """Delete what is older than ``SCIM_LOG_DAYS``, and of each application all but the newest ``SCIM_LOG_LINES``.

    A page a statement; return how many lines that were. A busy application would keep gigabytes of a fortnight.
    """
    limit = (now or timezone.now()) - dt.timedelta(days=settings.SCIM_LOG_DAYS)
    gone = _delete(RequestLog.objects.filter(at__lt=limit).order_by("at"))
    for client in Client.objects.only("pk"):
        lines = RequestLog.objects.filter(client=client)
        beyond = lines.order_by("-pk").values_list("pk", flat=True)[settings.SCIM_LOG_LINES :][:1]
        for newest in beyond:
            gone += _delete(lines.filter(pk__lte=newest).order_by("pk"))
    return gone


def _delete(lines: "QuerySet[RequestLog]") -> int:
    gone = 0
    while ids := list(lines.values_list("pk", flat=True)[:PAGE]):
        gone += RequestLog.objects.filter(pk__in=ids).delete()[0]
    return gone


def _row(record: Record) -> Values | None:
    """Return the line, None where none is written."""
    request, response = record.request, record.response
    client = record.client or (Client.objects.filter(slug=record.slug).first() if record.slug else None)
    if client is None or response is None:
        return None
    known = record.client is not None  # a stranger's body is not kept
    if not known and _too_many(client.pk):
        return None
    return {
        "client_id": client.pk,
        "at": timezone.now(),
        "method": printable(request.method or "", 8)[:8],
        "path": printable(_address(request), MOST_PATH),
        "status": response.status_code,
        "milliseconds": round((time.monotonic() - record.started) * 1000),
        "request_body": _request_body(request) if known else "",
        "response_body": _cut(getattr(response, "content", b"").decode(errors="replace")) if known else "",
        "done": " ".join(request.scim_done)[:500],  # type: ignore[attr-defined]
        "address": client_address(request),
        "agent": printable(request.headers.get("User-Agent", ""), 190),
    }


def _too_many(client_id: int) -> bool:
    """Return whether enough strangers were written down for this minute."""
    now = int(time.monotonic() // 60)
    minute, count = _strangers.get(client_id, (now, 0))
    _strangers[client_id] = now, count + 1 if minute == now else 1
    return _strangers[client_id][1] > MOST_STRANGERS


def _request_body(request: HttpRequest) -> str:
    document = getattr(request, "scim_document", None)
    if document is not None:
        return _cut(orjson.dumps(masked(document)).decode())
    size = len(getattr(request, "scim_body", b""))
    return f"{size} bytes that are not JSON" if size else ""


def _cut(text: str) -> str:
    shown = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return shown if len(shown) <= MOST_BODY else f"{shown[:MOST_BODY]}{CUT}"
