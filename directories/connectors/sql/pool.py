"""Pools of connections: one for equal settings in each process.

Connections run in autocommit: a single statement is its own transaction (one round trip), and an operation of several
statements opens one with the database's own words (see ``begin``).
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from directories.connectors.allowed import check_host
from directories.connectors.sql.connect import OPENERS, file_at
from directories.connectors.sql.settings import SqlSettings

MAX_POOLS = 32  # directories that one process keeps connections to; beyond it, the least recently used is closed
RECYCLE_SECONDS = 1800
BEGIN: Mapping[str, str | None] = {
    "postgresql": "BEGIN",
    "mysql": "START TRANSACTION",
    "mariadb": "START TRANSACTION",
    "sqlite": "BEGIN IMMEDIATE",
    "mssql": None,
    "oracle": None,
}

_pools: OrderedDict[SqlSettings, Engine] = OrderedDict()
_lock = threading.Lock()


def engine_for(settings: SqlSettings) -> Engine:
    """Return the pool for ``settings``, made on first use."""
    with _lock:
        engine = _pools.pop(settings, None) or new_engine(settings)
        _pools[settings] = engine
        evicted = _pools.popitem(last=False)[1] if len(_pools) > MAX_POOLS else None
    if evicted is not None:
        evicted.dispose()
    return engine


def forget(settings: SqlSettings) -> None:
    """Close the idle connections for ``settings``."""
    with _lock:
        engine = _pools.pop(settings, None)
    if engine is not None:
        engine.dispose()


def _after_fork() -> None:
    """Leave the parent's connections to the parent: a socket must not be used by two processes."""
    global _lock  # noqa: PLW0603 - the parent may have held the lock while it forked
    _lock = threading.Lock()
    for engine in _pools.values():
        engine.dispose(close=False)
    _pools.clear()


os.register_at_fork(after_in_child=_after_fork)


def new_engine(settings: SqlSettings) -> Engine:
    """Return a new pool that nobody shares."""
    opener = OPENERS.get(settings.kind)
    url = {"postgresql": "postgresql+psycopg://", "sqlite": "sqlite://"}.get(settings.kind, "mysql+pymysql://")
    options: dict[str, Any] = {
        "poolclass": QueuePool,
        "pool_size": settings.pool_size,
        "max_overflow": 2,  # an import holds one connection and asks for its pages on another
        "pool_timeout": settings.connect_timeout,
        "pool_pre_ping": True,
        "pool_recycle": RECYCLE_SECONDS,
    }
    if opener is None:
        engine = create_engine(_untested_url(settings), **options)
        event.listen(engine, "do_connect", lambda *_: check_host(settings.host, settings.port))
        return engine
    if settings.kind == "postgresql":
        options["use_native_hstore"] = False
    engine = create_engine(url, creator=lambda: _opened(opener, settings), isolation_level="AUTOCOMMIT", **options)
    if settings.kind == "sqlite":
        event.listen(engine, "before_cursor_execute", _start_clock)
        event.listen(engine, "checkout", lambda connection, *_: _same_file(connection, settings.database))
    return engine


def _opened(opener: Callable[[SqlSettings], Any], settings: SqlSettings) -> Any:
    if settings.kind != "sqlite":
        check_host(settings.host or "localhost", settings.port)
    return opener(settings)


def _start_clock(connection: Any, *_: Any) -> None:
    connection.connection.dbapi_connection.started = time.monotonic()


def _same_file(connection: Any, path: str) -> None:
    """Give up a connection to a file that was moved away or replaced: it would go on reading the old one."""
    if connection.file != file_at(path):
        raise DisconnectionError


def _untested_url(settings: SqlSettings) -> URL:
    driver = {"mssql": "mssql+pymssql", "oracle": "oracle+oracledb"}[settings.kind]
    service = settings.kind == "oracle"
    return URL.create(
        driver,
        settings.user,
        settings.password,
        settings.host,
        settings.port,
        None if service else settings.database,
        {"service_name": settings.database} if service else {},
    )
