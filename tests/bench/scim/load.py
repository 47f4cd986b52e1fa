"""Asks a SCIM service over HTTP and takes the time: one request after the other, or as many as it can serve."""

import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
REPEATS, LONGEST = 40, 6.0  # requests of a kind, and seconds after which fewer must do
WARM, WARM_SECONDS = 60, 3.0  # requests before those, in which each thread's connection makes ready
CLIENTS, SECONDS = 8, 6.0  # of the sustained load
Request = tuple[str, str, Any]


class Figure(NamedTuple):
    """What one request takes in milliseconds: the median, and the processor time on average."""

    latency: float
    processor: float


@dataclass
class Service:
    """One service with its people: ``ids`` are some of them, ``outsiders`` are not in the group, ``leavers`` in ten.

    ``processor`` tells how many seconds of processor time the service and its database have used.
    """

    name: str
    port: int
    token: str
    size: int
    ids: list[str]
    group: str
    outsiders: list[str]
    leavers: list[str]
    processor: Callable[[], float]
    base: str = "/scim/v2"

    def connect(self) -> "Connection":
        """Return a connection that is kept open."""
        return Connection(self)


class Connection:
    """One client."""

    def __init__(self, service: Service) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
        self.base = service.base
        self.headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/scim+json"}

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Send one request and read the whole answer."""
        data = None if body is None else json.dumps(body)
        self.http.request(method, f"{self.base}{path}", data, self.headers)
        response = self.http.getresponse()
        return response.status, response.read()


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a PATCH."""
    return {"schemas": [PATCH], "Operations": list(operations)}


def requests(service: Service) -> dict[str, Callable[[int], Request]]:
    """Return what is measured: how the n-th request of each kind looks."""
    size, ids = service.size, service.ids

    def somebody(n: int) -> str:
        return ids[n * 7919 % len(ids)]

    def filtered(n: int) -> Request:
        return "GET", "/Users?filter=" + quote(f'userName eq "person{n * 7919 % size + 1}"'), None

    def new(n: int) -> Request:
        name = {"givenName": "New", "familyName": "Comer"}
        emails = [{"value": f"new{n}@example.org", "type": "work", "primary": True}]
        body = {"schemas": [USER], "userName": f"new{n}", "name": name, "emails": emails, "active": True}
        return "POST", "/Users", body

    def active(n: int) -> Request:
        operation = {"op": "replace", "path": "active", "value": n // len(ids) % 2 == 1}
        return "PATCH", f"/Users/{somebody(n)}", patch(operation)

    def member(n: int) -> Request:
        operation = {"op": "add", "path": "members", "value": [{"value": service.outsiders[n]}]}
        return "PATCH", f"/Groups/{service.group}", patch(operation)

    return {
        "filter eq": filtered,
        "first page of 100": lambda n: ("GET", "/Users?startIndex=1&count=100", None),
        "deep page of 100": lambda n: ("GET", f"/Users?startIndex={max(1, size - 150 - n)}&count=100", None),
        "GET": lambda n: ("GET", f"/Users/{somebody(n)}", None),
        "POST": new,
        "PATCH active": active,
        "add one member": member,
        "DELETE, in ten groups": lambda n: ("DELETE", f"/Users/{service.leavers[n]}", None),
    }


def latencies(service: Service) -> Iterator[tuple[str, Figure]]:
    """Yield what each kind of request takes; a request that is refused stops the bench."""
    connection = service.connect()
    for name, request in requests(service).items():

        def ask(n: int, name: str = name, request: Callable[[int], Request] = request) -> float:
            before = time.perf_counter()
            status, body = connection(*request(n))
            if status >= 300:
                raise SystemExit(f"{service.name}, {name}: {status} {body[:300]!r}")
            return (time.perf_counter() - before) * 1000

        _repeated(ask, range(WARM), WARM_SECONDS)
        used = service.processor()
        times = _repeated(ask, range(WARM, WARM + REPEATS), LONGEST)
        yield name, Figure(statistics.median(times), (service.processor() - used) * 1000 / len(times))


def _repeated(ask: Callable[[int], float], numbers: range, seconds: float) -> list[float]:
    """Ask at least twice, and as often as the seconds allow; return what ``ask`` does."""
    begun, found = time.perf_counter(), []
    for n in numbers:
        found.append(ask(n))
        if len(found) >= 2 and time.perf_counter() - begun > seconds:
            break
    return found


def sustained(service: Service) -> tuple[float, float]:
    """Return requests a second of eight clients, and the processor's milliseconds for each.

    Of ten requests, six look people up, two read and two write.
    """
    kinds = requests(service)
    mix = [kinds["filter eq"]] * 6 + [kinds["GET"]] * 2 + [kinds["PATCH active"]] * 2
    used, until = service.processor(), time.perf_counter() + SECONDS

    def client(number: int) -> int:
        connection, done = service.connect(), 0
        while time.perf_counter() < until:
            n = done * CLIENTS + number
            status, body = connection(*mix[done % len(mix)](n))
            if status >= 300:
                raise SystemExit(f"{service.name}: {status} {body[:300]!r}")
            done += 1
        return done

    with ThreadPoolExecutor(CLIENTS) as pool:
        total = sum(pool.map(client, range(CLIENTS)))
    return total / SECONDS, (service.processor() - used) * 1000 / total
