"""Pools of connections: one for equal settings in each process.

Connections run in autocommit: a single statement is its own transaction (one round trip), and an operation of several
statements opens one with the database's own words (``Dialect.begin``).
"""

import os
import threading
from collections import OrderedDict

from sqlalchemy import Engine

from directories.connectors.sql.settings import SqlSettings

MAX_POOLS = 32  # directories that one process keeps connections to; beyond it, the least recently used is closed

_pools: OrderedDict[SqlSettings, Engine] = OrderedDict()
_lock = threading.Lock()


def engine_for(settings: SqlSettings) -> Engine:
    """Return the pool for ``settings``, made on first use."""
    with _lock:
        engine = _pools.pop(settings, None) or settings.dialect.engine(settings)
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
