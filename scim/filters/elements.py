"""The elements of a multi-valued attribute that are kept in columns, such as the work e-mail of ``emails``.

Their labels, such as the type, are those of the mapping, unless the client sent others: those it keeps (``kept``).
"""

from django.db.models import Q
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Present,
)

from scim.filters import kept
from scim.filters.columns import any_of, compared, present
from scim.filters.values import NOTHING, check_operator, coerced
from scim.resources.attributes import Attribute
from scim.resources.comparing import folded
from scim.resources.lookups import Lookup, Slot

_PRIMARY = "primary"


def compared_in(parent: Attribute, slot: Slot, leaf: Attribute, node: Comparison) -> Q:
    """Compare a part of an element: with its column, or with its label."""
    lookup = _column(slot, leaf.name)
    if lookup is not None:
        return compared(leaf, lookup, node)
    check_operator(leaf, node.op, uuid_field=False)
    coerced(leaf, node.value, uuid_field=False)
    label = _labels(parent, slot).get(leaf.name.casefold())
    default = label is not None and _labelled(leaf, label, node)
    return _of_label(parent, slot, leaf, Comparison(AttrPath(leaf.name), node.op, node.value), default=default)


def has(parent: Attribute, slot: Slot, leaf: Attribute) -> Q:
    """Return whether the element, which is there, has the part."""
    lookup = _column(slot, leaf.name)
    if lookup is not None:
        return present(lookup)
    default = leaf.name.casefold() in _labels(parent, slot)
    return _of_label(parent, slot, leaf, Present(AttrPath(leaf.name)), default=default)


def exists(parent: Attribute, slot: Slot) -> Q:
    """Return whether the element is there: a part has a value, or the client said more of it than a label."""
    return any_of(present(lookup) for lookup in slot.parts.values()) | kept.has_more(parent, slot)


def says_that_it_exists(slot: Slot, node: FilterNode) -> bool:
    """Return whether only an element that is there can satisfy the node, as a column is compared with a value."""
    if isinstance(node, LogicalExpr):
        found = [says_that_it_exists(slot, term) for term in node.terms]
        return any(found) if node.op == LogicalOperator.and_ else all(found)
    if isinstance(node, Comparison):
        compares = node.op != CompareOperator.ne and node.value is not None
        return compares and _column(slot, node.attr_path.attr) is not None
    return isinstance(node, Present) and _column(slot, node.attr_path.attr) is not None


def _of_label(parent: Attribute, slot: Slot, leaf: Attribute, node: Comparison | Present, *, default: bool) -> Q:
    """Ask for what the client said of the element; where it said nothing, ``default`` holds."""
    said = kept.has_element(parent, node, slot.mark)
    if not default:
        return said
    unsaid = ~kept.has_element(parent, None, slot.mark)
    if leaf.name == _PRIMARY:  # of the values, one is: any other that the client called so
        unsaid &= ~kept.has_primary(parent, slot)
    return said | unsaid


def _column(slot: Slot, name: str) -> Lookup | None:
    return next((part for key, part in slot.parts.items() if key.casefold() == name.casefold()), None)


def _labelled(leaf: Attribute, label: str, node: Comparison) -> bool:
    wanted = coerced(leaf, node.value, uuid_field=False)
    if leaf.type == "boolean":
        return bool(coerced(leaf, label, uuid_field=False) is wanted)
    if wanted is NOTHING:
        return False
    held, wanted = (label, wanted) if leaf.case_exact else (folded(label), folded(wanted))
    return {
        CompareOperator.eq: held == wanted,
        CompareOperator.co: wanted in held,
        CompareOperator.sw: held.startswith(wanted),
        CompareOperator.ew: held.endswith(wanted),
        CompareOperator.gt: held > wanted,
        CompareOperator.ge: held >= wanted,
        CompareOperator.lt: held < wanted,
        CompareOperator.le: held <= wanted,
    }[node.op]


def _labels(parent: Attribute, slot: Slot) -> dict[str, str]:
    """Return what the element says of itself; the first e-mail of the mapping is primary (scim.resources.mapping)."""
    labels = {name.casefold(): label for name, label in slot.labels.items()}
    if parent.name == "emails" and slot is parent.slots[0]:
        labels.setdefault(_PRIMARY, "true")
    return labels
