"""``python -m tests.bench [N] [WHAT]``: imports of N people and deliveries of a part, against their floors.

Everything runs on PostgreSQL. Rates are the medians of three rounds (one round of 100,000 people or more), memory is
the most of them. ``sql`` measures the imports and deliveries of a SQL directory, ``imports`` its imports alone: with
N=1000000 it shows that their memory does not grow with the people. Others are ``groups``, ``ldap``, ``scaling``
(deliveries to a server that is far away, by worker processes), ``scim_target`` (the same to a SCIM application),
``reconcile``, ``contracts`` (a source of truth: first crawl, unchanged, 1 % changed), ``sources`` (the same people
through every kind of source), ``rules``, ``saved`` (from a save to the row, beside imports and pushes of groups),
``leavers`` (from the switch to the proof, while everybody waits), ``events`` (N events to 20 receivers, one of them
dead), ``search`` (the box of every page), ``dashboard`` (the start page, a person's page and the overviews) and
``gateway`` (through a gateway that is far away, and direct).
"""

import json
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet

from tests import servers
from tests.bench import (
    contracts,
    dashboard,
    directory,
    events,
    gateway,
    groups,
    leavers,
    rules,
    saved,
    scaling,
    scim_target,
    search,
    source,
)
from tests.bench.steps import run_step
from tests.fixtures.embedded import Run

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "benchmarks.md"
ROUNDS = 3
MANY = 100_000  # people; so many or more are imported in one round
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


class DurablePostgres(servers.Postgres):
    """PostgreSQL as it is in production: a commit is on the disk."""

    def command(self) -> list[str]:
        """Switch durability back on."""
        return super().command() + [part for name in DURABLE for part in ("-c", f"{name}=on")]


@contextmanager
def stage() -> Iterator[tuple[str, dict[str, str]]]:
    """Give the source's connection string and the environment of a portal, on servers that are stopped afterwards."""
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres, redis = DurablePostgres(folder / "postgres").install(), servers.Redis(folder / "redis").install()
        try:
            server = postgres.start()
            broker = redis.start()
            address = f"host={server.host} port={server.port} user={server.user} password={server.password}"
            with psycopg.connect(f"{address} dbname=postgres", autocommit=True) as connection:
                connection.execute("CREATE DATABASE portal")
                connection.execute("CREATE DATABASE appsdb")
            url = f"postgres://{server.user}:{server.password}@{server.host}:{server.port}/portal"
            yield f"{address} dbname=appsdb", environment(folder, url, f"redis://127.0.0.1:{broker.port}/0")
        finally:
            for program in (postgres, redis):
                if program.running:
                    program.stop()


def environment(folder: Path, database: str, broker: str) -> dict[str, str]:
    """Return the environment of the measured processes."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ROLLCALL_ENV_FILE": str(folder / "none.env"),
        "ROLLCALL_VAR_DIR": str(folder / "var"),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DATABASE_URL": database,
        "CELERY_BROKER_URL": broker,
        "HTTPS": "false",
        "LOG_LEVEL": "WARNING",
    }


def run(variables: dict[str, str], *words: str) -> dict[str, float]:
    """Run one step and return what it measured."""
    return run_step(variables, "tests.bench.steps", *words)


def median(rounds: list[dict[str, float]], key: str) -> float:
    """Return the median of the rounds: this machine may have other work for a while."""
    return statistics.median(each[key] for each in rounds)


def _rounds(count: int) -> range:
    return range(1 if count >= MANY else ROUNDS)


def imports(dsn: str, variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Measure the first, the unchanged and the 1 % changed import."""
    goals = {"First import": "8,000", "Unchanged import": "60,000", "1 % changed import": ""}
    floors: list[float] = []
    steps: dict[str, list[dict[str, float]]] = {name: [] for name in goals}
    for _ in _rounds(count):
        run(variables, "forget")
        source.fill(dsn, count)
        floors.append(source.copy_rate(dsn))
        for name, rounds in steps.items():
            if name.startswith("1 %"):
                source.touch(dsn, 1)
            step = run(variables, "import")
            rounds.append({**step, "rate": step["rows"] / step["seconds"]})
    floor = statistics.median(floors)
    yield ("Floor: streamed read + COPY", f"{floor:,.0f} rows/s", "1.00", "")
    for name, rounds in steps.items():
        rate, memory = median(rounds, "rate"), max(step["memory"] for step in rounds)
        to_reach = f"; to reach: {goals[name]}" if goals[name] else ""
        processor = median(rounds, "processor") / count * 1_000_000
        figures = f"{rate:,.0f} users/s, {processor:.0f} µs of processor time each{to_reach}"
        yield (name, figures, f"{rate / floor:.3f}", f"{memory:.0f} MiB")


