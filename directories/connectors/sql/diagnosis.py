"""The connection test of a SQL directory: which part fails, and what to do about it."""

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sqlalchemy import inspect

from directories.connectors.allowed import check_host, file_problem
from directories.connectors.base import ConnectionStep, ConnectionTest, ConnectorError
from directories.connectors.server_certificate import ServerCertificate, look, shown_until
from directories.connectors.sql import reachability
from directories.connectors.sql.error_codes import ErrorCode
from directories.connectors.sql.session import DRIVER_ERRORS, SqlSession
from directories.connectors.sql.settings import SqlSettings, UserTable
from directories.query_templates import LANGUAGES, TemplateError, column_name, nearest, sql_of, table_name

LOGIN, DATABASE, TABLE, READ, COLUMNS, WRITE = (
    *("Login", "Database", "User table", "Right to read", "Columns", "Right to write"),
)
FILE = "File"
_SERVER_STEPS = (reachability.NAME, reachability.PORT, reachability.TLS, LOGIN, DATABASE, TABLE, READ, COLUMNS, WRITE)
_FILE_STEPS = (FILE, DATABASE, TABLE, READ, COLUMNS, WRITE)
_SAMPLES = 3
_NEEDS = {"create": "INSERT", "update": "UPDATE", "delete": "DELETE"}


def diagnose(settings: SqlSettings, users: UserTable, templates: Mapping[str, Sequence[str]]) -> ConnectionTest:
    """Try one part after another on a connection of its own; stop at the first that fails."""
    names: tuple[str, ...] = _FILE_STEPS if settings.dialect.in_file else _SERVER_STEPS
    names = names if settings.dialect.sets_tls else tuple(name for name in names if name != reachability.TLS)
    steps = _file(settings) if settings.dialect.in_file else reachability.reach(settings)
    found = ConnectionTest(steps)
    if found.ok:
        needed = {right for name, right in _NEEDS.items() if templates.get(name)}
        found = _connected(settings, users, needed, steps)
    reached = {step.name: step for step in found.steps}
    missing = ConnectionStep("", None, "Not reached.")
    return replace(found, steps=[reached.get(name) or replace(missing, name=name) for name in names])


def _file(settings: SqlSettings) -> list[ConnectionStep]:
    path = Path(settings.database)
    if settings.database and (problem := file_problem(settings.database)):
        return [ConnectionStep(FILE, False, problem)]
    if not settings.database or not path.is_file():
        message = "There is no file at this path on the portal's machine. Check the path; the portal creates none."
        return [ConnectionStep(FILE, False, message)]
    try:
        with path.open("rb"):
            return [ConnectionStep(FILE, True, "The file is there and can be read.")]
    except OSError:
        return [ConnectionStep(FILE, False, "The portal may not read this file. Give its system user the right.")]


def _connected(
    settings: SqlSettings, users: UserTable, needed: set[str], steps: list[ConnectionStep]
) -> ConnectionTest:
    try:
        engine = settings.dialect.engine(settings)
    except ImportError:
        message = f"The driver is not installed. Install Rollcall with the extra {settings.dialect.kind}."
        return ConnectionTest([*steps, ConnectionStep(LOGIN, False, message)])
    session = SqlSession(settings, engine)
    try:
        query = settings.dialect.version_query
        try:
            version = str(session.rows(query)[0][0]) if query else ""
            session.rows(settings.dialect.ping)
        except ConnectorError as error:
            refused = _refused(settings, error)
            return ConnectionTest([*steps, *refused], certificate=_certificate(settings, refused[-1]))
        steps = [*steps, *_accepted(settings)]
        latency = _latency(session)
        found = _Table(session, users, needed)
        return ConnectionTest([*steps, *found.steps()], version, latency, found.columns)
    finally:
        with suppress(ConnectorError):
            session.close()
        engine.dispose()


def _latency(session: SqlSession) -> float:
    """Return the shortest of a few round trips, in milliseconds."""
    times = []
    for _ in range(_SAMPLES):
        started = time.perf_counter()
        session.rows(session.dialect.ping)
        times.append((time.perf_counter() - started) * 1000)
    return min(times)


