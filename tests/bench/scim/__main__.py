"""``python -m tests.bench.scim SIZE ...``: this service, stock django-scim2 and scim2-server, in one run.

All are asked over HTTP, served by gunicorn: Rollcall and stock as Rollcall is deployed, two processes of four threads
with PostgreSQL; scim2-server in one process, as its memory is that process's own, and with 100,000 people at most.
"""

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg

from tests.bench.__main__ import ROOT, TABLE, run, stage
from tests.bench.scim import processor, rows
from tests.bench.scim.load import Figure, Service, latencies, sustained
from tests.servers import free_port

Figures = dict[str, Figure]
IN_MEMORY = 100_000
CLIENT = "Bench"
SAMPLE = 2000  # people who are read and changed: of the first 70 %, as the last ones come and go
SUSTAINED = "sustained, eight clients"
NAMES = ("Rollcall", "stock django-scim2", "scim2-server in memory")


@contextmanager
def served(variables: dict[str, str], *command: str) -> Iterator[tuple[int, int]]:
    """Give the port and the process of a gunicorn that answers."""
    port = free_port()
    program = [sys.executable, "-m", "gunicorn", *command, "--bind", f"127.0.0.1:{port}", "--max-requests", "0"]
    process = subprocess.Popen(program, env={**variables, "PORT": str(port)}, cwd=ROOT, start_new_session=True)
    try:
        for _ in range(3000):
            with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port))):
                break
            if process.poll() is not None:
                raise SystemExit(f"{command} did not start")
            time.sleep(0.1)
        yield port, process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def measure(service: Service) -> Figures:
    """Return milliseconds by kind of request, and requests a second."""
    figures = {**dict(latencies(service)), SUSTAINED: Figure(*sustained(service))}
    shown = ", ".join(f"{kind} {figure[0]:,.1f} ({figure[1]:,.1f})" for kind, figure in figures.items())
    print(f"{service.name}, {service.size:,} people: {shown}", file=sys.stderr)
    return figures


def rollcall(dsn: str, variables: dict[str, str], size: int) -> Figures:
    """Measure this service; a directory is there, so that each write also writes its outbox."""
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=variables, cwd=ROOT, check=True)
    portal = dsn.replace("dbname=appsdb", "dbname=portal")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE users (username text, password text, firstname text, lastname text, email_address text)"
        )
    run(variables, "prepare", dsn)
    done = subprocess.run(
        [sys.executable, "manage.py", "scim_client", CLIENT, "--json"],
        env=variables,
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    token = json.loads(done.stdout)["token"]
    rows.fill(portal, rows.ROLLCALL, size)
    people = "SELECT scim_id FROM provisioning_user WHERE NOT is_staff ORDER BY id"
    [group] = rows.ids(portal, "SELECT scim_id FROM provisioning_group WHERE name = 'Everybody'")
    with served(variables, "config.wsgi", "--config", "config/gunicorn.py") as (port, pid):
        known = rows.ids(portal, f"{people} LIMIT {min(size * 7 // 10, SAMPLE)}")
        last = rows.ids(portal, f"{people} DESC LIMIT {rows.OUTSIDERS + rows.LEAVERS}")
        outsiders, leavers = last[: rows.OUTSIDERS], last[rows.OUTSIDERS :]
        used = processor.watch(pid, portal)
        return measure(Service(NAMES[0], port, token, size, known, group, outsiders, leavers, used))


def stock(dsn: str, variables: dict[str, str], size: int) -> Figures:
    """Measure django-scim2 as it comes."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE stock")
    url = variables["DATABASE_URL"].rpartition("/")[0] + "/stock"
    settings = {"DJANGO_SETTINGS_MODULE": "tests.bench.scim.stock.settings", "STOCK_DATABASE_URL": url}
    own = {**variables, **settings, "BENCH_TOKEN": "bench"}
    migrate = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity=0"]
    subprocess.run(migrate, env=own, cwd=ROOT, check=True)
    rows.fill(dsn.replace("dbname=appsdb", "dbname=stock"), rows.STOCK, size)
    with served(own, "tests.bench.scim.stock.wsgi", "--config", "tests/bench/scim/gunicorn.py") as (port, pid):
        used = processor.watch(pid, dsn)
        return measure(Service(NAMES[1], port, "bench", size, *numbered(size, "1"), used))


def memory(variables: dict[str, str], size: int) -> Figures:
    """Measure scim2-server."""
    own = {**variables, "MEMORY_PEOPLE": str(size), "BENCH_TOKEN": "bench"}
    options = ("--config", "tests/bench/scim/gunicorn.py", "--workers", "1", "--timeout", "600")
    with served(own, "tests.bench.scim.memory:application", *options) as (port, pid):
        people = numbered(size, "everybody")
        return measure(Service(NAMES[2], port, "bench", size, *people, processor.watch(pid), "/v2"))


def numbered(size: int, group: str) -> tuple[list[str], str, list[str], list[str]]:
    """Return known ids, the group, outsiders and leavers of a service whose people are numbered."""
    last = [str(size - n) for n in range(rows.OUTSIDERS + rows.LEAVERS)]
    known = [str(n) for n in range(1, min(size * 7 // 10, SAMPLE) + 1)]
    return known, group, last[: rows.OUTSIDERS], last[rows.OUTSIDERS :]


def measured(size: int) -> list[Figures]:
    """Return the figures of the three services with that many people."""
    with stage() as (dsn, variables):
        figures = [rollcall(dsn, variables, size), stock(dsn, variables, size)]
        return [*figures, memory(variables, size) if size <= IN_MEMORY else {}]


def table(size: int, figures: list[Figures]) -> str:
    """Return the figures in Markdown."""
    lines = [
        f"| {size:,} people | {' | '.join(NAMES)} | Rollcall to stock | in processor time |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind, mine in figures[0].items():
        theirs = figures[1][kind]
        unit = "/s" if kind == SUSTAINED else "ms"
        digits = 0 if kind == SUSTAINED else 1
        cells = [
            f"{each[kind][0]:,.{digits}f} {unit} ({each[kind].processor:,.1f} ms)" if each else "" for each in figures
        ]
        ratio = f"{mine[0] / theirs[0]:.1f} times as many" if kind == SUSTAINED else _ratio(mine[0], theirs[0])
        lines.append(f"| {kind} | {' | '.join(cells)} | {ratio} | {_ratio(mine.processor, theirs.processor)} |")
    return "\n".join(lines)


def _ratio(mine: float, theirs: float) -> str:
    return f"{theirs / mine:.1f} times faster" if theirs > mine else f"{mine / theirs:.2f} times the time"


def keep(size: int, text: str) -> None:
    """Put the table into the document, in place of an older one of this size."""
    command = f"python -m tests.bench.scim {size}"
    begin, end = f"<!-- {command} -->", f"<!-- end of {command} -->"
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, PostgreSQL with durable commits"
    words = f"Medians over HTTP, in brackets the processor time of a request; {machine}."
    block = f"{begin}\n\n## `{command}`\n\n{words}\n\n{text}\n\n{end}\n"
    old = TABLE.read_text()
    before, known, after = old.partition(begin)
    TABLE.write_text(before + block + after.partition(end + "\n")[2] if known else f"{old}\n{block}")


def main() -> None:
    """Print a table for each size and keep it."""
    for size in sorted({int(word) for word in sys.argv[1:]} or {1_000, 100_000}):
        text = table(size, measured(size))
        print(text, flush=True)
        keep(size, text)


if __name__ == "__main__":
    main()
