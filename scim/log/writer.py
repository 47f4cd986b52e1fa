"""Writes the live log beside the requests: a thread of the process inserts what has gathered, a few times a second.

A request costs its client no INSERT and no commit for the log, and under load one INSERT holds many lines. What has
gathered is written at the process's end; a crash takes the last moment with it.
"""

import atexit
import logging
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread

from django.db import DatabaseError, close_old_connections, connection, transaction

from config.database import bulk
from config.database.bulk import Values
from scim.models import RequestLog

EVERY = 0.25  # seconds
MOST = 500  # lines of one INSERT
MOST_WAITING = 20_000  # lines; more are dropped, for the log must not eat the memory of the service
logger = logging.getLogger(__name__)


def write(rows: Sequence[Values]) -> None:
    """Insert the lines (values of ``RequestLog``) and commit without waiting for the disk."""
    alone = connection.vendor == "postgresql" and not connection.in_atomic_block
    with transaction.atomic():
        if alone:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit TO OFF")
        bulk.insert(RequestLog, rows)


class LogWriter:
    """The thread, which begins with the first line: gunicorn's workers fork before they have one."""

    def __init__(self) -> None:
        self._rows: SimpleQueue[Values] = SimpleQueue()
        self._lock = Lock()
        self._stop = Event()
        self._thread: Thread | None = None

    def put(self, row: Values) -> None:
        """Hand a line over."""
        if self._rows.qsize() < MOST_WAITING:
            self._rows.put(row)
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="SCIM log", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def close(self) -> None:
        """Write what waits and end the thread."""
        self._stop.set()
        if self._thread:
            self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(EVERY)
            while rows := self._taken():
                self._write(rows)
        connection.close()

    def _taken(self) -> list[Values]:
        rows: list[Values] = []
        while len(rows) < MOST:
            try:
                rows.append(self._rows.get_nowait())
            except Empty:
                break
        return rows

    def _write(self, rows: list[Values]) -> None:
        close_old_connections()
        try:
            write(rows)
        except DatabaseError:
            # One of them may belong to an application that was deleted meanwhile; the others are written.
            for row in rows:
                self._write_one(row)

    def _write_one(self, row: Values) -> None:
        try:
            write([row])
        except DatabaseError as error:
            logger.warning("A line of the SCIM log could not be written: %s", type(error).__name__)
            time.sleep(0.01)


writer = LogWriter()
