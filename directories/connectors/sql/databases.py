"""The SQL databases that can be a directory: one class a kind."""

from typing import ClassVar

from directories.connectors.sql.connector import SqlConnector
from directories.connectors.sql.settings import FILE_FIELDS, network_fields


class PostgreSQL(SqlConnector):
    """A PostgreSQL database."""

    kind: ClassVar[str] = "postgresql"
    label: ClassVar[str] = "PostgreSQL"
    fields = network_fields("postgresql")


class MySQL(SqlConnector):
    """A MySQL database."""

    kind: ClassVar[str] = "mysql"
    label: ClassVar[str] = "MySQL"
    fields = network_fields("mysql")


class MariaDB(SqlConnector):
    """A MariaDB database."""

    kind: ClassVar[str] = "mariadb"
    label: ClassVar[str] = "MariaDB"
    fields = network_fields("mariadb")


class SQLite(SqlConnector):
    """A SQLite file on the portal's own machine."""

    kind: ClassVar[str] = "sqlite"
    label: ClassVar[str] = "SQLite"
    fields = FILE_FIELDS


class SqlServer(SqlConnector):
    """A SQL Server database, through the extra ``mssql``."""

    kind: ClassVar[str] = "mssql"
    label: ClassVar[str] = "SQL Server (not tested)"
    fields = network_fields("mssql")


class Oracle(SqlConnector):
    """An Oracle database, through the extra ``oracle``; ``database`` is the service name."""

    kind: ClassVar[str] = "oracle"
    label: ClassVar[str] = "Oracle (not tested)"
    fields = network_fields("oracle")
