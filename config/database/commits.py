"""How long a commit waits."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


def need_not_wait() -> None:
    """Let the commit of this transaction not wait until it is on the disk (PostgreSQL).

    After a crash of the database server it may be missing, with all or none of it written, and never without what was
    committed before it. A later commit that waits brings it to the disk too.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO off")


@contextmanager
def checked_at_once() -> Iterator[None]:
    """Within this, each statement checks its foreign keys (PostgreSQL), where the commit does otherwise.

    The server checks them then while the next rows are made ready, and an error still tells whose statement it was.
    """
    _check("IMMEDIATE")
    yield
    _check("DEFERRED")


def _check(when: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET CONSTRAINTS ALL {when}")
