"""One measured step of the product in a process of its own: ``python -m tests.bench.steps STEP ...`` prints JSON.

A process of its own, so that the peak of its memory is the step's and nothing else's.
"""

import json
import math
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import django
import psycopg

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024
NAME = "APPSDB"
THREADS = 4  # of a worker process, as the Procfile starts it


def resident(field: str) -> float:
    """Return ``VmRSS`` (now) or ``VmHWM`` (peak) of this process in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / MIB
    raise LookupError(field)


def run_step(variables: dict[str, str], module: str, *words: str) -> dict[str, float]:
    """Run a step of a module in a process of its own and return what it measured."""
    command = [sys.executable, "-m", module, *words]
    done = subprocess.run(command, env=variables, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextmanager
def measured(result: dict[str, float]) -> Iterator[None]:
    """Put ``seconds``, ``processor`` (its own seconds) and ``memory`` (MiB of peak above idle) into ``result``."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    idle, begun, used = resident("VmRSS"), time.perf_counter(), time.process_time()
    yield
    result |= {"seconds": time.perf_counter() - begun, "memory": resident("VmHWM") - idle}
    result["processor"] = time.process_time() - used


def percentile(ordered: Sequence[float], share: int) -> float:
    """Return the value that ``share`` per cent of the sorted ones do not pass."""
    return ordered[math.ceil(len(ordered) * share / 100) - 1]


def prepare(dsn: str) -> dict[str, float]:
    """Describe the source as a directory with everything switched on."""
    from directories.models import Directory
    from tests.fixtures.databases import Database
    from tests.fixtures.directories import save_directory

    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    settings = {
        "host": parts["host"],
        "port": int(parts["port"]),
        "database": parts["dbname"],
        "user": parts["user"],
        "password": parts["password"],
        "tls_mode": "disable",
        "user_table": "users",
        "username_column": "username",
        "password_column": "password",
    }
    Directory.objects.filter(name=NAME).delete()
    switches = dict.fromkeys(("import_users", "create_users", "update_users", "delete_users"), True)
    database = Database("postgresql", settings, psycopg.connect(dsn))
    save_directory(database, NAME, password_storage="plain", max_changed=100_000, **switches)
    return {}


def prepare_ldap(note: str) -> dict[str, float]:
    """Describe the OpenLDAP of the note (JSON: its settings) as a directory, alone: the others would be pushed to."""
    from directories.models import AttributeMapping, Directory, ProvisioningSettings
    from tests.bench.directory import MAPPING, OUT
    from tests.fixtures.directories import GENEROUS

    settings = json.loads(Path(note).read_text())
    Directory.objects.all().delete()
    secrets = {"password": settings.pop("password")}
    switches = dict.fromkeys(("import_users", "create_users", "update_users", "set_passwords"), True)
    directory = Directory.objects.create(
        name=NAME, kind="ldap", settings={**settings, "container": OUT}, secrets=secrets
    )
    ProvisioningSettings.objects.create(directory=directory, **GENEROUS, max_changed=100_000, **switches)
    for position, (theirs, ours) in enumerate(MAPPING.items()):
        AttributeMapping.objects.create(
            directory=directory, directory_attribute=theirs, portal_attribute=ours, position=position
        )
    return {}


def imported(incremental: str = "") -> dict[str, float]:
    """Run one import."""
    from directories.models import Directory
    from provisioning.imports import engine, requests
    from provisioning.models.imports import RunStatus, Trigger

    directory = Directory.objects.get(name=NAME)
    result: dict[str, float] = {}
    warm()
    with measured(result):
        run = requests.start_import(
            directory, preview=False, actor="bench", trigger=Trigger.COMMAND, incremental=bool(incremental)
        )
        engine.execute(run.pk)
    run.refresh_from_db()
    if run.status != RunStatus.FINISHED or run.errors:
        raise SystemExit(f"The import did not finish: {run.status} {run.message}")
    return {**result, "rows": run.seen, "changed": run.created + run.updated}


