"""How quickly people reach a SCIM application that answers after 50 ms, with one and with four worker processes.

The floor is a loop over httpx2 that only posts users, on as many connections as the workers have together.
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
from urllib.parse import unquote

import django
import httpx2

from tests.bench import scaling, workers
from tests.bench.steps import THREADS, forget, run_step

LATENCY = 0.050  # seconds before each answer
PROCESSES = (1, 4)
IN_FLIGHT = 4  # requests at a time for each thread of a worker process
NAME = "App"
JSON = "application/scim+json"


async def serve() -> None:
    """Take users until the process ends, and find them by what a filter compares."""
    made: dict[str, dict[str, str]] = {}

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().split("\r\n")
            method, path, _ = lines[0].split(" ")
            sizes = [int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")]
            body = await reader.readexactly(sizes[0]) if sizes else b""
            await asyncio.sleep(LATENCY)
            values = re.findall('eq "([^"]*)"', unquote(path))
            known = {made[value]["id"]: made[value] for value in values if value in made}
            status, answer = "200 OK", {"totalResults": len(known), "Resources": [*known.values()]}
            if method == "POST":
                user = {**json.loads(body), "id": str(len(made))}
                made.update(dict.fromkeys((user["userName"], user["externalId"]), user))
                status, answer = "201 Created", user
            elif path == "/ServiceProviderConfig":
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
    """Create ``count`` users with one and with four worker processes."""
    for processes in PROCESSES:
        connections = processes * THREADS * IN_FLIGHT
        with application() as url:
            run_step(variables, "tests.bench.scim_target", "prepare", url)
            floor = loop_rate(url, count, connections)
            run_step(variables, "tests.bench.scim_target", "empty")
            with workers.running(variables, *["worker"] * processes):
                found = run_step(variables, "tests.bench.scim_target", "deliver", str(count))
        yield (f"Floor: raw httpx2 loop, {connections} connections, 50 ms away", f"{floor:,.0f} /s", "1.00", "")
        yield (
            f"SCIM creates, {processes} worker process{'es' if processes > 1 else ''}",
            f"{found['rate']:,.0f} /s; to reach: 0.8 of the floor",
            f"{found['rate'] / floor:.2f}",
            "",
        )


def prepare(url: str) -> dict[str, float]:
    """Describe the application as a directory with everything switched on."""
    from directories.models import AttributeMapping, Directory, ProvisioningSettings
    from tests.fixtures.directories import GENEROUS

    settings = {"product": "generic", "url": url, "in_flight": IN_FLIGHT}
    Directory.objects.all().delete()
    directory = Directory.objects.create(name=NAME, kind="scim", settings=settings, secrets={"secret": "token"})
    switches = dict.fromkeys(("create_users", "update_users"), True)
    ProvisioningSettings.objects.create(directory=directory, **GENEROUS, max_changed=100_000, **switches)
    mapped = {
        "name.givenName": "first_name",
        "name.familyName": "last_name",
        'emails[type eq "work"].value': "email",
    }
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


STEPS = {"prepare": prepare, "empty": empty, "deliver": scaling.deliver}

if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    if step == "serve":
        asyncio.run(serve())
    else:
        django.setup()
        print(json.dumps(STEPS[step](*(int(word) if word.isdigit() else word for word in arguments))))  # type: ignore[operator]
