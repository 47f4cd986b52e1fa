"""The databases that can be a directory."""

from collections.abc import Mapping

from directories.connectors.sql.dialects.base import Dialect
from directories.connectors.sql.dialects.mssql import SqlServer
from directories.connectors.sql.dialects.mysql import MariaDB, MySQL
from directories.connectors.sql.dialects.oracle import Oracle
from directories.connectors.sql.dialects.postgresql import PostgreSQL
from directories.connectors.sql.dialects.sqlite import SQLite

POSTGRESQL, MYSQL, MARIADB, SQLITE, SQL_SERVER, ORACLE = (
    PostgreSQL(),
    MySQL(),
    MariaDB(),
    SQLite(),
    SqlServer(),
    Oracle(),
)
DIALECTS: Mapping[str, Dialect] = {
    dialect.kind: dialect for dialect in (POSTGRESQL, MYSQL, MARIADB, SQLITE, SQL_SERVER, ORACLE)
}
