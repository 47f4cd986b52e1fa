"""How long a save takes to the row in a directory, while nothing else happens, during imports, and during a push.

Web processes save and workers deliver: here a process of its own saves, beside the workers that the Procfile starts. A
load that ends before the last save is begun again, and what was saved while it ended does not count.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator

import django
import psycopg

from tests.bench import groups, source, workers
from tests.bench.steps import NAME, forget, percentile, prepare, run_step

SAVES = 60
LEAVES = 3  # every so many saves the person is deleted again
PAUSE = 0.05  # seconds between two saves
PATIENCE = 60.0  # seconds that a row is waited for
LOADS = {
    "idle": "idle",
    "import": "while imports of {count:,} people run",
    "groups": "while groups of {count:,} members are pushed",
}


def measured_in(dsn: str, variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Save people one by one under each load, and let one leave."""
    run_step(variables, "tests.bench.saved", "prepare", dsn)
    source.fill(dsn, count)
    groups.fill(dsn)
    with workers.running(variables, "worker", "leavers", "imports"):
        for load, words in LOADS.items():
            found = run_step(variables, "tests.bench.saved", "save", dsn, load)
            when = words.format(count=count)
            again = f"; the load was begun {found['begun']:.0f} times" if found["begun"] > 1 else ""
            for what, measured in (("saves", "Saved to row"), ("leavers", "A leaver's row is gone")):
                figures = f"median {found[f'{what} median']:.3f} s, p95 {found[f'{what} p95']:.3f} s"
                slowest = f"slowest of {found[what]:.0f} {found[f'{what} slowest']:.3f} s"
                yield (f"{measured}, {when}", f"{figures}, {slowest}{again}; to reach: p95 0.2 s", "", "")


def prepare_all(dsn: str) -> dict[str, float]:
    """Begin anew, with one directory that gives its people and takes the portal's people and groups."""
    from config.celery import app

    forget()
    app.control.purge()
    prepare(dsn)
    groups.switch("out")
    return {}


def _begin(load: str) -> None:
    """Let the workers begin with the load."""
    from directories.models import Directory
    from provisioning.imports import requests
    from provisioning.models import Group, ImportRun, Membership, User
    from provisioning.models.imports import RunStatus, Trigger
    from provisioning.outbound.groups import outbox

    if load == "import":
        directory = Directory.objects.get(name=NAME)
        run = requests.start_import(directory, preview=False, actor="bench", trigger=Trigger.MANUAL)
        while ImportRun.objects.filter(pk=run.pk, status=RunStatus.QUEUED).exists():
            time.sleep(0.002)
    if load == "groups":
        while _goes_on("import"):
            time.sleep(0.1)
        group = Group.objects.create(name=f"Pushed {Group.objects.count()}")
        ids = User.objects.filter(is_active=True).values_list("pk", flat=True)
        Membership.objects.bulk_create((Membership(group=group, user_id=pk) for pk in ids), batch_size=5000)
        outbox.group_changed([group.pk], "bench")


def _goes_on(load: str) -> bool:
    """Return whether the workers are still busy with the load."""
    from provisioning.models import GroupChange, ImportRun
    from provisioning.models.imports import ENDED

    if load == "import":
        return ImportRun.objects.exclude(status__in=ENDED).exists()
    return load == "idle" or GroupChange.objects.exists()


def save(dsn: str, load: str) -> dict[str, float]:
    """Save people one by one beside the load, and delete some of them again; return how long each took to the row."""
    from provisioning.models import User

    waits: dict[str, list[float]] = {"saves": [], "leavers": []}
    begun = number = 0
    with psycopg.connect(dsn, autocommit=True) as there:

        def wait(name: str, number: int, since: float) -> float:
            while there.execute("SELECT count(*) FROM users WHERE username = %s", [name]).fetchone() != (number,):
                time.sleep(0.002)
                if time.perf_counter() - since > PATIENCE:
                    raise SystemExit(f"{name} waits for {PATIENCE:.0f} s.")
            return time.perf_counter() - since

        while len(waits["saves"]) < SAVES:
            if not (begun and _goes_on(load)):
                _begin(load)
                begun += 1
            number += 1
            name, since = f"{load}{number}", time.perf_counter()
            user = User.objects.create_user(name, first_name="Late", email=f"{name}@example.org")
            seconds = wait(name, 1, since)
            if _goes_on(load):
                waits["saves"].append(seconds)
            if number % LEAVES == 0:
                since = time.perf_counter()
                user.delete()
                seconds = wait(name, 0, since)
                if _goes_on(load):
                    waits["leavers"].append(seconds)
            time.sleep(PAUSE)
    found: dict[str, float] = {"begun": begun}
    for what, seconds in waits.items():
        ordered = sorted(seconds)
        found |= {
            what: len(ordered),
            f"{what} median": statistics.median(ordered),
            f"{what} p95": percentile(ordered, 95),
            f"{what} slowest": ordered[-1],
        }
    return found


STEPS = {"prepare": prepare_all, "save": save}

if __name__ == "__main__":
    django.setup()
    step, *arguments = sys.argv[1:]
    print(json.dumps(STEPS[step](*arguments)))  # type: ignore[operator]
