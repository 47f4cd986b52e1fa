"""``/healthz`` and ``/readyz`` for load balancers, containers and monitors: no sign-in, and nothing about the inside.

The answer of ``/readyz`` is kept for two seconds, so that asking often costs nothing.
"""

import logging
import os
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.utils import timezone
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.celery import app
from config.kept import KeptAnswer
from directories.models import Directory
from provisioning import heartbeat
from provisioning.outbound.kinds import KINDS
from provisioning.restore.models import HeldDirectory

KEPT_SECONDS = 2.0
STALE_SECONDS = 180.0  # three sweeps missed
BROKER_SECONDS = 2

log = logging.getLogger(__name__)
Part = dict[str, Any]


class OpenView(APIView):
    """Anyone may ask: no session is read, no cookie set."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None  # no part of the REST API


class Healthz(OpenView):
    """The process serves requests; nothing else is asked, so that a database outage does not restart it."""

    def get(self, request: Request) -> Response:
        """Answer 200."""
        return Response({"status": "ok"})


class Readyz(OpenView):
    """Every part that the portal needs works: 200, or 503 with the parts that do not."""

    def get(self, request: Request) -> Response:
        """Answer with the state of each part."""
        parts = readiness.read()
        ready = all(part["status"] != "failing" for part in parts.values())
        return Response({"status": "ok" if ready else "failing", **parts}, status=200 if ready else 503)


def database() -> Part:
    """The portal's own database answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {"status": "ok"}


def broker() -> Part:
    """The broker takes messages."""
    if settings.CELERY_BROKER_URL.startswith("filesystem:"):
        return {"status": "ok" if os.access(settings.BROKER_DIR / "queue", os.W_OK) else "failing"}
    with app.connection_for_write(connect_timeout=BROKER_SECONDS) as link:
        link.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_SECONDS)
    return {"status": "ok"}


def worker() -> Part:
    """A worker did the minute's sweep lately, which needs beat, broker, worker and database."""
    age = heartbeat.age()
    fresh = age is not None and age < STALE_SECONDS
    return {"status": "ok" if fresh else "failing", "last_seen_seconds": None if age is None else round(age)}


def due_changes() -> Part:
    """The oldest change that could be delivered now does not wait too long.

    What waits for a directory that is switched off, kept back or unreachable is not due.
    """
    now = timezone.now()
    open_directories = Directory.objects.filter(Q(retry_at=None) | Q(retry_at__lte=now), enabled=True, held=None)
    ids = list(open_directories.values_list("pk", flat=True))
    oldest = min(filter(None, (kind.leases.oldest_due(ids) for kind in KINDS)), default=now)
    age = max(0.0, (now - oldest).total_seconds())
    return {"status": "ok" if age < settings.READY_DUE_SECONDS else "failing", "oldest_seconds": round(age)}


def look_first() -> Part:
    """How many directories are kept back until a person has seen what would be changed there.

    That does not make the portal unready: people must reach it to look.
    """
    number = HeldDirectory.objects.count()
    return {"status": "waiting" if number else "ok", "directories": number}


CHECKS: dict[str, Callable[[], Part]] = {
    "database": database,
    "broker": broker,
    "worker": worker,
    "due_changes": due_changes,
    "look_first": look_first,
}


def _look(name: str, check: Callable[[], Part]) -> Part:
    try:
        return check()
    except Exception as error:  # any failure of a part is its answer; the words stay in the log
        log.warning("Not ready: %s (%s)", name, type(error).__name__)
        return {"status": "failing"}


readiness = KeptAnswer(lambda: {name: _look(name, check) for name, check in CHECKS.items()}, KEPT_SECONDS)
