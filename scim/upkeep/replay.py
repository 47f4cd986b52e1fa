"""A logged request once more, as a dry run: what it would do now, without doing it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.http import HttpRequest

from provisioning.models import Change, GroupChange
from reports.models import Event
from scim.log.record import CUT, MASK, MOST_PATH
from scim.models import RequestLog
from scim.upkeep.in_process_client import asked

MOST_LINES = 50


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the service answered, the lines that the report would have got, and how many changes would have gone out."""

    status: int
    body: str
    lines: list[Event]
    outbound: int


def refusal(logged: RequestLog) -> str:
    """Return why the request cannot be sent again, "" when it can."""
    body = logged.request_body
    if logged.status == 401:
        return "The request came without a valid token, so nothing of it was kept."
    if MASK in body + logged.path:
        return "The log holds this request with its secrets masked, so it cannot be sent again as it was."
    if body and (f'"{CUT}"' in body or not _is_json(body)):
        return "The log does not hold the whole body, so it cannot be sent again as it was."
    if "\N{REPLACEMENT CHARACTER}" in body + logged.path or len(logged.path) >= MOST_PATH:
        return "The log does not hold this request as it was sent."
    return ""


def _is_json(body: str) -> bool:
    try:
        orjson.loads(body)
    except ValueError:
        return False
    return True


def replay(logged: RequestLog, request: HttpRequest) -> Replayed:
    """Send the request to the real view and take everything back; ``request`` says at which address that is."""
    path = urlsplit(logged.path)
    address = path.path + (f"?{path.query}" if path.query else "")
    with asked(logged.client, request.build_absolute_uri("/")) as service:
        before = _marks()
        content = logged.request_body.encode()
        headers = {"Content-Type": "application/scim+json"} if content else {}
        response = service.request(logged.method, address, content=content, headers=headers)
        ours = {"actor": logged.client.name}  # others work meanwhile
        lines = Event.objects.filter(pk__gt=before[0], **ours).order_by("pk")[:MOST_LINES]
        outbound = (
            Change.objects.filter(pk__gt=before[1], **ours).count()
            + GroupChange.objects.filter(pk__gt=before[2], **ours).count()
        )
        return Replayed(response.status_code, response.text, list(lines), outbound)


def _marks() -> tuple[Any, ...]:
    """Return the highest ids: what comes after them is the replay's, or somebody else's of the same moment."""
    newest = (
        model.objects.order_by("-pk").values_list("pk", flat=True).first() for model in (Event, Change, GroupChange)
    )
    return tuple(pk or 0 for pk in newest)
