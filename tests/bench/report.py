"""``python -m tests.bench.report [LINES]``: how long the provisioning report searches in ten million lines.

It fills the event table with skewed lines (one application wrote nothing for two years, some operations are rare, some
combinations never happened), asks for a page of every combination of filters, and keeps the slowest of each kind in
``docs/benchmarks.md``. The processor time is that of this process and of the server's that answers it: unlike the time
that passes, it does not depend on what else the machine does.
"""

import datetime as dt
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, product
from pathlib import Path
from typing import Any

import django
from django.db import connection
from django.utils import timezone

from tests.bench.__main__ import ROOT, TABLE, stage

PAGE = 50
FILL = """
INSERT INTO reports_event (at, identifier, identifier_key, application, direction, operation, result, message, changes,
                           actor, user_id, account_id, group_id, run_id)
SELECT now() - interval '2 years' * (1 - line::float / %(lines)s), name, name,
       CASE WHEN old THEN 'Legacy HR' WHEN line %% 10 < 5 THEN 'App 0' ELSE 'App ' || line %% 30 END,
       CASE WHEN line %% 2 = 0 THEN 'out' ELSE 'in' END,
       CASE WHEN old THEN 'create' WHEN line %% 1000 = 7 THEN 'delete' WHEN line %% 100000 = 9 THEN 'link'
            WHEN line %% 100 = 8 THEN 'disable' WHEN line %% 7 = 0 THEN 'create' ELSE 'update' END,
       CASE WHEN line %% 50 = 0 THEN 'failed' WHEN line %% 1000 = 3 THEN 'waiting' WHEN line %% 77 = 0 THEN 'skipped'
            ELSE 'success' END,
       'Updated ' || name || ' in App: first name, e-mail.',
       CASE WHEN line %% 500 = 0 THEN '{"Department": ["Sales", "IT"]}'::jsonb
            ELSE '{"email": ["a@example.org", "b@example.org"]}'::jsonb END,
       CASE WHEN line %% 5000 = 11 THEN 'ada' WHEN line %% 11 = 0 THEN name WHEN line %% 3 = 0 THEN ''
            WHEN line %% 4 = 0 THEN 'App 0 (scheduled import)' ELSE 'App ' || line %% 30 || ' (scheduled import)' END,
       person, person * 2, CASE WHEN line %% 20 = 0 THEN line / 20 %% 500 END,
       CASE WHEN line %% 2 = 1 THEN line / 100000 END
FROM (SELECT line, person, line < %(lines)s / 10 AND line %% 3 = 0 AS old, 'user' || person || '.smith' AS name
      FROM (SELECT line, (hashint8(line) & 2147483647) %% 200000 AS person FROM generate_series(1, %(lines)s) line) a) b
"""


def fill(lines: int) -> None:
    """Write the lines, with the indexes made afterwards, as fast as the server can."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'reports_event'")
        indexes = [(name, sql) for name, sql in cursor.fetchall() if not name.endswith("_pkey")]
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        cursor.execute(FILL, {"lines": lines})
        for _, sql in indexes:
            cursor.execute(sql)
        cursor.execute("VACUUM ANALYZE reports_event")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one question took, in milliseconds: by the clock, and of the processor here and in the database."""

    passed: float
    processor: float


def cost(ask: Callable[[], Any]) -> Cost:
    """Ask, and return what that took."""
    passed, processor = time.perf_counter(), _processor()
    ask()
    return Cost((time.perf_counter() - passed) * 1000, (_processor() - processor) * 1000)


def _processor() -> float:
    """Return the seconds that this process and its server process have computed so far."""
    server = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text()
    return time.process_time() + int(server.split()[0]) / 1e9


def searches() -> Iterator[tuple[str, Cost]]:
    """Yield (kind of search, cost) for every combination of filters."""
    from reports.search import EventCriteria, page

    now = timezone.now()
    spans = [(None, None), (now - dt.timedelta(hours=1), None), (now - dt.timedelta(400), now - dt.timedelta(365))]
    names = ["", "user1234.smith", "USER77", "user12", "user1", "user", "nobody"]
    applications, operations = (
        ["", "App 0", "App 7", "Legacy HR", "Nowhere"],
        ["", "update", "delete", "link", "settings"],
    )
    kinds = product(applications, operations, ["", "success", "failed", "waiting"])
    for name, (application, operation, result), (start, end) in product(names, kinds, spans):
        criteria = EventCriteria(name, application, operation, result, start=start, end=end)
        parts = ["name" if name else "", "application" if application else "", "kind" if operation or result else ""]
        yield ", ".join(filter(None, parts)) or "no filter", cost(partial(page, criteria, PAGE))


def by_cause() -> Iterator[tuple[str, Cost]]:
    """Yield (kind of search, cost) for directions, causes and runs, alone and beside other filters."""
    from reports.search import EventCriteria, actor_names, page

    causes = ["ada", "App 0", "App 7 (scheduled", "App", "user1234.smith", "user1", "user", "nobody"]
    others: list[dict[str, Any]] = [
        {}, {"result": "failed"}, {"operation": "link"}, {"application": "App 0"}, {"application": "Legacy HR"},
        {"application": "App 7", "result": "waiting", "direction": "out"}, {"identifier": "user12"},
    ]  # fmt: skip
    kinds: dict[str, list[dict[str, Any]]] = {
        "direction": [{"direction": "in"}, {"direction": "out"}, {"direction": "portal"}],
        "cause": [{"actor": cause} for cause in causes],
        "run": [{"run_id": run} for run in (7, 70, 10**6)],
        "user, account or group": [{"user_id": 7}, {"account_id": 14}, {"group_id": 7}, {"group_id": 0}],
    }
    for kind, ones in kinds.items():
        for one, other in product(ones, others):
            name = f"{kind}, and others" if other else kind
            yield name, cost(partial(page, EventCriteria(**one | other), PAGE))
    yield "the causes that are offered", cost(actor_names)


