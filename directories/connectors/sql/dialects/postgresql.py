"""PostgreSQL, through psycopg."""

import datetime as dt
import re
import socket
import struct
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.abc import Buffer, PQGen
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, PipelineStatus
from psycopg.pq.abc import PGresult
from psycopg.types import datetime as dates
from psycopg.types.string import TextLoader
from psycopg.waiting import Ready, Wait
from sqlalchemy import Connection

from directories.attributes import UnreadableValue, Value
from directories.connectors.base import ConnectionStep, ConnectorError
from directories.connectors.sql.certificates import ca_file
from directories.connectors.sql.dialects import base
from directories.connectors.sql.dialects.base import Dialect, Misfit, Named
from directories.connectors.sql.error_codes import NAME, ErrorCode, by_class
from directories.connectors.sql.values import text_or_bytes

if TYPE_CHECKING:
    from directories.connectors.sql.settings import SqlSettings

_Statement = tuple[bytes, Sequence[bytes | None]]
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # https://www.postgresql.org/docs/current/protocol-message-formats.html
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATE: Mapping[str, ErrorCode] = {
    "23505": ErrorCode.DUPLICATE,
    "23P01": ErrorCode.DUPLICATE,
    "22001": ErrorCode.TOO_LONG,
    "22021": ErrorCode.CHARACTER,
    "22P05": ErrorCode.CHARACTER,
    "23502": ErrorCode.NOT_NULL,
    "23503": ErrorCode.REFERENCE,
    "23514": ErrorCode.CHECK,
    "42804": ErrorCode.WRONG_TYPE,
    "42883": ErrorCode.NO_FUNCTION,
    "42846": ErrorCode.WRONG_TYPE,
    "42P01": ErrorCode.NO_TABLE,
    "3F000": ErrorCode.NO_TABLE,
    "42703": ErrorCode.NO_COLUMN,
    "42501": ErrorCode.NO_RIGHT,
    "25006": ErrorCode.READ_ONLY,
    "40001": ErrorCode.LOCK,
    "40P01": ErrorCode.LOCK,
    "55P03": ErrorCode.LOCK,
    "57014": ErrorCode.TIMEOUT,
    "28P01": ErrorCode.LOGIN,
    "28000": ErrorCode.LOGIN,
    "3D000": ErrorCode.NO_DATABASE,
    "P0001": ErrorCode.RAISED,
}
_SQLSTATE_CLASS: Mapping[str, ErrorCode] = {
    "08": ErrorCode.CONNECTION,
    "53": ErrorCode.BUSY,
    "57": ErrorCode.CONNECTION,
    "58": ErrorCode.BUSY,
    "22": ErrorCode.WRONG_TYPE,
    "42": ErrorCode.SYNTAX,
}
_RAISES = "exec_stmt_raise"  # the function of the server that runs PL/pgSQL's RAISE, whatever SQLSTATE it gives
# What libpq says before there is a code: a server's refusal of a login carries none to the client.
_LOGIN_WORDS: Mapping[str, ErrorCode] = {
    "timeout expired": ErrorCode.UNREACHABLE,
    "Connection refused": ErrorCode.UNREACHABLE,
    "could not translate host name": ErrorCode.UNREACHABLE,
    "password authentication failed": ErrorCode.LOGIN,
    "no password supplied": ErrorCode.LOGIN,
    "no pg_hba.conf entry": ErrorCode.LOGIN,
    "does not support SSL": ErrorCode.TLS,
    "certificate": ErrorCode.TLS,
    "SSL error": ErrorCode.TLS,
    "role ": ErrorCode.LOGIN,
    "database ": ErrorCode.NO_DATABASE,
    "too many": ErrorCode.BUSY,
    "remaining connection slots": ErrorCode.BUSY,
}


