"""What the answers of HTTP services have in common: pauses that they ask for, refusals in words, and JSON."""

from typing import Any

import orjson

from directories.connectors import json_text
from directories.connectors.base import AGAIN, ConnectorError, Unavailable
from directories.connectors.outgoing import HttpAnswer

LOGIN = "The service refuses the sign-in ({status}). Check user name and password, token or key."
FORBIDDEN = "The service does not let this sign-in read here (403). Give it the right in the service."
GONE = "The service has nothing at this address (404). Check the address."
REFUSED = "The service refuses the request ({status}). Check the address, its parameters and the body."
BUSY = f"The service has too many requests now ({{status}}). {AGAIN}"
BROKEN = f"The service has a fault now ({{status}}). {AGAIN}"
NO_JSON = "The answer is no JSON. Perhaps it is a page for people: check the address and the sign-in."


def pause_of(answer: HttpAnswer, attempt: int) -> float | None:
    """Return the seconds that the service wants to be left alone for (RFC 9110 10.2.3), None when it does not.

    A 429 that does not say how long means twice as long each time.
    """
    if answer.status != 429 and not (answer.status == 503 and answer.headers.get("retry-after", "").strip()):
        return None
    return float(2**attempt) if answer.retry_after is None else answer.retry_after


def problem_of(answer: HttpAnswer) -> ConnectorError | None:
    """Return what is wrong with the answer to a request that only reads, None for a good one."""
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


def json_of(answer: HttpAnswer) -> Any:
    """Return what an answer says; raise ConnectorError when it is no JSON, or nests too deeply."""
    try:
        return json_text.read(answer.body, "The answer")
    except orjson.JSONDecodeError:
        raise ConnectorError(NO_JSON, code="answer") from None
