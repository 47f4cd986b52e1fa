"""The portal's own database."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import NotSupportedError
from django.utils import timezone

from config import health
from config.database import outage
from config.doctor.mistakes import Mistake, red, yellow

SKEW = 5.0  # seconds between the two clocks that nobody notices
BAD_SKEW = 60.0  # seconds with which leases and sign-ins go wrong


def database() -> Iterator[Mistake]:
    """The database answers, and is new enough."""
    try:
        health.database()
    except NotSupportedError:
        minimum = ".".join(map(str, connection.features.minimum_database_version or ()))
        yield red(
            f"The portal's {connection.display_name} is too old: it has to be version {minimum} or later.",
            "Install a newer version and move the database there.",
        )
    except outage.ERRORS:
        yield red(
            f"The portal's database does not answer ({_where()}).",
            "See that it runs, and that host, port, user, password and name in DATABASE_URL are right.",
        )


def migrations() -> Iterator[Mistake]:
    """The tables are those of this version of the code."""
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    ours = {app.label for app in apps.get_app_configs()}
    applied = {key for key in executor.loader.applied_migrations if key[0] in ours}
    if waiting:
        yield red(
            f"The database is older than the code: {len(waiting)} migrations wait.",
            "Stop every program, run: manage.py migrate, and start them again.",
        )
    elif applied - set(executor.loader.disk_migrations or ()):
        yield red(
            "The database was used by a newer version of the portal than this one.",
            "Install that version again, or restore the backup from before the update.",
        )


def clock() -> Iterator[Mistake]:
    """The clocks of this machine and of the database's agree."""
    if connection.vendor != "postgresql":
        return  # SQLite has this machine's
    before = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (theirs,) = cursor.fetchone()
    after = timezone.now()
    ours = min(max(before, theirs), after)  # the time that it took to ask is no difference
    seconds = abs((theirs - ours).total_seconds())
    if seconds > SKEW:
        say = red if seconds > BAD_SKEW else yellow
        yield say(
            f"The clocks of this machine and of the database's differ by {seconds:.0f} seconds.",
            "Set both by a time server (NTP).",
        )


def kind() -> Iterator[Mistake]:
    """A portal that others use is on PostgreSQL."""
    if settings.HTTPS and connection.vendor == "sqlite":
        yield yellow(
            "The portal's database is SQLite, which is for a try on one machine.",
            "Set DATABASE_URL to a PostgreSQL database.",
        )


@dataclass(frozen=True, slots=True)
class PostgresFacts:
    """What PostgreSQL says of itself and of the portal's database; collation versions are "" where there are none."""

    encoding: str
    collation: str
    collation_now: str
    connections: int
    connections_allowed: int
    trigrams: bool
    """The search has PostgreSQL's extension pg_trgm, or will make it itself."""


def postgres() -> Iterator[Mistake]:
    """Encoding, order of texts, extensions and room for connections are right."""
    if connection.vendor != "postgresql":
        return
    facts = read_facts()
    if facts.encoding != "UTF8":
        yield red(
            f"The database holds {facts.encoding}, not UTF8: many names cannot be stored.",
            "Make a new one (createdb --encoding=UTF8 --template=template0) and restore the data into it.",
        )
    if facts.collation and facts.collation_now and facts.collation != facts.collation_now:
        yield red(
            "The machine's order of texts has changed since the database was made: indexes may find too little.",
            "In the database run: REINDEX DATABASE; then ALTER DATABASE ... REFRESH COLLATION VERSION.",
        )
    if facts.connections * 10 > facts.connections_allowed * 9:
        yield yellow(
            f"{facts.connections} of PostgreSQL's {facts.connections_allowed} connections are taken.",
            "Raise max_connections, or put PgBouncer before it.",
        )
    if not facts.trigrams:
        yield yellow(
            "The search is slow: PostgreSQL's extension pg_trgm is missing.",
            "Let an administrator of the database run in it: CREATE EXTENSION pg_trgm",
        )


def read_facts() -> PostgresFacts:
    """Ask PostgreSQL."""
    versions = "coalesce(datcollversion, ''), coalesce(pg_database_collation_actual_version(oid), '')"
    if connection.pg_version < 150000:  # type: ignore[attr-defined]  # PostgreSQL's connections have it
        versions = "'', ''"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT pg_encoding_to_char(encoding), {versions},
                (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
                current_setting('max_connections')::int,
                EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm')
                OR (has_database_privilege(oid, 'CREATE')
                    AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'))
            FROM pg_database WHERE datname = current_database()
            """  # noqa: S608 (our own words)
        )
        return PostgresFacts(*cursor.fetchone())


def _where() -> str:
    """Return where the database should be, without a password."""
    database = settings.DATABASES["default"]
    host = ":".join(str(database[part]) for part in ("HOST", "PORT") if database.get(part))
    return " at ".join(part for part in (str(database["NAME"]), host) if part)
