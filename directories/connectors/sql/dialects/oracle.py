"""Oracle, through oracledb of the extra ``oracle``. Not tested."""

from typing import TYPE_CHECKING

from sqlalchemy import URL, Engine

from directories.connectors.sql.dialects.base import Dialect

if TYPE_CHECKING:
    from directories.connectors.sql.settings import SqlSettings


class OracleDialect(Dialect):
    """An Oracle database; the setting ``database`` is the service name."""

    kind = "oracle"
    moment = "SELECT LOCALTIMESTAMP FROM DUAL"
    label = "Oracle (not tested)"
    language = "oracle"
    schemes = ("oracle",)
    port = 1521
    autocommits = False
    ping = "SELECT 1 FROM DUAL"

    def engine(self, settings: "SqlSettings") -> Engine:
        """Let the driver open connections by itself."""
        address = settings.user, settings.password, settings.host, settings.port
        url = URL.create("oracle+oracledb", *address, query={"service_name": settings.database})
        return self.engine_of_driver(settings, url)
