"""Operations without a path, or with a schema's URN as path: an object whose keys are paths.

Entra's newer mode sends one replace whose keys are dotted names and whole URNs
(https://learn.microsoft.com/en-us/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility).
Okta's rename of a group repeats the read-only ``id``
(https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20#update-a-specific-group-name); authentik's repeats
``schemas`` too. Taken apart, each key is an operation of its own, so that all of them are treated alike.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from scim.attributes import Schema
from scim.dialects import paths
from scim.errors import ScimError, invalid_value

Operation = dict[str, Any]


def apart(operation: Operation, schema: Schema) -> Iterator[Operation]:
    """Yield an operation for each attribute in the object; any other operation as it is."""
    path = operation.get("path", "")
    urn = paths.schema_urn(path, schema)
    if path and urn is None:
        yield operation
        return
    if operation["op"] == "remove":
        if not path:
            raise ScimError(400, "A remove needs a path that says what to remove.", "noTarget")
        yield operation
        return
    value = operation.get("value")
    if not isinstance(value, Mapping):
        raise invalid_value("An operation without the path of an attribute needs an object of attributes as its value.")
    yield from _keys(operation["op"], urn or "", value, schema)


def _keys(verb: str, urn: str, value: Mapping[str, Any], schema: Schema) -> Iterator[Operation]:
    """Yield what the keys mean; what is read-only or not known is left out (RFC 7643 section 2.2, RFC 7644 3.3)."""
    for key, item in value.items():
        inner = paths.schema_urn(key, schema)
        if inner is not None:
            if isinstance(item, Mapping):
                yield from _keys(verb, inner, item, schema)
            elif item not in (None, "", []):
                raise invalid_value(f"{inner} must be an object of attributes.")
            continue
        operation = paths.readable({"op": verb, "path": paths.under(urn, key), "value": item}, schema, strict=False)
        attribute = paths.attribute(operation, schema)
        if attribute is None or attribute.mutability == "readOnly":
            continue
        if item is None and attribute.multi_valued and attribute.find("$ref") is not None:
            continue  # members that are not listed, see ``clearing``
        yield operation