FILTERS = {
    "one comparison of an index": [
        'result eq "failed"', 'identifier eq "user77.smith"', 'cause sw "App 7"', 'application eq "App 7"', "run eq 70",
    ],
    "alternatives": [
        'result eq "failed" or operation eq "link"',
        'identifier sw "user12" or cause eq "ada" or run eq 7',
        '(application eq "App 7" or application eq "Legacy HR") and (result ne "success" or operation eq "delete")',
        " or ".join(f'application eq "App {number}"' for number in range(12)),
    ],
    "what no index answers, among many that meet it": [
        'message co "user1"', 'application ne "App 0"', 'identifier ew "7.smith"', "not (run pr)",
    ],
}  # fmt: skip


def by_words() -> Iterator[tuple[str, Cost]]:
    """Yield (kind of filter, cost) for filters in words of SCIM."""
    from reports import filters
    from reports.search import EventCriteria, page

    for kind, texts in FILTERS.items():
        for text in texts:
            for more in ({}, {"application": "Legacy HR"}, {"result": "failed"}):
                criteria = EventCriteria(alternatives=filters.read(text), **more)
                yield f"a filter: {kind}", cost(partial(page, criteria, PAGE))


def begun() -> Iterator[tuple[str, Cost]]:
    """Yield (kind of file, cost) until an export's first lines come, and a page deep within a search."""
    from provisioning.models import User
    from reports.export import FORMATS
    from reports.search import EventCriteria, page

    viewer = User(is_superuser=True, is_active=True)
    for more in ({}, {"application": "App 0"}, {"identifier": "user12"}, {"actor": "App 7", "result": "failed"}):
        criteria = EventCriteria(**more)
        for kind in FORMATS.values():
            parts = kind.make(criteria, viewer)
            yield f"an export's beginning, {kind.words}", cost(lambda parts=parts: list(islice(parts, 3)))
        found = page(criteria, PAGE)
        for _ in range(20):
            if found.older:
                yield "a later page", cost(partial(page, criteria, PAGE, older=found.older))
                found = page(criteria, PAGE, older=found.older)


def of_the_past() -> Iterator[tuple[str, Cost]]:
    """Yield (question, cost) of what "Why?" and "As of a date" ask: bounded, and over an index each."""
    from provisioning.history import lines

    month = timezone.now() - dt.timedelta(days=30)
    for number in range(0, 200_000, 10_000):
        questions = {
            "why, of a user": lambda number=number: list(lines.of_user(number)[:1001]),
            "as of a date, of a user": lambda number=number: list(lines.of_user(number, after=month)[: lines.MOST]),
            "why, of a membership": lambda number=number: list(lines.of_membership(number, number % 500)[:5]),
            "as of a date, of a group": lambda number=number: list(
                lines.of_group(number % 500, after=month)[: lines.MOST]
            ),
            "as of a date, of a department": lambda: list(lines.of_departments(month)[: lines.MOST]),
            "where the report begins": lines.begins,
        }
        for kind, ask in questions.items():
            yield kind, cost(ask)


def measure() -> str:
    """Return the table in Markdown."""
    found: dict[str, list[Cost]] = {}
    connection.ensure_connection()
    for _ in zip(searches(), range(200), strict=False):
        pass  # the first ones wait for the disk
    for kind, taken in chain(searches(), by_cause(), by_words(), begun(), of_the_past()):
        found.setdefault(kind, []).append(taken)
    rows = [
        [kind, f"{len(costs)}", *_spread(one.passed for one in costs), *_spread(one.processor for one in costs)]
        for kind, costs in found.items()
    ]
    heading = ["Searched by", "Searches", "Median", "Slowest", "Median, processor time", "Most processor time"]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heading, ["---"] * len(heading), *rows))


def _spread(times: Iterable[float]) -> list[str]:
    """Return the median and the most."""
    known = list(times)
    return [f"{statistics.median(known):.0f} ms", f"{max(known):.0f} ms"]


def keep(lines: int, text: str) -> None:
    """Put the table into the document, in place of an older one of this size."""
    command = f"python -m tests.bench.report {lines}"
    begin, end = f"<!-- {command} -->", f"<!-- end of {command} -->"
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    words = f"A page of {PAGE} of {lines:,} report lines, with and without a time span; {machine}."
    block = f"{begin}\n\n## `{command}`\n\n{words}\n\n{text}\n\n{end}\n"
    old = TABLE.read_text()
    before, known, after = old.partition(begin)
    TABLE.write_text(before + block + after.partition(end + "\n")[2] if known else f"{old}\n{block}")


def main() -> None:
    """Start a server and measure in a process that knows it."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    if "ROLLCALL_REPORT_BENCH" in os.environ:
        django.setup()
        fill(lines)
        Path(os.environ["ROLLCALL_REPORT_BENCH"]).write_text(measure())
        return
    with stage() as (_, variables):
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=variables, cwd=ROOT, check=True)
        answer = Path(variables["ROLLCALL_VAR_DIR"]) / "report-bench.md"
        command = [sys.executable, "-m", "tests.bench.report", str(lines)]
        subprocess.run(command, env={**variables, "ROLLCALL_REPORT_BENCH": str(answer)}, cwd=ROOT, check=True)
        text = answer.read_text()
    print(text)
    keep(lines, text)


if __name__ == "__main__":
    main()
