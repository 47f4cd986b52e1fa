"""The gateway as it runs: it asks the portal for calls, does each in a thread of its own, and sends the answers back.

It only ever opens connections, to the portal and to its directories; nobody connects to it. A stream is read ahead of
what was sent, and sent ahead of what the portal has used, each a few pages and no more.
"""

import hashlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import orjson

from directories.connectors.base import ConnectorError, Unavailable
from directories.connectors.gateway.calls import Answers, Call, dump, dump_answers, load_call
from directories.gateway import messages
from directories.gateway.messages import BEGIN, LEASE, WAIT
from directories.gateway.portal import Away, Exchanged, Portal, PortalRefused
from directories.gateway.work import ConnectorWork

AT_ONCE = 16  # calls with one answer, and streams of pages; listening counts apart
AHEAD = 8  # items that are read ahead of what was sent
TOGETHER = 1_000_000  # bytes of items that are sent together
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds after a portal that is away was asked
CLEAN = 10.0  # seconds between two looks for connections that nobody uses
TOO_LARGE = (
    "One answer of the directory is too large to be sent. Leave large attributes, such as photos, out of the mapping."
)
ROOM = 1_000_000  # bytes of a message that are not its answer
TOO_LATE = "The gateway got this too late to begin. The portal tries again by itself."
UNEXPECTED = "The gateway could not do this because of a fault in it. Its log has the details."
LISTENS = "news"
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Running:
    """A call that is being worked on. ``stop`` is set when nobody waits for its answer any more.

    ``given`` is the moment (monotonic) at which the portal gave it out.
    """

    number: int
    name: str
    call: Call
    given: float
    stop: Event = field(default_factory=Event)


