"""The operations of a PATCH request, each with a path, an ``op`` in lower case and a value of the attribute's shape.

The steps are in an order that matters: envelope, then an object without a path is taken apart, then each path is
brought into the RFC's form, and then its value.
"""

from collections.abc import Iterator
from typing import Any

from scim.attributes import Schema
from scim.dialects import clearing, elements, envelope, objects, paths, removal
from scim.dialects.shapes import shaped
from scim.errors import invalid_value

Operation = dict[str, Any]


def operations(body: Any, schema: Schema) -> list[Operation]:
    """Return what a PATCH body asks for; raise ScimError 400 for what cannot be read."""
    return list(_rewritten(envelope.operations(body), schema))


def _rewritten(found: list[Operation], schema: Schema) -> Iterator[Operation]:
    for whole in found:
        for operation in objects.apart(whole, schema):
            rewritten = _one(operation, schema)
            if rewritten is not None:
                yield rewritten


def _one(operation: Operation, schema: Schema) -> Operation | None:
    operation = paths.readable(operation, schema)
    attribute = paths.attribute(operation, schema)
    if attribute is None:
        return operation
    selects = paths.selects(operation)
    if operation["op"] == "remove":
        return removal.selective(operation, attribute, selects=selects)
    if "value" not in operation:
        raise invalid_value(f"The {operation['op']} of {attribute.path} has no value.")
    operation = {**operation, "value": shaped(operation["value"], attribute, within=selects)}
    cleared = clearing.cleared(operation, attribute, paths.parent(operation, schema))
    return None if cleared is None else elements.made(cleared)
