"""``emails[type eq "work"].value`` where there is no such element yet: it is made.

Entra writes single values of multi-valued attributes so, with Add and with Replace
(https://learn.microsoft.com/en-us/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups#update-user-multi-valued-properties),
whatever the element's state here. RFC 7644 section 3.5.2.3 wants noTarget of a replace that matches nothing, and gets
it for every other filter: only ``type`` and ``primary`` say which element is meant without saying what is in it.
"""

from typing import Any

from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator

from scim.filters import parse_path

Operation = dict[str, Any]
_LABELS = frozenset({"type", "primary"})


def made(operation: Operation) -> Operation:
    """Return a replace of one sub-attribute of a labelled element as the add that it is when the element is missing."""
    if operation["op"] != "replace":
        return operation
    path = parse_path(operation["path"])
    if path.sub and path.value_filter is not None and _labels(path.value_filter):
        return {**operation, "op": "add"}
    return operation


def _labels(node: FilterNode) -> bool:
    if isinstance(node, LogicalExpr):
        return node.op == LogicalOperator.and_ and all(_labels(term) for term in node.terms)
    return isinstance(node, Comparison) and node.op == CompareOperator.eq and node.attr_path.attr.lower() in _LABELS
