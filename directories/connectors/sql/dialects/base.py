"""What differs between databases: one object for each, from how it is opened to what its errors mean."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from directories.attributes import Value
from directories.connectors.allowed import check_host
from directories.connectors.base import ConnectionStep
from directories.connectors.sql.error_codes import ErrorCode, by_class

if TYPE_CHECKING:
    from directories.connectors.sql.settings import SqlSettings

GRACE_SECONDS = 5  # how much longer than the server's own statement time-out the client waits for it
LOCK_SECONDS = 5  # how long a statement waits for another one's lock
RECYCLE_SECONDS = 1800


class Named(NamedTuple):
    """What an error names, "" for what it does not."""

    column: str = ""
    table: str = ""
    constraint: str = ""


class Misfit(NamedTuple):
    """A character that an encoding lacks, as far as the error tells."""

    encoding: str = ""
    character: str = ""


class Dialect:
    """One kind of database. The objects have no state: there is one for each kind."""

    kind: ClassVar[str]
    label: ClassVar[str]
    language: ClassVar[str]  # sqlglot's name of its SQL
    schemes: ClassVar[tuple[str, ...]]  # how an address of such a database begins
    port: ClassVar[int] = 0
    sets_tls: ClassVar[bool] = False  # whether the portal sets TLS up itself
    in_file: ClassVar[bool] = False  # whether the database is a file of the portal's machine
    begin: ClassVar[str | None] = None  # how a transaction begins on a connection that commits by itself
    autocommits: ClassVar[bool] = True  # whether a single statement is its own transaction
    procedures_commit: ClassVar[bool] = True  # whether a procedure may commit what was done before it
    pipelines: ClassVar[bool] = False  # whether ``run_all`` can be used
    ping: ClassVar[str] = "SELECT 1"
    version_query: ClassVar[str] = ""
    moment: ClassVar[str] = "SELECT CURRENT_TIMESTAMP"  # the time of its clock, as it fills columns with it
    usual_database: ClassVar[str] = ""  # one that every server has
    url: ClassVar[str]  # SQLAlchemy's dialect and driver

    def engine(self, settings: "SqlSettings") -> Engine:
        """Return a new pool of connections that nobody shares. ImportError: the driver is not installed."""

        def connect() -> Any:
            if not self.in_file:
                check_host(settings.host or "localhost", settings.port)
            return self.open(settings)

        return create_engine(self.url, creator=connect, isolation_level="AUTOCOMMIT", **self.pooling(settings))

    def engine_of_driver(self, settings: "SqlSettings", url: URL) -> Engine:
        """Return a pool for a driver that opens connections by itself."""
        engine = create_engine(url, **self.pooling(settings))
        event.listen(engine, "do_connect", lambda *_: check_host(settings.host, settings.port))
        return engine

    def pooling(self, settings: "SqlSettings") -> dict[str, Any]:
        """Return the options of the pool."""
        return {
            "poolclass": QueuePool,
            "pool_size": settings.pool_size,
            "max_overflow": 2,  # an import holds one connection and asks for its pages on another
            "pool_timeout": settings.connect_timeout,
            "pool_pre_ping": True,
            "pool_recycle": RECYCLE_SECONDS,
        }

    def open(self, settings: "SqlSettings") -> Any:
        """Open a connection of the driver, with time-outs everywhere and TLS as the settings want it."""
        raise NotImplementedError

    def probe_tls(self, opened: Any) -> list[ConnectionStep]:
        """Ask an open port whether it speaks TLS, where that can be asked; return a failed step when it does not."""
        return []

    def start_tls(self, opened: Any) -> None:
        """Lead a fresh connection up to the handshake of TLS."""

    def adapt(self, value: Value) -> Value:
        """Return a value as the driver takes it: times with a zone in UTC, as most types of column keep no zone."""
        if isinstance(value, dt.datetime) and value.tzinfo is not None:
            return value.astimezone(dt.UTC).replace(tzinfo=None)
        return int(value) if isinstance(value, bool) else value

    def refuse(self, values: Sequence[Value], names: Sequence[str]) -> None:
        """Raise ConnectorError for a value that the driver would not send in words of its own."""

    def prepare_stream(self, connection: Connection) -> None:
        """Let a streamed query live as long as its reader needs, however slowly it takes the pages."""

    def run_all(
        self, settings: "SqlSettings", connection: Any, statements: Sequence[tuple[str, Sequence[Value]]]
    ) -> list[int | BaseException]:
        """Run statements with their values on a connection of the driver, each as a transaction of its own.

        All are sent before the first is answered. Return how many rows each found, or the driver's error. Together they
        may take as long as one; what does not end in its share of that was not done.
        """
        raise NotImplementedError

    def keeps_no_transaction(
        self, rows: Callable[[str, Sequence[Value]], Sequence[Any]], schema: str, table: str
    ) -> bool:
        """Return whether what is done to a table could not be rolled back."""
        return False

    # --- Errors ------------------------------------------------------------------------------------------------------

    def cause(self, error: BaseException) -> ErrorCode:
        """Return what the driver's error means, by its code."""
        return by_class(error)

    def names(self, error: BaseException) -> Named:
        """Return the column, table and constraint that the error names."""
        return Named()

    def misfit(self, error: BaseException) -> Misfit:
        """Return what the error tells of a character that the database cannot hold."""
        return Misfit()

    def said(self, error: BaseException) -> str:
        """Return the words that a trigger or a procedure raised for people, "" when the database speaks itself."""
        return ""