class GatewayProgram:
    """One machine of a gateway. ``run`` works until it is told to stop, or until the portal refuses it for good."""

    def __init__(self, portal: Portal, work: ConnectorWork, version: str) -> None:
        self.portal, self.work, self.version = portal, work, version
        self.about = work.description()
        self.digest = hashlib.blake2b(orjson.dumps(self.about, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
        self.running: dict[int, Running] = {}
        self.stopped = Event()
        self.refusal: PortalRefused | None = None
        self._lock = threading.Lock()
        self._fresh, self._tell = True, True
        self._cleaned = time.monotonic()

    def run(self) -> None:
        """Ask for calls and begin them."""
        pause = FIRST_PAUSE
        while not self.stopped.is_set():
            try:
                self._turn()
                pause = FIRST_PAUSE
            except Away as error:
                log.warning("%s The gateway tries again.", error)
                self.stopped.wait(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            except PortalRefused as refused:
                self._refused(refused)
                self.stopped.wait(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
        for one in list(self.running.values()):
            one.stop.set()
        self.work.close()

    def stop(self) -> None:
        """End after what is being done."""
        self.stopped.set()

    # --- Asking for calls --------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        with self._lock:
            numbers = sorted(self.running)
            busy = sum(one.call.method != LISTENS for one in self.running.values())
        head: dict[str, Any] = {
            "take": max(0, AT_ONCE - busy),
            "wait": WAIT,
            "working": numbers,
            "fresh": self._fresh,
            "digest": self.digest,
            "version": self.version,
            "latency": round(self.portal.latency, 1),
        }
        blobs = [messages.pack(dump(self.about))] if self._tell else []
        found = self.portal.exchange(head, blobs)
        self._fresh, self._tell = False, found.head.get("tell") is True
        self._stop_gone(found.head.get("gone"))
        self._begin_all(found)
        if time.monotonic() - self._cleaned > CLEAN:
            self.work.close_old()
            self._cleaned = time.monotonic()
        self._rest(found)

    def _rest(self, found: Exchanged) -> None:
        """Ask no more for a moment when the portal says so: it has no thread to keep this machine waiting in."""
        later = found.head.get("later")
        if isinstance(later, int | float) and later > 0:
            self.stopped.wait(min(later, WAIT))

    def _begin_all(self, found: Exchanged) -> None:
        calls = found.head.get("calls")
        if type(calls) is not list or len(calls) != len(found.blobs) or len(calls) > AT_ONCE:
            return
        given = time.monotonic() - found.age
        for told, blob in zip(calls, found.blobs, strict=True):
            number, name = told if type(told) is list and len(told) == 2 else (None, None)
            if type(number) is not int or type(name) is not str or number in self.running:
                continue
            self._begin(number, name, blob, given)

    def _begin(self, number: int, name: str, blob: bytes, given: float) -> None:
        try:
            running = Running(number, name, load_call(messages.unpack(blob)), given)
        except ConnectorError as error:
            refusal = Answers(last=True, error=error)
            self._in_thread(lambda: self.send(number, 0, refusal), f"refuse-{number}")
            return
        with self._lock:
            self.running[number] = running
        self._in_thread(lambda: self._do(running), f"call-{number}")

    def _stop_gone(self, gone: Any) -> None:
        for number in gone if type(gone) is list else ():
            with self._lock:
                running = self.running.get(number) if type(number) is int else None
            if running is not None:
                running.stop.set()

    def _refused(self, refused: PortalRefused) -> None:
        log.error("%s", refused)
        if refused.reason == "withdrawn":
            self.refusal = refused
            self.stopped.set()

    # --- Doing one ---------------------------------------------------------------------------------------------------

    def _do(self, running: Running) -> None:
        try:
            if time.monotonic() - running.given > BEGIN:
                self.send(running.number, 0, Answers(last=True, error=Unavailable(TOO_LATE)))
            elif running.call.known.streams:
                AnswerStream(self, running).run()
            else:
                self.send(running.number, 0, self._answer(running))
        except (Away, PortalRefused) as error:
            log.warning("An answer did not reach the portal. %s", error)
        except Exception as error:
            log.error("%s while doing a call", type(error).__name__)
        finally:
            with self._lock:
                self.running.pop(running.number, None)

    def _answer(self, running: Running) -> Answers:
        try:
            return Answers([self.work.answer(running.name, running.call)], last=True)
        except ConnectorError as error:
            return Answers(last=True, error=error)

    def send(self, number: int, part: int, answers: Answers) -> Exchanged | None:
        """Send a part of an answer, again and again while the portal is away and has not given the call up.

        Return None when nobody waits for it any more.
        """
        last, blob = answers.last, b""
        try:
            blob = _packed(answers)
        except ConnectorError as error:
            last, blob = True, _packed(Answers(last=True, error=error))
        head = {"parts": [[number, part, last]], "working": [number], "wait": WAIT}
        return self._kept_on(number, head, [blob])

    def await_room(self, number: int) -> Exchanged | None:
        """Wait until the portal has used some of what was sent; None when nobody waits for it any more."""
        return self._kept_on(number, {"room": [number], "working": [number], "wait": WAIT}, [])

    def _kept_on(self, number: int, head: Mapping[str, Any], blobs: list[bytes]) -> Exchanged | None:
        ends, pause = time.monotonic() + LEASE, FIRST_PAUSE / 2
        while True:
            try:
                found = self.portal.exchange(head, blobs)
                self._rest(found)
                return None if number in (found.head.get("gone") or ()) else found
            except Away:
                if time.monotonic() > ends or self.stopped.wait(pause):
                    raise
                pause = min(2.0, 2 * pause)

    def _in_thread(self, work: Callable[[], Any], name: str) -> None:
        def contained() -> None:
            with suppress(Away, PortalRefused):
                work()

        threading.Thread(target=contained, name=name, daemon=True).start()


def _packed(answers: Answers) -> bytes:
    """Return answers as a blob; raise ConnectorError for what cannot be sent, or what nobody would take."""
    data = dump_answers(answers)
    blob = messages.pack(data) if len(data) <= messages.LARGEST_BLOB else b""
    if not blob or len(blob) > messages.LARGEST - ROOM:
        raise ConnectorError(TOO_LARGE, code="mapping")
    return blob


class AnswerStream:
    """One stream: a thread reads it ahead, and the call's own thread sends what was read."""

    def __init__(self, gateway: GatewayProgram, running: Running) -> None:
        self.gateway, self.running = gateway, running
        self.read: queue.Queue[bytes | ConnectorError | None] = queue.Queue(AHEAD)

    def run(self) -> None:
        """Send everything; end early when nobody waits for it any more."""
        reader = threading.Thread(target=self._read, name=f"read-{self.running.number}", daemon=True)
        reader.start()
        part, last = 0, False
        try:
            while not last and not self.running.stop.is_set():
                answers = self._together()
                if answers is None:
                    break
                last = answers.last
                found = self.gateway.send(self.running.number, part, answers)
                part += 1
                while not last and found is not None and self.running.number not in (found.head.get("room") or ()):
                    found = self.gateway.await_room(self.running.number)
                if found is None:
                    break
        finally:
            self.running.stop.set()
            with suppress(queue.Empty):
                while True:
                    self.read.get_nowait()

    def _together(self) -> Answers | None:
        """Return what was read by now, as far as it goes into one message; None when nobody waits for it any more."""
        found = self._next()
        items: list[orjson.Fragment] = []
        size = 0
        while isinstance(found, bytes):
            items.append(orjson.Fragment(found))
            size += len(found)
            if size >= TOGETHER:
                return Answers(items)
            try:
                found = self.read.get_nowait()
            except queue.Empty:
                return Answers(items)
        if self.running.stop.is_set():
            return None
        return Answers(items, last=True, error=found)

    def _next(self) -> bytes | ConnectorError | None:
        while not self.running.stop.is_set():
            with suppress(queue.Empty):
                return self.read.get(timeout=1.0)
        return None

    def _read(self) -> None:
        running = self.running
        last: ConnectorError | None = None
        try:
            for item in self.gateway.work.items(running.name, running.call, running.stop):
                if not self._put(dump(item)):
                    return
        except ConnectorError as error:
            last = error
        except Exception as error:
            log.error("%s while reading", type(error).__name__)
            last = ConnectorError(UNEXPECTED, code="unexpected")
        self._put(last)

    def _put(self, item: bytes | ConnectorError | None) -> bool:
        while not self.running.stop.is_set():
            try:
                self.read.put(item, timeout=1.0)
            except queue.Full:
                continue
            return True
        return False
