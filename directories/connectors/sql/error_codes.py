"""The databases' own error codes, sorted by what they mean: SQLSTATE, MySQL's numbers, SQLite's names."""

import ssl
from collections.abc import Mapping
from enum import StrEnum


class Cause(StrEnum):
    """What went wrong; the values are the stable ``code`` of an error."""

    DUPLICATE = "conflict"
    TOO_LONG = "too_long"
    NOT_NULL = "not_null"
    REFERENCE = "reference"
    CHECK = "check"
    WRONG_TYPE = "wrong_type"
    NO_TABLE = "no_table"
    NO_COLUMN = "no_column"
    NO_RIGHT = "no_right"
    SYNTAX = "syntax"
    READ_ONLY = "read_only"
    LOCK = "lock"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    BUSY = "busy"
    LOGIN = "login"
    NO_DATABASE = "no_database"
    TLS = "tls"
    UNREACHABLE = "unreachable"
    UNKNOWN = "refused"


# https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATE: Mapping[str, Cause] = {
    "23505": Cause.DUPLICATE,
    "23P01": Cause.DUPLICATE,
    "22001": Cause.TOO_LONG,
    "23502": Cause.NOT_NULL,
    "23503": Cause.REFERENCE,
    "23514": Cause.CHECK,
    "42804": Cause.WRONG_TYPE,
    "42883": Cause.WRONG_TYPE,
    "42846": Cause.WRONG_TYPE,
    "42P01": Cause.NO_TABLE,
    "3F000": Cause.NO_TABLE,
    "42703": Cause.NO_COLUMN,
    "42501": Cause.NO_RIGHT,
    "25006": Cause.READ_ONLY,
    "40001": Cause.LOCK,
    "40P01": Cause.LOCK,
    "55P03": Cause.LOCK,
    "57014": Cause.TIMEOUT,
    "28P01": Cause.LOGIN,
    "28000": Cause.LOGIN,
    "3D000": Cause.NO_DATABASE,
}
_SQLSTATE_CLASS: Mapping[str, Cause] = {
    "08": Cause.CONNECTION,
    "53": Cause.BUSY,
    "57": Cause.CONNECTION,
    "58": Cause.BUSY,
    "22": Cause.WRONG_TYPE,
    "42": Cause.SYNTAX,
}
# https://mariadb.com/docs/server/reference/error-codes and https://dev.mysql.com/doc/mysql-errors/8.4/en/
_MYSQL: Mapping[Cause, tuple[int, ...]] = {
    Cause.DUPLICATE: (1062, 1169, 1586),
    Cause.TOO_LONG: (1406,),
    Cause.NOT_NULL: (1048, 1364),
    Cause.REFERENCE: (1216, 1217, 1451, 1452),
    Cause.CHECK: (3819, 4025),
    Cause.WRONG_TYPE: (1264, 1265, 1292, 1366, 1367, 1411),
    Cause.NO_TABLE: (1146, 1051),
    Cause.NO_COLUMN: (1054,),
    Cause.NO_RIGHT: (1142, 1143, 1227, 1370),
    Cause.SYNTAX: (1064, 1305, 1136),
    Cause.READ_ONLY: (1290, 1836, 1792),
    Cause.LOCK: (1205, 1213, 1020),
    Cause.TIMEOUT: (3024, 1969, 1317),
    Cause.LOGIN: (1045, 1698, 1130, 1251, 1820, 1862, 3118, 4151),
    Cause.NO_DATABASE: (1049, 1044),
    Cause.TLS: (2026, 3159),
    Cause.BUSY: (1040, 1203, 1226, 1021, 1114, 1153),
    Cause.UNREACHABLE: (2002, 2003, 2005),
    Cause.CONNECTION: (2006, 2013, 1053, 1927, 0),
}
_MYSQL_NUMBERS = {number: cause for cause, numbers in _MYSQL.items() for number in numbers}
# https://www.sqlite.org/rescode.html
_SQLITE: Mapping[str, Cause] = {
    "SQLITE_CONSTRAINT_UNIQUE": Cause.DUPLICATE,
    "SQLITE_CONSTRAINT_PRIMARYKEY": Cause.DUPLICATE,
    "SQLITE_CONSTRAINT_ROWID": Cause.DUPLICATE,
    "SQLITE_CONSTRAINT_NOTNULL": Cause.NOT_NULL,
    "SQLITE_CONSTRAINT_FOREIGNKEY": Cause.REFERENCE,
    "SQLITE_CONSTRAINT_CHECK": Cause.CHECK,
    "SQLITE_CONSTRAINT_DATATYPE": Cause.WRONG_TYPE,
    "SQLITE_MISMATCH": Cause.WRONG_TYPE,
    "SQLITE_READONLY": Cause.READ_ONLY,
    "SQLITE_READONLY_DBMOVED": Cause.CONNECTION,
    "SQLITE_BUSY": Cause.LOCK,
    "SQLITE_BUSY_SNAPSHOT": Cause.LOCK,
    "SQLITE_LOCKED": Cause.LOCK,
    "SQLITE_INTERRUPT": Cause.TIMEOUT,
    "SQLITE_FULL": Cause.BUSY,
    "SQLITE_CANTOPEN": Cause.NO_DATABASE,
    "SQLITE_CANTOPEN_ISDIR": Cause.NO_DATABASE,
    "SQLITE_NOTADB": Cause.NO_DATABASE,
    "SQLITE_PERM": Cause.NO_RIGHT,
    "SQLITE_AUTH": Cause.NO_RIGHT,
}
# What libpq says before there is a code: a server's refusal of a login carries none to the client.
_LOGIN_WORDS: Mapping[str, Cause] = {
    "timeout expired": Cause.UNREACHABLE,
    "Connection refused": Cause.UNREACHABLE,
    "could not translate host name": Cause.UNREACHABLE,
    "password authentication failed": Cause.LOGIN,
    "no password supplied": Cause.LOGIN,
    "no pg_hba.conf entry": Cause.LOGIN,
    "does not support SSL": Cause.TLS,
    "certificate": Cause.TLS,
    "SSL error": Cause.TLS,
    "role ": Cause.LOGIN,
    "database ": Cause.NO_DATABASE,
    "too many": Cause.BUSY,
    "remaining connection slots": Cause.BUSY,
}


