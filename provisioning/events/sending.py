"""One request to a receiver, through the portal's one door for outgoing HTTP, and what its answer means."""

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from django.conf import settings

from directories.connectors.base import AGAIN, ConnectorError, Unavailable
from directories.connectors.outgoing import HttpAnswer, HttpDoor
from provisioning.events import keys, rotation
from provisioning.events.envelopes import Sent, Told, security_event, webhook
from provisioning.events.models import Envelope, OutgoingEvent, Subscription
from provisioning.profile.person import labels

SECONDS = 10.0  # for one request
LARGEST = 1024 * 1024  # bytes of an answer; more of it is not read
SHOWN_LINES, SHOWN = 5, 400  # lines and characters of an answer that are kept
WHOLE = frozenset({408, 429, 502, 503, 504})  # statuses that say something of the whole receiver
GONE = 410

BUSY = f"The receiver has no time now ({{status}}). {AGAIN}"
REFUSED = "The receiver answered {status} instead of taking the event."
MOVED = "The receiver sends the portal elsewhere ({status}), and events are not sent on. Use the address where it ends."


@dataclass(frozen=True, slots=True)
class SendingTry:
    """What became of one request: HTTP's status, None without an answer; ``words`` are fit for people to read."""

    status: int | None
    milliseconds: int
    words: str = ""
    error: ConnectorError | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver has the event."""
        return self.status is not None and 200 <= self.status < 300 and self.error is None

    @property
    def of_all(self) -> Unavailable | None:
        """What stands in the way of every event, None where it is about this one alone."""
        if self.error is None:
            return None
        if isinstance(self.error, Unavailable):
            return self.error if self.error.whole_directory else None
        return None if self.status is not None else Unavailable(self.error.message)


class Sender:
    """Sends events of one subscription over connections that it keeps. A context manager that always closes."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._secrets = rotation.signing(subscription)
        self._token = subscription.secrets.get("token") or ""
        self._labels = labels()
        self._key = keys.signing() if subscription.envelope == Envelope.SET else None
        self._door = HttpDoor(seconds=SECONDS, largest=LARGEST, authority=subscription.authority)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._door.close()

    def send(self, event: OutgoingEvent) -> SendingTry:
        """Send one event; never raises for what the receiver does."""
        began = time.monotonic()
        try:
            sent = self._wrapped(event)
            token = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            answer = self._door.post(self._subscription.url, sent.body, {**sent.headers, **token})
        except ConnectorError as error:
            return SendingTry(None, _since(began), error.message, error)
        return self._judged(answer, _since(began))

    def _wrapped(self, event: OutgoingEvent) -> Sent:
        told = Told(
            ident=event.ident,
            kind=event.kind,
            at=event.at,
            identifier=event.identifier,
            application=event.application,
            actor=event.actor,
            message=event.message,
            changes=event.changes,
            user=event.about.get("user", {}),
            group=event.about.get("group", {}),
        )
        subscription = self._subscription
        if self._key is None:
            return webhook(told, subscription.fields, self._labels, self._secrets)
        return security_event(
            told,
            subscription.fields,
            self._labels,
            issuer=settings.PORTAL_URL,
            audience=subscription.audience,
            key=self._key,
        )

    def _judged(self, answer: HttpAnswer, milliseconds: int) -> SendingTry:
        status = answer.status
        if 200 <= status < 300:
            return SendingTry(status, milliseconds)
        words = REFUSED.format(status=status)
        if 300 <= status < 400:
            words = MOVED.format(status=status)
        error = ConnectorError(words, code=f"http_{status}")
        if status in WHOLE:
            error = Unavailable(BUSY.format(status=status), retry_after=answer.retry_after)
        return SendingTry(status, milliseconds, " ".join(filter(None, [error.message, self._shown(answer)])), error)

    def _shown(self, answer: HttpAnswer) -> str:
        """Return the first lines of an answer, without what the portal itself sent as a secret."""
        text = answer.body.decode("utf-8", "replace")
        for secret in (self._token, *self._secrets, *(one.removeprefix("whsec_") for one in self._secrets)):
            if secret:
                text = text.replace(secret, "…")
        lines = [line.strip() for line in text[: 10 * SHOWN].splitlines() if line.strip()][:SHOWN_LINES]
        shown = "".join(each if each.isprintable() else " " for each in " / ".join(lines))
        return f"It said: {shown[:SHOWN]}" if shown else ""


def _since(began: float) -> int:
    return round(1000 * (time.monotonic() - began))
