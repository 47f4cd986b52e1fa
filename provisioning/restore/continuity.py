"""Finding a database that is behind what the portal did: at start-up, with every sweep, and before work is claimed."""

import logging
import time

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import F
from django.utils import timezone

from provisioning.restore.holding import hold_all
from provisioning.restore.marks import Mark, stores
from provisioning.restore.models import Continuity

AGAIN = 10.0  # seconds for which a process that claims work believes its last look
TABLES = {"events": "reports_event", "changes": "provisioning_change", "runs": "provisioning_importrun"}

log = logging.getLogger(__name__)
_looked = float("-inf")


def look() -> None:
    """Compare the database with the marks, unless this process did so just now. Raises DatabaseError."""
    global _looked  # noqa: PLW0603
    if not settings.CONTINUITY or time.monotonic() - _looked < AGAIN:
        return
    _compare()
    _looked = time.monotonic()


def beat() -> None:
    """Compare, and write marks of how far the database has come by now. Raises DatabaseError."""
    global _looked  # noqa: PLW0603
    if not settings.CONTINUITY:
        return
    _compare()
    _looked = time.monotonic()
    Continuity.objects.filter(pk=Continuity.ONE).update(beats=F("beats") + 1)
    mark, _ = _reading()
    for store in stores():
        store.write(mark)


def at_start() -> None:
    """Do the same when a program starts; a database that does not answer yet is looked at before work is claimed."""
    try:
        beat()
    except DatabaseError as error:
        log.warning("The portal's database does not tell yet how far it has come (%s).", type(error).__name__)
    finally:
        connection.close()


def _compare() -> None:
    marks = [mark for mark in (store.read() for store in stores()) if mark]
    now, row = _reading()
    for mark in marks:
        if why := mark.contradiction(now, row.judged_at):
            log.error("The portal looks first: nothing goes out until a person lets it. %s", why)
            hold_all(why)
            return


def _reading() -> tuple[Mark, Continuity]:
    """Return how far the database has come."""
    row, _ = Continuity.objects.get_or_create(pk=Continuity.ONE)
    numbers = {name: _last_number(table) for name, table in TABLES.items()}
    return Mark(str(row.identity), row.beats, **numbers, at=timezone.now().isoformat()), row


def _last_number(table: str) -> int:
    """Return the last id that the database gave to a row, also to one that is gone by now."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, 'id')::regclass)", [table])
        else:
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        row = cursor.fetchone()
    return int(row[0]) if row and row[0] is not None else 0
