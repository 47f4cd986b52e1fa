"""Asking the SCIM service from within, as an application would, and taking back everything that it did.

The request runs through the portal's whole stack in this process, inside one transaction that is rolled back: nothing
is left in the portal or in the report, and as messages to workers are sent on commit, no directory hears of it.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import transaction
from django.db.models import Q
from scim2_client.engines.wsgi import WSGISCIMClient

from scim.authentication import PREFIX, digest
from scim.models import Client, Token

AGENT = "Rollcall (from within)"


@contextmanager
def asked(client: Client, base_url: str) -> Iterator[WSGISCIMClient]:
    """Give a SCIM client that speaks as ``client`` to ``base_url``; at the end all is as it was before."""
    parts = urlsplit(base_url)
    with transaction.atomic():
        clear = PREFIX + secrets.token_urlsafe(32)
        Token.objects.create(client=client, label=AGENT, digest=digest(clear))
        shut = Q(enabled=False) | Q(allow_bearer=False)
        Client.objects.filter(shut, pk=client.pk).update(enabled=True, allow_bearer=True)
        headers = {"Authorization": f"Bearer {clear}", "User-Agent": AGENT}
        environ = {"HTTP_X_FORWARDED_PROTO": parts.scheme, "REMOTE_ADDR": "127.0.0.1"}
        yield WSGISCIMClient(_application, base_url, headers, environ)
        transaction.set_rollback(True)


def _application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the web server's application does, but without the end of a request, which closes the database."""
    response = _handler().get_response(WSGIRequest(environ))
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [b"".join(response)]


@lru_cache(maxsize=1)
def _handler() -> WSGIHandler:
    return WSGIHandler()
