"""The bodies that are pushed: a JSON list, a record a line, or a SCIM bulk request (RFC 7644 section 3.7)."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from directories.connectors import json_text
from directories.deliveries import PushedText
from provisioning.contracts.models import MAX_REF

MOST = 10_000  # records of a batch
SHOWN = 20  # faults that an answer names
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
EMPTY = "The body has no records. Send a JSON list of records, one record a line, or a SCIM BulkRequest."
NO_JSON = "The body is no JSON. Send a list of records, one record a line, or a SCIM BulkRequest."
TOO_MANY = f"The body has more than {MOST:,} records. Send them in several batches of one delivery."
NO_RECORD = "This is no record with names and values."
TOO_LONG = f"The lasting number is longer than {MAX_REF} characters, or has one that cannot be kept."
TOO_DEEP = "The record is nested too deeply."
TWICE = "Another record of this batch has the same lasting number. Send one record for each."
METHODS = ("POST", "PUT")
OPERATION = (
    "Only POST and PUT on /Users can be pushed. Who is gone is not in the next whole delivery; departments have an "
    "address of their own."
)


class BadBody(Exception):
    """A body that is refused as a whole: why, and what is wrong with which records, counted from 0."""

    def __init__(self, message: str, faults: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.faults = faults


def records_of(body: bytes) -> list[Any]:
    """Return the records of a body; raise BadBody."""
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        raise BadBody(EMPTY)
    try:
        found = json_text.read(body, "The body")
    except json_text.TooDeep as error:
        raise BadBody(error.message) from None
    except orjson.JSONDecodeError:
        found = _lines(body)
    if isinstance(found, dict):
        schemas = found.get("schemas")
        found = _operations(found) if isinstance(schemas, list) and BULK in schemas else [found]
    if not isinstance(found, list) or not found:
        raise BadBody(EMPTY)
    if len(found) > MOST:
        raise BadBody(TOO_MANY)
    return found


def checked(records: Sequence[Any], look: Callable[[Any], tuple[str, str]]) -> dict[str, PushedText]:
    """Return records by their lasting numbers; raise BadBody when one of them cannot be used.

    ``look`` returns the lasting number of a record, and what is wrong with it.
    """
    found: dict[str, PushedText] = {}
    faults: list[dict[str, Any]] = []
    for place, record in enumerate(records):
        ref, fault = look(record) if isinstance(record, dict) else ("", NO_RECORD)
        text = None
        if not fault:
            text, fault = _text(record, ref)
        if not fault and ref in found:
            fault = TWICE
        if fault:
            faults.append({"record": place, "detail": fault})
        elif text:
            found[ref] = text
    if faults:
        words = f"{len(faults):,} of {len(records):,} records cannot be used, so none was taken. Correct them, and send"
        raise BadBody(f"{words} the batch again.", faults[:SHOWN])
    return found


def _text(record: Any, ref: str) -> tuple[PushedText | None, str]:
    if len(ref) > MAX_REF or "\0" in ref:
        return None, TOO_LONG
    try:
        data = orjson.dumps(record)
        sorted_data = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, RecursionError):
        return None, TOO_DEEP
    return PushedText(data.decode(), hashlib.blake2b(sorted_data, digest_size=16).hexdigest()), ""


def _lines(body: bytes) -> list[Any]:
    lines = [line for line in body.splitlines() if line.strip()]
    if len(lines) < 2 or len(lines) > MOST:
        raise BadBody(NO_JSON if len(lines) < 2 else TOO_MANY)
    try:
        return [json_text.read(line, "A record") for line in lines]
    except json_text.TooDeep as error:
        raise BadBody(error.message) from None
    except orjson.JSONDecodeError:
        raise BadBody(NO_JSON) from None


def _operations(request: Mapping[str, Any]) -> list[Any]:
    operations = request.get("Operations")
    if not isinstance(operations, list):
        raise BadBody(EMPTY)
    faults = [{"record": place, "detail": OPERATION} for place, one in enumerate(operations) if not _is_user(one)]
    if faults:
        raise BadBody("Some operations cannot be pushed, so none was taken.", faults[:SHOWN])
    return [one.get("data") for one in operations]


def _is_user(operation: Any) -> bool:
    if not isinstance(operation, dict):
        return False
    method, path = str(operation.get("method", "")).upper(), str(operation.get("path", ""))
    return method in METHODS and path.strip("/").split("/")[0] == "Users"
