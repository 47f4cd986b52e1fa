"""Events as a kind of outbound work: the rows are streams, each what one subscription gets of one subject, in order.

A receiver that cannot be reached, or has no time, is closed for a while as a directory is; what it does not take of one
person holds up that person alone, until it is given up and waits for someone.
"""

import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from config.database import bulk
from directories.connectors.base import Unavailable
from provisioning.events.models import Attempt, EventDelivery, OutgoingEvent, Stream, Subscription
from provisioning.events.sending import GONE, SECONDS, Sender, SendingTry
from provisioning.models.outbox import LastResult
from provisioning.outbound.batch import Batch, Lost, Outcome, Work, lease_for, notice
from provisioning.outbound.leases import Claim, Leases, Parked
from reports.journal import record
from reports.models import Result

CHUNK = 100  # streams a turn
LEASES = Leases(
    name="events",
    chunk=CHUNK,
    target=Stream,
    change=EventDelivery,
    link="stream",
    home=Subscription,
    homed_by="subscription",
    drains=2,
    by_id=False,
    lanes=False,
)
TRIES = 20  # of one event that its receiver does not take, within about half a day; then it waits for someone
MANY = 5  # events in a row that a receiver does not take: something is wrong with it, and it is left alone for a while
TURN = 10.0  # seconds after which a receiver that is slow makes way for the others
STOPPED = "The receiver answered 410: it wants no more events."


@dataclass(slots=True)
class EventOutcome(Outcome):
    """What became of one stream: the deliveries (ids) that were taken, and those that were given up, with the log."""

    sent: list[int] = field(default_factory=list)
    given_up: dict[int, Parked] = field(default_factory=dict)
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def hold(self, message: str, busy: Unavailable | None = None) -> "EventOutcome":
        """Let the stream be tried again later; ``busy``: because of itself, so its own pause grows."""
        self.row.last_result, self.row.last_message = LastResult.WAITING, message
        self.waits, self.busy = True, busy
        return self


