"""The door for gateways: who is let in by which signature, and what one message may do.

A message of a machine puts parts of answers in, asks for room, renews what it works on and takes calls, in that order,
and waits a moment for what is not there yet. It can do nothing to calls that another machine has.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from directories.connectors.gateway.calls import load
from directories.connectors.gateway.codec import Malformed
from directories.connectors.gateway.description import load_description
from directories.gateway import messages
from directories.gateway.messages import CLOCKS, WAIT, BadSignature, Message, unpack, unpacked
from directories.gateway.portal import CHANNELS, LATE, REPLAYED, WITHDRAWN
from provisioning.gateway import bell, mailbox
from provisioning.gateway.models import Channel, Machine

MOST_TAKEN = 16  # calls that one message gets
MOST_WORKING = 256
MOST_DIRECTORIES = 500
LARGEST_ABOUT = 2_000_000  # bytes
SEEN = 2.0  # seconds; so rarely is it written down that a machine was seen
LATER = 0.5  # seconds after which a machine asks again that cannot be kept waiting
Found = TypeVar("Found")
# Of the web process's threads, pages need some, however many machines there are.
_waiting = threading.BoundedSemaphore(max(1, int(os.environ.get("WEB_THREADS", "4")) // 2))


class NotLetIn(Exception):
    """Nobody knows who sent the message, so nothing of it is believed and the answer is not signed."""


class Turned(Exception):
    """The machine is known, and its message is not taken; the answer says why."""

    def __init__(self, reason: str, **more: Any) -> None:
        super().__init__(reason)
        self.head = {"refused": reason, **more}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, signed for the machine that asked."""

    body: bytes
    signature: str


def exchange(number: str, signature: str, body: bytes) -> Reply:
    """Do what a message asks for and return the answer; raise NotLetIn."""
    started = time.monotonic()
    machine = _sender(number, signature, body)
    head: dict[str, Any] = {}
    blobs: Sequence[bytes] = ()
    try:
        message = unpacked(body)
        head = {name: message.head.get(name) for name in ("channel", "number")}
        with transaction.atomic():
            _must_be_new(machine, message)
            gone = _taken_in(machine, message)
        answer, blobs = _done(machine, message, gone)
    except Turned as turned:
        answer = turned.head
    except Malformed:
        answer = {"refused": "malformed"}
    held = round(time.monotonic() - started, 4)
    packed = Message({**head, **answer, "held": held, "at": int(time.time() * 1000)}, blobs).packed()
    key = messages.private_key(machine.portal_key)
    return Reply(packed, messages.sign(key, messages.TO_GATEWAY, packed))


def _sender(number: str, signature: str, body: bytes) -> Machine:
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise NotLetIn
    machine = Machine.objects.select_related("gateway").filter(pk=int(number)).first()
    if machine is None:
        raise NotLetIn
    try:
        messages.verify(messages.public_key(machine.public_key), messages.TO_PORTAL, body, signature)
    except BadSignature:
        raise NotLetIn from None
    return machine


def _must_be_new(machine: Machine, message: Message) -> None:
    """Raise Turned for a message of a withdrawn machine, one of another time, and one that was seen before."""
    if machine.withdrawn_at is not None:
        raise Turned(WITHDRAWN)
    channel, number, at = (_whole(message.head, name) for name in ("channel", "number", "at"))
    if message.head.get("machine") != machine.pk or channel >= CHANNELS:
        raise Malformed
    if abs(time.time() - at / 1000) > CLOCKS:
        raise Turned(LATE)
    known = Channel.objects.filter(machine=machine, number=channel)
    if known.filter(last__lt=number).update(last=number):
        return
    try:
        with transaction.atomic():
            Channel.objects.create(machine=machine, number=channel, last=number)
    except IntegrityError:
        raise Turned(REPLAYED, last=known.values_list("last", flat=True).get()) from None


def _taken_in(machine: Machine, message: Message) -> set[int]:
    """Take in what a message brings; return the calls that nobody waits for any more."""
    head = message.head
    parts = _listed(head, "parts", messages.MOST_BLOBS)
    about = message.blobs[len(parts) :]
    if len(message.blobs) not in (len(parts), len(parts) + 1):
        raise Malformed
    if about:
        _tell(machine, about[0], head)
    if head.get("fresh") is True:
        mailbox.lose(machine)
    gone = set(_answered(machine, parts, message.blobs))
    answered = {number for number, *_ in parts}
    return gone | set(mailbox.renew(machine, [one for one in _numbers(head, "working") if one not in answered]))


