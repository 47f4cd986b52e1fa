"""N events to 20 receivers, of which one is dead: what writing them costs, and how soon everybody else has them.

The receivers are paths of one small server in a process of its own. It counts what comes, what comes twice, and what
comes out of order for a person.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import django

from tests import servers
from tests.bench import workers
from tests.bench.steps import measured, run_step

RECEIVERS = 20  # of which the last one is dead
EACH = 10  # events a person
DEAD = "http://127.0.0.1:9/dead"  # nobody listens on this port
WORKERS = 2
STALLED = 120.0  # seconds without a delivery


def measured_in(variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Write events without and with receivers, and deliver them."""
    port = servers.free_port()
    with subprocess.Popen([sys.executable, "-m", "tests.bench.events", "receive", str(port)]) as receivers:
        try:
            alone = run_step(variables, "tests.bench.events", "write", str(count))
            run_step(variables, "tests.bench.events", "subscribe", str(port))
            heard = run_step(variables, "tests.bench.events", "write", str(count))
            yield _rate("Lines of the report written, nobody subscribes", count, alone["seconds"], "")
            ratio = f"{alone['seconds'] / heard['seconds']:.2f}"
            yield _rate("The same with their events", count, heard["seconds"], ratio)
            yield _delivered(variables, count, port)
        finally:
            receivers.terminate()


def _rate(what: str, count: int, seconds: float, ratio: str) -> tuple[str, ...]:
    return (what, f"{count / seconds:,.0f} /s", ratio, "")


def _delivered(variables: dict[str, str], count: int, port: int) -> tuple[str, ...]:
    wanted = count * (RECEIVERS - 1)
    with workers.running(variables, "worker", *["events"] * WORKERS):
        run_step(variables, "tests.bench.events", "wake")
        moved, came = time.perf_counter(), 0
        while came < wanted:
            time.sleep(0.5)
            now = _counted(port)
            if now["different"] > came:
                came, moved = now["different"], time.perf_counter()
            if time.perf_counter() - moved > STALLED:
                raise SystemExit(f"{wanted - came} of {wanted} deliveries did not come.")
    now = _counted(port)
    seconds = now["milliseconds"] / 1000  # from the first that came to the last: workers begin as soon as they start
    figures = f"{wanted:,} deliveries, {wanted / seconds:,.0f} /s, {now['twice']:,} twice, {now['late']:,} out of order"
    return (f"To {RECEIVERS} receivers, one dead, {WORKERS} programs `events`", figures, "", "")


def _counted(port: int) -> dict[str, int]:
    with urlopen(f"http://127.0.0.1:{port}/") as answer:
        found: dict[str, int] = json.loads(answer.read())
        return found


def subscribe(port: str) -> dict[str, float]:
    """Add the receivers."""
    from provisioning.events import subscriptions
    from provisioning.events.models import Subscription

    urls = [f"http://127.0.0.1:{port}/{number}" for number in range(RECEIVERS - 1)]
    for number, url in enumerate([*urls, DEAD]):
        one = Subscription(name=f"Receiver {number}", url=url, kinds=["user.updated"], fields=["profile.title"])
        subscriptions.save(one, "bench")
    return {}


def write(count: str) -> dict[str, float]:
    """Write lines of the report about people, ten a person, a page a transaction."""
    from django.db import transaction

    from config.database import bulk
    from provisioning.models import User
    from reports.journal import Line, record_many
    from reports.models import Direction, Operation, Result

    if not User.objects.exists():
        bulk.insert(User, [{"username": f"user{number}", "password": "!"} for number in range(int(count) // EACH)])
    people = dict(User.objects.order_by("pk").values_list("pk", "username"))
    result: dict[str, float] = {}
    with measured(result):
        for turn in range(EACH):
            with transaction.atomic():
                record_many(
                    Line(
                        identifier=username,
                        application="",
                        direction=Direction.PORTAL,
                        operation=Operation.UPDATE,
                        result=Result.SUCCESS,
                        message=f"{username} was changed in the portal: Title",
                        changes={"Title": (turn, turn + 1)},
                        user_id=pk,
                    )
                    for pk, username in people.items()
                )
    return result


def wake() -> dict[str, float]:
    """Tell the workers."""
    from provisioning.events.outbox import FAN_OUT
    from provisioning.outbound import dispatch

    dispatch.send(FAN_OUT)
    return {}


class Receivers:
    """Counts what comes to each path."""

    def __init__(self) -> None:
        self.ids: set[tuple[str, str]] = set()
        self.turns: dict[tuple[str, str], int] = {}
        self.twice = self.late = 0
        self.first = self.last = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                verb, path, *_ = head.decode().split(" ")
                lines = head.decode().lower().split("\r\n")
                lengths = [int(line.split(":")[1]) for line in lines if line.startswith("content-length:")]
                body = await reader.readexactly(sum(lengths))
                said = b""
                if verb == "POST":
                    self.note(path, json.loads(body)["data"])
                else:
                    said = json.dumps(self.counts()).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def counts(self) -> dict[str, int]:
        """Return what came so far."""
        lasted = round(1000 * (self.last - self.first))
        return {"different": len(self.ids), "twice": self.twice, "late": self.late, "milliseconds": lasted}

    def note(self, path: str, data: dict[str, Any]) -> None:
        """Count one event."""
        self.last = time.perf_counter()
        self.first = self.first or self.last
        if (path, data["id"]) in self.ids:
            self.twice += 1
            return
        self.ids.add((path, data["id"]))
        who, turn = (path, data["user"]["id"]), int(data["changes"]["title"]["after"])
        self.late += turn < self.turns.get(who, 0)
        self.turns[who] = turn


def receive(port: str) -> None:
    """Serve until the process is ended."""

    async def forever() -> None:
        server = await asyncio.start_server(Receivers().serve, "127.0.0.1", int(port))
        await server.serve_forever()

    asyncio.run(forever())


STEPS = {"subscribe": subscribe, "write": write, "wake": wake}

if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    if step == "receive":
        receive(*arguments)
    django.setup()
    print(json.dumps(STEPS[step](*arguments)))
