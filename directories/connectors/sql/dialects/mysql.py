"""MySQL and MariaDB, through PyMySQL."""

import contextlib
import datetime as dt
import re
import socket
import ssl
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pymysql
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import conversions, convert_date, convert_datetime
from sqlalchemy import Connection

from directories.attributes import Value
from directories.connectors.sql.dialects import base
from directories.connectors.sql.dialects.base import Dialect, Misfit, Named
from directories.connectors.sql.error_codes import NAME, ErrorCode, by_class, last

if TYPE_CHECKING:
    from directories.connectors.sql.settings import SqlSettings

# https://mariadb.com/docs/server/reference/error-codes and https://dev.mysql.com/doc/mysql-errors/8.4/en/
_NUMBERS: Mapping[ErrorCode, tuple[int, ...]] = {
    ErrorCode.DUPLICATE: (1062, 1169, 1586),
    ErrorCode.TOO_LONG: (1406,),
    ErrorCode.NOT_NULL: (1048, 1364),
    ErrorCode.REFERENCE: (1216, 1217, 1451, 1452),
    ErrorCode.CHECK: (3819, 4025),
    ErrorCode.CHARACTER: (1267, 1300, 1977, 3988),
    ErrorCode.WRONG_TYPE: (1264, 1265, 1292, 1366, 1367, 1411),
    ErrorCode.NO_TABLE: (1146, 1051),
    ErrorCode.NO_COLUMN: (1054,),
    ErrorCode.NO_RIGHT: (1142, 1143, 1227, 1370),
    ErrorCode.NO_FUNCTION: (1305, 1318),
    ErrorCode.SYNTAX: (1064, 1136),
    ErrorCode.READ_ONLY: (1290, 1836, 1792),
    ErrorCode.LOCK: (1205, 1213, 1020),
    ErrorCode.TIMEOUT: (3024, 1969, 1317),
    ErrorCode.LOGIN: (1045, 1698, 1130, 1251, 1820, 1862, 3118, 4151),
    ErrorCode.NO_DATABASE: (1049, 1044),
    ErrorCode.TLS: (2026, 3159),
    ErrorCode.BUSY: (1040, 1203, 1226, 1021, 1114, 1153),
    ErrorCode.UNREACHABLE: (2002, 2003, 2005),
    ErrorCode.CONNECTION: (2006, 2013, 1053, 1927, 0),
    ErrorCode.RAISED: (1644,),
}
_CAUSES = {number: cause for cause, numbers in _NUMBERS.items() for number in numbers}
_QUOTED = rf"((?:[`']{NAME}[`']\.?){{1,3}})"  # `database`.`table`.`column`, or 'column'
_ENGINES = (
    "SELECT COALESCE(e.TRANSACTIONS, 'NO') FROM information_schema.TABLES t "
    "LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE "
    "WHERE t.TABLE_SCHEMA = COALESCE(NULLIF(%s, ''), DATABASE()) AND t.TABLE_NAME = %s"
)


