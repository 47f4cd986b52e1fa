"""A SQL directory with queries for every operation, over the tests' real databases."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from directories.connectors import connector_class
from directories.connectors.base import ConnectorConfig
from directories.connectors.sql.connector import SqlConnector
from tests.directories.connectors.contract import Names
from tests.fixtures.databases import Database

WHERE = "WHERE USERNAME='##USERNAME##'"
TEMPLATES: Mapping[str, Sequence[str]] = {
    "import": [
        f"SELECT '##FIRSTNAME##', FIRSTNAME FROM USERS {WHERE}",
        f"SELECT LASTNAME FROM USERS {WHERE}",
        f"SELECT '##EMAIL_ADDRESS##', EMAIL_ADDRESS FROM USERS {WHERE}",
    ],
    "check": [f"SELECT USERNAME FROM USERS {WHERE}"],
    "create": [
        "INSERT INTO USERS (USERNAME, PASSWORD, FIRSTNAME, LASTNAME, EMAIL_ADDRESS) VALUES "
        "('##USERNAME##', '##PASSWORD##', '##FIRSTNAME##', '##LASTNAME##', '##EMAIL_ADDRESS##')"
    ],
    "update": [f"UPDATE USERS SET FIRSTNAME='##FIRSTNAME##', LASTNAME=##LASTNAME##, EMAIL_ADDRESS='##email##' {WHERE}"],
    "delete": [f"DELETE FROM USERS {WHERE}"],
    "disable": [f"UPDATE USERS SET ACTIVE = 0 {WHERE}"],
    "enable": [f"UPDATE USERS SET ACTIVE = 1 {WHERE}"],
    "set_password": [f"UPDATE USERS SET PASSWORD = '##PASSWORD##' {WHERE}"],
}


class SqlSubject:
    """A database with a user table that has a unique key."""

    names = Names("FIRSTNAME", "LASTNAME", "EMAIL_ADDRESS")

    def __init__(self, database: Database) -> None:
        self.database = database
        database.execute(
            "CREATE TABLE USERS (USERNAME VARCHAR(100) PRIMARY KEY, PASSWORD VARCHAR(100), FIRSTNAME VARCHAR(100), "
            "LASTNAME VARCHAR(100), EMAIL_ADDRESS VARCHAR(100), ACTIVE INTEGER DEFAULT 1 NOT NULL)"
        )

    def open(
        self,
        *,
        with_passwords: bool = False,
        templates: Mapping[str, Sequence[str]] | None = None,
        **settings: Any,
    ) -> SqlConnector:
        """Return a connector; ``templates`` replace those of their operations, ``settings`` those of their names."""
        table = {"user_table": "USERS", "username_column": "USERNAME", "password_column": "PASSWORD"}
        config = ConnectorConfig(
            settings={**self.database.settings, **table, **settings},
            templates={**TEMPLATES, **(templates or {})},
            with_passwords=with_passwords,
        )
        return cast("SqlConnector", connector_class(self.database.kind)(config))

    def enabled(self, key: str) -> bool | None:
        """Return what the table says."""
        rows = self.database.rows(f"SELECT ACTIVE FROM USERS WHERE USERNAME = '{key}'")
        return bool(rows[0][0]) if rows else None
