"""How long a commit waits."""

from django.db import connection


def need_not_wait() -> None:
    """Let the commit of this transaction not wait until it is on the disk (PostgreSQL).

    After a crash of the database server it may be missing, with all or none of it written, and never without what was
    committed before it. A later commit that waits brings it to the disk too.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO off")
