"""SQL Server, through pymssql of the extra ``mssql``. Not tested."""

from typing import TYPE_CHECKING

from sqlalchemy import URL, Engine

from directories.connectors.sql.dialects.base import Dialect

if TYPE_CHECKING:
    from directories.connectors.sql.settings import SqlSettings


class SqlServerDialect(Dialect):
    """A SQL Server."""

    kind = "mssql"
    label = "SQL Server (not tested)"
    language = "tsql"
    schemes = ("mssql", "sqlserver")
    port = 1433
    autocommits = False

    def engine(self, settings: "SqlSettings") -> Engine:
        """Let the driver open connections by itself."""
        address = settings.user, settings.password, settings.host, settings.port, settings.database
        return self.engine_of_driver(settings, URL.create("mssql+pymssql", *address))
