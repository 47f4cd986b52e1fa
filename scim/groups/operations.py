"""The operations of a PATCH that concern ``members``, as a difference: no member is read for adding or removing one.

``members[value eq "ID"]`` is read from the filter alone. Any other filter is asked of the members as they stand.
"""

from collections.abc import Callable, Iterable

from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator

from scim.errors import ScimError, invalid_value
from scim.filters import PatchPath
from scim.groups.membership import Delta
from scim.patch.operation import ABSENT, PatchOperation

Select = Callable[[FilterNode], Iterable[str]]


def concerns(operation: PatchOperation) -> bool:
    """Return whether the operation is about members."""
    return operation.name == "members"


def collect(operation: PatchOperation, delta: Delta, select: Select) -> None:
    """Add what the operation asks for to the difference; ``select`` finds members by a filter."""
    path, value = operation.path, operation.value
    if path.sub or path.attribute.sub_attr:
        _refuse_part(path, select)
    elif operation.verb == "remove":
        _remove(operation, delta, select)
    elif path.value_filter is not None:
        # RFC 7643 section 4.2: the parts of a member are immutable, so that a member is never made another.
        _refuse_part(path, select)
    elif operation.verb == "add":
        delta.add(value or [])
    else:
        delta.replace(value or [])


def _remove(operation: PatchOperation, delta: Delta, select: Select) -> None:
    chosen = operation.path.value_filter
    if chosen is not None:
        named = _named(chosen)
        delta.remove({"value": key} for key in (named if named is not None else list(select(chosen))))
    elif operation.value is ABSENT:
        delta.clear()
    else:
        delta.remove(operation.value)


def _refuse_part(path: PatchPath, select: Select) -> None:
    """Refuse to change a part of members. Their names are the portal's, so ``display`` is passed over."""
    if path.value_filter is not None and not list(select(path.value_filter)):
        raise ScimError(400, "No member matches the filter.", "noTarget")
    if (path.sub or path.attribute.sub_attr or "").casefold() != "display":
        raise ScimError(400, "A member cannot be changed, only added and removed.", "mutability")


def _named(node: FilterNode) -> list[str] | None:
    """Return the ids that the filter lists, None when it asks for anything else."""
    if isinstance(node, LogicalExpr) and node.op == LogicalOperator.or_:
        found = [_named(term) for term in node.terms]
        return None if None in found else [key for keys in found for key in keys or ()]
    if isinstance(node, Comparison) and node.op == CompareOperator.eq and node.attr_path.attr.casefold() == "value":
        if not isinstance(node.value, str):
            raise invalid_value("A member's value is text.")
        return [node.value]
    return None
