"""Pages of lists by cursor: each begins after the last row of the one before, so that none costs more than another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

USUAL, MOST = 100, 500
NO_LIMIT = f"limit is a number from 1 to {MOST}."
NO_CURSOR = "This is no cursor. Follow the next address of the page before, or leave the cursor out."


@dataclass(frozen=True, slots=True)
class CursorPage:
    """Rows, and the cursor of the page after them, "" at the end."""

    rows: Sequence[Any]
    after: str


def limit_of(parameters: Mapping[str, str]) -> int:
    """Return how many rows a page has; raise ValidationError."""
    text = parameters.get("limit", str(USUAL))
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and 1 <= int(text) <= MOST):
        raise ValidationError({"limit": [NO_LIMIT]})
    return int(text)


def by_id(rows: "QuerySet[Any]", parameters: Mapping[str, str], *, newest_first: bool = False) -> CursorPage:
    """Return a page in the order of the ids; raise ValidationError."""
    size, text = limit_of(parameters), parameters.get("cursor", "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ValidationError({"cursor": [NO_CURSOR]})
    if text:
        rows = rows.filter(**{"pk__lt" if newest_first else "pk__gt": int(text)})
    found = list(rows.order_by("-pk" if newest_first else "pk")[: size + 1])
    return CursorPage(found[:size], str(found[size - 1].pk) if len(found) > size else "")


def shown(request: Request, page: CursorPage, show: Callable[[Sequence[Any]], list[Any]]) -> dict[str, Any]:
    """Return the page as it is sent; ``next`` is the address of the one after it, null at the end."""
    following = None
    if page.after:
        query = urlencode({**request.query_params.dict(), "cursor": page.after})
        following = request.build_absolute_uri(f"{request.path}?{query}")
    return {"items": show(page.rows), "next": following}
