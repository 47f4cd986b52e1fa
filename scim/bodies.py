"""Request bodies: read however they are sent, parsed once, and never larger, deeper or stranger than can be stored."""

from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from scim.errors import ScimError, invalid_syntax, invalid_value

MAX_DEPTH = 20
TYPES = {"", "application/scim+json", "application/json"}
_CHUNK = 65536


def read(request: HttpRequest, most: int) -> dict[str, Any]:
    """Return the JSON object in the body; raise ScimError 400, 413 or 415."""
    if request.content_type not in TYPES:
        raise ScimError(415, "Send the body as application/scim+json.")
    if request.headers.get("Content-Encoding", "identity").strip().casefold() not in {"", "identity"}:
        raise ScimError(415, "Send the body without compression.")
    raw = _raw(request, most)
    request.scim_body = raw  # type: ignore[attr-defined]
    if not raw.strip():
        raise invalid_syntax("The request has no body.")
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise invalid_syntax("The body is not JSON in UTF-8.") from None
    check(document)
    request.scim_document = document  # type: ignore[attr-defined]
    if not isinstance(document, dict):
        raise invalid_syntax("The body is not a JSON object.")
    return document


def check(document: Any) -> None:
    """Refuse what is nested too deep, and U+0000, which PostgreSQL cannot store; walks without recursion."""
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise invalid_syntax(f"The body nests more than {MAX_DEPTH} levels.")
        inner: list[Any] = []
        for value in level:
            if isinstance(value, str):
                if "\x00" in value:
                    raise invalid_value("A text holds U+0000, which cannot be stored.")
            elif isinstance(value, dict):
                inner += value.values()
                inner += value
            elif isinstance(value, list):
                inner += value
        level = inner


def _raw(request: HttpRequest, most: int) -> bytes:
    """Return the body, also one sent in chunks: Django reads those as empty, because they have no Content-Length."""
    message = f"The body is larger than {most // 1024} KiB."
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > most:
            raise ScimError(413, message)
        if "chunked" in request.headers.get("Transfer-Encoding", "").casefold():
            raw = _chunks(request, most)
        else:
            raw = request.body
    except RequestDataTooBig:
        raise ScimError(413, message) from None
    except (UnreadablePostError, ValueError):
        raise invalid_syntax("The body cannot be read.") from None
    if len(raw) > most:
        raise ScimError(413, message)
    return raw


def _chunks(request: HttpRequest, most: int) -> bytes:
    """Read what the server has put together from chunks; it says by ``wsgi.input_terminated`` that it ends."""
    stream = request.META.get("wsgi.input") if request.META.get("wsgi.input_terminated") else None
    if stream is None:
        raise ScimError(411, "Send the body with a Content-Length.")
    parts: list[bytes] = []
    size = 0
    while size <= most and (part := stream.read(_CHUNK)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
