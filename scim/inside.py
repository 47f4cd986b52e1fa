"""Asking the SCIM service from within, as an application would, and taking back everything that it did.

The request runs through the portal's whole stack in this process, inside one transaction that is rolled back: nothing
is left on the roll or in the report, and as messages to workers are sent on commit, no directory hears of it.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from django.core.wsgi import get_wsgi_application
from django.db import transaction
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
        Client.objects.filter(pk=client.pk).update(enabled=True, allow_bearer=True)
        headers = {"Authorization": f"Bearer {clear}", "User-Agent": AGENT}
        environ = {"HTTP_X_FORWARDED_PROTO": parts.scheme, "REMOTE_ADDR": "127.0.0.1"}
        yield WSGISCIMClient(get_wsgi_application(), base_url, headers, environ)
        transaction.set_rollback(True)
