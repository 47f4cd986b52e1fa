"""Speaking SCIM over HTTP: one request and what its answer means, whatever the resource.

Connections are kept alive, one for each request that may be under way. What a request may cost is asked of the
limiter; pauses that the service asks for are made here when they are short, and left to the portal when they are long.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import Empty, LifoQueue
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import orjson

from directories.connectors.base import AGAIN, Conflict, ConnectorError, NotFound, Unavailable
from directories.connectors.http_answers import BROKEN, BUSY, pause_of
from directories.connectors.outgoing import HttpAnswer, HttpDoor
from directories.connectors.scim.rate import Limiter, Sending
from directories.connectors.scim.settings import ScimSettings
from directories.connectors.sign_in import ServiceSignIn

LONGEST_PAUSE = 10.0  # seconds that one request waits by itself; longer is left to the portal
LONGEST_TURN = 60.0  # seconds that one request waits for its turn
PAUSES = 3  # times in a row
_WORDS = 300  # characters of what a service says that people are shown

LOGIN = f"The application refuses the sign-in ({{status}}). Type a new token or secret on the directory's page. {AGAIN}"
FORBIDDEN = "The application does not let this sign-in do that (403). Give it the right in the application."
ABSENT = "The application does not have it."
NO_LISTS = "The application has no list at this address (404). Check the base URL."
TAKEN = "Another account or group of the application already has a value that must be unique."
REFUSED = "The application refuses the request ({status})."
SAYS = " It says: {words}"
MOVED = "The application sends the portal to another address. Type that address as the base URL."
TOO_LARGE = "The application finds the request too large (413)."
CHANGED = f"The account changed while the portal worked on it. {AGAIN}"
NOT_SCIM = f"The answer is not SCIM: perhaps a page for people. Check the base URL. {AGAIN}"
NOT_OFFERED = "The application does not offer that ({status})."

Json = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")


class Refused(ConnectorError):
    """A request that the application does not take: its ``status``, scimType and words (RFC 7644 section 3.12)."""

    def __init__(self, message: str, *, status: int, scim_type: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.status, self.scim_type, self.detail = status, scim_type, detail


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application said: ``data`` is its JSON object, {} for an empty body."""

    status: int
    data: Json = field(repr=False)