def _accepted(settings: SqlSettings) -> list[ConnectionStep]:
    if settings.dialect.in_file:
        return [ConnectionStep(DATABASE, True, "The file is a SQLite database.")]
    words = {
        "disable": "Off: passwords and users' data cross the network in the clear.",
        "require": "On; the server's certificate is not checked.",
        "verify-full": "On; the server's certificate and name are right.",
    }
    mode = settings.tls_mode
    tls = [ConnectionStep(reachability.TLS, True, words[mode], caution=mode == "disable")]
    return [
        *(tls if settings.dialect.sets_tls else []),
        ConnectionStep(LOGIN, True, f"Logged in as {settings.user}."),
        ConnectionStep(DATABASE, True, f"The database {settings.database} is open."),
    ]


def _refused(settings: SqlSettings, error: ConnectorError) -> list[ConnectionStep]:
    """Return the steps up to the one at which the server refused the connection."""
    if settings.dialect.in_file:
        return [ConnectionStep(DATABASE, False, "This file is not a SQLite database, or another program locks it.")]
    code = error.code
    *tls, login, _ = _accepted(settings)
    if (
        settings.tls_mode == "disable"
        and code != ErrorCode.NO_DATABASE
        and _opens(replace(settings, tls_mode="require"))
    ):
        message = "The server takes only encrypted connections. Choose TLS on."
        return [ConnectionStep(reachability.TLS, False, message)]
    if code == ErrorCode.TLS:
        return [ConnectionStep(reachability.TLS, False, _tls_message(settings))]
    usual = settings.dialect.usual_database
    if code == ErrorCode.NO_DATABASE or (usual and _opens(replace(settings, database=usual))):
        message = f"There is no database {settings.database}, or {settings.user} may not open it. Capitals matter."
        return [*tls, login, ConnectionStep(DATABASE, False, message)]
    if code in {ErrorCode.LOGIN, ErrorCode.CONNECTION} or not settings.dialect.sets_tls:
        message = f"The server refused {settings.user or 'an empty user name'}. Check user and password, and that the "
        return [*tls, ConnectionStep(LOGIN, False, message + "server lets this user in from the portal's address.")]
    return [*tls, ConnectionStep(LOGIN, False, error.message)]


def _tls_message(settings: SqlSettings) -> str:
    if settings.tls_mode == "verify-full":
        return (
            "The server's certificate is not trusted, or it is not for this host name, or the server offers no TLS. "
            "Paste the right certificate authority, and use the name that the certificate has."
        )
    return "The server does not offer TLS. Switch TLS on in the server, or choose TLS off here."


def _certificate(settings: SqlSettings, failed: ConnectionStep) -> ServerCertificate | None:
    """Return the certificate that is not trusted."""
    if failed.name != reachability.TLS or settings.tls_mode != "verify-full":
        return None
    return look(settings.host, settings.port, settings.connect_timeout, settings.dialect.start_tls)


def certificate_until(settings: SqlSettings) -> dt.datetime | None:
    """Return until when the server's certificate is valid, None without TLS or when the server is away."""
    if not settings.dialect.sets_tls or settings.tls_mode == "disable":
        return None
    check_host(settings.host, settings.port)
    return shown_until(settings.host, settings.port, settings.connect_timeout, settings.dialect.start_tls)


def _opens(settings: SqlSettings) -> bool:
    engine = settings.dialect.engine(settings)
    try:
        with engine.connect():
            return True
    except DRIVER_ERRORS:
        return False
    finally:
        engine.dispose()


