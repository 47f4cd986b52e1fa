"""The one door for outgoing HTTP: which addresses may be opened, and how much time and room an answer gets.

Whoever manages directories types addresses that the portal then opens from inside its own network. So a name is looked
up once, everything that it means is checked, and exactly what was checked is connected to: a name that means something
else a moment later (DNS rebinding) changes nothing, and neither does a redirect, which comes through here as well.
Addresses that are not public are opened only in the networks that the portal's settings allow (``OUTGOING_NETWORKS``,
set once by ``directories.apps``); there plain HTTP and every port are allowed too.

No Django in here: connectors run outside the portal too. The environment's HTTP_PROXY and its kin are not looked at.
"""

import datetime as dt
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpcore2
import httpx2

from directories.connectors.errors import AGAIN, ConnectorError, Unavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SECONDS = 30.0  # for one request with its redirects
LARGEST = 50 * 1024 * 1024  # bytes of one answer, on the wire and decoded
REDIRECTS = 5
_HEADERS_ROOM = 256 * 1024  # bytes of an answer that are not its body
_CONNECT_SECONDS = 10.0
_TRUST_SECONDS = 600.0  # for which the machine's list of authorities is not read again
_FIRST_USUAL_PORT = 1024  # below it only 443: other services than HTTP live there
# Where clouds tell a machine its own credentials. No setting opens these.
_METADATA = frozenset({"169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192"})
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last four bytes are the IPv4 address that is meant
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291 2.5.5.1, deprecated: the same

REFUSED = (
    "This address leads into a network that the portal does not open. Use the public address of the service, or let "
    "whoever runs the portal add the network to OUTGOING_NETWORKS."
)
PLAIN = (
    "This address begins with http://, so that everything crosses the network in the clear. Use https://, or let "
    "whoever runs the portal add the service's network to OUTGOING_NETWORKS."
)
NO_ADDRESS = "Type a whole address, such as https://hr.example.com/api/people."
NO_LOGIN = "The address holds a user name or a password. Take them out, and type them in their own boxes."
NO_PORT = "The portal opens port 443 and those from 1024 on. Use another port, or let whoever runs the portal add it."
UNKNOWN = "No server of this name is known. Check the spelling of the address."
UNTRUSTED = (
    "The certificate of the service is not trusted, or it is for another name. Paste the right certificate authority, "
    "and use the name that the certificate has."
)
NO_TLS = "The encrypted connection failed. Check that the service speaks HTTPS on this port."
AWAY = f"The service cannot be reached. Check the address and whether the service runs. {AGAIN}"
SLOW = f"The service took too long to answer. {AGAIN}"
NO_HTTP = f"The service broke off in the middle of its answer, or does not speak HTTP. {AGAIN}"
TOO_LARGE = "The answer is larger than {megabytes} MB. Ask for smaller pages."
TOO_MANY_REDIRECTS = "The service sends the portal from one address to the next. Use the address where it ends."

_networks: tuple[Network, ...] = ()


def allow(networks: Iterable[str]) -> None:
    """Open these networks too, given as ``10.1.0.0/16`` or a single address; raise ValueError for anything else."""
    global _networks  # noqa: PLW0603 - set once, when the portal starts
    _networks = tuple(ipaddress.ip_network(text.strip(), strict=False) for text in networks if text.strip())


