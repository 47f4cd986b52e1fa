"""What a database's refusal means to a helpdesk.

The words of a driver's error may hold values of the statement. So only names of columns, tables and constraints are cut
out of them by a strict pattern, the one character that does not fit, and what a trigger or procedure raised for people
to read, where every bound value is masked.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from directories.attributes import Value
from directories.connectors.base import AGAIN, Conflict, ConnectorError, Unavailable
from directories.connectors.sql.dialects.base import Dialect, Misfit
from directories.connectors.sql.error_codes import ErrorCode
from directories.query_templates import PASSWORD, fold

_MESSAGES: Mapping[ErrorCode, str] = {
    ErrorCode.TOO_LONG: "A value is longer than {column} allows. Shorten it in the portal, or make the column longer.",
    ErrorCode.NOT_NULL: "{Column} must not be empty. Fill it in the portal, or give the column a default.",
    ErrorCode.REFERENCE: "Another table does not fit: the row that this one refers to is missing, or other rows still "
    "refer to this one. Correct that in the database, or add a statement for the other table.",
    ErrorCode.CHECK: "A rule of the table{constraint} refuses a value. Correct it in the portal.",
    ErrorCode.CHARACTER: "The database{encoding} cannot store a character of {what}{character}. Change the value in "
    "the portal, or let the database use UTF-8.",
    ErrorCode.WRONG_TYPE: "A value does not fit the type of {column} (a number, date or other type is expected). "
    "Correct the value or its mapping.",
    ErrorCode.NO_TABLE: "A query names {table} that the database does not have. Correct the query template.",
    ErrorCode.NO_COLUMN: "A query names {column} that the table does not have. Correct the query template.",
    ErrorCode.NO_FUNCTION: "The database knows no function, procedure or operator like this for these values. Check "
    "names, number and types of the values in the query template.",
    ErrorCode.NO_RIGHT: "The portal's database user may not do this{table_in}. Grant the right to it.",
    ErrorCode.SYNTAX: "The database cannot read a query. Correct the query template.",
    ErrorCode.READ_ONLY: "The database takes no changes: it is read-only. Use the primary server, or wait for it.",
    ErrorCode.UNKNOWN: "The database refused the statement. Try the query on the directory's page to see which one.",
    ErrorCode.RAISED: "The database refused the statement. Try the query on the directory's page to see which one.",
}
_WAITING: Mapping[ErrorCode, tuple[str, bool]] = {
    ErrorCode.LOCK: (f"Another program holds a lock on the row. {AGAIN}", False),
    ErrorCode.TIMEOUT: (f"The database took too long to answer. {AGAIN}", True),
    ErrorCode.CONNECTION: (f"The connection to the database was lost. {AGAIN}", True),
    ErrorCode.BUSY: (f"The database has no room now (connections, memory or disk). {AGAIN}", True),
    ErrorCode.LOGIN: ("The database refused the login. Check user and password on the directory's page.", True),
    ErrorCode.NO_DATABASE: ("The database of that name does not exist. Check it on the directory's page.", True),
    ErrorCode.NO_FILE: (
        "The database file is not there, or is no SQLite database. Check its path on the directory's page.",
        True,
    ),
    ErrorCode.TLS: ("The encrypted connection failed. Check TLS mode and certificate on the directory's page.", True),
    ErrorCode.UNREACHABLE: ("The database server cannot be reached. Check host, port and whether it runs.", True),
}
_CODECS = {"latin1": "cp1252", "utf8": "utf-8", "utf8mb3": "utf-8"}  # what MySQL and PostgreSQL mean by these
MASK = "•••"
LONGEST_SAID = 300  # characters of a trigger's words
_SHORT = 4  # a value shorter than this is masked only where it stands alone


@dataclass(frozen=True, slots=True)
class Parameters:
    """The bound values of a statement, and the names of its placeholders (fewer for a statement of the portal's)."""

    values: Sequence[Value] = ()
    names: Sequence[str] = ()

    def name(self, position: int) -> str:
        """Return the name of a parameter, "" without one."""
        return self.names[position] if position < len(self.names) else ""

    def secret(self, position: int) -> bool:
        """Whether nothing of the value may be shown."""
        return fold(self.name(position)) == PASSWORD

    def masked(self, words: str) -> str:
        """Return words without any of the values."""
        places = sorted(range(len(self.values)), key=lambda place: -len(str(self.values[place])))
        for place in places:
            text = "" if self.values[place] is None else str(self.values[place]).strip()
            if len(text) >= _SHORT or (text and self.secret(place)):
                words = re.sub(re.escape(text), MASK, words, flags=re.IGNORECASE)
            elif text:
                words = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", MASK, words, flags=re.IGNORECASE)
        return words


def translate(error: BaseException, dialect: Dialect, parameters: Parameters) -> ConnectorError:
    """Return what ``error`` means."""
    if isinstance(error, PoolTimeout):
        return _unavailable(ErrorCode.BUSY)
    if isinstance(error, DBAPIError):
        original = error.orig or error
        cause = dialect.cause(original)
        if error.connection_invalidated and cause not in _WAITING:
            cause = ErrorCode.CONNECTION
        return _error(cause, original, dialect, parameters)
    if isinstance(error, DisconnectionError):
        return _unavailable(ErrorCode.CONNECTION)
    if isinstance(error, UnicodeDecodeError):
        return ConnectorError("The database sent text that is not in its declared encoding.", code="encoding")
    if isinstance(error, UnicodeEncodeError):
        return ConnectorError("A value holds half of a character. Correct it in the portal.", code="encoding")
    if isinstance(error, ImportError):
        message = f"The driver is not installed. Install Rollcall with the extra {dialect.kind}."
        return ConnectorError(message, code="driver")
    return _error(dialect.cause(error), error, dialect, parameters)


def _error(cause: ErrorCode, error: BaseException, dialect: Dialect, parameters: Parameters) -> ConnectorError:
    if cause in _WAITING:
        return _unavailable(cause)
    names = dialect.names(error)
    said = _said(dialect.said(error), parameters)
    if cause is ErrorCode.DUPLICATE:
        where = f"the same {names.column}" if names.column else "a value that must be unique"
        return Conflict(
            said or f"Another account of the directory already has {where}. Change it there or in the portal."
        )
    column = f"the column {names.column}" if names.column else "a column"
    words = {
        "column": column,
        "Column": column[0].upper() + column[1:],
        "table": f"the table {names.table}" if names.table else "a table",
        "table_in": f" in the table {names.table}" if names.table else "",
        "constraint": f" ({names.constraint})" if names.constraint else "",
    }
    if cause is ErrorCode.CHARACTER:
        misfit = _character(dialect.misfit(error), names.column, parameters)
        cause, words = (cause, words | misfit) if misfit else (ErrorCode.UNKNOWN, words)
    return ConnectorError(said or _MESSAGES[cause].format(**words), code=cause.value)


def _unavailable(cause: ErrorCode) -> Unavailable:
    message, whole_directory = _WAITING[cause]
    error = Unavailable(message, whole_directory=whole_directory)
    error.code = cause.value
    return error


def _said(words: str, parameters: Parameters) -> str:
    """Return what a trigger or procedure said, with the values masked, as one line of bounded length."""
    text = "".join(letter if letter.isprintable() else " " for letter in parameters.masked(words))
    text = " ".join(text.split())
    if not text:
        return ""
    text = text if len(text) <= LONGEST_SAID else f"{text[: LONGEST_SAID - 1]}…"
    return f"The database says: {text}"


def _character(misfit: Misfit, column: str, parameters: Parameters) -> dict[str, str]:
    """Return the words about a character that does not fit; {} when no value holds one."""
    texts = [(place, value) for place, value in enumerate(parameters.values) if isinstance(value, str)]
    for place, text in texts:
        character = _unfit(text, misfit)
        if character and not (misfit.character and misfit.character != character):
            what = column or parameters.name(place) or "a value"
            shown = "" if parameters.secret(place) else f": {character}"
            return {
                "encoding": f" ({misfit.encoding})" if misfit.encoding else "",
                "what": what,
                "character": shown,
            }
    return {}


def _unfit(text: str, misfit: Misfit) -> str:
    """Return the first character of a text that the encoding lacks, "" for none."""
    if misfit.character:
        return misfit.character if misfit.character in text else ""
    for character in text:
        if ord(character) < 128:
            continue
        try:
            character.encode(_CODECS.get(misfit.encoding.lower(), misfit.encoding.lower()))
        except (UnicodeEncodeError, LookupError):
            return character
        if misfit.encoding.lower() in {"utf8", "utf8mb3"} and ord(character) > 0xFFFF:
            return character
    return ""
