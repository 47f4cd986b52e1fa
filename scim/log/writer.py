"""Writes the live log beside the requests: a thread of the process inserts what has gathered, a few times a second.

A request costs its client no INSERT and no commit for the log, and under load one INSERT holds many lines. What has
gathered is written at the process's end; a crash takes the last moment with it. While the database is away, lines wait.
"""

import logging
import time
from collections.abc import Sequence

from django.db import DatabaseError, InterfaceError, close_old_connections, connection, transaction

from config.database import bulk, outage
from config.database.bulk import Values
from provisioning.background import Gathered
from scim.models import RequestLog

EVERY = 0.25  # seconds
MOST = 500  # lines of one INSERT
MOST_WAITING = 20_000  # lines
AWAY = 1.0  # seconds until a database that is away is asked again
logger = logging.getLogger(__name__)


def write(rows: Sequence[Values]) -> None:
    """Insert the lines (values of ``RequestLog``) and commit without waiting for the disk."""
    alone = connection.vendor == "postgresql" and not connection.in_atomic_block
    with transaction.atomic():
        if alone:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit TO OFF")
        bulk.insert(RequestLog, rows)


def log_writer() -> Gathered[Values]:
    """Return a thread that writes the lines that are put; it begins with the first one."""
    return Gathered("SCIM log", _write_all, pause=EVERY, most=MOST, most_waiting=MOST_WAITING)


def _write_all(rows: Sequence[Values]) -> None:
    if _refused(rows) is None:
        return
    # One of them may belong to an application that was deleted meanwhile; the others are written.
    for row in rows:
        if error := _refused([row]):
            logger.warning("A line of the SCIM log could not be written: %s", type(error).__name__)
            time.sleep(0.01)


def _refused(rows: Sequence[Values]) -> Exception | None:
    """Write the lines; return why the database refuses them. While it is away they wait."""
    while True:
        close_old_connections()
        try:
            write(rows)
            return None
        except (DatabaseError, InterfaceError) as error:
            if not _away():
                return error
        time.sleep(AWAY)


def _away() -> bool:
    """Return whether the database cannot be reached: a connection that broke is replaced first."""
    close_old_connections()
    try:
        connection.ensure_connection()
    except outage.ERRORS:
        return True
    return not connection.is_usable()


writer = log_writer()
