"""What a database's error can mean. Each dialect sorts its own codes into these."""

import re
from enum import StrEnum

NAME = r"[\w$. -]{1,128}"  # the name of a column, table or constraint in an error's words


class ErrorCode(StrEnum):
    """What went wrong; the values are the stable ``code`` of an error."""

    DUPLICATE = "conflict"
    TOO_LONG = "too_long"
    NOT_NULL = "not_null"
    REFERENCE = "reference"
    CHECK = "check"
    CHARACTER = "character"
    WRONG_TYPE = "wrong_type"
    NO_TABLE = "no_table"
    NO_COLUMN = "no_column"
    NO_FUNCTION = "no_function"
    NO_RIGHT = "no_right"
    SYNTAX = "syntax"
    READ_ONLY = "read_only"
    LOCK = "lock"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    BUSY = "busy"
    LOGIN = "login"
    NO_DATABASE = "no_database"
    NO_FILE = "no_file"
    TLS = "tls"
    UNREACHABLE = "unreachable"
    RAISED = "raised"
    UNKNOWN = "refused"


def by_class(error: BaseException) -> ErrorCode:
    """Tell by the DB-API's own classes (PEP 249) when there is no code to tell by."""
    names = {parent.__name__ for parent in type(error).__mro__}
    if "IntegrityError" in names:
        return ErrorCode.DUPLICATE
    if "DataError" in names:
        return ErrorCode.WRONG_TYPE
    if "OperationalError" in names or "InterfaceError" in names or isinstance(error, OSError):
        return ErrorCode.CONNECTION
    return ErrorCode.UNKNOWN


def last(pattern: str, text: str) -> str:
    """Return what the pattern's group found last, "" for nothing."""
    found = re.findall(pattern, text)
    return str(found[-1]) if found else ""