def _done(machine: Machine, message: Message, gone: set[int]) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Find what the message asks for, and wait for it: room for more of an answer, or calls."""
    head = message.head
    answer: dict[str, Any] = {}
    if streams := [*_numbers(head, "room"), *(number for number, _, last in head.get("parts", ()) if not last)]:
        _find_room(machine, [one for one in streams if one not in gone], head, gone, answer)
    blobs: Sequence[bytes] = ()
    if "take" in head:
        _seen(machine, head)
        answer["tell"] = head.get("digest") != machine.digest
        calls = _taken(machine, head, answer)
        answer["calls"] = [[call.number, call.name] for call in calls]
        blobs = [call.blob for call in calls]
    answer["gone"] = sorted(gone)
    return answer, blobs


# --- The parts of a message ------------------------------------------------------------------------------------------


def _whole(head: dict[str, Any], name: str) -> int:
    found: Any = head.get(name)
    if type(found) is not int or not 0 <= found < 2**62:
        raise Malformed
    return found


def _listed(head: dict[str, Any], name: str, most: int) -> list[Any]:
    found = head.get(name, [])
    if type(found) is not list or len(found) > most:
        raise Malformed
    return found


def _numbers(head: dict[str, Any], name: str) -> list[int]:
    found = _listed(head, name, MOST_WORKING)
    if not all(type(number) is int and 0 < number < 2**62 for number in found):
        raise Malformed
    return found


def _seconds(head: dict[str, Any]) -> float:
    found = head.get("wait", 0)
    if type(found) not in (int, float):
        raise Malformed
    return min(WAIT, max(0.0, float(found)))


def _answered(machine: Machine, parts: list[Any], blobs: Sequence[bytes]) -> Iterator[int]:
    """Put parts of answers in, and give the calls that nobody waits for any more."""
    for part, blob in zip(parts, blobs, strict=False):
        if type(part) is not list or [type(one) for one in part] != [int, int, bool]:
            raise Malformed
        number, position, last = part
        if not (0 < number < 2**62 and 0 <= position < 2**31):
            raise Malformed
        if not mailbox.answer(machine, number, position, blob, last=last):
            yield number


def _tell(machine: Machine, blob: bytes, head: dict[str, Any]) -> None:
    """Keep what a machine says of its directories, if each of it has the right shape."""
    about = load(unpack(blob, LARGEST_ABOUT))
    if type(about) is not dict or len(about) > MOST_DIRECTORIES:
        raise Malformed
    for description in about.values():
        load_description(description)
    digest = head.get("digest")
    if type(digest) is not str or len(digest) > 32:
        raise Malformed
    machine.about, machine.digest = about, digest
    Machine.objects.filter(pk=machine.pk).update(about=about, digest=digest)


def _seen(machine: Machine, head: dict[str, Any]) -> None:
    """Note now and then that a machine shows a sign of life, and what it is."""
    version, digest = head.get("version"), head.get("digest")
    latency: Any = head.get("latency")
    right = type(version) is str and len(version) <= 32 and type(digest) is str and len(digest) <= 32
    if not right or type(latency) not in (int, float) or not 0 <= latency < 1e7:
        raise Malformed
    if machine.seen_at is None or (timezone.now() - machine.seen_at).total_seconds() > SEEN:
        Machine.objects.filter(pk=machine.pk).update(seen_at=Now(), version=version, latency=latency)


def _find_room(
    machine: Machine, streams: Sequence[int], head: dict[str, Any], gone: set[int], answer: dict[str, Any]
) -> None:
    """Wait until another part of one of the streams may come, and say of which."""

    def look() -> list[int] | None:
        found = mailbox.with_room(streams)
        if found or not streams:
            return found
        gone.update(mailbox.renew(machine, streams))
        return [] if gone.intersection(streams) else None

    found, waited = _waited(look, _seconds(head), *map(bell.of_room, streams))
    answer["room"] = found or []
    if found is None and not waited:
        answer["later"] = LATER


def _taken(machine: Machine, head: dict[str, Any], answer: dict[str, Any]) -> list[mailbox.TakenCall]:
    """Take calls for the machine, and wait a moment when there are none."""
    most = head.get("take")
    if type(most) is not int:
        raise Malformed
    most = min(most, MOST_TAKEN)
    seconds = 0.0 if answer["tell"] else _seconds(head)
    rung = bell.of_gateway(machine.gateway_id)
    found, waited = _waited(lambda: mailbox.take(machine, most) or None, seconds, rung)
    if found is None and not waited and not answer["tell"]:
        answer["later"] = LATER
    if Machine.objects.filter(pk=machine.pk, withdrawn_at__isnull=False).exists():
        mailbox.disbelieve(machine)
        raise Turned(WITHDRAWN)
    return found or []


def _waited(look: Callable[[], Found | None], seconds: float, *bells: str) -> tuple[Found | None, bool]:
    """Look until something is found, when a bell is rung; return it, and whether there was a thread to wait in."""
    found = look()
    if found is not None or seconds <= 0 or not _waiting.acquire(blocking=False):
        return found, False
    try:
        ends = time.monotonic() + seconds
        with bell.listening(*bells) as sleep:
            while (found := look()) is None and (left := ends - time.monotonic()) > 0:
                sleep(left)
    finally:
        _waiting.release()
    return found, True
