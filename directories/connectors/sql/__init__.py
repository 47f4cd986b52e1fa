"""Directories in a SQL database."""

from directories.connectors.sql.databases import MariaDB, MySQL, Oracle, PostgreSQL, SQLite, SqlServer

__all__ = ["MariaDB", "MySQL", "Oracle", "PostgreSQL", "SQLite", "SqlServer"]
