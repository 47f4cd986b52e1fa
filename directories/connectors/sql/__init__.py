"""Directories in a SQL database."""

from directories.connectors.sql.databases import MariaDB, MySQL, Oracle, PostgreSQL, SQLite, SqlServer
from directories.connectors.sql.dialects import DIALECTS

__all__ = ["MariaDB", "MySQL", "Oracle", "PostgreSQL", "SQLite", "SqlServer", "language_of"]


def language_of(kind: str) -> str:
    """Return sqlglot's name of the SQL that directories of ``kind`` speak, "" for a kind without SQL."""
    return DIALECTS[kind].language if kind in DIALECTS else ""
