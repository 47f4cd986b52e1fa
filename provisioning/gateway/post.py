"""How the portal's connectors reach gateways: through the mailbox, with waiting that costs little."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import F

from directories.connectors.base import AGAIN, ConnectorError, Unavailable
from directories.connectors.gateway.calls import Call, dump_call, load_answers
from directories.connectors.gateway.codec import Malformed
from directories.connectors.gateway.description import Description, load_description
from directories.connectors.gateway.post import Addressee
from directories.gateway.messages import BEGIN, pack, unpack
from provisioning.gateway import bell, mailbox
from provisioning.gateway.bell import Sleep
from provisioning.gateway.mailbox import ago
from provisioning.gateway.models import LINK_SECONDS, CallState, Gateway, Machine

SIGN = 3.0  # seconds between two signs that somebody waits
UNTAKEN = 15.0  # seconds after which a call is given up that no machine took
KNOWN = 2.0  # seconds for which a description is not read again

NO_GATEWAY = "There is no gateway named {gateway} any more. Choose another one under Connection."
NO_MACHINE = "No machine is enrolled for the gateway {gateway}. Enrol one on the gateway's page."
SILENT = f"The gateway {{gateway}} shows no sign of life. Look whether it runs and reaches the portal. {AGAIN}"
UNKNOWN_NAME = "The gateway {gateway} has no directory named {name} in its file."
BUSY = f"No machine of the gateway {{gateway}} had time for this. {AGAIN}"
LOST = f"The gateway {{gateway}} fell silent before it answered, so nobody knows what became of it. {AGAIN}"
NO_ANSWER = f"The gateway {{gateway}} took too long to answer. {AGAIN}"


class Mailed:
    """The post of ``connectors.gateway``."""

    def __init__(self) -> None:
        self._known: dict[Addressee, tuple[float, Description | None]] = {}

    def gateways(self) -> Sequence[str]:
        """Return the names of the gateways there are."""
        return list(Gateway.objects.order_by("name").values_list("name", flat=True))

    def directories(self, gateway: str) -> Sequence[str]:
        """Return the directories that the gateway's machines have; raise ConnectorError when none can be asked."""
        machines = Machine.objects.filter(gateway__name=gateway, withdrawn_at=None)
        if not machines.filter(seen_at__gt=ago(LINK_SECONDS)).exists():
            raise self._why_not(Addressee(gateway, ""))
        found = machines.filter(seen_at__gt=ago(LINK_SECONDS)).values_list("about", flat=True)
        return sorted({name for about in found for name in about})

    def description(self, addressee: Addressee) -> Description | None:
        """Return what the machine that was seen last said of the directory."""
        at, found = self._known.get(addressee, (float("-inf"), None))
        if time.monotonic() - at < KNOWN:
            return found
        machines = Machine.objects.filter(gateway__name=addressee.gateway, withdrawn_at=None)
        knowing = machines.filter(about__has_key=addressee.name).order_by(F("seen_at").desc(nulls_last=True))
        with sound_connection():
            about: Mapping[str, Any] | None = knowing.values_list("about", flat=True).first()
        found = None if about is None else load_description(about[addressee.name])
        self._known[addressee] = time.monotonic(), found
        return found

    def ask(self, addressee: Addressee, call: Call, patience: float) -> Any:
        """Return the one item of the answer."""
        items = list(self._items(addressee, call, patience))
        if len(items) != 1:
            raise Malformed
        return items[0]

    def stream(self, addressee: Addressee, call: Call, patience: float) -> Iterator[Any]:
        """Give the items as they come. A thread that had no connection to the database has none afterwards."""
        connected = connection.connection is not None
        try:
            with sound_connection():
                yield from self._items(addressee, call, patience)
        finally:
            if not connected:
                connection.close()

    def _items(self, addressee: Addressee, call: Call, patience: float) -> Iterator[Any]:
        number = self._put(addressee, call)
        try:
            position, last = 0, False
            while not last:
                answers = load_answers(unpack(self._part(addressee.gateway, number, position, patience)))
                last = answers.last
                yield from answers.items
                if answers.error is not None:
                    raise answers.error
                if not last:
                    mailbox.use(number, position)
                position += 1
        finally:
            mailbox.forget(number)

    def _put(self, addressee: Addressee, call: Call) -> int:
        blob = pack(dump_call(call))
        machines = Machine.objects.filter(gateway__name=addressee.gateway, withdrawn_at=None)
        able = machines.filter(seen_at__gt=ago(LINK_SECONDS), about__has_key=addressee.name)
        gateway_id = able.values_list("gateway", flat=True).first()
        if gateway_id is None:
            raise self._why_not(addressee)
        known = call.known
        return mailbox.put(
            gateway_id, addressee.name, blob, writes=known.writes, streams=known.streams, urgent=call.urgent
        )

    def _why_not(self, addressee: Addressee) -> ConnectorError:
        """Return why nobody can be asked."""
        machines = Machine.objects.filter(gateway__name=addressee.gateway, withdrawn_at=None)
        names = addressee._asdict()
        if not Gateway.objects.filter(name=addressee.gateway).exists():
            return ConnectorError(NO_GATEWAY.format(**names), code="settings")
        if not machines.exists():
            return ConnectorError(NO_MACHINE.format(**names), code="settings")
        if addressee.name and machines.filter(seen_at__gt=ago(LINK_SECONDS)).exists():
            return ConnectorError(UNKNOWN_NAME.format(**names), code="settings")
        return Unavailable(SILENT.format(**names))

    def _part(self, gateway: str, number: int, position: int, patience: float) -> bytes:
        """Wait for a part of an answer; raise Unavailable when none can be expected any more."""
        found = mailbox.part(number, position) if position else None
        if found is None:
            with bell.listening(bell.of_answer(number)) as sleep:
                found = self._awaited(gateway, number, position, patience, sleep)
        return found

    def _awaited(self, gateway: str, number: int, position: int, patience: float, sleep: Sleep) -> bytes:
        begun = signed = time.monotonic()
        taken = begun if position else None
        while (found := mailbox.part(number, position)) is None:
            sleep(SIGN)
            now = time.monotonic()
            if now - signed < SIGN:
                continue
            signed, state = now, mailbox.keep_waiting(number)
            if state == CallState.LOST:
                raise Unavailable(LOST.format(gateway=gateway))
            taken = None if state == CallState.WAITING else taken or now
            if taken is None and now - begun > UNTAKEN and mailbox.take_back(number):
                raise Unavailable(BUSY.format(gateway=gateway))
            if taken is not None and now - taken > BEGIN + 2 * patience:
                raise Unavailable(NO_ANSWER.format(gateway=gateway))
        return found


@contextmanager
def sound_connection() -> Iterator[None]:
    """Give up a connection to the database that broke: a thread that outlives that gets another one."""
    try:
        yield
    except DatabaseError:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        raise
