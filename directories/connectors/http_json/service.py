"""Asking an HTTP service for JSON: signing in, keeping to its pace, and what its refusals mean."""

import base64
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote_plus, urlencode

import orjson

from directories.connectors.base import AGAIN, ConnectorError, Unavailable
from directories.connectors.http_json.paths import search
from directories.connectors.http_json.settings import HttpSettings
from directories.connectors.outgoing import HttpAnswer, HttpDoor

LONGEST_PAUSE = 120.0  # seconds that one request waits when the service asks for it; longer is left to the portal
PAUSES = 5  # times in a row
_RENEWED_BEFORE = 30.0  # seconds before a token's end

LOGIN = "The service refuses the sign-in ({status}). Check user name and password, token or key."
FORBIDDEN = "The service does not let this sign-in read here (403). Give it the right in the service."
GONE = "The service has nothing at this address (404). Check the address."
REFUSED = "The service refuses the request ({status}). Check the address, its parameters and the body."
BUSY = f"The service has too many requests now ({{status}}). {AGAIN}"
BROKEN = f"The service has a fault now ({{status}}). {AGAIN}"
NO_JSON = "The answer is no JSON. Perhaps it is a page for people: check the address and the sign-in."
NO_TOKEN = "The answer of the address of tokens has no {path}. Check the address and the box Token in the answer."

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
        self._token = ""
        self._token_until = 0.0
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
            answer = self._asked(url, body)
            if answer.status == 401 and self._token and attempt < PAUSES:
                self._token = ""  # it may have ended before its time; a new one that is refused too is the end
                answer = self._asked(url, body)
            pause = _pause(answer, attempt)
            if pause is None:
                break
            if pause > LONGEST_PAUSE or attempt == PAUSES:
                raise Unavailable(BUSY.format(status=answer.status), retry_after=pause)
            sleep(pause)
        if problem := _problem(answer):
            raise problem
        return Read(_json(answer), answer)

    def sign_in(self) -> None:
        """Get a token where the service wants one; raise ConnectorError."""
        if self._settings.auth == "oauth2":
            self._bearer()

    def _asked(self, url: str, body: str) -> HttpAnswer:
        headers = {"Accept": "application/json", **self._sign_in_headers()}
        self._wait_for_turn()
        if not body:
            return self._door.get(url, headers)
        return self._door.post(url, body.encode(), {**headers, "Content-Type": "application/json"})

    def _wait_for_turn(self) -> None:
        if not self._settings.per_minute:
            return
        now = time.monotonic()
        if self._next_at > now:
            sleep(self._next_at - now)
        self._next_at = max(now, self._next_at) + 60 / self._settings.per_minute

    def _sign_in_headers(self) -> Mapping[str, str]:
        settings = self._settings
        match settings.auth:
            case "bearer":
                return {"Authorization": f"Bearer {_header_value(settings.secret)}"}
            case "basic":
                return {"Authorization": _basic(settings.user, settings.secret)}
            case "header":
                return {_header_name(settings.header): _header_value(settings.secret)}
            case "oauth2":
                return {"Authorization": f"Bearer {self._bearer()}"}
        return {}

    def _bearer(self) -> str:
        """Return a token: RFC 6749 4.4, the client's secret in a header or, where that is refused, in the body."""
        if self._token and time.monotonic() < self._token_until:
            return self._token
        settings = self._settings
        asked = {"grant_type": "client_credentials", **({"scope": settings.scope} if settings.scope else {})}
        # RFC 6749 2.3.1: both are form-encoded before they are joined.
        header = {"Authorization": _basic(quote_plus(settings.user), quote_plus(settings.secret))}
        answer = self._form(asked, header)
        if answer.status in {400, 401}:
            answer = self._form({**asked, "client_id": settings.user, "client_secret": settings.secret}, {})
        if answer.status == 400:
            raise ConnectorError(LOGIN.format(status=400), code="login")
        if problem := _problem(answer):
            raise problem
        data = _json(answer)
        token = search(settings.token_path, data)
        if not isinstance(token, str) or not token:
            raise ConnectorError(NO_TOKEN.format(path=settings.token_path), code="login")
        lasts = data.get("expires_in") if isinstance(data, Mapping) else None
        seconds = float(lasts) if isinstance(lasts, int | float) and lasts > 0 else 3600.0
        self._token = _header_value(token)
        self._token_until = time.monotonic() + max(seconds - _RENEWED_BEFORE, seconds / 2)
        return self._token

    def _form(self, values: Mapping[str, str], headers: Mapping[str, str]) -> HttpAnswer:
        content = urlencode(values).encode()
        kind = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        return self._door.post(self._settings.token_url, content, {**kind, **headers})


def _pause(answer: HttpAnswer, attempt: int) -> float | None:
    """Return the seconds that the service wants to be left alone for (RFC 9110 10.2.3), None when it does not."""
    if answer.status != 429 and not (answer.status == 503 and answer.headers.get("retry-after", "").strip()):
        return None
    return float(2**attempt) if answer.retry_after is None else answer.retry_after


def _problem(answer: HttpAnswer) -> ConnectorError | None:
    status = answer.status
    if status == 200:
        return None
    if status == 401:
        return ConnectorError(LOGIN.format(status=status), code="login")
    if status == 403:
        return ConnectorError(FORBIDDEN, code="login")
    if status in {404, 410}:
        return ConnectorError(GONE, code="settings")
    if status >= 500 or status in {408, 425}:
        return Unavailable(BROKEN.format(status=status))
    return ConnectorError(REFUSED.format(status=status), code="settings")


def _json(answer: HttpAnswer) -> Any:
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise ConnectorError(NO_JSON, code="answer") from None


def _basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def _header_name(name: str) -> str:
    if not name or not name.isascii() or not all(letter.isalnum() or letter in "-_" for letter in name):
        raise ConnectorError("Name the header of the API key, for example X-Api-Key.", code="settings")
    return name


def _header_value(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ConnectorError("The token or key holds a character that cannot be sent. Type it again.", code="login")
    return value
