"""How quickly people reach a SCIM application that answers after 50 ms, with one and with four worker processes.

The floor is a loop over httpx2 that only posts users, on as many connections as the workers have together. Then people
leave, one after the other, while a change of everybody's name waits in two applications.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from typing import Any
from urllib.parse import unquote
from urllib.request import urlopen

import django
import httpx2

from tests.bench import scaling, workers
from tests.bench.steps import THREADS, forget, percentile, run_step

LATENCY = 0.050  # seconds before each answer
PROCESSES = (1, 4)
IN_FLIGHT = (1, 4)  # requests at a time for each thread of a worker process; 4 is what presets say at first
APPLICATIONS = 2  # that a leaver is in
LEAVERS = 50
GOAL = 2.0  # seconds until a leaver is disabled everywhere
JSON = "application/scim+json"


async def serve() -> None:
    """Take users until the process ends, and find them by what a filter compares. Each base address has its own."""
    made: dict[str, dict[str, Any]] = {}

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().split("\r\n")
            method, path, _ = lines[0].split(" ")
            sizes = [int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")]
            body = await reader.readexactly(sizes[0]) if sizes else b""
            await asyncio.sleep(LATENCY)
            base, _, place = path.partition("/Users")
            values = [f"{base} {value}" for value in re.findall('eq "([^"]*)"', unquote(place))]
            known = {made[value]["id"]: made[value] for value in values if value in made}
            status, answer = "200 OK", {"totalResults": len(known), "Resources": [*known.values()]}
            if method == "POST":
                user = {**json.loads(body), "id": f"id{len(made)}"}
                keys = (user["userName"], user["externalId"], user["id"])
                made.update(dict.fromkeys((f"{base} {key}" for key in keys), user))
                status, answer = "201 Created", user
            elif place.startswith("/"):
                answer = made[f"{base} {place.strip('/')}"]
                for operation in json.loads(body)["Operations"] if method == "PATCH" else ():
                    holder, _, part = operation["path"].rpartition(".")
                    (answer.setdefault(holder, {}) if holder else answer)[part] = operation["value"]
            elif path == "/inactive":
                answer = {"number": len({id(one) for one in made.values() if not one["active"]})}
            elif path.endswith("/ServiceProviderConfig"):
                answer = {"patch": {"supported": True}, "filter": {"supported": True, "maxResults": 200}}
            data = json.dumps(answer).encode()
            said = f"HTTP/1.1 {status}\r\nContent-Type: {JSON}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            writer.write(said + data)

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await connected(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def application() -> Iterator[str]:
    """Run the application in a process of its own; yield its address."""
    command = [sys.executable, "-m", "tests.bench.scim_target", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def loop_rate(url: str, count: int, connections: int) -> float:
    """Return how many users a second a raw loop posts."""
    user = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "name": {"givenName": "First", "familyName": "Last"},
        "emails": [{"type": "work", "value": "person@example.org"}],
        "active": True,
    }

    def posted(numbers: range) -> None:
        with httpx2.Client(headers={"Content-Type": JSON}) as client:
            for number in numbers:
                body = {**user, "userName": f"raw{number}", "externalId": f"raw{number}"}
                client.post(f"{url}/Users", content=json.dumps(body)).raise_for_status()

    begun = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(posted, [range(start, count, connections) for start in range(connections)]))
    return count / (time.perf_counter() - begun)


def measured_in(variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Create ``count`` users with one and with four worker processes, and let some of them leave."""
    for in_flight, processes in product(IN_FLIGHT, PROCESSES):
        connections = processes * THREADS * in_flight
        with application() as url:
            run_step(variables, "tests.bench.scim_target", "prepare", url, "1", str(in_flight))
            floor = loop_rate(url, count, connections)
            run_step(variables, "tests.bench.scim_target", "empty")
            with workers.running(variables, *["worker"] * processes):
                found = run_step(variables, "tests.bench.scim_target", "deliver", str(count))
        yield (f"Floor: raw httpx2 loop, {connections} connections, 50 ms away", f"{floor:,.0f} /s", "1.00", "")
        yield (
            f"SCIM creates, {processes} worker process{'es' if processes > 1 else ''}, {in_flight} in flight a thread",
            f"{found['rate']:,.0f} /s; to reach: 0.8 of the floor",
            f"{found['rate'] / floor:.2f}",
            "",
        )
    with application() as url:
        run_step(variables, "tests.bench.scim_target", "empty")
        run_step(variables, "tests.bench.scim_target", "prepare", url, str(APPLICATIONS), str(IN_FLIGHT[-1]))
        with workers.running(variables, "worker", "leavers"):
            run_step(variables, "tests.bench.scim_target", "deliver", str(count))
            found = run_step(variables, "tests.bench.scim_target", "overtake", url, str(min(LEAVERS, count // 20)))
    what = f"Leaver to disabled in {APPLICATIONS} applications, at least {found['queued']:,.0f} changes wait"
    times = ", ".join(f"{name} {found[name]:.2f} s" for name in ("p50", "p95", "slowest"))
    yield (what, f"{times}; to reach: {GOAL:.0f} s", "", "")


def overtake(url: str, number: int) -> dict[str, float]:
    """Let people leave one by one while a change of everybody waits; tell how soon each was disabled everywhere."""
    from provisioning import services
    from provisioning.models import Account, Change, User

    every = list(User.objects.order_by("pk").values_list("pk", flat=True))
    waits, queued, names = [], [], 0
    for user_id in every[:: len(every) // number][:number]:
        if Change.objects.count() < len(every):
            names += 1
            User.objects.update(last_name=f"Name {names}")
            services.provision_many(User.objects.filter(is_active=True).values_list("pk", flat=True), "bench")
        queued.append(Change.objects.count())
        since = time.perf_counter()
        services.set_active([user_id], False, "bench")
        open_ = Account.objects.filter(user=user_id).exclude(state="disabled")
        while open_.exists():
            time.sleep(0.01)
        waits.append(time.perf_counter() - since)
    with urlopen(f"{url}/inactive") as answer:
        inactive = json.loads(answer.read())["number"]
    if inactive != number * APPLICATIONS:
        raise SystemExit(f"{inactive} users are disabled there.")
    waits.sort()
    return {
        "queued": min(queued),
        **{f"p{share}": percentile(waits, share) for share in (50, 95)},
        "slowest": waits[-1],
    }


def prepare(url: str, number: int, in_flight: int) -> dict[str, float]:
    """Describe so many applications as directories with everything switched on."""
    from directories.models import AttributeMapping, Directory, ProvisioningSettings
    from tests.fixtures.directories import GENEROUS

    Directory.objects.all().delete()
    switches = dict.fromkeys(("create_users", "update_users", "deactivate_users"), True)
    mapped = {
        "name.givenName": "first_name",
        "name.familyName": "last_name",
        'emails[type eq "work"].value': "email",
    }
    for at in range(number):
        settings = {"product": "generic", "url": f"{url}/{at}", "in_flight": in_flight}
        directory = Directory.objects.create(
            name=f"App {at}", kind="scim", settings=settings, secrets={"secret": "token"}
        )
        ProvisioningSettings.objects.create(directory=directory, **GENEROUS, max_changed=100_000, **switches)
        for position, (theirs, ours) in enumerate(mapped.items()):
            AttributeMapping.objects.create(
                directory=directory, directory_attribute=theirs, portal_attribute=ours, position=position
            )
    return {}


def empty() -> dict[str, float]:
    """Begin anew: nobody in the portal or in the broker."""
    from config.celery import app

    forget()
    app.control.purge()
    return {}


STEPS = {"prepare": prepare, "empty": empty, "deliver": scaling.deliver, "overtake": overtake}

if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    if step == "serve":
        asyncio.run(serve())
    else:
        django.setup()
        print(json.dumps(STEPS[step](*(int(word) if word.isdigit() else word for word in arguments))))  # type: ignore[operator]
