"""A SQL directory that keeps groups: with ids of their own, or by their names alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from directories.connectors.sql.connector import SqlConnector
from tests.directories.connectors.sql_subject import SqlSubject

BY_ID: Mapping[str, Sequence[str]] = {
    "import_groups": ["SELECT '##GROUPID##', ID, '##GROUPNAME##', LABEL, REMARK AS DESCRIPTION FROM APP_GROUPS"],
    "import_members": ["SELECT USERNAME FROM APP_MEMBERS WHERE GROUP_ID = ##GROUPID## ORDER BY USERNAME"],
    "create_group": ["INSERT INTO APP_GROUPS (LABEL, REMARK) VALUES ('##GROUPNAME##', '##GROUPDESCRIPTION##')"],
    "update_group": ["UPDATE APP_GROUPS SET LABEL = '##GROUP##', REMARK = ##GROUPDESCRIPTION## WHERE ID = ##GROUPID##"],
    "delete_group": [
        "DELETE FROM APP_MEMBERS WHERE GROUP_ID = ##GROUPID##",
        "DELETE FROM APP_GROUPS WHERE ID = ##GROUPID##",
    ],
    "add_member": ["INSERT INTO APP_MEMBERS (GROUP_ID, USERNAME) VALUES (##GROUPID##, '##USERNAME##')"],
    "remove_member": ["DELETE FROM APP_MEMBERS WHERE GROUP_ID = ##GROUPID## AND USERNAME = '##USERNAME##'"],
}
BY_NAME: Mapping[str, Sequence[str]] = {
    "import_groups": ["SELECT LABEL, REMARK AS GROUPDESCRIPTION FROM APP_GROUPS"],
    "import_members": [
        "SELECT m.USERNAME FROM APP_MEMBERS m JOIN APP_GROUPS g ON g.ID = m.GROUP_ID WHERE g.LABEL = '##GROUP##'"
    ],
    "create_group": BY_ID["create_group"],
    "update_group": [
        "UPDATE APP_GROUPS SET LABEL = '##GROUP##', REMARK='##GROUPDESCRIPTION##' WHERE LABEL='##OLDGROUP##'"
    ],
    "delete_group": [
        "DELETE FROM APP_MEMBERS WHERE GROUP_ID IN (SELECT ID FROM APP_GROUPS WHERE LABEL = '##GROUP##')",
        "DELETE FROM APP_GROUPS WHERE LABEL = '##GROUP##'",
    ],
    "add_member": [
        "INSERT INTO APP_MEMBERS (GROUP_ID, USERNAME) SELECT ID, '##USERNAME##' FROM APP_GROUPS "
        "WHERE LABEL = '##GROUP##'"
    ],
    "remove_member": [
        "DELETE FROM APP_MEMBERS WHERE USERNAME = '##USERNAME##' "
        "AND GROUP_ID IN (SELECT ID FROM APP_GROUPS WHERE LABEL = '##GROUP##')"
    ],
}
NUMBERED = {
    "postgresql": "SERIAL PRIMARY KEY",
    "mariadb": "INTEGER AUTO_INCREMENT PRIMARY KEY",
    "sqlite": "INTEGER PRIMARY KEY",
}


class SqlGroupsSubject(SqlSubject):
    """The user table, a table of groups and one of members, with the keys that applications have."""

    def __init__(self, sql: SqlSubject, templates: Mapping[str, Sequence[str]]) -> None:
        self.database, self.group_templates = sql.database, templates
        number = NUMBERED[self.database.kind]
        self.database.execute(
            f"CREATE TABLE APP_GROUPS (ID {number}, LABEL VARCHAR(100) UNIQUE NOT NULL, REMARK VARCHAR(200))"
        )
        self.database.execute(
            "CREATE TABLE APP_MEMBERS (GROUP_ID INTEGER NOT NULL, USERNAME VARCHAR(100) NOT NULL, "
            "PRIMARY KEY (GROUP_ID, USERNAME), FOREIGN KEY (USERNAME) REFERENCES USERS (USERNAME))"
        )

    def open(
        self,
        *,
        with_passwords: bool = False,
        templates: Mapping[str, Sequence[str]] | None = None,
        **settings: Any,
    ) -> SqlConnector:
        """Return a connector with the statements of groups."""
        merged = {**self.group_templates, **(templates or {})}
        return super().open(with_passwords=with_passwords, templates=merged, **settings)
