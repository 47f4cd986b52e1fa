"""Processor time of a service and its database: what it costs, whatever else the machine does meanwhile."""

import os
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg

_TICK = os.sysconf("SC_CLK_TCK")


def of_trees(*roots: int) -> float:
    """Return the seconds that processes and all below them have used, ended ones too."""
    below: dict[int, list[int]] = defaultdict(list)
    seconds: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            pid = int(entry.name)
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            below[int(fields[1])].append(pid)
            seconds[pid] = sum(map(int, fields[11:15])) / _TICK
    total, left = 0.0, list(roots)
    while left:
        pid = left.pop()
        total += seconds.get(pid, 0.0)
        left += below[pid]
    return total


def watch(pid: int, dsn: str = "") -> Callable[[], float]:
    """Return how to ask for the seconds of a service and of the PostgreSQL server that it uses, if any."""
    if not dsn:
        return lambda: of_trees(pid)
    with psycopg.connect(dsn) as connection:
        stat = Path(f"/proc/{connection.info.backend_pid}/stat").read_text()
    server = int(stat.rpartition(")")[2].split()[1])
    return lambda: of_trees(pid, server)
