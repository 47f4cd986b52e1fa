"""A receiver of events: a real HTTP server in a thread, and a subscription that leads to it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings

from directories.connectors import outgoing
from provisioning.events import delivery, fan_out, subscriptions
from provisioning.events.kinds import KINDS
from provisioning.events.models import Subscription
from provisioning.outbound import batch
from provisioning.outbound.batch import Delivered
from tests.fixtures.http import HttpServer, Request, reply

ALL = list(KINDS)
FIELDS = ["profile.username", "profile.active", "profile.email", "profile.department"]


@dataclass
class Received:
    """One request that came: its headers, in lower case, and its body."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body of a webhook."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def kind(self) -> str:
        """What happened."""
        return str(self.json["type"])


@dataclass
class Receiver:
    """What came, and how it answers: ``answer`` returns the status for what came."""

    came: list[Received] = field(default_factory=list)
    answer: Callable[[Received], int] = lambda received: 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    server: HttpServer = field(init=False)

    def respond(self, handler: Request) -> None:
        """Note what came, and answer."""
        received = Received({name.lower(): value for name, value in handler.headers.items()}, handler.body)
        self.came.append(received)
        reply(handler, self.body, self.answer(received), **self.headers)

    def kinds(self) -> list[str]:
        """What happened, in the order in which it came."""
        return [one.kind for one in self.came]


@pytest.fixture(autouse=True)
def networks() -> Iterator[None]:
    """Allow this machine, and put back what the portal's settings allow."""
    outgoing.allow(["127.0.0.1"])
    yield
    outgoing.allow(settings.OUTGOING_NETWORKS)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    found.server = HttpServer(found.respond)
    with found.server.running():
        yield found


@pytest.fixture
def subscription(db: None, receiver: Receiver) -> Subscription:
    return subscribe(receiver.server.url)


def subscribe(url: str, name: str = "Audit", **values: Any) -> Subscription:
    """Add a subscription to everything."""
    made = Subscription(name=name, url=url, **{"kinds": ALL, "fields": FIELDS, **values})
    subscriptions.save(made, "root")
    return made


def send(subscription: Subscription) -> Delivered:
    """Fan out, and deliver everything that is due, as workers would."""
    fan_out.fan_out()
    return batch.deliver(delivery.EventWork, subscription.pk, delivery.LEASES.due(subscription.pk, 10_000))
