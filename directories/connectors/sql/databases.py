"""The SQL databases that can be a directory: one class a kind."""

from directories.connectors.sql import dialects
from directories.connectors.sql.connector import SqlConnector
from directories.connectors.sql.settings import FILE_FIELDS, network_fields


class PostgreSQL(SqlConnector):
    """A PostgreSQL database."""

    dialect = dialects.POSTGRESQL
    kind, label = dialect.kind, dialect.label
    fields = network_fields(dialect)


class MySQL(SqlConnector):
    """A MySQL database."""

    dialect = dialects.MYSQL
    kind, label = dialect.kind, dialect.label
    fields = network_fields(dialect)


class MariaDB(SqlConnector):
    """A MariaDB database."""

    dialect = dialects.MARIADB
    kind, label = dialect.kind, dialect.label
    fields = network_fields(dialect)


class SQLite(SqlConnector):
    """A SQLite file on the portal's own machine."""

    dialect = dialects.SQLITE
    kind, label = dialect.kind, dialect.label
    fields = FILE_FIELDS


class SqlServer(SqlConnector):
    """A SQL Server database, through the extra ``mssql``."""

    dialect = dialects.SQL_SERVER
    recommended = False
    kind, label = dialect.kind, dialect.label
    fields = network_fields(dialect)


class Oracle(SqlConnector):
    """An Oracle database, through the extra ``oracle``; ``database`` is the service name."""

    dialect = dialects.ORACLE
    recommended = False
    kind, label = dialect.kind, dialect.label
    fields = network_fields(dialect)
