"""The gateway's line to the portal: signed messages out, signed answers back, over connections that are kept."""

import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from directories.connectors.gateway.codec import Malformed
from directories.gateway import keys, messages
from directories.gateway.keys import GatewayKeys
from directories.gateway.messages import BadSignature, Message
from directories.gateway.settings import GatewaySettings

EXCHANGE = "/api/v1/gateway/exchange"
CHANNELS = 48  # messages under way at once
WITHDRAWN, REPLAYED, LATE = "withdrawn", "replayed", "late"
WORDS: Mapping[str, str] = {
    WITHDRAWN: "The portal withdrew this gateway. Enrol it anew if that was a mistake.",
    LATE: "The clocks of the portal and of this machine differ by more than two minutes. Set them right.",
    REPLAYED: "The portal has seen a later message of this machine. Do not run one key on two machines.",
}


class PortalRefused(Exception):
    """The portal does not take this machine's messages; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(WORDS.get(reason, "The portal refused a message of this machine."))
        self.reason = reason


class Away(Exception):
    """The portal could not be reached, or what answered is not the portal."""


@dataclass(slots=True)
class NumberedChannel:
    """Numbers messages, of which only one is under way at a time."""

    number: int
    last: int = 0

    def next(self) -> int:
        """Return a number that is greater than every one before, also than those of an earlier process."""
        self.last = max(self.last + 1, time.time_ns() // 1000)
        return self.last


@dataclass(slots=True)
class Exchanged:
    """An answer, and for how many seconds at most it was under way when it came."""

    head: dict[str, Any]
    blobs: Sequence[bytes] = field(repr=False)
    age: float = 0.0


class Portal:
    """Exchanges messages. Threads may use it at once."""

    def __init__(self, settings: GatewaySettings, own: GatewayKeys) -> None:
        self.machine = own.machine
        self.latency = 0.0  # milliseconds there and back, of the last exchange
        self._url = settings.portal + EXCHANGE
        self._private, self._portal = messages.private_key(own.private), messages.public_key(own.portal)
        self._http = keys.client(settings, CHANNELS)
        self._free: queue.SimpleQueue[NumberedChannel] = queue.SimpleQueue()
        self._lock = threading.Lock()
        for number in range(CHANNELS):
            self._free.put(NumberedChannel(number))

    def exchange(self, head: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> Exchanged:
        """Send one message and return what the portal answered; raise Away or PortalRefused."""
        with self._channel() as channel:
            try:
                return self._once(channel, head, blobs)
            except PortalRefused as refused:
                if refused.reason != REPLAYED:
                    raise
            return self._once(channel, head, blobs)  # the channel knows the portal's number now

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    @contextmanager
    def _channel(self) -> Iterator[NumberedChannel]:
        channel = self._free.get()
        try:
            yield channel
        finally:
            self._free.put(channel)

    def _once(self, channel: NumberedChannel, head: Mapping[str, Any], blobs: Sequence[bytes]) -> Exchanged:
        number = channel.next()
        own = {"machine": self.machine, "channel": channel.number, "number": number, "at": int(time.time() * 1000)}
        body = Message({**head, **own}, blobs).packed()
        headers = {
            "Content-Type": messages.CONTENT_TYPE,
            messages.MACHINE: str(self.machine),
            messages.SIGNATURE: messages.sign(self._private, messages.TO_PORTAL, body),
        }
        started = time.monotonic()
        found = self._opened(*self._sent(body, headers))
        if found.head.get("channel") != channel.number or found.head.get("number") != number:
            raise Away("An answer to another message came.")
        seconds = time.monotonic() - started
        return self._believed(channel, found, seconds)

    def _sent(self, body: bytes, headers: Mapping[str, str]) -> tuple[bytes, str]:
        try:
            with self._http.stream("POST", self._url, content=body, headers=dict(headers)) as answer:
                parts, size = [], 0
                for part in answer.iter_bytes():
                    size += len(part)
                    if size > messages.LARGEST:
                        raise Away("An answer of the portal is too large.")
                    parts.append(part)
        except (httpx2.HTTPError, OSError):
            raise Away("The portal cannot be reached.") from None
        if messages.SIGNATURE not in answer.headers:
            raise Away(f"What answered did not sign its answer (HTTP {answer.status_code}).")
        return b"".join(parts), answer.headers[messages.SIGNATURE]

    def _opened(self, body: bytes, signature: str) -> Message:
        try:
            messages.verify(self._portal, messages.TO_GATEWAY, body, signature)
            return messages.unpacked(body)
        except (BadSignature, Malformed):
            raise Away("What answered is not the portal that this gateway was enrolled with.") from None

    def _believed(self, channel: NumberedChannel, found: Message, seconds: float) -> Exchanged:
        refused, last, held = (found.head.get(name) for name in ("refused", "last", "held"))
        if type(refused) is str:
            if refused == REPLAYED and type(last) is int:
                channel.last = max(channel.last, last)
            raise PortalRefused(refused)
        age = max(0.0, seconds - held) if isinstance(held, int | float) else seconds
        self.latency = age * 1000
        return Exchanged(found.head, found.blobs, age)
