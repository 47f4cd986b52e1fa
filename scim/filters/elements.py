"""The elements of a multi-valued attribute that are kept in columns, such as the work e-mail of ``emails``.

What is the same in everybody's element, such as its type, is compared here and not by the database.
"""

from django.db.models import Q
from scim2_models.path import Comparison

from scim.attributes import Attribute
from scim.filters.columns import ALWAYS, NEVER, any_of, compared, folded, present
from scim.filters.values import NOTHING, check_operator, coerced
from scim.lookups import Slot


def compared_in(parent: Attribute, slot: Slot, leaf: Attribute, node: Comparison) -> Q:
    """Compare a part of an element: with its label, which is the same for everybody, or with its column."""
    label = _labels(parent, slot).get(leaf.name.casefold())
    if label is not None:
        return ALWAYS if _labelled(leaf, label, node) else NEVER
    lookup = next((part for name, part in slot.parts.items() if name.casefold() == leaf.name.casefold()), None)
    if lookup is None:
        check_operator(leaf, node.op, uuid_field=False)
        coerced(leaf, node.value, uuid_field=False)
        return NEVER
    return compared(leaf, lookup, node)


def _labelled(leaf: Attribute, label: str, node: Comparison) -> bool:
    check_operator(leaf, node.op, uuid_field=False)
    wanted = coerced(leaf, node.value, uuid_field=False)
    if leaf.type == "boolean":
        return bool(coerced(leaf, label, uuid_field=False) is wanted)
    if wanted is NOTHING:
        return False
    held, wanted = (label, wanted) if leaf.case_exact else (folded(label), folded(wanted))
    return {
        "eq": held == wanted,
        "co": wanted in held,
        "sw": held.startswith(wanted),
        "ew": held.endswith(wanted),
        "gt": held > wanted,
        "ge": held >= wanted,
        "lt": held < wanted,
        "le": held <= wanted,
    }[node.op.value]


def has(parent: Attribute, slot: Slot, name: str) -> Q:
    """Return whether the element, which is there, has the part."""
    if name.casefold() in _labels(parent, slot):
        return ALWAYS
    return any_of(present(lookup) for part, lookup in slot.parts.items() if part.casefold() == name.casefold())


def exists(slot: Slot) -> Q:
    """Return whether the element is there."""
    return any_of(present(lookup) for lookup in slot.parts.values())


def _labels(parent: Attribute, slot: Slot) -> dict[str, str]:
    """Return what the element says of itself; the first e-mail of the mapping is the primary one (scim.mapping)."""
    labels = {name.casefold(): label for name, label in slot.labels.items()}
    if parent.name == "emails" and slot is parent.slots[0]:
        labels.setdefault("primary", "true")
    return labels
