"""Writes the live log beside the requests: a thread of the process inserts what has gathered, a few times a second.

A request costs its client no INSERT and no commit for the log, and under load one INSERT holds many lines. What has
gathered is written at the process's end; a crash takes the last moment with it.
"""

import logging
import time
from collections.abc import Sequence

from django.db import DatabaseError, close_old_connections, connection, transaction

from config.database import bulk
from config.database.bulk import Values
from provisioning.background import Gathered
from scim.models import RequestLog

EVERY = 0.25  # seconds
MOST = 500  # lines of one INSERT
MOST_WAITING = 20_000  # lines
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
    close_old_connections()
    try:
        write(rows)
    except DatabaseError:
        # One of them may belong to an application that was deleted meanwhile; the others are written.
        for row in rows:
            _write_one(row)


def _write_one(row: Values) -> None:
    try:
        write([row])
    except DatabaseError as error:
        logger.warning("A line of the SCIM log could not be written: %s", type(error).__name__)
        time.sleep(0.01)


writer = log_writer()
