"""The settings of a SQL directory: the fields of its form, and their values as a connector reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from directories.connectors.base import ConnectorError, ConnectorField, FieldType
from directories.connectors.form_values import number_of, text_of
from directories.connectors.shared_fields import AUTHORITY
from directories.connectors.sql.dialects.base import Dialect

TLS_MODES = (
    ("disable", "Off: everything crosses the network in the clear"),
    ("require", "On, without checking the server's certificate"),
    ("verify-full", "On, with the server's certificate and name checked"),
)
CONNECT_SECONDS = 10
STATEMENT_SECONDS = 30
POOL_SIZE = 5


def _limits() -> tuple[ConnectorField, ...]:
    number = FieldType.INTEGER
    return (
        ConnectorField(
            name="connect_timeout",
            label="Connect time-out (seconds)",
            type=number,
            default=CONNECT_SECONDS,
            group="Limits",
            minimum=1,
            maximum=300,
            harmless=True,
        ),
        ConnectorField(
            name="statement_timeout",
            label="Statement time-out (seconds)",
            type=number,
            default=STATEMENT_SECONDS,
            help_text="One statement may take this long; import reads page by page.",
            group="Limits",
            minimum=1,
            maximum=3600,
            harmless=True,
        ),
        ConnectorField(
            name="pool_size",
            label="Connections kept open",
            type=number,
            default=POOL_SIZE,
            help_text="For each process of the portal.",
            group="Limits",
            minimum=1,
            maximum=50,
            harmless=True,
        ),
    )


def _tables() -> tuple[ConnectorField, ...]:
    return (
        ConnectorField(
            name="user_table",
            label="User table",
            required=True,
            help_text="For example USERS or hr.users; a name with capitals in quotes.",
            group="Users",
            harmless=True,
            selects=True,
        ),
        ConnectorField(
            name="username_column",
            label="User name column",
            required=True,
            group="Users",
            harmless=True,
            selects=True,
        ),
        ConnectorField(
            name="password_column",
            label="Password column",
            help_text="Only needed to import passwords.",
            group="Users",
            harmless=True,
        ),
    )


_TLS_FIELDS = (
    ConnectorField("tls_mode", "TLS", FieldType.CHOICE, default="require", choices=TLS_MODES),
    AUTHORITY,
)


def network_fields(dialect: Dialect) -> tuple[ConnectorField, ...]:
    """Return the form of a database server; TLS only where this portal sets it up itself."""
    return (
        ConnectorField("host", "Host", required=True),
        ConnectorField("port", "Port", FieldType.INTEGER, default=dialect.port, minimum=1, maximum=65535),
        ConnectorField("database", "Database", required=True),
        ConnectorField("user", "User", required=True),
        ConnectorField("password", "Password", FieldType.SECRET),
        *(_TLS_FIELDS if dialect.sets_tls else ()),
        *_tables(),
        *_limits(),
    )


FILE_FIELDS = (
    ConnectorField("database", "File", required=True, help_text="The full path of the SQLite file on this machine."),
    *_tables(),
    *_limits(),
)


@dataclass(frozen=True, slots=True)
class SqlSettings:
    """The values of a SQL directory's form. Frozen and hashable: equal settings share one pool of connections."""

    dialect: Dialect
    host: str = ""
    port: int = 0
    database: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    tls_mode: str = "require"
    ca: str = field(default="", repr=False)
    pool_size: int = POOL_SIZE
    connect_timeout: int = CONNECT_SECONDS
    statement_timeout: int = STATEMENT_SECONDS


@dataclass(frozen=True, slots=True)
class UserTable:
    """Where the users are, as the admin wrote it."""

    table: str
    username: str
    password: str = ""


def sql_settings(dialect: Dialect, values: Mapping[str, Any]) -> SqlSettings:
    """Read the connection from a form's values, which may be blank or text; raise ConnectorError."""
    tls_mode = str(values.get("tls_mode") or "require")
    if tls_mode not in dict(TLS_MODES):
        raise ConnectorError("Choose one of the offered TLS modes.", code="settings")
    return SqlSettings(
        dialect=dialect,
        host=text_of(values, "host"),
        port=number_of(values, "port", dialect.port),
        database=text_of(values, "database"),
        user=text_of(values, "user"),
        password=str(values.get("password") or ""),
        tls_mode=tls_mode,
        ca=text_of(values, "ca"),
        pool_size=number_of(values, "pool_size", POOL_SIZE),
        connect_timeout=number_of(values, "connect_timeout", CONNECT_SECONDS),
        statement_timeout=number_of(values, "statement_timeout", STATEMENT_SECONDS),
    )


def user_table(values: Mapping[str, Any]) -> UserTable:
    """Read where the users are."""
    return UserTable(*(text_of(values, name) for name in ("user_table", "username_column", "password_column")))
