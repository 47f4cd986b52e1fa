"""Being woken: whoever waits for a call, an answer or room sleeps until there is one.

PostgreSQL tells those who listen as soon as the transaction that rang is committed. A ring is a hint and no message:
who is woken looks, and who was not looks now and then. That is all there is on SQLite and behind a pooler, which gives
a connection to others between two statements.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from django.db import DatabaseError, connection

FIRST_LOOK, LONGEST_LOOK, GROWTH = 0.004, 0.1, 1.25  # seconds between two looks where nobody is woken
UNWOKEN = 1.0  # seconds between two looks where somebody is
Sleep = Callable[[float], None]


def of_gateway(gateway_id: int) -> str:
    """Return the bell that is rung when a call waits for a machine of the gateway."""
    return f"gateway_{gateway_id}"


def of_answer(call: int) -> str:
    """Return the bell that is rung when a part of an answer is there."""
    return f"gateway_answer_{call}"


def of_room(call: int) -> str:
    """Return the bell that is rung when there is room for another part."""
    return f"gateway_room_{call}"


def ring(name: str) -> None:
    """Wake who listens, once this transaction is committed."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [name])


@contextmanager
def listening(*names: str) -> Iterator[Sleep]:
    """Give what sleeps until one of the bells is rung, until it is time to look, or for so many seconds.

    What rang before is not heard, so look first.
    """
    raw = _told()
    if raw is None:
        yield _looking()
        return
    with connection.cursor() as cursor:
        cursor.execute("".join(f'LISTEN "{name}";' for name in names))

    def sleep(longest: float) -> None:
        with connection.wrap_database_errors:
            for _ in raw.notifies(timeout=min(longest, UNWOKEN), stop_after=1):
                pass

    try:
        yield sleep
    finally:
        if connection.connection is raw and not connection.in_atomic_block:
            with suppress(DatabaseError), connection.cursor() as cursor:
                cursor.execute("".join(f'UNLISTEN "{name}";' for name in names))


def _told() -> "psycopg.Connection | None":
    """Return the connection on which this thread can be woken, None where it cannot."""
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return None
    if connection.settings_dict["OPTIONS"].get("prepare_threshold") is None:
        return None  # PREPARE_STATEMENTS=false: there is a pooler
    connection.ensure_connection()
    found: psycopg.Connection = connection.connection
    return found


def _looking() -> Sleep:
    pause = FIRST_LOOK

    def sleep(longest: float) -> None:
        nonlocal pause
        time.sleep(min(longest, pause))
        pause = min(LONGEST_LOOK, pause * GROWTH)

    return sleep
