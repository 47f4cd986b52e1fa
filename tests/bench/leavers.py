"""How long a leaver waits for the proof: from "Disable everywhere now" until three directories were read back.

Meanwhile the workers that the Procfile starts change a name of everybody in each directory, and so many changes wait
that as many again are queued as soon as there are fewer than people. Leavers go one after the other.
"""

import json
import sys
import time
from collections.abc import Iterator

import django
import psycopg

from tests.bench import workers
from tests.bench.steps import forget, percentile, run_step

LEAVERS = 200
GOAL = 60.0  # seconds until the proof
PATIENCE = 300.0  # seconds that a proof is waited for
DIRECTORIES = ("crm", "erp", "wiki")
TEMPLATES = {
    "check": "SELECT username FROM {table} WHERE username='##USERNAME##'",
    "import": "SELECT '##LASTNAME##', lastname, '##active##', active FROM {table} WHERE username='##USERNAME##'",
    "create": "INSERT INTO {table} (username, lastname, active) VALUES ('##USERNAME##', '##LASTNAME##', 1)",
    "update": "UPDATE {table} SET lastname='##LASTNAME##' WHERE username='##USERNAME##'",
    "disable": "UPDATE {table} SET active=0 WHERE username='##USERNAME##'",
}


def measured_in(dsn: str, variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Let people leave one by one, and tell how many were proven to have lost everything in time."""
    run_step(variables, "tests.bench.leavers", "prepare", dsn)
    with workers.running(variables, "worker", "leavers"):
        run_step(variables, "tests.bench.leavers", "hire", str(count))
        found = run_step(variables, "tests.bench.leavers", "leave", dsn, str(min(LEAVERS, count // 20)))
    what = f"Leaver to proof in {len(DIRECTORIES)} directories, at least {found['queued']:,.0f} changes wait"
    share = f"{found['in time']:.1f} % of {found['leavers']:.0f} within {GOAL:.0f} s; to reach: 99 %"
    times = ", ".join(f"{name} {found[name]:.2f} s" for name in ("p50", "p95", "p99", "slowest"))
    yield (what, f"{share}; {times}", "", "")


def prepare(dsn: str) -> dict[str, float]:
    """Begin anew, with three directories whose look-up says who is active."""
    from config.celery import app
    from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate
    from tests.fixtures.directories import GENEROUS

    forget()
    app.control.purge()
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    login = {"host": parts["host"], "port": int(parts["port"]), "database": parts["dbname"], "user": parts["user"]}
    switches = dict.fromkeys(("create_users", "update_users", "deactivate_users"), True)
    Directory.objects.all().delete()
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in DIRECTORIES:
            connection.execute(f"DROP TABLE IF EXISTS {name}")
            connection.execute(
                f"CREATE TABLE {name} (username varchar(255) PRIMARY KEY, lastname varchar(255), active int)"
            )
            directory = Directory.objects.create(
                name=name,
                kind="postgresql",
                settings={**login, "tls_mode": "disable", "user_table": name, "username_column": "username"},
                secrets={"password": parts["password"]},
            )
            QueryTemplate.objects.bulk_create(
                QueryTemplate(directory=directory, operation=operation, sql=sql.format(table=name))
                for operation, sql in TEMPLATES.items()
            )
            for theirs, ours, way in (("LASTNAME", "last_name", "both"), ("active", "active", "in")):
                AttributeMapping.objects.create(
                    directory=directory, directory_attribute=theirs, portal_attribute=ours, direction=way
                )
            ProvisioningSettings.objects.create(
                directory=directory, password_storage="plain", max_changed=100_000, **GENEROUS, **switches
            )
    return {}


def hire(count: int) -> dict[str, float]:
    """Let the workers open the accounts of so many people."""
    from provisioning import services
    from provisioning.models import Account, Change, User

    User.objects.bulk_create((User(username=f"person{n}", password="!") for n in range(count)), batch_size=1000)
    services.provision_many(User.objects.values_list("pk", flat=True), "bench")
    while Change.objects.exists():
        time.sleep(0.5)
    there = Account.objects.filter(state="active").count()
    if there != count * len(DIRECTORIES):
        raise SystemExit(f"{there} accounts were opened.")
    return {}


def leave(dsn: str, number: int) -> dict[str, float]:
    """Disable people everywhere, one by one, while a change of everybody waits; look at what directories hold then."""
    from provisioning import services
    from provisioning.models import Change, User
    from provisioning.receipts.models import Receipt, ReceiptStatus

    every = list(User.objects.order_by("pk").values_list("pk", flat=True))
    going = every[:: len(every) // number][:number]
    waits, queued, names = [], [], 0
    for user_id in going:
        waiting = Change.objects.count()
        if waiting < len(every):
            names += 1
            User.objects.update(last_name=f"Name {names}")
            services.provision_many(User.objects.filter(is_active=True).values_list("pk", flat=True), "bench")
            waiting = Change.objects.count()
        queued.append(waiting)
        since = time.perf_counter()
        services.disable_everywhere([user_id], "bench")
        proven = Receipt.objects.filter(user_id=user_id, status=ReceiptStatus.CLOSED)
        while not proven.exists() and time.perf_counter() - since < PATIENCE:
            time.sleep(0.01)
        waits.append(time.perf_counter() - since)
    _must_hold(dsn, len(every), number)
    waits.sort()
    return {
        "leavers": number,
        "queued": min(queued),
        "in time": 100 * sum(seconds <= GOAL for seconds in waits) / number,
        **{f"p{share}": percentile(waits, share) for share in (50, 95, 99)},
        "slowest": waits[-1],
    }


def _must_hold(dsn: str, people: int, leavers: int) -> None:
    """Stop where a directory holds something else than the receipts say."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in DIRECTORIES:
            row = connection.execute(f"SELECT count(*) - sum(active), sum(active) FROM {name}").fetchone()
            if row != (leavers, people - leavers):
                raise SystemExit(f"{name} has {row} disabled and active people.")


STEPS = {"prepare": prepare, "hire": hire, "leave": leave}

if __name__ == "__main__":
    django.setup()
    step, *arguments = sys.argv[1:]
    print(json.dumps(STEPS[step](*(int(word) if word.isdigit() else word for word in arguments))))  # type: ignore[operator]
