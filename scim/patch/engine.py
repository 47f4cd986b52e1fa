"""RFC 7644 section 3.5.2 over plain JSON, by scim2-models' PatchOp.

What scim2-models has is not written again: the grammar of paths, value filters, ``primary``, mutability, required
attributes, the objects of operations without a path. What it leaves to a service is decided here: which deviations are
allowed, what is answered when a value does not fit, that an element that says nothing any more goes, and that a
resource that ends as it began is returned unchanged, to the letter.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from scim2_models import Context, PatchOp, Resource, ScimPolicy

from scim.errors import ScimError
from scim.patch.faults import as_scim_errors
from scim.patch.operation import PatchOperation

MAX_OPERATIONS = 1000
MAX_EFFORT = 50_000  # operations times elements of lists: what an operation costs grows with the resource

_STRICT = ScimPolicy(unknown=ScimPolicy.Unknown.ignore, remove_value_as_filter=ScimPolicy.RemoveValue.apply)
# Section 3.5.2.3 wants noTarget of a replace whose filter matches nothing; of an add it says nothing, and adding what
# the filter describes is what Entra means by it.
_CREATING = _STRICT.model_copy(update={"unmatched_path_filter": ScimPolicy.UnmatchedPathFilter.create})

_LABELS = frozenset({"type", "primary", "display"})


def patched(
    resource: Mapping[str, Any], operations: Sequence[PatchOperation], model: type[Resource[Any]]
) -> Mapping[str, Any]:
    """Return the resource after all operations, or ``resource`` itself when they come to nothing.

    ``model`` is one of ``scim.resources.schemas``; what differs in the result has been checked against it. Raise
    ScimError when one operation cannot be done, so that none is.
    """
    if len(operations) > MAX_OPERATIONS:
        raise ScimError(
            413, f"The request has {len(operations)} operations; {MAX_OPERATIONS} are allowed in one.", "tooMany"
        )
    if len(operations) * _elements(resource, operations) > MAX_EFFORT:
        raise ScimError(413, "The request changes long lists in too many operations. Send fewer at a time.", "tooMany")
    if not operations:
        return resource
    with as_scim_errors():
        with _STRICT:
            found = model.model_validate(dict(resource))
        before = _dump(found)
        for operation in operations:
            _apply(model, found, operation)
        return _merged(resource, before, _dump(found))


def _elements(resource: Mapping[str, Any], operations: Sequence[PatchOperation]) -> int:
    """Return how many elements the lists of the resource may come to have."""
    values = [*resource.values(), *(operation.value for operation in operations if operation.verb != "remove")]
    return sum(len(value) for value in values if isinstance(value, list))


def _apply(model: type[Resource[Any]], resource: Resource[Any], operation: PatchOperation) -> None:
    policy = _CREATING if operation.verb == "add" else _STRICT
    patch = _message(model).model_validate(
        {"Operations": [operation.message()]}, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=policy
    )
    patch.patch(resource, scim_policy=policy)


@lru_cache(maxsize=32)
def _message(model: type[Resource[Any]]) -> Any:
    """Return the message for one kind of resource: pydantic takes 50 ms to make it, and keeps it only while in use."""
    return PatchOp.__class_getitem__(model)


def _dump(resource: Resource[Any]) -> dict[str, Any]:
    with _STRICT:
        dumped: dict[str, Any] = resource.model_dump(scim_ctx=Context.DEFAULT)
    return dumped


def _merged(resource: Mapping[str, Any], before: dict[str, Any], after: dict[str, Any]) -> Mapping[str, Any]:
    """Return ``resource`` with what differs between the dumps, so that the library's spelling changes nothing else."""
    changed = {name for name in {*before, *after} - {"schemas"} if before.get(name) != after.get(name)}
    if not changed:
        return resource
    result = {name: value for name, value in resource.items() if name not in changed}
    for name in changed:
        value = _speaking(after.get(name))
        if value != before.get(name):
            value = _united(value)
        if value not in (None, [], {}):
            result[name] = value
    return resource if result == resource else result


def _speaking(value: Any) -> Any:
    """Leave out the elements of a multi-valued attribute that only say of what kind they would be.

    Clearing ``emails[type eq "work"].value`` means that there is no such address any more.
    """
    if not isinstance(value, list):
        return value
    return [item for item in value if not (isinstance(item, dict) and item.keys() <= _LABELS)]


def _united(value: Any) -> Any:
    """Make one of values of the same type and value (RFC 7643 section 2.4): what was added later says more of them."""
    if not isinstance(value, list) or not all(isinstance(item, dict) and "value" in item for item in value):
        return value
    found: dict[tuple[Any, str], dict[str, Any]] = {}
    for item in value:
        found.setdefault((str(item["value"]), str(item.get("type") or "").casefold()), {}).update(item)
    return list(found.values())
