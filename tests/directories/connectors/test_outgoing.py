"""The door for outgoing HTTP, against real servers on this machine, whose network the tests allow."""

import gzip
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from directories.connectors import outgoing
from directories.connectors.errors import ConnectorError, Unavailable
from directories.connectors.outgoing import HttpDoor, address_problem, is_open
from tests.fixtures.http import HttpServer, Request, Responder, reply


@pytest.fixture(autouse=True)
def networks() -> Iterator[None]:
    """Allow this machine, and put back what the portal's settings allow."""
    outgoing.allow(["127.0.0.1"])
    yield
    outgoing.allow(settings.OUTGOING_NETWORKS)


def hello(handler: Request) -> None:
    reply(handler, b"hello")


def refused(url: str, **limits: Any) -> ConnectorError:
    with HttpDoor(**limits) as door, pytest.raises(ConnectorError) as caught:
        door.get(url)
    return caught.value


CLOSED = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "169.254.1.1"),
    *("100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::", "2001:0:7f00:1::1", "2001:db8::1"),
]


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_public_is_closed(address: str) -> None:
    outgoing.allow([])
    assert not is_open(address)
    assert not is_open(address, public=False)


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1111"])
def test_public_addresses_are_open_for_https_alone(address: str) -> None:
    outgoing.allow([])
    assert is_open(address)
    assert not is_open(address, public=False)


