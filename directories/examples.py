"""Example statements for a user table, in the notation of the walk-through: what the "Insert example" buttons fill in.

Pure: the names come from the form, nothing is run.
"""

# ruff: noqa: S608 - shown to the admin, never run from here.
import re
from collections.abc import Sequence
from dataclasses import dataclass

from directories.models import TemplateOperation
from directories.query_templates import LANGUAGES

PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\Z")
DEFAULT_COLUMNS = ("FIRSTNAME", "LASTNAME", "EMAIL_ADDRESS")
QUOTES = ('"', "`", "[")
# Column names that people use and databases keep for themselves.
_RESERVED = """
all and any as asc both case check column current default desc distinct do else end for from full grant group in index
into is join key left like limit natural not null offset on option or order primary rank references right select session
set show table then to trigger union unique update user values when where with
"""
RESERVED = frozenset(_RESERVED.split())
# Groups by their names, in a table APP_GROUPS and a table APP_MEMBERS: most databases keep them much like this.
_MEMBER = "WHERE GROUPNAME='##GROUP##'"
_GROUPS = {
    TemplateOperation.IMPORT_GROUPS: ["SELECT GROUPNAME, DESCRIPTION FROM APP_GROUPS"],
    TemplateOperation.IMPORT_MEMBERS: [f"SELECT USERNAME FROM APP_MEMBERS {_MEMBER}"],
    TemplateOperation.CREATE_GROUP: [
        "INSERT INTO APP_GROUPS (GROUPNAME, DESCRIPTION) VALUES ('##GROUP##', '##GROUPDESCRIPTION##')"
    ],
    TemplateOperation.UPDATE_GROUP: [
        "UPDATE APP_GROUPS SET GROUPNAME='##GROUP##', DESCRIPTION='##GROUPDESCRIPTION##' "
        "WHERE GROUPNAME='##OLDGROUP##'",
        "UPDATE APP_MEMBERS SET GROUPNAME='##GROUP##' WHERE GROUPNAME='##OLDGROUP##'",
    ],
    TemplateOperation.DELETE_GROUP: [f"DELETE FROM APP_MEMBERS {_MEMBER}", f"DELETE FROM APP_GROUPS {_MEMBER}"],
    TemplateOperation.ADD_MEMBER: [
        "INSERT INTO APP_MEMBERS (GROUPNAME, USERNAME) VALUES ('##GROUP##', '##USERNAME##')"
    ],
    TemplateOperation.REMOVE_MEMBER: [f"DELETE FROM APP_MEMBERS {_MEMBER} AND USERNAME='##USERNAME##'"],
}
STATE_COLUMNS = frozenset({"ACTIVE", "IS_ACTIVE", "ENABLED", "IS_ENABLED"})


@dataclass(frozen=True, slots=True)
class ExampleTable:
    """The table that the examples are about; ``columns`` are the others than user name and password.

    ``exact`` columns were read from the database, so that one with capital letters needs quotes in PostgreSQL.
    """

    language: str
    table: str = "USERS"
    username: str = "USERNAME"
    password: str = "PASSWORD"
    columns: Sequence[str] = DEFAULT_COLUMNS
    exact: bool = False

    def quoted(self, name: str) -> str:
        """Quote a name that is not a plain one; plain names stay as they are, as an admin would write them."""
        language = LANGUAGES[self.language]
        folded = self.exact and name in self.columns and language.fold is not None and name != language.fold(name)
        plain = PLAIN_NAME.match(name) and not folded and name.lower() not in RESERVED
        if plain or name[:1] in QUOTES:
            return name
        return language.quoted(name)


def inserted(about: ExampleTable) -> list[TemplateOperation]:
    """Return the optional operations that "Insert all examples" fills too: those of a column that the table has."""
    return [TemplateOperation.DISABLE, TemplateOperation.ENABLE] if _state(about) else []


def _state(about: ExampleTable) -> str:
    """Return the column that says who is active, "" where there is none."""
    return next((name for name in about.columns if name.upper() in STATE_COLUMNS), "")


def statements(about: ExampleTable) -> dict[TemplateOperation, list[str]]:
    """Return the example statements of each operation."""
    plain = all(map(PLAIN_NAME.match, about.table.split(".")))
    table = about.table if plain else about.quoted(about.table)
    key = about.quoted(about.username)
    columns = [name for name in about.columns if name.upper() not in STATE_COLUMNS]
    written = [about.username, *([about.password] if about.password else []), *columns]
    values = {name: f"'{_placeholder(name)}'" for name in written} | {about.password: "'##PASSWORD##'"}
    values[about.username] = "'##USERNAME##'"
    where = f"WHERE {key}='##USERNAME##'"
    state = _state(about) or "ACTIVE"
    assignments = ", ".join(f"{about.quoted(name)}={values[name]}" for name in columns)
    password = about.quoted(about.password or "PASSWORD")
    return {
        TemplateOperation.IMPORT: [
            f"SELECT '{_placeholder(name)}', {about.quoted(name)} FROM {table} {where}" for name in columns
        ],
        TemplateOperation.CHECK: [f"SELECT {key} FROM {table} {where}"],
        TemplateOperation.CREATE: [
            f"INSERT INTO {table} ({', '.join(about.quoted(name) for name in written)}) "
            f"VALUES ({', '.join(values[name] for name in written)})"
        ],
        TemplateOperation.UPDATE: [f"UPDATE {table} SET {assignments or f'{key}={key}'} {where}"],
        TemplateOperation.DELETE: [f"DELETE FROM {table} {where}"],
        TemplateOperation.DISABLE: [f"UPDATE {table} SET {about.quoted(state)}=FALSE {where}"],
        TemplateOperation.ENABLE: [f"UPDATE {table} SET {about.quoted(state)}=TRUE {where}"],
        TemplateOperation.SET_PASSWORD: [f"UPDATE {table} SET {password}='##PASSWORD##' {where}"],
        **_GROUPS,
    }


def _placeholder(column: str) -> str:
    bare = re.sub(r"\W", "_", column.strip("".join(QUOTES) + "]"))
    return f"##{bare.upper()}##"