def address_problem(url: str) -> str:
    """Return what is wrong with the look of an address, "" for nothing; where it leads is checked when it is opened."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return NO_ADDRESS
    if parts.scheme not in {"http", "https"} or not host or not url.isprintable():
        return NO_ADDRESS
    return NO_LOGIN if parts.username is not None or parts.password is not None else ""


def is_open(text: str, *, public: bool = True) -> bool:
    """Return whether the portal opens an IP address: one in a network of the settings, and if ``public`` a public one.

    An address that carries another one (IPv4-mapped, 6to4, Teredo, NAT64) is open only when both are.
    """
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    meant = [address, *_carried(address)]
    if any(str(one) in _METADATA for one in meant):
        return False
    return all(_is_listed(one) or (public and _is_public(one)) for one in meant)


def _is_listed(address: Address) -> bool:
    return any(address.version == network.version and address in network for network in _networks)


def _is_public(address: Address) -> bool:
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not (special or getattr(address, "is_site_local", False))


def _carried(address: Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    carried = [*(address.teredo or ()), *([address.sixtofour] if address.sixtofour else ())]
    if address in _NAT64 or address in _COMPATIBLE:
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return carried


def _addresses(host: str, port: int, *, public: bool) -> list[str]:
    """Look a name up once and return those of its addresses that are open; raise ConnectorError without any."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise ConnectorError(UNKNOWN, code="settings") from None
    except OSError:
        raise Unavailable(UNKNOWN) from None
    texts = list(dict.fromkeys(str(where[0]) for *_, where in found))
    opened = [text for text in texts if is_open(text, public=public)]
    if not opened:
        reason = PLAIN if not public and any(map(is_open, texts)) else REFUSED
        raise ConnectorError(reason, code="settings")
    if port != 443 and port < _FIRST_USUAL_PORT:
        opened = [text for text in opened if is_open(text, public=False)]
    if not opened:
        raise ConnectorError(NO_PORT, code="settings")
    return opened


@dataclass(slots=True)
class _Meter:
    """How much time and how many bytes are left for the request that runs. One request runs at a time."""

    until: float = 0.0
    room: int = 0
    largest: int = LARGEST

    def begin(self, seconds: float, largest: int) -> None:
        """Start anew, for one request with its redirects."""
        self.until = time.monotonic() + seconds
        self.largest = largest
        self.room = largest + _HEADERS_ROOM

    def seconds(self, wanted: float | None = None) -> float:
        """Return how long one step may take; raise Unavailable when the time is over."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise Unavailable(SLOW)
        return left if wanted is None else min(left, wanted)

    def count(self, received: int) -> None:
        """Note bytes that came over the wire; raise ConnectorError when they are too many."""
        self.room -= received
        if self.room < 0:
            raise self.too_large()

    def too_large(self) -> ConnectorError:
        """Return the error that says how large an answer may be."""
        return ConnectorError(TOO_LARGE.format(megabytes=max(self.largest // (1024 * 1024), 1)), code="too_large")


class _MeteredStream(httpcore2.NetworkStream):
    """A connection that keeps to the meter, so that headers that drip in are no way around it either."""

    def __init__(self, stream: httpcore2.NetworkStream, meter: _Meter) -> None:
        self._stream = stream
        self._meter = meter

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        received = self._stream.read(max_bytes, self._meter.seconds(timeout))
        self._meter.count(len(received))
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._meter.seconds(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        try:
            encrypted = self._stream.start_tls(ssl_context, server_hostname, self._meter.seconds(timeout))
        except httpcore2.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise ConnectorError(UNTRUSTED, code="tls") from None
            raise Unavailable(NO_TLS if isinstance(error.__cause__, ssl.SSLError) else AWAY) from None
        return _MeteredStream(encrypted, self._meter)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


class _CheckedNetwork(httpcore2.SyncBackend):
    """Connects to nothing but addresses that were checked."""

    def __init__(self, meter: _Meter, *, public: bool) -> None:
        self._meter = meter
        self._public = public

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        failed: Exception = Unavailable(AWAY)
        for address in _addresses(host, port, public=self._public):
            try:
                seconds = self._meter.seconds(timeout)
                stream = super().connect_tcp(address, port, seconds, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
            else:
                return _MeteredStream(stream, self._meter)
        raise failed


class _Transport(httpx2.BaseTransport):
    """Sends the requests of a client through the door; its errors are those of connectors."""

    def __init__(self, meter: _Meter, trust: ssl.SSLContext) -> None:
        self._pools = {
            scheme: httpcore2.ConnectionPool(
                ssl_context=trust, network_backend=_CheckedNetwork(meter, public=scheme == "https")
            )
            for scheme in ("https", "http")
        }

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.SyncByteStream)
        url = httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        sent = httpcore2.Request(
            method=request.method,
            url=url,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _translated():
            answer = self._pools[request.url.scheme].handle_request(sent)
        return httpx2.Response(status_code=answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except httpcore2.TimeoutException:
        raise Unavailable(SLOW) from None
    except httpcore2.NetworkError:
        raise Unavailable(AWAY) from None
    except httpcore2.ProtocolError:
        raise Unavailable(NO_HTTP) from None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a service answered, whatever its status. ``url`` is where it came from, after redirects."""

    status: int
    url: str
    headers: Mapping[str, str] = field(repr=False)  # in lower case
    body: bytes = field(repr=False)

    @property
    def retry_after(self) -> float | None:
        """The seconds for which the service wants to be left alone (RFC 9110 10.2.3), None when it does not say."""
        asked = self.headers.get("retry-after", "").strip()
        if asked.isdecimal():
            return float(asked)
        until = _moment(asked)
        return None if until is None else max((until - self.at).total_seconds(), 0.0)

    @property
    def at(self) -> dt.datetime:
        """What time it was by the service's own clock (RFC 9110 6.6.1), or by ours when it does not say."""
        return _moment(self.headers.get("date", "")) or dt.datetime.now(dt.UTC)


