"""Pages at any number of people: the start page, a person's page, lists, each overview, and the lists of the API.

Everybody has an account in two directories, one in ten of them disabled, and a group; the report has ten lines for each
person. Pages are asked as a superuser's over PostgreSQL; answers that the web process keeps are counted anew each time.
Steps run in processes of their own: ``python -m tests.bench.dashboard STEP ...``.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import django

from tests.bench.steps import ROOT, measured, run_step

ROUNDS = 20
LINES = 10  # of the report, for each person
GROUPS = 100
OVERVIEWS = ("accounts", "memberships", "turnover", "idle", "orphans", "licences", "service")
ACCOUNTS = """
INSERT INTO provisioning_account (key, key_folded, state, directory_id, user_id, attributes, not_before, attempts,
                                  remote_id, seen_digest, pushed_digest, last_result, last_message, place)
SELECT username, username_key, CASE WHEN id %% 10 = 0 THEN 'disabled' ELSE 'active' END, %s, id, '{}', now(), 0,
       '', '', '', '', '', '' FROM provisioning_user
"""
MEMBERSHIPS = """
INSERT INTO provisioning_membership (group_id, user_id)
SELECT (%s::bigint[])[1 + id %% %s], id FROM provisioning_user
"""
PAGES = {"Start page": "/", "Person page": "/provisioning/user/{person}/change/"} | {
    f"Overview: {name}": f"/overview/{name}/" for name in OVERVIEWS
}
PAGES |= {
    "List: users": "/provisioning/user/",
    "List: users of a department": "/provisioning/user/?department=Department+7",
    "List: groups": "/provisioning/group/",
    "Group page": "/provisioning/group/{group}/change/",
    "Provisioning report": "/reports/event/",
    "Failed and waiting": "/provisioning/change/",
}
API = {
    "API: users": "users?limit=100",
    "API: users by name": "users?filter=username+sw+%22u12%22",
    "API: users of a department": "users?filter=department+eq+%22Department+7%22",
    "API: groups": "groups?limit=100",
    "API: memberships": "memberships?limit=100",
    "API: memberships of a group": "memberships?filter=group+eq+{group}",
    "API: events": "events?limit=100",
    "API: events of a user": "events?filter=user+eq+{person}",
    "API: operations": "operations?limit=100",
}
PAGES |= {label: f"/api/v1/{address}" for label, address in API.items()}


def measured_in(variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Fill the portal, count the report's lines by hour, and ask for each page."""
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as name:
        with_static = variables | {"STATIC_ROOT": name}
        command = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"]
        subprocess.run(command, env=with_static, cwd=ROOT, check=True)
        yield from _steps(with_static, count)


def _steps(variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    def step(*words: str) -> dict[str, float]:
        return run_step(variables, "tests.bench.dashboard", *words)

    step("fill", str(count))
    found = step("count_lines")
    figures = f"{found['seconds']:.1f} s, once"
    yield (f"Counting the last month of {count * LINES:,} lines by hour", figures, "", f"{found['memory']:.0f} MiB")
    for label, address in PAGES.items():
        found = step("page", address)
        figures = f"median {found['median']:.0f} ms, slowest {found['slowest']:.0f} ms, {found['queries']:.0f} queries"
        yield (label, figures, "", "")


def fill(count: str) -> dict[str, float]:
    """Write people with accounts, memberships and lines of the report, and who looks."""
    from django.db import connection

    from directories.models import Directory
    from provisioning.models import Group, User
    from tests.bench import report, search

    with connection.cursor() as cursor:
        cursor.execute(search.FILL, {"count": int(count)})
    for number in range(2):
        directory = Directory.objects.create(name=f"App {number}", kind="postgresql")
        with connection.cursor() as cursor:
            cursor.execute(ACCOUNTS, [directory.pk])
    groups = Group.objects.bulk_create(Group(name=f"Group {number}") for number in range(GROUPS))
    with connection.cursor() as cursor:
        cursor.execute(MEMBERSHIPS, [[group.pk for group in groups], GROUPS])
    report.fill(int(count) * LINES)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    User.objects.create_superuser("looker")
    return {}


def count_lines() -> dict[str, float]:
    """Count the lines of the report by hour, for the first time."""
    from reports import hours

    result: dict[str, float] = {}
    with measured(result):
        hours.count()
    return result


def page(address: str) -> dict[str, float]:
    """Ask for a page many times."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from config.overviews import counting
    from provisioning.models import Group, User

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="looker"))
    people = User.objects.filter(provisioned=True).order_by("pk")
    person, group = people.values_list("pk", flat=True)[people.count() // 2], Group.objects.order_by("pk")[0].pk
    address = address.format(person=person, group=group)
    client.get(address)
    times = []
    for _ in range(ROUNDS):
        counting.accounts.until = 0.0
        begun = time.perf_counter()
        answer = client.get(address)
        times.append((time.perf_counter() - begun) * 1000)
        if answer.status_code != 200:
            raise SystemExit(f"{address}: {answer.status_code}")
    counting.accounts.until = 0.0
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    return {"median": statistics.median(times), "slowest": max(times), "queries": len(queries)}


if __name__ == "__main__":
    django.setup()
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
