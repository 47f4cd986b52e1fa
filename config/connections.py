"""Database connections of web processes that answered a moment ago are not asked whether they still do.

Django asks each lasting connection with a statement of its own at every request (``CONN_HEALTH_CHECKS``), a fifth of
what a small SCIM request costs the database. One that ended a request well within the last second is trusted; if it
breaks just then, that request fails as it would have when it had broken after the check.
"""

import time
from threading import local
from typing import Any

from django.core.signals import request_finished, request_started
from django.db import connection

TRUSTED = 1.0  # seconds
_thread = local()


def trust(**_: Any) -> None:
    """At the beginning of a request: take what the connection answered last for its health check."""
    if connection.connection is not None and time.monotonic() - getattr(_thread, "answered", -TRUSTED) < TRUSTED:
        connection.health_check_done = True  # type: ignore[attr-defined]


def remember(**_: Any) -> None:
    """At the end of a request: note when the connection was well."""
    well = connection.connection is not None and not connection.errors_occurred
    _thread.answered = time.monotonic() if well else -TRUSTED


def watch() -> None:
    """Follow requests; Django's own receivers, which ask for the check, are connected before."""
    request_started.connect(trust, dispatch_uid="config.connections.trust")
    request_finished.connect(remember, dispatch_uid="config.connections.remember")
