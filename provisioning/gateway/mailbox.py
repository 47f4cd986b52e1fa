"""The mailbox of calls: askers put calls in, machines of the gateway take them and put their answers in.

Everything is rows of the portal's database, so that any worker may ask and any web process may pass on. A call has one
number for its life. What may change a directory is given out once: if its machine falls silent, nobody knows what
became of it, and the asker is told so (Unavailable), looks the account up and goes on from there. What only reads is
given to another machine. A row that nobody waits for is gone, and so an answer to it is thrown away.

Nobody waits inside a transaction. All times are the database's. What is put in need not be on the disk: whoever waits
for it does not outlive the database either. What is given out, once, does.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, Q
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from config.database import bulk
from config.database.commits import need_not_wait
from directories.encryption import decrypt_bytes, encrypt_bytes
from directories.gateway.messages import LEASE
from provisioning.gateway import bell
from provisioning.gateway.models import AnswerPart, CallState, GatewayCall, Machine

WINDOW = 4  # parts of a stream that may wait for their asker
UNHEARD = 30.0  # seconds after which no machine is given the call of an asker that shows no sign of life
DEAD = 300.0  # seconds after which one is taken for dead; between two pages of a stream it may have much to do


class TakenCall(NamedTuple):
    """A call that was given to a machine."""

    number: int
    name: str
    blob: bytes


def ago(seconds: float) -> CombinedExpression:
    """Return the database's time so many seconds ago; negative ones are to come."""
    return Now() - dt.timedelta(seconds=seconds)


# --- The asker's side ------------------------------------------------------------------------------------------------


def put(gateway_id: int, name: str, blob: bytes, *, writes: bool, streams: bool, urgent: bool = False) -> int:
    """Put a call in and return its number; an urgent one is taken before those that wait already."""
    with transaction.atomic():
        need_not_wait()
        call = GatewayCall.objects.create(
            gateway_id=gateway_id,
            name=name,
            body=encrypt_bytes(blob),
            writes=writes,
            streams=streams,
            urgent=urgent,
            heard_at=Now(),
        )
        bell.ring(bell.of_gateway(gateway_id))
    return int(call.pk)


def part(number: int, position: int) -> bytes | None:
    """Return one part of the answer, None while it is not there; a machine that was withdrawn gave none."""
    believed = AnswerPart.objects.filter(call=number, number=position, call__machine__withdrawn_at=None)
    found = believed.values_list("body", flat=True).first()
    return None if found is None else decrypt_bytes(bytes(found))


def use(number: int, position: int) -> None:
    """Make room for another part of a stream."""
    with transaction.atomic():
        need_not_wait()
        bulk.delete(AnswerPart.objects.filter(call=number, number__lte=position))
        GatewayCall.objects.filter(pk=number).update(used=position + 1, heard_at=Now())
        bell.ring(bell.of_room(number))


def keep_waiting(number: int) -> str:
    """Show that somebody waits for the answer, and return where the call is.

    A call that only reads, whose machine fell silent before it said anything, waits again for another one.
    """
    call = GatewayCall.objects.filter(pk=number)
    silent = Q(state=CallState.TAKEN, leased_until__lt=Now()) | Q(state=CallState.LOST)
    if not call.filter(silent).exists():
        call.update(heard_at=Now())
    elif not call.filter(silent, writes=False, received=0).update(
        state=CallState.WAITING, machine=None, leased_until=None, heard_at=Now()
    ):
        call.filter(silent).update(state=CallState.LOST)
    return call.values_list("state", flat=True).first() or CallState.LOST


def take_back(number: int) -> bool:
    """Take a call out again that nobody took; False when a machine has it."""
    return bool(GatewayCall.objects.filter(pk=number, state=CallState.WAITING).delete()[0])


def forget(number: int) -> None:
    """Wait no longer for a call: whoever works on it is told so when it shows a sign of life."""
    with transaction.atomic():
        need_not_wait()
        bulk.delete(GatewayCall.objects.filter(pk=number))  # first: no part can come after that
        bulk.delete(AnswerPart.objects.filter(call=number))


# --- The machines' side ----------------------------------------------------------------------------------------------


def take(machine: Machine, most: int) -> list[TakenCall]:
    """Give calls for a machine's directories to it, at most so many; others take others meanwhile.

    Urgent ones go first, then the oldest.
    """
    heard = GatewayCall.objects.filter(gateway=machine.gateway_id, state=CallState.WAITING, heard_at__gt=ago(UNHEARD))
    heard = heard.filter(name__in=list(machine.about))
    if most <= 0 or not heard.exists():
        return []
    with transaction.atomic():
        locked = heard.order_by("-urgent", "pk").select_for_update(skip_locked=True, no_key=True)
        rows = [(pk, name, bytes(body)) for pk, name, body in locked.values_list("pk", "name", "body")[:most]]
        GatewayCall.objects.filter(pk__in=[pk for pk, *_ in rows], state=CallState.WAITING).update(
            state=CallState.TAKEN, machine=machine, leased_until=ago(-LEASE)
        )
    return [TakenCall(pk, name, decrypt_bytes(body)) for pk, name, body in rows]


def renew(machine: Machine, numbers: Collection[int]) -> list[int]:
    """Believe for a while longer that the machine works on these; return those that nobody waits for any more."""
    if not numbers:
        return []
    taken = GatewayCall.objects.filter(pk__in=numbers, machine=machine, state=CallState.TAKEN)
    taken.filter(heard_at__gt=ago(DEAD)).update(leased_until=ago(-LEASE))
    alive = set(taken.filter(heard_at__gt=ago(DEAD)).values_list("pk", flat=True))
    return sorted(set(numbers) - alive)


def answer(machine: Machine, number: int, position: int, blob: bytes, *, last: bool) -> bool:
    """Take in a part of an answer; return whether anybody waits for it.

    Only the machine that has the call may answer, in order, and never further ahead than its asker uses it. The same
    part again is as good as the first.
    """
    call = GatewayCall.objects.filter(pk=number, machine=machine, state=CallState.TAKEN)
    with transaction.atomic(savepoint=False):
        next_one = call.filter(received=position, ended=False, used__gte=max(0, position - WINDOW))
        if not last:
            next_one = next_one.filter(streams=True)
        if next_one.update(received=F("received") + 1, ended=last, leased_until=ago(-LEASE)):
            AnswerPart.objects.create(call_id=number, number=position, body=encrypt_bytes(blob))
            bell.ring(bell.of_answer(number))
            return True
    return call.filter(received__gt=position).exists()


def with_room(numbers: Sequence[int]) -> list[int]:
    """Return those streams of which another part may come."""
    room = GatewayCall.objects.filter(pk__in=numbers, received__lt=F("used") + WINDOW)
    return list(room.order_by("pk").values_list("pk", flat=True))


def lose(machine: Machine) -> None:
    """Take what a machine has not ended for lost: it began anew."""
    GatewayCall.objects.filter(machine=machine, state=CallState.TAKEN, ended=False).update(state=CallState.LOST)


def disbelieve(machine: Machine) -> None:
    """Take everything of a machine for lost, and throw its answers away that nobody has used: it was withdrawn."""
    GatewayCall.objects.filter(machine=machine, state=CallState.TAKEN).update(state=CallState.LOST)
    AnswerPart.objects.filter(call__machine=machine).delete()


def sweep() -> None:
    """Throw away calls whose asker died."""
    dead = list(GatewayCall.objects.filter(heard_at__lt=ago(2 * DEAD)).values_list("pk", flat=True)[:1000])
    AnswerPart.objects.filter(call__in=dead).delete()
    GatewayCall.objects.filter(pk__in=dead).delete()