def reconciles(dsn: str, variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Measure a comparison in which all is in step, and one in which 1 % differs, beside an unchanged import."""
    run(variables, "forget")
    source.fill(dsn, count)
    run(variables, "import")
    steps = [("Unchanged import", run(variables, "import")), ("Reconciliation", run(variables, "reconcile"))]
    source.touch(dsn, 1)
    steps.append(("Reconciliation, 1 % differ", run(variables, "reconcile")))
    floor = steps[0][1]["processor"]
    for name, step in steps:
        rate, used = step["rows"] / step["seconds"], step["processor"]
        figures = f"{rate:,.0f} users/s, {used / count * 1_000_000:.0f} µs of processor time each"
        found = f", {step['found']:,.0f} found" if "found" in step else ""
        yield (name, figures + found, f"{used / floor:.2f} of its processor time", f"{step['memory']:.0f} MiB")


def deliveries(dsn: str, variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Measure creates and updates of one worker process."""
    floors, steps = [], []
    for _ in range(ROUNDS):
        floors.append(dict(zip(("creates", "updates"), source.loop_rates(dsn, count), strict=True)))
        steps.append(run(variables, "outbound", str(count)))
    for phase in ("creates", "updates"):
        floor, rate = median(floors, phase), median(steps, phase)
        yield (f"Floor: raw loop, {phase}", f"{floor:,.0f} /s", "1.00", "")
        yield (
            f"Outbound {phase}, one worker process (four threads)",
            f"{rate:,.0f} /s; to reach: 0.6 of the floor",
            f"{rate / floor:.2f}",
            "",
        )


def latency() -> tuple[str, ...]:
    """Measure how long a saved user takes to the directory on the embedded default, web, worker and beat idle."""
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as name:
        portal = Run(Path(name))
        try:
            portal.wait_ready()
            variables = portal.environment | {"DJANGO_SETTINGS_MODULE": "config.settings"}
            step = run(variables, "latency", str(Path(name) / "var" / "appsdb.sqlite3"), "20")
        finally:
            portal.interrupt()
    figures = f"median {step['median']:.2f} s, slowest {step['slowest']:.2f} s"
    return ("A saved user is in the directory (embedded default)", f"{figures}; to reach: 1 s", "", "")


def over_ldap(variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Measure imports from an OpenLDAP and deliveries to it."""
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        program, server = directory.started(folder / "openldap", count)
        try:
            note = folder / "settings.json"
            note.write_text(json.dumps(directory.settings(server)))
            run(variables, "prepare_ldap", str(note))
            yield from ldap_imports(server, variables, count)
            yield from ldap_deliveries(server, variables, max(500, count // 50))
        finally:
            program.stop()


def ldap_imports(server: servers.Server, variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Measure the first, the unchanged, and an import of what changed."""
    goals = {"LDAP first import": "4,000 users/s", "LDAP unchanged import": "1.5 of the floor"}
    floors: list[float] = []
    steps: dict[str, list[dict[str, float]]] = {name: [] for name in (*goals, "LDAP import of 1 % changed")}
    for _ in _rounds(count):
        run(variables, "forget")
        for name, rounds in steps.items():
            changed = name.endswith("changed")
            if changed:
                directory.touch(server, count, 1)
            else:
                floors.append(directory.read_rate(server))
            step = run(variables, "import", *(["incremental"] if changed else []))
            rounds.append({**step, "rate": step["rows"] / step["seconds"]})
    floor = statistics.median(floors)
    yield ("Floor: ldap3's own paged read", f"{floor:,.0f} entries/s", "1.00", "")
    for name, goal in goals.items():
        rate, memory = median(steps[name], "rate"), max(step["memory"] for step in steps[name])
        processor = median(steps[name], "processor") / count * 1_000_000
        figures = f"{rate:,.0f} users/s, {processor:.0f} µs of processor time each; to reach: {goal}"
        yield (name, figures, f"{rate / floor:.2f}", f"{memory:.0f} MiB")
    changed = steps["LDAP import of 1 % changed"]
    yield ("LDAP import of what changed (1 %)", f"{median(changed, 'seconds'):.2f} s", "", "")


def ldap_deliveries(server: servers.Server, variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Measure creates and updates of one worker process, and the same on one thread as the floor is."""
    floors, steps, single = [], [], []
    for _ in range(ROUNDS):
        floors.append(dict(zip(("creates", "updates"), directory.loop_rates(server, count), strict=True)))
        for rounds, threads in ((steps, "4"), (single, "1")):
            rounds.append(run(variables, "outbound", str(count), threads))
            link = directory.link(server)
            directory.empty(link)
            link.unbind()
    for phase in ("creates", "updates"):
        floor = median(floors, phase)
        yield (f"Floor: raw ldap3 loop, {phase}", f"{floor:,.0f} /s", "1.00", "")
        for rounds, threads in ((single, "one thread"), (steps, "one worker process (four threads)")):
            rate = median(rounds, phase)
            yield (f"LDAP outbound {phase}, {threads}", f"{rate:,.0f} /s; to reach: a half", f"{rate / floor:.2f}", "")


def table(rows: list[tuple[str, ...]]) -> str:
    """Return the rows in Markdown."""
    head = ("What", "Rate", "Ratio to its floor", "Peak memory above idle")
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(command: str, count: int, text: str) -> None:
    """Keep the table of this command in ``docs/benchmarks.md``, beside those of others."""
    begin, end = f"<!-- {command} -->", f"<!-- end of {command} -->"
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, PostgreSQL with durable commits"
    block = f"{begin}\n\n## `{command}`\n\n{count:,} people; {machine}.\n\n{text}\n\n{end}\n"
    old = TABLE.read_text()
    before, found, after = old.partition(begin)
    TABLE.write_text(before + block + after.partition(end + "\n")[2] if found else f"{old}\n{block}")


def main() -> None:
    """Print the table and keep it."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    with stage() as (dsn, variables):
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=variables, cwd=ROOT, check=True)
        rows: list[tuple[str, ...]] = []
        if only in ("", "sql", "imports"):
            run(variables, "prepare", dsn)
            rows += imports(dsn, variables, count)
        if only in ("", "sql"):
            rows += deliveries(dsn, variables, max(2000, count // 10))
        if only == "reconcile":
            run(variables, "prepare", dsn)
            rows += reconciles(dsn, variables, count)
        if only in ("", "groups"):
            run(variables, "forget")
            run(variables, "prepare", dsn)
            source.fill(dsn, count)
            rows += groups.measured_in(dsn, variables, count)
        for name, bench in (("scaling", scaling), ("saved", saved), ("leavers", leavers)):
            if only == name:
                source.fill(dsn, 1)
                rows += bench.measured_in(dsn, variables, count)
        if only == "gateway":
            rows += gateway.measured_in(variables, count)
        if only == "contracts":
            rows += contracts.crawls(dsn, variables, count)
        if only == "sources":
            rows += contracts.kinds(dsn, variables, count)
        if only == "rules":
            rows += rules.measured_in(variables, count)
        if only == "events":
            rows += events.measured_in(variables, count)
        if only == "search":
            rows += search.measured_in(variables, count)
        if only == "dashboard":
            rows += dashboard.measured_in(variables, count)
        if only == "scim_target":
            rows += scim_target.measured_in(variables, count)
        if only in ("", "ldap"):
            rows += over_ldap(variables, count)
    text = table(rows if only else [*rows, latency()])
    print(text)
    write(f"python -m tests.bench {count} {only}" if only else f"make bench N={count}", count, text)


if __name__ == "__main__":
    main()
