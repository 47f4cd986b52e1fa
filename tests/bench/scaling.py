"""How deliveries to a directory that is 20 ms away grow with the worker processes; some minutes with N=3200.

With 3,200 there is a message of 200 accounts for each thread of four processes from the beginning. Accounts that one
statement creates travel together, so that even one process is as quick as its processor allows; those that need a
transaction of several statements wait for the distance, and more processes wait at the same time.
"""

import json
import sys
import time
from collections.abc import Iterator

import django
import psycopg

from tests.bench import distant, workers
from tests.bench.steps import NAME, forget, prepare, run_step

AWAY = 0.020  # seconds a round trip
# Worker processes by statements: what travels together is bound by the processor.
PROCESSES = {1: (1, 2), 2: (1, 2, 4)}
SECOND = "UPDATE users SET lastname = '##LASTNAME##' WHERE username = '##USERNAME##'"


def measured_in(dsn: str, variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Create ``count`` accounts with one, two and four worker processes."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    with distant.proxy(str(parts["host"]), int(parts["port"]), AWAY) as port:
        far = psycopg.conninfo.make_conninfo(dsn, port=port)
        for statements, words in ((1, "one statement each"), (2, "two statements each")):
            run_step(variables, "tests.bench.scaling", "prepare", far, str(statements))
            rates = {}
            for processes in PROCESSES[statements]:
                run_step(variables, "tests.bench.scaling", "empty", dsn)
                with workers.running(variables, *["worker"] * processes):
                    found = run_step(variables, "tests.bench.scaling", "deliver", str(count))
                rates[processes] = found["rate"]
                yield (
                    f"Creates 20 ms away, {words}, {processes} worker process{'es' if processes > 1 else ''}",
                    f"{found['rate']:,.0f} /s",
                    f"{rates[processes] / rates[1]:.2f} times one",
                    "",
                )


def prepare_far(dsn: str, statements: int) -> dict[str, float]:
    """Describe the directory behind the proxy; with two statements, a create is a transaction of its own."""
    from directories.models import Directory, QueryTemplate, TemplateOperation

    prepare(dsn)
    if statements == 2:
        directory = Directory.objects.get(name=NAME)
        QueryTemplate.objects.create(directory=directory, operation=TemplateOperation.CREATE, position=99, sql=SECOND)
    return {}


def empty(dsn: str) -> dict[str, float]:
    """Begin anew: nobody in the portal, in the directory or in the broker."""
    from config.celery import app

    forget()
    app.control.purge()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("TRUNCATE users")
    return {}


def deliver(count: int) -> dict[str, float]:
    """Let the workers that run create ``count`` accounts; return how many that were a second."""
    from provisioning import services
    from provisioning.models import Account, Change, User

    for number, prefix in ((8, "warm"), (count, "far")):
        people = User.objects.bulk_create([User(username=f"{prefix}{n}", password="!") for n in range(number)], 1000)
        ids = [person.pk for person in people]
        begun = time.perf_counter()
        services.provision_many(ids, "bench")
        while Change.objects.exists():
            time.sleep(0.1)  # seldom, since asking takes the workers' processor
        seconds = time.perf_counter() - begun
    if left := Account.objects.exclude(state="active").count():
        raise SystemExit(f"{left} accounts were not created.")
    return {"rate": count / seconds}


STEPS = {"prepare": prepare_far, "empty": empty, "deliver": deliver}

if __name__ == "__main__":
    django.setup()
    step, *arguments = sys.argv[1:]
    print(json.dumps(STEPS[step](*(int(word) if word.isdigit() else word for word in arguments))))  # type: ignore[operator]