class _Table:
    """The steps about the user table."""

    def __init__(self, session: SqlSession, users: UserTable, needed: set[str]) -> None:
        self._session = session
        self._users = users
        self._language = session.dialect.language
        self._plain = LANGUAGES[self._language].plain
        self._needed = needed
        self.columns: tuple[str, ...] = ()

    def steps(self) -> list[ConnectionStep]:
        """Try the table, its columns and the rights to it."""
        if not self._users.table:
            return [ConnectionStep(TABLE, False, "Type the name of the table that holds the users.")]
        try:
            table = self._plain(sql_of(table_name(self._users.table, self._language), self._language))
            result = self._session.execute(f"SELECT * FROM {table} WHERE 1 = 0")  # noqa: S608
        except TemplateError as error:
            return [ConnectionStep(TABLE, False, error.message)]
        except ConnectorError as error:
            return self._table_refused(error)
        self.columns = tuple(str(name) for name in result.keys())  # noqa: SIM118 - a result is no mapping
        result.close()
        found = [
            ConnectionStep(TABLE, True, f"The table {self._users.table} has {len(self.columns)} columns."),
            ConnectionStep(READ, True, "The portal may read the table."),
        ]
        columns = self._columns()
        return [*found, columns, self._rights(table)] if columns.ok else [*found, columns]

    def _table_refused(self, error: ConnectorError) -> list[ConnectionStep]:
        if error.code == ErrorCode.NO_RIGHT:
            message = f"The portal's database user may not read {self._users.table}. Grant it SELECT."
            return [ConnectionStep(TABLE, True, "The table is there."), ConnectionStep(READ, False, message)]
        if error.code != ErrorCode.NO_TABLE:
            return [ConnectionStep(TABLE, False, error.message)]
        meant = nearest(self._users.table.rpartition(".")[2], self._tables())
        hint = f"Did you mean {meant}?" if meant else "Check the name."
        fold = LANGUAGES[self._language].fold
        if meant and fold is not None and fold(meant) != meant:
            hint = f'Did you mean "{meant}"? A name with capitals goes in double quotes.'
        return [ConnectionStep(TABLE, False, f"There is no table {self._users.table}. {hint}")]

    def _tables(self) -> Iterable[str]:
        with suppress(*DRIVER_ERRORS):
            inspector = inspect(self._session.engine)
            return [*inspector.get_table_names(), *inspector.get_view_names()]
        return []

    def _columns(self) -> ConnectionStep:
        wanted = [name for name in (self._users.username, self._users.password) if name]
        if not self._users.username:
            return ConnectionStep(COLUMNS, False, f"Choose the user name column: {', '.join(self.columns)}.")
        known = {column.casefold() for column in self.columns}
        for name in wanted:
            if name.strip('"`[]').casefold() not in known:
                meant = nearest(name, self.columns)
                hint = f"Did you mean {meant}?" if meant else f"It has {', '.join(self.columns)}."
                return ConnectionStep(COLUMNS, False, f"The table has no column {name}. {hint}")
        return ConnectionStep(COLUMNS, True, f"{' and '.join(wanted)} found.")

    def _rights(self, table: str) -> ConnectionStep:
        """Try statements that touch no row: the database checks the right before it looks for rows."""
        key = self._plain(sql_of(column_name(self._users.username, self._language), self._language))
        tries = {
            "INSERT": f"INSERT INTO {table} ({key}) SELECT {key} FROM {table} WHERE 1 = 0",  # noqa: S608 - quoted names
            "UPDATE": f"UPDATE {table} SET {key} = {key} WHERE 1 = 0",  # noqa: S608
            "DELETE": f"DELETE FROM {table} WHERE 1 = 0",  # noqa: S608
        }
        lacking = [right for right, sql in tries.items() if not self._may(sql)]
        if not lacking:
            return ConnectionStep(WRITE, True, "The portal may add, change and delete rows.")
        listed = ", ".join(lacking)
        if self._needed.intersection(lacking):
            message = f"The portal's database user may not {listed} here, and there are queries for it. Grant it."
            return ConnectionStep(WRITE, False, message)
        return ConnectionStep(WRITE, True, f"Not granted: {listed}. Enough for import, not for provisioning.")

    def _may(self, sql: str) -> bool:
        try:
            with self._session.transaction(keep=False):
                self._session.execute(sql).close()
        except ConnectorError:
            return False
        return True
