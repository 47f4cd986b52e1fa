"""How long a save takes to the row in a directory, while nothing else happens, during an import, and during a push.

Web processes save and workers deliver: here a process of its own saves, beside the workers that the Procfile starts.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import django
import psycopg

from tests.bench import groups, source, workers
from tests.bench.steps import NAME, forget, prepare, run_step

SAVES = 40
PAUSE = 0.05  # seconds between two saves
LOADS = {"idle": "idle", "import": "during an import of {count:,}", "groups": "during a push of a group of {count:,}"}


def measured_in(dsn: str, variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Save people one by one under each load, and let one leave."""
    run_step(variables, "tests.bench.saved", "prepare", dsn)
    source.fill(dsn, count)
    groups.fill(dsn)
    with workers.running(variables, "worker", "leavers"):
        for load, words in LOADS.items():
            run_step(variables, "tests.bench.saved", "begin", load)
            found = run_step(variables, "tests.bench.saved", "save", dsn, load)
            run_step(variables, "tests.bench.saved", "end", load)
            figures = f"median {found['median']:.3f} s, p95 {found['p95']:.3f} s, slowest {found['slowest']:.3f} s"
            yield (f"Saved to row, {words.format(count=count)}", f"{figures}; to reach: p95 0.2 s", "", "")
            leaver = f"{found['leaver']:.3f} s"
            yield (f"A leaver's row is gone, {words.format(count=count)}", leaver, "", "")


def prepare_all(dsn: str) -> dict[str, float]:
    """Begin anew, with one directory that gives its people and takes the portal's people and groups."""
    from config.celery import app

    forget()
    app.control.purge()
    prepare(dsn)
    groups.switch("out")
    return {}


def begin(load: str) -> dict[str, float]:
    """Let the workers begin with the load."""
    from directories.models import Directory
    from provisioning.imports import requests
    from provisioning.models import Group, Membership, User
    from provisioning.models.imports import Trigger
    from provisioning.outbound.groups import outbox

    if load == "import":
        directory = Directory.objects.get(name=NAME)
        requests.start_import(directory, preview=False, actor="bench", trigger=Trigger.MANUAL)
    if load == "groups":
        group = Group.objects.create(name="Pushed")
        ids = User.objects.filter(is_active=True).values_list("pk", flat=True)
        Membership.objects.bulk_create((Membership(group=group, user_id=pk) for pk in ids), batch_size=5000)
        outbox.group_changed([group.pk], "bench")
    time.sleep(1.0)
    return {}


def _goes_on(load: str) -> bool:
    """Return whether the workers are still busy with the load."""
    from provisioning.models import GroupChange, ImportRun
    from provisioning.models.imports import ENDED

    if load == "import":
        return ImportRun.objects.exclude(status__in=ENDED).exists()
    return load == "idle" or GroupChange.objects.exists()


def save(dsn: str, load: str) -> dict[str, float]:
    """Save people until the load ends, at most ``SAVES``, and deactivate one of them in between."""
    from provisioning.models import User

    waits: list[float] = []
    leaver = 0.0
    with psycopg.connect(dsn, autocommit=True) as there:

        def wait(name: str, number: int) -> float:
            begun = time.perf_counter()
            while there.execute("SELECT count(*) FROM users WHERE username = %s", [name]).fetchone() != (number,):
                time.sleep(0.002)
            return time.perf_counter() - begun

        while len(waits) < SAVES and _goes_on(load):
            name, begun = f"{load}{len(waits)}", time.perf_counter()
            user = User.objects.create_user(name, first_name="Late", email=f"{name}@example.org")
            waits.append(time.perf_counter() - begun + wait(name, 1))
            if len(waits) == 5:
                begun = time.perf_counter()
                user.delete()
                leaver = time.perf_counter() - begun + wait(name, 0)
            time.sleep(PAUSE)
    if len(waits) < SAVES:
        print(f"The load ({load}) ended after {len(waits)} saves.", file=sys.stderr)
    ordered = sorted(waits)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return {"median": statistics.median(waits), "p95": p95, "slowest": ordered[-1], "leaver": leaver}


def end(load: str) -> dict[str, float]:
    """Wait for the load's end."""
    with suppress(KeyboardInterrupt):
        while load != "idle" and _goes_on(load):
            time.sleep(0.2)
    return {}


STEPS = {"prepare": prepare_all, "begin": begin, "save": save, "end": end}

if __name__ == "__main__":
    django.setup()
    step, *arguments = sys.argv[1:]
    print(json.dumps(STEPS[step](*arguments)))  # type: ignore[operator]