class MySQLDialect(Dialect):
    """A MySQL server."""

    kind = "mysql"
    label = "MySQL"
    language = "mysql"
    schemes: ClassVar[tuple[str, ...]] = ("mysql",)
    port = 3306
    sets_tls = True
    begin = "START TRANSACTION"
    version_query = "SELECT VERSION()"
    url = "mysql+pymysql://"

    def open(self, settings: "SqlSettings") -> Any:
        """Connect, and let the server refuse what does not fit instead of cutting it."""
        connection: Any = pymysql.connect(
            host=settings.host,
            port=settings.port,
            database=settings.database,
            user=settings.user,
            password=settings.password,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.statement_timeout + base.GRACE_SECONDS,
            write_timeout=settings.statement_timeout + base.GRACE_SECONDS,
            client_flag=CLIENT.FOUND_ROWS,  # an UPDATE counts the rows it finds, not those that it changes
            conv=_CONVERSIONS,
            **_tls(settings),
        )
        with contextlib.closing(connection.cursor()) as cursor:
            # Strict: without it, the server cuts a value that is too long and says nothing.
            cursor.execute(
                f"SET SESSION {_time_limit(connection, settings.statement_timeout)}, "
                f"innodb_lock_wait_timeout = {base.LOCK_SECONDS}, "
                "sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
            )
        return connection

    def start_tls(self, opened: socket.socket) -> None:
        """Read the server's greeting and ask for TLS: an SSLRequest packet, which is the second of the connection."""
        opened.recv(4096)
        wanted = CLIENT.PROTOCOL_41 | CLIENT.SSL | CLIENT.SECURE_CONNECTION
        request = struct.pack("<IIB23x", wanted, 2**24 - 1, 45)  # 45 is utf8mb4
        opened.sendall(struct.pack("<I", len(request))[:3] + b"\x01" + request)

    def prepare_stream(self, connection: Connection) -> None:
        """No time-out of the server's while the portal works on a page."""
        limit = _time_limit(connection.connection.dbapi_connection, 0)
        connection.exec_driver_sql(f"SET SESSION {limit}, net_write_timeout = 3600")

    def keeps_no_transaction(
        self, rows: Callable[[str, Sequence[Value]], Sequence[Any]], schema: str, table: str
    ) -> bool:
        """A view, or an engine such as MyISAM."""
        found = rows(_ENGINES, (schema, table))
        return bool(found) and str(found[0][0]).upper() != "YES"

    def cause(self, error: BaseException) -> ErrorCode:
        """Return what the number means; 1366 is a wrong type and a wrong character in one."""
        if isinstance(getattr(error, "original_exception", error), ssl.SSLError):
            return ErrorCode.TLS
        number = error.args[0] if error.args else None
        if number == 1366 and "string value" in _words(error):
            return ErrorCode.CHARACTER
        return _CAUSES.get(number, ErrorCode.UNKNOWN) if isinstance(number, int) else by_class(error)

    def names(self, error: BaseException) -> Named:
        """Return what stands in the server's quotes after the word for it."""
        text = _words(error)
        return Named(
            column=_name(rf"(?:[Cc]olumn|[Ff]ield|for key) {_QUOTED}", text),
            table=_name(rf"[Tt]able {_QUOTED}", text),
        )

    def misfit(self, error: BaseException) -> Misfit:
        r"""Read ``string value: '\xE6\x9D\x8E...'``, ``mix of collations (latin1_...)``, ``into latin1_...``."""
        text = _words(error)
        escaped = last(r"string value: '((?:\\x[0-9A-F]{2}|[ -~])*)", text)
        raw = re.sub(r"\\x([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), escaped).encode("latin-1", "ignore")
        character = next((letter for letter in raw.decode(errors="ignore") if ord(letter) > 127), "")
        encodings = re.findall(r"\b([a-z0-9]+)_[a-z0-9_]+", text) or re.findall(r" to '(\w+)'", text)
        return Misfit(next((name for name in encodings if not name.startswith("utf8mb4")), ""), character)

    def said(self, error: BaseException) -> str:
        """Return the MESSAGE_TEXT of SIGNAL."""
        return _words(error) if error.args and error.args[0] == 1644 else ""


class MariaDBDialect(MySQLDialect):
    """A MariaDB server."""

    kind = "mariadb"
    label = "MariaDB"
    schemes = ("mariadb",)


def _time_limit(connection: Any, seconds: int) -> str:
    """Return the assignment that limits a statement; a directory of either kind may be a server of the other."""
    if "mariadb" in str(connection.get_server_info()).lower():
        return f"max_statement_time = {seconds}"
    return f"max_execution_time = {seconds * 1000}"


def _tls(settings: "SqlSettings") -> dict[str, Any]:
    """Return PyMySQL's TLS options."""
    if settings.tls_mode == "disable":
        return {"ssl_disabled": True}
    context = ssl.create_default_context(cadata=settings.ca or None)
    if settings.tls_mode == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def _words(error: BaseException) -> str:
    return str(error.args[-1]) if error.args else ""


def _name(pattern: str, text: str) -> str:
    return last(pattern, text).strip("`'").rpartition(".")[2].strip("`'")


# --- What is read ----------------------------------------------------------------------------------------------------


def _date(text: str) -> dt.date | str | None:
    """Return a date; None for 0000-00-00, which is how MySQL writes "no date"."""
    return None if text.startswith("0000-00-00") else convert_date(text)


def _datetime(text: str) -> dt.datetime | dt.date | str | None:
    """Return a time, None as ``_date``."""
    return None if text.startswith("0000-00-00") else convert_datetime(text)


def _bits(data: bytes) -> int:
    """Return the number that a BIT column holds."""
    return int.from_bytes(data, "big")


def _unpadded(value: str | bytes) -> str | bytes:
    """Return BINARY(n) without the zero bytes that the server fills it up with; CHAR comes as text."""
    return value.rstrip(b"\x00") if isinstance(value, bytes) else value


_CONVERSIONS: dict[Any, Any] = {
    **conversions,
    FIELD_TYPE.BIT: _bits,
    FIELD_TYPE.STRING: _unpadded,
    FIELD_TYPE.DATE: _date,
    FIELD_TYPE.DATETIME: _datetime,
    FIELD_TYPE.TIMESTAMP: _datetime,
    FIELD_TYPE.TIME: str,  # as the server writes it: it may be longer than a day, and negative
}
