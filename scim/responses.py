"""What leaves the service: JSON in SCIM's media type (RFC 7644 section 8.1)."""

from typing import Any

import orjson
from django.http import HttpResponse

CONTENT_TYPE = "application/scim+json"


def respond(body: Any, status: int = 200, *, location: str = "", version: str = "") -> HttpResponse:
    """Return ``body`` as a response, an empty one for None; ``location`` and ``version`` go to the headers too."""
    content = b"" if body is None else orjson.dumps(body)
    response = HttpResponse(content, content_type=CONTENT_TYPE, status=status)
    if body is None:
        del response["Content-Type"]
    if location:
        response["Location" if status == 201 else "Content-Location"] = location
    if version:
        response["ETag"] = version
    response["Cache-Control"] = "no-store"
    return response
