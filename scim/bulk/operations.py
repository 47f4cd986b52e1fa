"""The messages of RFC 7644 section 3.7: what a bulk request asks for, and what each operation is answered with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim.errors import ScimError, invalid_syntax, invalid_value

REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
MAX_OPERATIONS = 1000
MAX_BYTES = 4 * 1024 * 1024
_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One operation. ``error`` is what is wrong with it before it can even be sent."""

    method: str = ""
    path: str = ""
    data: Any = None
    bulk_id: str = ""
    version: str = ""
    error: ScimError | None = None

    @property
    def creates(self) -> bool:
        """Whether others may refer to it."""
        return self.method == "POST" and self.error is None


@dataclass(frozen=True, slots=True)
class OperationResult:
    """What came of an operation; ``id`` is that of the resource."""

    status: int
    location: str = ""
    version: str = ""
    body: Mapping[str, Any] | None = None
    id: str = ""

    @property
    def failed(self) -> bool:
        """Whether the operation changed nothing."""
        return self.status >= 400


def read(body: Any) -> tuple[list[BulkOperation], int | None]:
    """Return the operations of a BulkRequest and its failOnErrors; raise ScimError 400 or 413."""
    values = _folded(body)
    operations = values.get("operations")
    if values.get("schemas") != [REQUEST] or not isinstance(operations, list):
        raise invalid_syntax(f"The body is no bulk request: schemas must be {REQUEST} and Operations a list.")
    if len(operations) > MAX_OPERATIONS:
        raise ScimError(413, f"The request has {len(operations)} operations; {MAX_OPERATIONS} are allowed.")
    limit = values.get("failonerrors")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise invalid_syntax("failOnErrors must be a whole number of at least 1.")
    seen: set[str] = set()
    return [_operation(each, seen) for each in operations], limit


def refused(error: ScimError) -> OperationResult:
    """Return the answer for an operation that failed."""
    return OperationResult(error.status, body=error.to_dict())


def response(operation: BulkOperation, answer: OperationResult) -> dict[str, Any]:
    """Return the answer as a member of a BulkResponse; only a failure brings its body."""
    found: dict[str, Any] = {"method": operation.method}
    if operation.bulk_id:
        found["bulkId"] = operation.bulk_id
    if answer.location:
        found["location"] = answer.location
    if answer.version:
        found["version"] = answer.version
    found["status"] = str(answer.status)
    if answer.failed:
        found["response"] = answer.body
    return found


def _operation(value: Any, seen: set[str]) -> BulkOperation:
    values = _folded(value)
    texts = {name: values.get(name.casefold()) or "" for name in ("method", "path", "bulkId", "version")}
    wrong = next((name for name, text in texts.items() if not isinstance(text, str)), None)
    if wrong:
        return BulkOperation(error=invalid_syntax(f"The operation's {wrong} must be text."))
    method, bulk_id = texts["method"].upper(), texts["bulkId"]
    error: ScimError | None = None
    if method not in _METHODS:
        error = invalid_syntax("The operation's method must be POST, PUT, PATCH or DELETE.")
    elif not texts["path"].startswith("/"):
        error = invalid_syntax("The operation's path must begin with a slash, such as /Users.")
    elif method == "POST" and not bulk_id:
        error = invalid_syntax("An operation that creates needs a bulkId.")
    elif method == "POST" and bulk_id in seen:
        error = invalid_value("The bulkId is used by an operation before this one.")
    elif method != "DELETE" and not isinstance(values.get("data"), dict):
        error = invalid_syntax("The operation needs data.")
    if method == "POST":
        seen.add(bulk_id)
    known = method if method in _METHODS else ""
    return BulkOperation(known, texts["path"], values.get("data"), bulk_id, texts["version"], error)


def _folded(value: Any) -> dict[str, Any]:
    return {key.casefold(): each for key, each in value.items()} if isinstance(value, dict) else {}