class PostgreSQLDialect(Dialect):
    """A PostgreSQL server."""

    kind = "postgresql"
    moment = "SELECT LOCALTIMESTAMP"
    label = "PostgreSQL"
    language = "postgres"
    schemes = ("postgresql", "postgres", "pgsql")
    port = 5432
    sets_tls = True
    begin = "BEGIN"
    pipelines = True
    procedures_commit = False  # it refuses COMMIT inside a transaction
    version_query = "SHOW server_version"
    usual_database = "postgres"
    url = "postgresql+psycopg://"

    def pooling(self, settings: "SqlSettings") -> dict[str, Any]:
        """Leave hstore alone: asking for it costs a statement at each connection."""
        return {**super().pooling(settings), "use_native_hstore": False}

    def open(self, settings: "SqlSettings") -> "psycopg.Connection[Any]":
        """Connect by TCP, commit each statement by itself, and read every type that Python does not have as text."""
        if not settings.host or settings.host.startswith(("/", "@")) or "," in settings.host:
            # libpq would take a socket, on which a server may trust the portal's own system user without a password, or
            # one host of a list after another.
            raise ConnectorError("Type the name or address of one server, not the path of a socket.", code="settings")
        seconds = settings.statement_timeout
        connection = _PostgreSQLConnection.connect(
            host=settings.host,
            port=settings.port,
            dbname=settings.database,
            user=settings.user,
            password=settings.password,
            connect_timeout=max(settings.connect_timeout, 2),
            application_name="rollcall",
            client_encoding="UTF8",
            gssencmode="disable",
            # Prepared plans break when the admin alters a table, and poolers such as PgBouncer lose them.
            prepare_threshold=None,
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
            **_tls(settings),
        )
        connection.deadline = seconds + base.GRACE_SECONDS
        connection.autocommit = True
        # Not as start-up options: poolers refuse those. Dates come in the one form that is read here.
        session = (
            f"SET statement_timeout = {seconds * 1000}; SET lock_timeout = {base.LOCK_SECONDS * 1000}; "
            "SET datestyle = ISO"
        )
        connection.execute(session.encode())
        _register(connection)
        return connection

    def probe_tls(self, opened: socket.socket) -> list[ConnectionStep]:
        """Ask for TLS as libpq does before it logs in."""
        try:
            opened.sendall(_SSL_REQUEST)
            answer = opened.recv(1)
        except OSError:
            answer = b""
        if answer == b"S":
            return []
        message = "What listens on this port does not answer like PostgreSQL. Check the port."
        if answer == b"N":
            message = "The server does not offer TLS. Switch TLS on in the server, or choose TLS off here."
        return [ConnectionStep("TLS", False, message)]

    def start_tls(self, opened: socket.socket) -> None:
        """Ask for it, and take the answer."""
        self.probe_tls(opened)

    def adapt(self, value: Value) -> Value:
        """Everything as text of no declared type, so that PostgreSQL takes the type of the column it meets."""
        if value is None or type(value) is str:
            return value
        if isinstance(value, bool):
            return "1" if value else "0"
        return value.isoformat() if isinstance(value, dt.date) else str(value)

    def refuse(self, values: Sequence[Value], names: Sequence[str]) -> None:
        """U+0000 has no place in PostgreSQL's text."""
        for position, value in enumerate(values):
            if type(value) is str and "\x00" in value:
                name = names[position] if position < len(names) else "A value"
                message = f"{name} holds a NUL character, which PostgreSQL cannot store. Remove it in the portal."
                raise ConnectorError(message, code="nul")

    def prepare_stream(self, connection: Connection) -> None:
        """A server-side cursor needs a transaction, which is idle while the portal works on a page."""
        connection.exec_driver_sql("BEGIN READ ONLY")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")

    def run_all(
        self, settings: "SqlSettings", connection: Any, statements: Sequence[tuple[str, Sequence[Value]]]
    ) -> list[int | BaseException]:
        """Run them in libpq's pipeline mode: a sync after each ends its transaction, and confines its error to it.

        Its time-outs end with it, too: behind a pooler such as PgBouncer the next one may run on another connection.
        """
        share = max(1, settings.statement_timeout * 1000 // max(1, len(statements)))
        limits = _limits(share, min(share, base.LOCK_SECONDS * 1000))
        found: dict[int, int | BaseException] = {}
        sent: dict[int, Sequence[_Statement]] = {}
        for number, (sql, values) in enumerate(statements):
            try:
                sent[number] = (limits, _encoded(sql, values))
            except UnicodeEncodeError as error:
                found[number] = error
        pipeline: _PostgreSQLConnection = connection
        for number, results in zip(sent, pipeline.answers(list(sent.values())), strict=False):
            refused = next((result for result in results if result.status == ExecStatus.FATAL_ERROR), None)
            found[number] = results[-1].command_tuples or 0 if refused is None else error_from_result(refused)
        lost = psycopg.OperationalError("the connection is lost")
        return [found.get(number, lost) for number in range(len(statements))]

    def cause(self, error: BaseException) -> ErrorCode:
        """Return what the SQLSTATE means."""
        state = str(getattr(error, "sqlstate", None) or "")
        if state:
            known = _SQLSTATE.get(state) or _SQLSTATE_CLASS.get(state[:2])
            return known or (ErrorCode.RAISED if self.said(error) else ErrorCode.UNKNOWN)
        if type(error).__name__ in {"OperationalError", "ConnectionTimeout", "_WaitTimeout"}:
            text = str(error)
            return next((cause for words, cause in _LOGIN_WORDS.items() if words in text), ErrorCode.CONNECTION)
        return ErrorCode.WRONG_TYPE if type(error).__name__ == "DataError" else by_class(error)

    def names(self, error: BaseException) -> Named:
        """Return what the fields of the error tell, and what stands in its quotes."""
        diagnosis: Any = getattr(error, "diag", None)
        if diagnosis is None:
            return Named()
        # "Key (email)=(...) already exists", in the server's language: only the names in the first brackets are taken.
        key = re.match(r"^[^(]*\(([\w, \"]{1,200})\)=\(", diagnosis.message_detail or "")
        state = str(diagnosis.sqlstate or "")
        quoted = _quoted(error) if state in {"42P01", "42703", "42501"} else []
        named = quoted[0].strip() if quoted else ""
        return Named(
            column=diagnosis.column_name or (key[1] if key else "") or (named if state == "42703" else ""),
            table=diagnosis.table_name or (named if state in {"42P01", "42501"} else ""),
            constraint=diagnosis.constraint_name or "",
        )

    def misfit(self, error: BaseException) -> Misfit:
        """Read ``character with byte sequence 0xe6 0x9d 0x8e in encoding "UTF8" has no equivalent in "LATIN1"``."""
        text = str(getattr(getattr(error, "diag", None), "message_primary", "") or "")
        character = bytes.fromhex("".join(re.findall(r"0x([0-9a-f]{2})", text))).decode(errors="ignore")
        quoted = _quoted(error)
        return Misfit(quoted[-1] if quoted else "", character[:1])

    def said(self, error: BaseException) -> str:
        """Return the words of RAISE."""
        diagnosis: Any = getattr(error, "diag", None)
        if diagnosis is None or (diagnosis.sqlstate != "P0001" and diagnosis.source_function != _RAISES):
            return ""
        return str(diagnosis.message_primary or "")


class _Marks:
    """Writes the next ``%s`` as ``$1``, ``$2`` and so on, and ``%%`` as ``%``."""

    number = 0

    def __call__(self, mark: re.Match[str]) -> str:
        if mark[0] == "%%":
            return "%"
        self.number += 1
        return f"${self.number}"


def _encoded(sql: str, values: Sequence[Value]) -> _Statement:
    """Return a statement and its adapted values as libpq takes them; raise UnicodeEncodeError."""
    return re.sub(r"%[s%]", _Marks(), sql).encode(), [
        None if value is None else str(value).encode() for value in values
    ]


def _limits(statement: int, lock: int) -> _Statement:
    """Return the statement that sets the time-outs of the rest of its transaction, in milliseconds."""
    setting = "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)"
    return _encoded(setting, (str(statement), str(lock)))


def _quoted(error: BaseException) -> list[str]:
    """Return what stands in quotes in an error's words, in whatever language the server speaks."""
    text = str(getattr(getattr(error, "diag", None), "message_primary", "") or "")
    return re.findall(rf"[\"«»„“]({NAME})[\"«»„“]", text)


def _tls(settings: "SqlSettings") -> dict[str, Any]:
    """Return libpq's TLS options."""
    options: dict[str, Any] = {"sslmode": settings.tls_mode}
    if settings.tls_mode == "verify-full":
        options["sslrootcert"] = ca_file(settings.ca) if settings.ca else "system"
    return options


class _PostgreSQLConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server that has stopped answering; a statement time-out needs a live server."""

    deadline: float | None = None

    def answers(self, transactions: Sequence[Sequence[_Statement]]) -> list[list[PGresult]]:
        """Send the statements of all transactions with their values; return the results of those that have ended.

        A sync ends each: without BEGIN, what stands before it is one transaction.
        https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
        """
        ended: list[list[PGresult]] = []
        results: list[PGresult] = []
        pgconn = self.pgconn

        def read() -> None:
            """Take the answers that are there; a transaction has ended once its sync has been answered."""
            nones = 0
            while nones < 2 and not pgconn.is_busy():  # one None ends each statement, the second says that it is all
                answer = pgconn.get_result()
                nones = nones + 1 if answer is None else 0
                if answer is not None and answer.status == ExecStatus.PIPELINE_SYNC:
                    ended.append(results.copy())
                    results.clear()
                elif answer is not None:
                    results.append(answer)

        def exchange() -> PQGen[None]:
            """Send as fast as the server takes it, and read meanwhile: else both would wait for the other."""
            unsent = deque(transactions)
            sending = True
            while sending or len(ended) < len(transactions):
                ready = yield Wait.RW if sending else Wait.R
                if ready & Ready.R:
                    pgconn.consume_input()
                    read()
                if ready & Ready.W and sending:
                    sending = pgconn.flush() != 0
                    if not sending and unsent:
                        for sql, values in unsent.popleft():
                            pgconn.send_query_params(sql, values)
                        pgconn.pipeline_sync()
                        sending = True

        pgconn.enter_pipeline_mode()
        try:
            self.wait(exchange())
            pgconn.exit_pipeline_mode()
        except psycopg.Error:
            with suppress(psycopg.Error):
                read()  # what came before the end counts
        finally:
            if pgconn.pipeline_status != PipelineStatus.OFF:
                pgconn.finish()  # nobody else may get a connection in pipeline mode
        return ended

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for the server, at most ``deadline`` seconds."""
        started = time.monotonic()
        try:
            return super().wait(gen, interval, timeout or self.deadline)
        except psycopg.Error:
            if self.deadline and time.monotonic() - started >= self.deadline:
                self.pgconn.finish()
            raise


# --- What is read ----------------------------------------------------------------------------------------------------

# Text as the database writes it: Python has no month of unknown length, no 24:00, no endless range.
_AS_TEXT = (
    *("interval", "time", "timetz", "json", "jsonb", "inet", "cidr"),
    *("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"),
    *("int4multirange", "int8multirange", "nummultirange", "datemultirange", "tsmultirange", "tstzmultirange"),
)
_NO_DATE = "holds a date that is not between the years 1 and 9999"


class _Bytes(psycopg.adapt.Loader):
    """Text of a database without an encoding: text where it is UTF-8, else the bytes (a problem of that cell)."""

    def load(self, data: Buffer) -> str | bytes:
        """Return text where the bytes are text."""
        return text_or_bytes(bytes(data))


class _Padded(psycopg.adapt.Loader):
    """CHAR(n) without the blanks that the database fills it up with: they mean nothing there."""

    def load(self, data: Buffer) -> str | bytes:
        """Return the text, or the bytes of a database without an encoding."""
        value = text_or_bytes(bytes(data))
        return value.rstrip(" ") if isinstance(value, str) else value


def _endless(data: Buffer) -> bool:
    return bytes(data) in {b"infinity", b"-infinity"}


class _Date(dates.DateLoader):
    """A date; none for infinity, which is how PostgreSQL writes "no end"."""

    def load(self, data: Buffer) -> Any:
        """Return a date, None for infinity, or that it cannot be read."""
        try:
            return None if _endless(data) else super().load(data)
        except psycopg.DataError:
            return UnreadableValue(_NO_DATE)


class _Timestamp(dates.TimestampLoader):
    """A time stamp, as ``_Date``."""

    def load(self, data: Buffer) -> Any:
        """Return a time, None for infinity, or that it cannot be read."""
        try:
            return None if _endless(data) else super().load(data)
        except psycopg.DataError:
            return UnreadableValue(_NO_DATE)


class _TimestampTz(dates.TimestamptzLoader):
    """A time stamp with a zone, as ``_Date``."""

    def load(self, data: Buffer) -> Any:
        """Return a time, None for infinity, or that it cannot be read."""
        try:
            return None if _endless(data) else super().load(data)
        except psycopg.DataError:
            return UnreadableValue(_NO_DATE)


def _register(connection: "psycopg.Connection[Any]") -> None:
    """Let no value end a whole query: a loader that raises would."""
    adapters = connection.adapters
    adapters.register_loader("date", _Date)
    adapters.register_loader("timestamp", _Timestamp)
    adapters.register_loader("timestamptz", _TimestampTz)
    adapters.register_loader("bpchar", _Padded)
    for name in _AS_TEXT:
        adapters.register_loader(name, TextLoader)
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        for name in ("text", "varchar", "name"):
            adapters.register_loader(name, _Bytes)
