"""Receivers that mean harm, or are broken: each is left alone, nothing is lost, and nobody else waits."""

import gzip
import socket
import time
from typing import Any

import pytest

from directories.connectors import outgoing
from provisioning import services
from provisioning.events import sending
from provisioning.events.models import Attempt, EventDelivery, Subscription
from provisioning.models import User
from tests.fixtures.http import HttpServer, Request, reply
from tests.provisioning.events.conftest import Receiver, send, subscribe

pytestmark = pytest.mark.django_db


def tried(subscription: Subscription) -> Attempt:
    services.save_user(User(username="ada"), "root")
    send(subscription)
    assert EventDelivery.objects.filter(subscription=subscription, parked=None).count() == 1, "nothing is lost"
    return Attempt.objects.get(subscription=subscription)


def test_an_answer_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SECONDS", 0.3)

    def drip(handler: Request) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not server.stopping.wait(0.02):
            handler.wfile.write(b".")

    server = HttpServer(drip)
    with server.running():
        began = time.monotonic()
        attempt = tried(subscribe(server.url))
    assert time.monotonic() - began < 5
    assert (attempt.taken, attempt.words) == (False, outgoing.SLOW)


def test_a_redirect_into_the_portals_network_is_not_followed(receiver: Receiver) -> None:
    with HttpServer(lambda handler: reply(handler, b"", 307, Location=receiver.server.url)).running() as server:
        attempt = tried(subscribe(server.url))
    assert receiver.came == []
    assert (attempt.status, attempt.words) == (307, sending.MOVED.format(status=307))


def test_a_name_that_means_something_else_a_moment_later_reaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is looked up once, all of what it means is checked, and nothing else is connected to."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        address = "93.184.215.14" if len(asked) > 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    attempt = tried(subscribe("https://rebinding.example.com/"))
    assert asked == ["rebinding.example.com"]
    assert (attempt.status, attempt.words) == (None, outgoing.REFUSED)


@pytest.mark.heavy
def test_an_answer_that_unpacks_to_more_than_is_read_is_refused(receiver: Receiver) -> None:
    receiver.body, receiver.headers = gzip.compress(bytes(80 * 1024 * 1024)), {"Content-Encoding": "gzip"}
    receiver.answer = lambda came: 200
    attempt = tried(subscribe(receiver.server.url))
    assert attempt.taken is False
    assert "larger than" in attempt.words


def test_a_page_of_html_is_no_success(receiver: Receiver) -> None:
    receiver.answer, receiver.body = (lambda came: 404), b"<html><body>\x00Not here</body></html>"
    assert tried(subscribe(receiver.server.url)).words.endswith("It said: <html><body> Not here</body></html>")


def test_what_speaks_no_http_is_left_alone() -> None:
    def hang_up(handler: Request) -> None:
        handler.wfile.write(b"SMTP ready\r\n")
        handler.close_connection = True

    with HttpServer(hang_up).running() as server:
        assert tried(subscribe(server.url, "Mail")).words == outgoing.NO_HTTP
