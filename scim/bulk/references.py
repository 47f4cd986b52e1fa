"""``bulkId:NAME`` in the path and the data of an operation (RFC 7644 section 3.7.2)."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from scim.bulk.operations import BulkOperation
from scim.errors import ScimError

PREFIX = "bulkId:"
_EXTENSION = "urn:"


def references(operation: BulkOperation) -> Iterator[str]:
    """Yield the names that the operation refers to."""
    for segment in operation.path.split("/"):
        if segment.startswith(PREFIX):
            yield segment.removeprefix(PREFIX)
    yield from _within(operation.data)


def resolved(operation: BulkOperation, created: Mapping[str, str]) -> BulkOperation:
    """Return the operation with ids in place of names; raise ScimError 409 for what was not created."""

    def id_of(name: str) -> str:
        if name not in created:
            raise ScimError(409, f"Nothing was created with the bulkId {name}.", "invalidValue")
        return created[name]

    path = "/".join(
        id_of(segment.removeprefix(PREFIX)) if segment.startswith(PREFIX) else segment
        for segment in operation.path.split("/")
    )
    return replace(operation, path=path, data=_replaced(operation.data, id_of))


def without(operation: BulkOperation, names: Collection[str]) -> tuple[BulkOperation, list[dict[str, Any]]]:
    """Return the operation without what refers to ``names``, and the PATCH operations that add just that."""
    later: list[dict[str, Any]] = []
    bare: dict[str, Any] = {}
    for key, value in operation.data.items():
        if key.lower().startswith(_EXTENSION) and isinstance(value, dict):
            bare[key] = {
                name: kept
                for name, each in value.items()
                if (kept := _kept(f"{key}:{name}", each, names, later)) is not None
            }
        elif (kept := _kept(key, value, names, later)) is not None:
            bare[key] = kept
    return replace(operation, data=bare), later


def _kept(path: str, value: Any, names: Collection[str], later: list[dict[str, Any]]) -> Any:
    """Return what of the attribute refers to none of ``names``; the rest goes to ``later``."""
    if isinstance(value, list):
        held = [each for each in value if any(name in names for name in _within(each))]
        if held:
            later.append({"op": "add", "path": path, "value": held})
        return [each for each in value if each not in held]
    if any(name in names for name in _within(value)):
        later.append({"op": "add", "path": path, "value": value})
        return None
    return value


def _within(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith(PREFIX):
        yield value.removeprefix(PREFIX)
    elif isinstance(value, list):
        for each in value:
            yield from _within(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _within(each)


def _replaced(value: Any, id_of: Callable[[str], str]) -> Any:
    if isinstance(value, str) and value.startswith(PREFIX):
        return id_of(value.removeprefix(PREFIX))
    if isinstance(value, list):
        return [_replaced(each, id_of) for each in value]
    if isinstance(value, dict):
        return {key: _replaced(each, id_of) for key, each in value.items()}
    return value