def reconciled() -> dict[str, float]:
    """Compare the directory with the portal."""
    from directories.models import Directory
    from provisioning.models.imports import RunStatus, Trigger
    from provisioning.reconciliation import engine, requests

    directory = Directory.objects.get(name=NAME)
    result: dict[str, float] = {}
    warm()
    with measured(result):
        run = requests.start(directory, actor="bench", trigger=Trigger.COMMAND)
        engine.execute(run.pk)
    run.refresh_from_db()
    if run.status != RunStatus.FINISHED:
        raise SystemExit(f"The reconciliation did not finish: {run.status} {run.message}")
    return {**result, "rows": run.seen, "in_step": run.in_step, "found": sum(run.counts.values())}


def forget() -> dict[str, float]:
    """Empty the portal and its history; the directory stays. No signals: nobody is to leave the directory."""
    from django.db import connection

    from provisioning.models import ImportRun, PlannedChange, User
    from reports.models import Event

    tables = ", ".join(model._meta.db_table for model in (User, ImportRun, PlannedChange, Event))
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables} CASCADE")
    return {}


def warm() -> None:
    """Load what a worker has loaded long before, so that idle is idle, and settle as a worker does.

    A worker has spoken to the directory before, too: the first time loads its driver.
    """
    from config.celery import settle
    from directories.config import load, open_connector
    from directories.connectors import registry
    from directories.models import Directory
    from provisioning.outbound.accounts import delivery
    from provisioning.profile import person as people

    registry()
    people.catalogue()
    assert delivery
    with open_connector(load(Directory.objects.get(name=NAME).pk)) as connector:
        connector.count()
    settle()


def outbound(count: int, threads: int = THREADS) -> dict[str, float]:
    """Deliver ``count`` new people and then a change of each, in one process with the threads of a worker."""
    from provisioning import services
    from provisioning.models import Account, Change, User
    from provisioning.outbound import batch, dispatch
    from provisioning.outbound.accounts import delivery
    from provisioning.outbound.accounts.outbox import CHUNK

    batch.SHARE_SECONDS = float("inf")  # there are no other workers here to share with
    forget()
    warm()
    names = [f"out{n}" for n in range(count)]
    people = [
        User(username=name, password="!", first_name=name, last_name="Out", email=f"{name}@example.org")
        for name in names
    ]
    User.objects.bulk_create(people, batch_size=1000)
    users = list(User.objects.values_list("pk", flat=True))
    result: dict[str, float] = {}
    for phase in ("creates", "updates"):
        if phase == "updates":
            User.objects.update(last_name="Changed")
        services.provision_many(users, "bench")
        accounts = list(Account.objects.values_list("directory_id", "pk"))
        begun = time.perf_counter()
        batches = dispatch.chunks([pk for _, pk in accounts], CHUNK)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(partial(delivery.deliver, accounts[0][0]), batches))
        result[phase] = count / (time.perf_counter() - begun)
        if left := Change.objects.count():
            raise SystemExit(f"{left} changes were not delivered.")
    return result


def latency(database: str, count: int) -> dict[str, float]:
    """Save users one by one beside a running portal; return the seconds until each one's row was in the directory."""
    from provisioning.models import User

    waits = []
    with closing(sqlite3.connect(database)) as source:
        for number in range(count):
            name, begun = f"late{number}", time.perf_counter()
            User.objects.create_user(name, first_name="Late", last_name="Comer", email=f"{name}@example.org")
            while not source.execute("SELECT 1 FROM USERS WHERE USERNAME = ?", [name]).fetchone():
                time.sleep(0.01)
            waits.append(time.perf_counter() - begun)
    return {"median": statistics.median(waits), "slowest": max(waits)}


STEPS: dict[str, Callable[..., dict[str, float]]] = {
    "prepare": prepare,
    "prepare_ldap": prepare_ldap,
    "import": imported,
    "reconcile": reconciled,
    "forget": forget,
    "outbound": outbound,
    "latency": latency,
}

if __name__ == "__main__":
    django.setup()
    step, *arguments = sys.argv[1:]
    print(json.dumps(STEPS[step](*(int(word) if word.isdigit() else word for word in arguments))))