def cause_of(error: BaseException, kind: str) -> Cause:
    """Return what the driver's error means, by its code."""
    if kind == "postgresql":
        return _postgres(error)
    if kind in {"mysql", "mariadb"}:
        if isinstance(getattr(error, "original_exception", error), ssl.SSLError):
            return Cause.TLS
        number = error.args[0] if error.args else None
        return _MYSQL_NUMBERS.get(number, Cause.UNKNOWN) if isinstance(number, int) else _by_class(error)
    if kind == "sqlite":
        name = str(getattr(error, "sqlite_errorname", "") or "")
        known = _SQLITE.get(name) or (Cause.BUSY if name.startswith("SQLITE_IOERR") else None)
        return known or _sqlite_words(str(error))
    return _by_class(error)


def _postgres(error: BaseException) -> Cause:
    state = str(getattr(error, "sqlstate", None) or "")
    if state:
        return _SQLSTATE.get(state) or _SQLSTATE_CLASS.get(state[:2], Cause.UNKNOWN)
    if type(error).__name__ in {"OperationalError", "ConnectionTimeout", "_WaitTimeout"}:
        text = str(error)
        return next((cause for words, cause in _LOGIN_WORDS.items() if words in text), Cause.CONNECTION)
    return Cause.WRONG_TYPE if type(error).__name__ == "DataError" else _by_class(error)


def _sqlite_words(text: str) -> Cause:
    """SQLite has one code for every mistake in a statement; its words are always English."""
    if text.startswith("no such table"):
        return Cause.NO_TABLE
    if text.startswith("no such column") or "has no column named" in text:
        return Cause.NO_COLUMN
    return Cause.SYNTAX if "syntax error" in text else Cause.UNKNOWN


def _by_class(error: BaseException) -> Cause:
    """Tell by the DB-API's own classes (PEP 249) when there is no code to tell by."""
    names = {parent.__name__ for parent in type(error).__mro__}
    if "IntegrityError" in names:
        return Cause.DUPLICATE
    if "DataError" in names:
        return Cause.WRONG_TYPE
    if "OperationalError" in names or "InterfaceError" in names or isinstance(error, OSError):
        return Cause.CONNECTION
    return Cause.UNKNOWN
