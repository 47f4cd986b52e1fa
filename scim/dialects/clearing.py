"""Clearing an attribute: Entra replaces or adds null, ``""`` or ``{"value": ""}``; in the RFC's words that is a remove.

An operation that brings nothing to a multi-valued attribute (``add`` of an empty list) is left out. The members of a
group are not taken away by null: Okta's own examples answer ``"members": null`` for "not listed here"
(https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20#update-specific-group-membership).
"""

from typing import Any

from scim.attributes import Attribute
from scim.errors import invalid_value

Operation = dict[str, Any]


def cleared(operation: Operation, attribute: Attribute, parent: Attribute | None) -> Operation | None:
    """Return the operation, a remove in its place when it brings no value, or None when it asks for nothing.

    ``manager.value`` without a value is no manager: what else stands in the object is only about that value.
    """
    if not _empty(operation["value"], attribute):
        return operation
    if operation["value"] is None and attribute.multi_valued and attribute.find("$ref") is not None:
        raise invalid_value(f"To take all {attribute.path} away, remove them, or replace them by an empty list.")
    if operation["op"] == "add" and attribute.multi_valued:
        return None
    path = operation["path"]
    if parent is not None and not parent.multi_valued and attribute.name == "value":
        path = path.rpartition(".")[0]
    return {"op": "remove", "path": path}


def _empty(value: Any, attribute: Attribute) -> bool:
    if value in (None, [], {}):
        return True
    return attribute.type == "complex" and isinstance(value, dict) and "value" in value and value["value"] is None