def _moment(text: str) -> dt.datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


class HttpDoor:
    """Sends requests, one at a time, over connections that it keeps. A context manager that always closes.

    ``seconds`` are for one request with its redirects, ``largest`` is in bytes. ``authority`` is a PEM that is trusted
    instead of the public authorities. ``checked``: the server has to prove by its certificate who it is. Raises
    Unavailable and ConnectorError.
    """

    def __init__(
        self, *, seconds: float = SECONDS, largest: int = LARGEST, authority: str = "", checked: bool = True
    ) -> None:
        self._seconds = seconds
        self._largest = largest
        self._meter = _Meter()
        self._client = httpx2.Client(
            transport=_Transport(self._meter, _trust(authority, checked=checked)),
            timeout=httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
            headers={"User-Agent": "Rollcall", "Accept-Encoding": "gzip, deflate"},
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Read an address; a redirect to another host is followed without ``headers``, which may hold secrets."""
        self._meter.begin(self._seconds, self._largest)
        wanted = dict(headers or {})
        for _ in range(REDIRECTS + 1):
            answer = self._send("GET", url, wanted)
            target = answer.headers.get("location")
            if answer.status not in {301, 302, 303, 307, 308} or not target:
                return answer
            following = _joined(url, target)
            if _origin(following) != _origin(url):
                wanted = {name: value for name, value in wanted.items() if name.casefold() == "accept"}
            url = following
        raise ConnectorError(TOO_MANY_REDIRECTS, code="redirects")

    def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """Send ``content``; redirects are not followed, so that it reaches nobody else."""
        return self.send("POST", url, headers, content)

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None) -> HttpAnswer:
        """Send a request of any method; redirects are not followed, so that it reaches nobody else."""
        self._meter.begin(self._seconds, self._largest)
        return self._send(method, url, headers, content)

    def _send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None) -> HttpAnswer:
        if problem := address_problem(url):
            raise ConnectorError(problem, code="settings")
        try:
            with self._client.stream(method, url, headers=dict(headers), content=content) as response:
                body = bytearray()
                for part in response.iter_bytes():
                    self._meter.seconds()
                    body += part
                    if len(body) > self._largest:
                        raise self._meter.too_large()
                names = {name.lower(): value for name, value in response.headers.items()}
                return HttpAnswer(response.status_code, url, names, bytes(body))
        except (httpx2.InvalidURL, UnicodeError):
            raise ConnectorError(NO_ADDRESS, code="settings") from None
        except httpx2.DecodingError:
            raise ConnectorError("The answer cannot be unpacked. Ask the people who run the service.") from None


def _trust(authority: str, *, checked: bool) -> ssl.SSLContext:
    """Return whom to trust; reading the public authorities takes as long as some ten requests."""
    try:
        return _read_trust(authority, checked, int(time.monotonic() / _TRUST_SECONDS))
    except (ssl.SSLError, ValueError):
        raise ConnectorError("The certificate authority is no certificate in PEM form.", code="tls") from None


@lru_cache(maxsize=64)
def _read_trust(authority: str, checked: bool, period: int) -> ssl.SSLContext:
    trust = ssl.create_default_context(cadata=authority or None)
    if not checked:
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return trust


def _joined(url: str, target: str) -> str:
    """Return where a redirect leads; raise ConnectorError when that is no address."""
    try:
        following = urljoin(url, target)
    except ValueError:
        following = ""
    if problem := address_problem(following):
        raise ConnectorError(problem, code="settings")
    return following


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
