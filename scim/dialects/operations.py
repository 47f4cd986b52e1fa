"""The operations of a PATCH request, each about one attribute and with a value of its shape.

The steps are in an order that matters: an object without a path is taken apart, each path is brought into the RFC's
form, and then its value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator

from scim.dialects import envelope, paths
from scim.dialects.envelope import Asked
from scim.dialects.shapes import shaped
from scim.errors import ScimError, invalid_value
from scim.patch.operation import ABSENT, PatchOperation
from scim.resources.attributes import Attribute, Schema

_LABELS = frozenset({"type", "primary"})


def operations(body: Any, schema: Schema) -> list[PatchOperation]:
    """Return what a PATCH body asks for; raise ScimError 400 for what cannot be read."""
    found = (operation for asked in envelope.operations(body) for operation in _apart(asked, schema))
    return [rewritten for operation in found if (rewritten := _rewritten(operation)) is not None]


def _apart(asked: Asked, schema: Schema) -> Iterator[PatchOperation]:
    """Yield an operation for each attribute of an object that has no path, or a schema's URN as path.

    Entra's newer mode sends one replace whose keys are dotted names and whole URNs
    (https://learn.microsoft.com/en-us/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility).
    Okta's rename of a group repeats the read-only ``id``
    (https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20#update-a-specific-group-name); authentik's
    repeats ``schemas`` too. Any other operation is about the one attribute that its path names.
    """
    urn = paths.schema_urn(asked.path, schema)
    if asked.verb == "remove" and not asked.path:
        raise ScimError(400, "A remove needs a path that says what to remove.", "noTarget")
    if asked.verb == "remove" or (asked.path and urn is None):
        path, attribute, parent = paths.resolve(asked.path, schema)
        yield PatchOperation(asked.verb, path, attribute, parent, asked.value)
    elif isinstance(asked.value, Mapping):
        yield from _keys(asked.verb, urn or "", asked.value, schema)
    else:
        raise invalid_value("An operation without the path of an attribute needs an object of attributes as its value.")


def _keys(verb: str, urn: str, value: Mapping[str, Any], schema: Schema) -> Iterator[PatchOperation]:
    """Yield what the keys mean; what is read-only or not known is left out (RFC 7643 section 2.2, RFC 7644 3.3)."""
    for key, item in value.items():
        inner = paths.schema_urn(key, schema)
        if inner is not None:
            if isinstance(item, Mapping):
                yield from _keys(verb, inner, item, schema)
            elif item not in (None, "", []):
                raise invalid_value(f"{inner} must be an object of attributes.")
            continue
        found = paths.known(paths.under(urn, key), schema)
        if found is None or found.attribute is None or found.attribute.mutability == "readOnly":
            continue
        if item is None and found.attribute.multi_valued and found.attribute.find("$ref") is not None:
            continue  # members that are not listed, see ``_cleared``
        yield PatchOperation(verb, found.path, found.attribute, found.parent, item)


def _rewritten(operation: PatchOperation) -> PatchOperation | None:
    """Return the operation in the RFC's words, None when it asks for nothing."""
    attribute = operation.attribute
    if attribute is None:
        return operation
    if operation.verb == "remove":
        return _selective(operation, attribute)
    if operation.value is ABSENT:
        raise invalid_value(f"The {operation.verb} of {attribute.path} has no value.")
    operation = replace(operation, value=shaped(operation.value, attribute, within=operation.selects))
    return _cleared(operation, attribute) if _empty(operation.value, attribute) else _made(operation)


def _selective(operation: PatchOperation, attribute: Attribute) -> PatchOperation | None:
    """Return a remove with the values that it names in ``value``, where the RFC wants a filter.

    ``{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "<id>"}]}`` is Entra's
    (https://learn.microsoft.com/en-us/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups#update-group-remove-members),
    authentik's (providers/scim/clients/groups.py) and JumpCloud's. Whoever reads only ``op`` and ``path`` empties the
    group. A ``value`` that names nobody is therefore never read as "everybody": an empty list removes nothing, and null
    or an object without a value is refused. Only a remove that has no ``value`` at all clears the attribute, as
    RFC 7644 section 3.5.2.2 says.
    """
    if operation.value is ABSENT or operation.selects or not attribute.multi_valued:
        return replace(operation, value=ABSENT)
    items = operation.value if isinstance(operation.value, list) else [operation.value]
    return replace(operation, value=[_named(item, attribute) for item in items]) if items else None


def _named(item: Any, attribute: Attribute) -> dict[str, Any]:
    if isinstance(item, str):
        item = {"value": item}
    if isinstance(item, Mapping):
        known = {attribute.find(name): value for name, value in item.items() if value not in (None, "")}
        named = {sub.name: value for sub, value in known.items() if sub is not None}
        if "value" in named:
            return {name: named[name] for name in ("value", "type") if name in named}
        if named:
            return named
    raise invalid_value(
        f"It is not clear which values of {attribute.path} to remove: name them, or leave value out to remove all."
    )


def _empty(value: Any, attribute: Attribute) -> bool:
    if value in (None, [], {}):
        return True
    return attribute.type == "complex" and isinstance(value, dict) and "value" in value and value["value"] is None


def _cleared(operation: PatchOperation, attribute: Attribute) -> PatchOperation | None:
    """Return the remove that is meant by an operation that brings no value, None when it asks for nothing.

    Entra replaces or adds null, ``""`` or ``{"value": ""}`` to clear an attribute. ``manager.value`` without a value is
    no manager: what else stands in the object is only about that value. An ``add`` of an empty list is left out. The
    members of a group are not taken away by null: Okta's own examples answer ``"members": null`` for "not listed here"
    (https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20#update-specific-group-membership).
    """
    if operation.value is None and attribute.multi_valued and attribute.find("$ref") is not None:
        raise invalid_value(f"To take all {attribute.path} away, remove them, or replace them by an empty list.")
    if operation.verb == "add" and attribute.multi_valued:
        return None
    path, parent = operation.path, operation.parent
    if parent is not None and not parent.multi_valued and attribute.name == "value":
        path = replace(path, attribute=replace(path.attribute, sub_attr=None))
    return replace(operation, verb="remove", path=path, value=ABSENT)


def _made(operation: PatchOperation) -> PatchOperation:
    """Return a replace of ``emails[type eq "work"].value`` as the add that it is when there is no such element yet.

    Entra writes single values of multi-valued attributes so, with Add and with Replace
    (https://learn.microsoft.com/en-us/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups#update-user-multi-valued-properties),
    whatever the element's state here. RFC 7644 section 3.5.2.3 wants noTarget of a replace that matches nothing, and
    gets it for every other filter: only ``type`` and ``primary`` say which element is meant without saying what is in
    it.
    """
    chosen = operation.path.value_filter
    if operation.verb == "replace" and operation.path.sub and chosen is not None and _labels(chosen):
        return replace(operation, verb="add")
    return operation


def _labels(node: FilterNode) -> bool:
    if isinstance(node, LogicalExpr):
        return node.op == LogicalOperator.and_ and all(_labels(term) for term in node.terms)
    return isinstance(node, Comparison) and node.op == CompareOperator.eq and node.attr_path.attr.lower() in _LABELS
