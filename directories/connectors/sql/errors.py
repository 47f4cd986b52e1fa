"""What a database's refusal means to a helpdesk. Only codes and names are read from a driver's error, never its words.

The words of a driver's error may hold values of the statement, so nothing of them reaches a message except the names of
columns, tables and constraints, which are cut out by a strict pattern.
"""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from directories.connectors.base import Conflict, ConnectorError, Unavailable
from directories.connectors.sql.error_codes import Cause, cause_of

_NAME = r"[\w$. -]{1,128}"
_QUOTED = rf"((?:[`']{_NAME}[`']\.?){{1,3}})"  # `database`.`table`.`column`, or 'column'
_MESSAGES: Mapping[Cause, str] = {
    Cause.TOO_LONG: "A value is longer than {column} allows. Shorten it in the portal, or make the column longer.",
    Cause.NOT_NULL: "{Column} must not be empty. Fill it in the portal, or give the column a default.",
    Cause.REFERENCE: "Another table does not fit: the row that this one refers to is missing, or other rows still "
    "refer to this one. Mend that in the database, or add a statement for the other table.",
    Cause.CHECK: "A rule of the table{constraint} refuses a value. Correct it in the portal.",
    Cause.WRONG_TYPE: "A value does not fit the type of {column} (a number, date or other type is expected). "
    "Correct the value or its mapping.",
    Cause.NO_TABLE: "A query names {table} that the database does not have. Correct the query template.",
    Cause.NO_COLUMN: "A query names {column} that the table does not have. Correct the query template.",
    Cause.NO_RIGHT: "The portal's database user may not do this{table_in}. Grant the right to it.",
    Cause.SYNTAX: "The database cannot read a query. Correct the query template.",
    Cause.READ_ONLY: "The database takes no changes: it is read-only. Use the primary server, or wait for it.",
    Cause.UNKNOWN: "The database refused the statement. Try the query on the directory's page to see which one.",
}
_WAITING: Mapping[Cause, tuple[str, bool]] = {
    Cause.LOCK: ("Another program holds a lock on the row. The portal tries again by itself.", False),
    Cause.TIMEOUT: ("The database took too long to answer. The portal tries again by itself.", True),
    Cause.CONNECTION: ("The connection to the database was lost. The portal tries again by itself.", True),
    Cause.BUSY: ("The database has no room now (connections, memory or disk). The portal tries again by itself.", True),
    Cause.LOGIN: ("The database refused the login. Check user and password on the directory's page.", True),
    Cause.NO_DATABASE: ("The database of that name does not exist. Check it on the directory's page.", True),
    Cause.TLS: ("The encrypted connection failed. Check TLS mode and certificate on the directory's page.", True),
    Cause.UNREACHABLE: ("The database server cannot be reached. Check host, port and whether it runs.", True),
}
NO_FILE = "The database file is not there, or is no SQLite database. Check its path on the directory's page."


def translate(error: Exception, kind: str) -> ConnectorError:
    """Return what ``error`` means."""
    if isinstance(error, PoolTimeout):
        return _unavailable(Cause.BUSY)
    if isinstance(error, DBAPIError):
        original = error.orig or error
        cause = cause_of(original, kind)
        if error.connection_invalidated and cause not in _WAITING:
            cause = Cause.CONNECTION
        return _error(cause, original, kind)
    if isinstance(error, DisconnectionError):
        return _unavailable(Cause.CONNECTION)
    if isinstance(error, UnicodeDecodeError):
        return ConnectorError("The database sent text that is not in its declared encoding.", code="encoding")
    if isinstance(error, UnicodeEncodeError):
        return ConnectorError("A value holds half of a character. Correct it in the portal.", code="encoding")
    if isinstance(error, ImportError):
        return ConnectorError(f"The driver is not installed. Install Rollcall with the extra {kind}.", code="driver")
    return _error(cause_of(error, kind), error, kind)


def _error(cause: Cause, error: BaseException, kind: str) -> ConnectorError:
    if cause is Cause.NO_DATABASE and kind == "sqlite":
        return _unavailable(cause, NO_FILE)
    if cause in _WAITING:
        return _unavailable(cause)
    names = _names(error, kind)
    if cause is Cause.DUPLICATE:
        where = f"the same {names['column']}" if names.get("column") else "a value that must be unique"
        return Conflict(f"Another account of the directory already has {where}. Change it there or in the portal.")
    column = f"the column {names['column']}" if names.get("column") else "a column"
    words = {
        "column": column,
        "Column": column[0].upper() + column[1:],
        "table": f"the table {names['table']}" if names.get("table") else "a table",
        "table_in": f" in the table {names['table']}" if names.get("table") else "",
        "constraint": f" ({names['constraint']})" if names.get("constraint") else "",
    }
    return ConnectorError(_MESSAGES[cause].format(**words), code=cause.value)


def _unavailable(cause: Cause, words: str = "") -> Unavailable:
    message, whole_directory = _WAITING[cause]
    error = Unavailable(words or message, whole_directory=whole_directory)
    error.code = cause.value
    return error


def _names(error: BaseException, kind: str) -> dict[str, str]:
    """Return the column, table and constraint that the error names, as far as it does."""
    text = str(error.args[-1]) if error.args else ""
    if kind == "postgresql":
        return _postgres_names(getattr(error, "diag", None))
    found = dict.fromkeys(("column", "table", "constraint"), "")
    if kind in {"mysql", "mariadb"}:
        found["column"] = _mysql_name(rf"(?:[Cc]olumn|[Ff]ield|for key) {_QUOTED}", text)
        found["table"] = _mysql_name(rf"[Tt]able {_QUOTED}", text)
    elif kind == "sqlite":
        found["column"] = _last(rf"constraint failed: ({_NAME})$", text).rpartition(".")[2]
        found["column"] = found["column"] or _last(rf"(?:no such column: |has no column named )({_NAME})$", text)
        found["table"] = _last(rf"no such table: ({_NAME})$", text)
    return found


def _postgres_names(diagnosis: Any) -> dict[str, str]:
    if diagnosis is None:
        return {}
    # "Key (email)=(...) already exists", in the server's language: only the names in the first brackets are taken.
    key = re.match(r"^[^(]*\(([\w, \"]{1,200})\)=\(", diagnosis.message_detail or "")
    primary = str(diagnosis.message_primary or "")
    state = str(diagnosis.sqlstate or "")
    quoted = re.search(rf"[\"«»„“]({_NAME})[\"«»„“]", primary) if state in {"42P01", "42703", "42501"} else None
    named = quoted[1].strip() if quoted else ""
    return {
        "column": diagnosis.column_name or (key[1] if key else "") or (named if state == "42703" else ""),
        "table": diagnosis.table_name or (named if state in {"42P01", "42501"} else ""),
        "constraint": diagnosis.constraint_name or "",
    }


def _mysql_name(pattern: str, text: str) -> str:
    return _last(pattern, text).strip("`'").rpartition(".")[2].strip("`'")


def _last(pattern: str, text: str) -> str:
    found = re.findall(pattern, text)
    return str(found[-1]) if found else ""
