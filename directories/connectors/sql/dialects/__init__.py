"""The databases that can be a directory."""

from collections.abc import Mapping

from directories.connectors.sql.dialects.base import Dialect
from directories.connectors.sql.dialects.mssql import SqlServerDialect
from directories.connectors.sql.dialects.mysql import MariaDBDialect, MySQLDialect
from directories.connectors.sql.dialects.oracle import OracleDialect
from directories.connectors.sql.dialects.postgresql import PostgreSQLDialect
from directories.connectors.sql.dialects.sqlite import SQLiteDialect

POSTGRESQL, MYSQL, MARIADB, SQLITE, SQL_SERVER, ORACLE = (
    PostgreSQLDialect(),
    MySQLDialect(),
    MariaDBDialect(),
    SQLiteDialect(),
    SqlServerDialect(),
    OracleDialect(),
)
DIALECTS: Mapping[str, Dialect] = {
    dialect.kind: dialect for dialect in (POSTGRESQL, MYSQL, MARIADB, SQLITE, SQL_SERVER, ORACLE)
}