class EventWork(Work[EventOutcome]):
    """Sends events to one subscription."""

    leases = LEASES
    fields = (
        *("last_result", "last_message", "last_synced_at"),
        *("not_before", "attempts", "leased_until"),
    )
    sender: Sender | None = None

    def __init__(self, directory_id: int, name: str) -> None:
        super().__init__(directory_id, name)
        self.waiting: dict[int, list[EventDelivery]] = {}
        self.logged: dict[int, list[dict[str, Any]]] = {}  # of streams that have no outcome yet
        self.refused_in_a_row, self.stopped = 0, False

    def load(self, ids: Collection[int]) -> Sequence[Stream]:
        """Return the streams."""
        return list(Stream.objects.filter(pk__any_id=ids))

    def connect(self, stack: ExitStack, batch: Batch) -> None:
        """Read what is to be sent, and get ready to send it."""
        batch.lease = lease_for(SECONDS)
        self.batch, self.ends = batch, time.monotonic() + TURN
        claimed = batch.held.ids(batch.held.changes)
        for delivery in EventDelivery.objects.filter(pk__any_id=claimed).select_related("event").order_by("pk"):
            self.waiting.setdefault(delivery.stream_id, []).append(delivery)
        self.sender = stack.enter_context(Sender(Subscription.objects.get(pk=self.directory_id)))

    def one(self, row: Stream, actor: str) -> EventOutcome:
        """Send what waits in one stream, until something of it is not taken."""
        if self.stopped:
            raise Lost
        outcome = EventOutcome(row)
        if time.monotonic() > self.ends:
            return outcome.hold(row.last_message)
        for delivery in self.waiting.get(row.pk, []):
            if self.refused_in_a_row >= MANY:
                return self._away(outcome, Unavailable(row.last_message or f"{self.name} takes no event."))
            self.batch.keep_lease()
            tried = self._try(row, delivery.event, outcome)
            if tried.taken:
                row.attempts = 0
                outcome.sent.append(delivery.pk)
                continue
            if tried.status == GONE:
                self.stopped = True
                return outcome.hold(STOPPED)
            if (away := tried.of_all) is not None:
                return self._away(outcome, away)
            self.refused_in_a_row += 1
            if self.batch.probing:
                self.batch.still_closed(tried.words)
            assert tried.error is not None
            if not self._give_up(outcome, delivery, tried.words, tried.error.code):
                return outcome.hold(tried.words, Unavailable(tried.words))
        row.last_result, row.last_message, row.last_synced_at = LastResult.OK, "", timezone.now()
        return outcome

    def wait(self, row: Stream, message: str, actor: str) -> EventOutcome:
        """Return the outcome of a stream that is tried again later."""
        outcome = EventOutcome(row)
        outcome.attempts = self.logged.pop(row.pk, [])
        return outcome.hold(message)

    def park(self, row: Stream, cause: Parked, actor: str) -> EventOutcome:
        """Return the outcome of a stream that the portal itself could not send: its first event is given up in time."""
        outcome = self.wait(row, cause.message, actor)
        first = next(iter(self.waiting.get(row.pk, [])), None)
        if first is None or not self._give_up(outcome, first, cause.message, cause.code):
            outcome.busy = Unavailable(cause.message)
        return outcome

    def taken(self, row: Stream, actor: str) -> EventOutcome:
        """Nothing of a stream is unique at the receiver."""
        return self.wait(row, "", actor)

    def finish(self, held: Claim, outcomes: Sequence[EventOutcome]) -> None:
        """Leave the end of deliveries to ``store``: of a stream that waits some may be done."""

    def store(self, outcomes: Sequence[EventOutcome]) -> None:
        """End what was taken, keep what was given up for someone to see to, and write the log."""
        self.leases.delete([pk for outcome in outcomes for pk in outcome.sent])
        for outcome in outcomes:
            for pk, cause in outcome.given_up.items():
                words = {"parked_code": cause.code[:32], "parked_message": cause.message}
                EventDelivery.objects.filter(pk=pk).update(parked=Now(), **words)
        bulk.insert(Attempt, [attempt for outcome in outcomes for attempt in outcome.attempts])
        mine = Subscription.objects.filter(pk=self.directory_id)
        if self.stopped:
            mine.update(enabled=False, stopped_because=STOPPED, updated_at=timezone.now())
            record(notice(self.name, Result.FAILED, "gets no events any more: it answered that it wants none (410)."))
        if any(outcome.sent for outcome in outcomes):
            mine.filter(failing_since__isnull=False).update(failing_since=None)
        elif any(outcome.attempts for outcome in outcomes):
            mine.filter(failing_since=None).update(failing_since=timezone.now())

    def _try(self, row: Stream, event: OutgoingEvent, outcome: EventOutcome) -> SendingTry:
        assert self.sender is not None
        tried = self.sender.send(event)
        self.asked = self.asked or tried.status is not None
        if tried.taken:
            self.refused_in_a_row = 0
        outcome.attempts.append(log_row(self.directory_id, event, tried))
        return tried

    def _away(self, outcome: EventOutcome, error: Unavailable) -> EventOutcome:
        """Close the receiver, unless something of this stream was taken: then that is written first."""
        if outcome.sent or outcome.given_up:
            self.refused_in_a_row = MANY  # the next stream says so
            return outcome.hold(error.message)
        self.logged[outcome.row.pk] = outcome.attempts
        raise error

    def _give_up(self, outcome: EventOutcome, delivery: EventDelivery, words: str, code: str) -> bool:
        """Give an event up that was tried often enough, so that what comes after it can go."""
        row = outcome.row
        if row.attempts + 1 < TRIES:
            return False
        row.attempts = 0
        outcome.given_up[delivery.pk] = Parked(code, words)
        return True


def log_row(subscription_id: int, event: OutgoingEvent, tried: SendingTry) -> dict[str, Any]:
    """Return the line of the delivery log about one request."""
    return {
        "subscription_id": subscription_id,
        "event": event.pk,
        "ident": event.ident,
        "kind": event.kind,
        "identifier": event.identifier,
        "status": tried.status,
        "milliseconds": tried.milliseconds,
        "taken": tried.taken,
        "words": tried.words,
    }


def test(subscription: Subscription, event: OutgoingEvent) -> SendingTry:
    """Send one event now, whatever waits and whether it is switched on; write it into the log. Raises SecretLost."""
    with Sender(subscription) as sender:
        tried = sender.send(event)
    bulk.insert(Attempt, [log_row(subscription.pk, event, tried)])
    return tried