class ScimClient:
    """One application. Threads may share it. It always has to be closed.

    ``hurries`` says whether somebody is losing access just now: then every request goes before those of others.
    """

    def __init__(self, settings: ScimSettings, hurries: Callable[[], bool] = lambda: False) -> None:
        self._hurries = hurries
        self._settings = settings
        self._limiter = Limiter(settings.preset, settings.url)
        self._sign_in = ServiceSignIn(settings.credentials)
        self._doors: LifoQueue[HttpDoor] = LifoQueue()
        self._opened: list[HttpDoor] = []
        self._lock = Lock()
        self._threads: ThreadPoolExecutor | None = None
        # By how much the application's clock is ahead of ours, None before it answered.
        self.ahead: dt.timedelta | None = None

    def _free_door(self) -> HttpDoor:
        """Return a door that nobody uses, the one that was used last; it may have to be made, or waited for."""
        with self._lock:
            try:
                return self._doors.get_nowait()
            except Empty:
                if len(self._opened) < self._settings.in_flight:
                    return self._new_door()
        return self._doors.get()

    def _new_door(self) -> HttpDoor:
        settings = self._settings
        door = HttpDoor(
            seconds=settings.timeout, largest=settings.largest, authority=settings.ca, checked=settings.checked
        )
        self._opened.append(door)
        return door

    def close(self) -> None:
        """Close every connection."""
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
        for door in self._opened:
            door.close()

    def together(self, call: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Call for several items, as many at a time as the application takes; return the results in their order."""
        if len(items) < 2 or self._settings.in_flight < 2:
            return [call(item) for item in items]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._settings.in_flight, thread_name_prefix="scim")
        contexts = [copy_context() for _ in items]  # what the log tells of them
        return list(self._threads.map(lambda context, item: context.run(call, item), contexts, items))

    # --- Requests ----------------------------------------------------------------------------------------------------

    def get(self, *place: str, query: Mapping[str, str] | None = None) -> Json:
        """Return what the application has at a place; raise NotFound for nothing."""
        return self._asked("GET", _path(*place), query=query).data

    def list(self, place: str, query: Mapping[str, str]) -> Json:
        """Return a page of what the application has; raise ConnectorError."""
        try:
            return self.get(place, query=query)
        except NotFound:
            raise ConnectorError(NO_LISTS, code="settings") from None

    def post(self, place: str, resource: Json) -> Json:
        """Create a resource and return it as the application says that it is now."""
        return self._asked("POST", _path(place), resource).data

    def put(self, *place: str, resource: Json, urgent: bool = False) -> Json:
        """Replace a resource and return it as the application says that it is now, {} when it does not."""
        return self._asked("PUT", _path(*place), resource, urgent=urgent).data

    def patch(self, *place: str, operations: Sequence[Json], members: int = 0, urgent: bool = False) -> Json:
        """Change a resource and return it as the application says that it is now, {} when it does not.

        ``members`` are the people that it brings into a group or takes out; ``urgent``: somebody loses access by it.
        """
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}
        return self._asked("PATCH", _path(*place), body, members=members, urgent=urgent).data

    def delete(self, *place: str) -> None:
        """Remove a resource; raise NotFound when there is none."""
        self._asked("DELETE", _path(*place), urgent=True)

    def sign_in(self) -> None:
        """Get a token where the application wants one; raise ConnectorError."""
        if self._sign_in.by_token:
            with self._door() as door, _for_everybody():
                self._sign_in.token(door)

    @contextmanager
    def _door(self) -> Iterator[HttpDoor]:
        door = self._free_door()
        try:
            yield door
        finally:
            self._doors.put(door)

    def _asked(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: Mapping[str, str] | None = None,
        members: int = 0,
        urgent: bool = False,
    ) -> Answer:
        content = None if body is None else orjson.dumps(body)
        sending = Sending(method, path, len(content or b""), members, urgent or self._hurries())
        # RFC 3986: a blank is %20. Some services refuse "+".
        target = f"{path}?{urlencode(query, quote_via=quote)}" if query else path
        with self._door() as door:
            for attempt in range(PAUSES + 1):
                self._wait_for_turn(sending)
                answer = self._sent(door, method, target, content)
                pause = pause_of(answer, attempt)
                if pause is None:
                    break
                self._limiter.refused(sending, pause)
                if pause > LONGEST_PAUSE or attempt == PAUSES:
                    raise Unavailable(BUSY.format(status=answer.status), retry_after=pause)
        if problem := self._problem(answer, body):
            raise problem
        return Answer(answer.status, _object_of(answer))

    def _wait_for_turn(self, sending: Sending) -> None:
        """Wait until a request may be sent. That others are before it closes the application to nobody."""
        try:
            self._limiter.turn(sending, LONGEST_TURN)
        except Unavailable as error:
            raise Unavailable(error.message, retry_after=error.retry_after, whole_directory=False) from None

    def _sent(self, door: HttpDoor, method: str, target: str, content: bytes | None) -> HttpAnswer:
        """Send once, and once more with a new token where the old one is refused."""
        for again in (True, False):
            with _for_everybody():
                signed = self._sign_in.headers(door)
            headers = {**self._settings.headers, **signed}
            if content is None:
                headers.pop("Content-Type", None)
            with _for_everybody():
                answer = door.send(method, f"{self._settings.url}{target}", headers, content)
            self.ahead = answer.at - dt.datetime.now(dt.UTC)
            if answer.status != 401 or not again or not self._sign_in.forget(signed):
                break
        return answer

    # --- What an answer means ----------------------------------------------------------------------------------------

    def _problem(self, answer: HttpAnswer, sent: Json | None) -> ConnectorError | None:
        status = answer.status
        if 200 <= status < 300:
            return None
        said = _said(answer)
        scim_type, detail = str(said.get("scimType") or ""), str(said.get("detail") or "")
        # What is said of a request that only reads may hold what was asked for.
        shown = self._shown(detail, sent) if sent is not None else ""
        words = SAYS.format(words=shown) if shown else ""
        match status:
            case 401:
                return _unavailable(LOGIN.format(status=status), "login")
            case 403:
                return ConnectorError(f"{FORBIDDEN}{words}", code="no_right")
            case 404 | 410:
                return NotFound(ABSENT)
            case 409 if not self._is_something_else(f"{scim_type} {detail}"):
                return Conflict(TAKEN)
            case 400 if scim_type.casefold() == "uniqueness":
                return Conflict(TAKEN)
            case 412:
                return Unavailable(CHANGED, whole_directory=False)
            case 413:
                return Refused(TOO_LARGE, status=status)
            case 408 | 425:
                return Unavailable(BROKEN.format(status=status))
            case 405 | 501:
                return Refused(f"{NOT_OFFERED.format(status=status)}{words}", status=status)
        if status >= 500:
            return Unavailable(BROKEN.format(status=status))
        if 300 <= status < 400:
            return ConnectorError(MOVED, code="settings")
        return Refused(f"{REFUSED.format(status=status)}{words}", status=status, scim_type=scim_type, detail=detail)

    def _is_something_else(self, words: str) -> bool:
        """Return whether a 409 means something else than that there is one already."""
        return any(pattern.search(words) for pattern in self._settings.no_duplicate)

    def _shown(self, detail: str, sent: Json) -> str:
        """Return what a service says without the values that it was sent, and without what the portal signs in with."""
        words = " ".join(detail.split())
        known = self._settings.credentials
        # Any further header may be a secret one; to hide the others does no harm.
        hidden = {known.secret, known.user, self._sign_in.current_token, *self._settings.headers.values()}
        for value in sorted({*_texts(sent), *hidden}, key=len, reverse=True):
            if len(value) > 2:
                words = words.replace(value, "…")
        return words[:_WORDS] if words.isprintable() else ""


@contextmanager
def _for_everybody() -> Iterator[None]:
    """Close the application for a while where nobody can be asked about, instead of refusing one after the other."""
    try:
        yield
    except Unavailable:
        raise
    except ConnectorError as error:
        if error.code in ("login", "tls", "settings"):
            raise _unavailable(error.message, error.code) from None
        raise


def _unavailable(message: str, code: str) -> Unavailable:
    error = Unavailable(message)
    error.code = code
    return error


def _path(*parts: str) -> str:
    """Return a path below the base URL; an id is one part of it, whatever it holds."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _said(answer: HttpAnswer) -> Json:
    try:
        data = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return data if isinstance(data, dict) else {}


def _object_of(answer: HttpAnswer) -> Json:
    """Return the JSON object of an answer; raise Unavailable for anything else.

    Whatever was asked may have been done, so it is looked at again.
    """
    if not answer.body.strip():
        return {}
    try:
        data = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise Unavailable(NOT_SCIM)
    return data


def _texts(data: Any) -> Iterator[str]:
    match data:
        case str():
            yield data
        case Mapping():
            for name, value in data.items():
                if name not in ("schemas", "op", "path"):
                    yield from _texts(value)
        case list():
            for value in data:
                yield from _texts(value)
