"""Asking an HTTP service for JSON: signing in, keeping to its pace, and what its refusals mean."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from directories.connectors.base import Unavailable
from directories.connectors.http_answers import BUSY, LOGIN, json_of, pause_of, problem_of
from directories.connectors.http_json.settings import HttpSettings
from directories.connectors.outgoing import HttpAnswer, HttpDoor
from directories.connectors.sign_in import Credentials, ServiceSignIn

__all__ = ["LOGIN", "PAUSES", "Read", "Service"]

LONGEST_PAUSE = 120.0  # seconds that one request waits when the service asks for it; longer is left to the portal
PAUSES = 5  # times in a row

sleep = time.sleep


class Read(NamedTuple):
    """One answer: what its JSON says, and the answer itself."""

    data: Any
    answer: HttpAnswer


class Service:
    """One service, asked once at a time. A context manager that always closes."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._door = HttpDoor(
            seconds=settings.timeout or 1, largest=(settings.largest or 1) * 1024 * 1024, authority=settings.ca
        )
        self._sign_in = ServiceSignIn(
            Credentials(
                auth=settings.auth,
                user=settings.user,
                secret=settings.secret,
                header=settings.header,
                token_url=settings.token_url,
                scope=settings.scope,
                token_path=settings.token_path,
            )
        )
        self._next_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._door.close()

    def read(self, url: str, body: str = "") -> Read:
        """Return what the service says at an address; raise ConnectorError or Unavailable."""
        for attempt in range(PAUSES + 1):
            answer, signed = self._asked(url, body)
            if answer.status == 401 and attempt < PAUSES and self._sign_in.forget(signed):
                answer, _ = self._asked(url, body)  # a new token that is refused too is the end
            pause = pause_of(answer, attempt)
            if pause is None:
                break
            if pause > LONGEST_PAUSE or attempt == PAUSES:
                raise Unavailable(BUSY.format(status=answer.status), retry_after=pause)
            sleep(pause)
        if problem := problem_of(answer):
            raise problem
        return Read(json_of(answer), answer)

    def sign_in(self) -> None:
        """Get a token where the service wants one; raise ConnectorError."""
        if self._sign_in.by_token:
            self._sign_in.token(self._door)

    def _asked(self, url: str, body: str) -> tuple[HttpAnswer, Mapping[str, str]]:
        """Return the answer, and what the request was signed with."""
        signed = self._sign_in.headers(self._door)
        headers = {"Accept": "application/json", **signed}
        self._wait_for_turn()
        if not body:
            return self._door.get(url, headers), signed
        return self._door.post(url, body.encode(), {**headers, "Content-Type": "application/json"}), signed

    def _wait_for_turn(self) -> None:
        if not self._settings.per_minute:
            return
        now = time.monotonic()
        if self._next_at > now:
            sleep(self._next_at - now)
        self._next_at = max(now, self._next_at) + 60 / self._settings.per_minute