def test_settings_open_a_network_but_never_where_a_cloud_keeps_credentials() -> None:
    outgoing.allow(["10.1.0.0/16", "169.254.0.0/16", "fd00::/8", "64:ff9b::/96"])
    assert is_open("10.1.2.3", public=False)
    assert is_open("::ffff:10.1.2.3")
    assert not is_open("10.2.2.3")
    assert is_open("fd12::1")
    assert not is_open("fd00:ec2::254")
    assert not is_open("169.254.169.254")
    assert is_open("64:ff9b::808:808"), "the address and the one that it carries are open"
    assert not is_open("64:ff9b::7f00:1")
    with pytest.raises(ValueError, match="nonsense"):
        outgoing.allow(["nonsense"])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", outgoing.NO_ADDRESS),
        ("hr.example.com/people", outgoing.NO_ADDRESS),
        ("ftp://hr.example.com/", outgoing.NO_ADDRESS),
        ("file:///etc/passwd", outgoing.NO_ADDRESS),
        ("https://", outgoing.NO_ADDRESS),
        ("https://hr.example.com:port/", outgoing.NO_ADDRESS),
        ("https://[::1/", outgoing.NO_ADDRESS),
        ("https://hr.example.com/\r\nX: y", outgoing.NO_ADDRESS),
        ("https://ann:secret@hr.example.com/", outgoing.NO_LOGIN),
        ("https://hr.example.com:8443/a?b=c", ""),
        ("http://10.1.2.3/", ""),
    ],
)
def test_an_address_must_look_like_one(url: str, words: str) -> None:
    assert address_problem(url) == words
    if words:
        assert refused(url).message == words


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_every_way_to_write_this_machine_is_refused(host: str) -> None:
    outgoing.allow([])
    with HttpServer(hello).running() as server:
        for scheme in ("http", "https"):
            assert refused(f"{scheme}://{host}:{server.port}/").message == outgoing.REFUSED
    assert server.asked == []


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the second answer for the name would be an address that is closed."""
    outgoing.allow(["127.0.0.2"])
    looked_up: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "hr.example.com":
            looked_up.append(host)
            host = "127.0.0.2" if len(looked_up) == 1 else "127.0.0.1"
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with HttpServer(hello, host="0.0.0.0").running() as server:
        with HttpDoor() as door:
            assert door.get(f"http://hr.example.com:{server.port}/").body == b"hello"
        assert server.came_to == ["127.0.0.2"]
        assert server.headers[0]["host"] == f"hr.example.com:{server.port}"
        assert refused(f"http://hr.example.com:{server.port}/").message == outgoing.REFUSED
    assert len(server.asked) == 1
    assert len(looked_up) == 2


def test_of_several_addresses_of_a_name_only_open_ones_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def both(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        names = ["127.0.0.2", "127.0.0.1"] if host == "hr.example.com" else [host]
        return [one for name in names for one in real(name, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with HttpServer(hello, host="0.0.0.0").running() as server, HttpDoor() as door:
        door.get(f"http://hr.example.com:{server.port}/")
    assert server.came_to == ["127.0.0.1"]


def test_plain_http_and_low_ports_are_for_allowed_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: public)
    assert refused("http://hr.example.com/").message == outgoing.PLAIN
    assert refused("https://hr.example.com:25/").message == outgoing.NO_PORT


def test_a_redirect_is_checked_like_the_first_address() -> None:
    outgoing.allow(["127.0.0.1"])
    with HttpServer(hello, host="127.0.0.2").running() as inner:

        def away(handler: Request) -> None:
            reply(handler, b"", 302, Location=f"{inner.url}/secrets")

        with HttpServer(away).running() as outer:
            assert refused(outer.url).message == outgoing.REFUSED
    assert inner.asked == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://ann:b@127.0.0.1/", "gopher://127.0.0.1/", "//[/"])
def test_a_redirect_to_no_address_is_refused(target: str) -> None:
    with HttpServer(lambda handler: reply(handler, b"", 302, Location=target)).running() as server:
        assert refused(server.url).message in {outgoing.NO_ADDRESS, outgoing.NO_LOGIN}


def test_secrets_go_along_on_one_host_and_not_to_another() -> None:
    with HttpServer(hello).running() as other:

        def move(handler: Request) -> None:
            target = f"{other.url}/there" if handler.path == "/second" else "/second"
            reply(handler, b"", 307, Location=target)

        with HttpServer(move).running() as first, HttpDoor() as door:
            answer = door.get(f"{first.url}/first", {"X-Api-Key": "s3cret", "Accept": "application/json"})
    assert answer.url == f"{other.url}/there"
    assert [headers.get("x-api-key") for headers in first.headers] == ["s3cret", "s3cret"]
    assert "x-api-key" not in other.headers[0]
    assert other.headers[0]["accept"] == "application/json"


def test_redirects_end() -> None:
    with HttpServer(lambda handler: reply(handler, b"", 302, Location="/again")).running() as server:
        assert refused(server.url).message == outgoing.TOO_MANY_REDIRECTS
    assert len(server.asked) == outgoing.REDIRECTS + 1


def test_what_is_posted_is_not_sent_on() -> None:
    with (
        HttpServer(lambda handler: reply(handler, b"", 307, Location="/there")).running() as server,
        HttpDoor() as door,
    ):
        assert door.post(server.url, b"grant", {"Content-Type": "text/plain"}).status == 307
    assert server.asked == [("POST", "/")]


def test_an_answer_is_as_large_as_allowed_and_no_larger() -> None:
    with HttpServer(lambda handler: reply(handler, b"x" * 2000)).running() as server:
        with HttpDoor(largest=2000) as door:
            assert len(door.get(server.url).body) == 2000
        assert refused(server.url, largest=1999).code == "too_large"


def bomb(handler: Request) -> None:
    reply(handler, gzip.compress(bytes(5_000_000), 5), Content_Encoding="gzip")


def twice(handler: Request) -> None:
    reply(handler, gzip.compress(gzip.compress(bytes(5_000_000), 5)), Content_Encoding="gzip, gzip")


def endless(handler: Request) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"2000\r\n" + bytes(0x2000) + b"\r\n")


@pytest.mark.parametrize("answer", [bomb, twice, endless])
def test_neither_a_gzip_bomb_nor_an_endless_answer_fills_the_memory(answer: Responder) -> None:
    with HttpServer(answer).running() as server:
        assert refused(server.url, largest=1_000_000).code == "too_large"


def broken(handler: Request) -> None:
    reply(handler, b"this is no gzip", Content_Encoding="gzip")


def short(handler: Request) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"only this")
    handler.close_connection = True


def test_an_answer_that_breaks_off_or_cannot_be_unpacked_is_no_answer() -> None:
    with HttpServer(short).running() as server:
        assert refused(server.url).message == outgoing.NO_HTTP
    with HttpServer(broken).running() as server:
        assert "cannot be unpacked" in refused(server.url).message


def drip_body(handler: Request) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    _drip(handler)


def drip_headers(handler: Request) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _drip(handler)


def _drip(handler: Request) -> None:
    handler.close_connection = True
    for _ in range(1000):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        if STOPPING[-1].stopping.wait(0.02):
            return


STOPPING: list[HttpServer] = []


@pytest.mark.parametrize("answer", [drip_body, drip_headers])
def test_a_slow_drip_ends_with_the_time_of_the_request(answer: Responder) -> None:
    """Each byte comes in time; all of them together would take twenty seconds."""
    with HttpServer(answer).running() as server:
        STOPPING.append(server)
        error = refused(server.url, seconds=0.2)
    assert isinstance(error, Unavailable)
    assert error.message == outgoing.SLOW


def test_a_service_that_is_away_or_unknown_may_be_back_later(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpServer(hello).running() as server:
        pass
    assert isinstance(refused(server.url), Unavailable)

    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert refused("https://hr.example.com/").message == outgoing.UNKNOWN


def test_certificates_are_checked_and_an_own_authority_is_trusted(certificate: Path) -> None:
    pem = certificate.read_text()
    authority = pem[pem.index("-----BEGIN CERTIFICATE") :]
    with HttpServer(hello, certificate=certificate).running() as server:
        assert refused(server.url).message == outgoing.UNTRUSTED
        with HttpDoor(authority=authority) as door:
            assert door.get(server.url).body == b"hello"
        with HttpDoor(checked=False) as door:
            assert door.get(server.url).body == b"hello", "somebody switched the check off"
    with HttpServer(hello).running() as plain:
        assert refused(plain.url.replace("http:", "https:")).message == outgoing.NO_TLS
    with pytest.raises(ConnectorError, match="no certificate"):
        HttpDoor(authority="-----BEGIN nonsense")


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpServer(hello).running() as proxy, HttpServer(hello).running() as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with HttpDoor() as door:
            door.get(server.url)
    assert proxy.asked == []
