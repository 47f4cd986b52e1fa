"""Pure: filters of subscriptions, in SCIM's filter language (RFC 7644 section 3.4.2.2), over what an event tells.

``type``, ``actor``, ``directory``, ``group.name`` and ``user.NAME`` can be asked for, ``user.department`` for instance.
Texts are compared without regard to case, as SCIM does where nothing else is said.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
)

from config.filter_syntax import parse
from provisioning.models.people import fold

PLAIN = ("type", "actor", "directory")
OF_TEXTS: Mapping[CompareOperator, Callable[[str, str], bool]] = {
    CompareOperator.co: lambda held, asked: asked in held,
    CompareOperator.sw: lambda held, asked: held.startswith(asked),
    CompareOperator.ew: lambda held, asked: held.endswith(asked),
}
ORDERED: Mapping[CompareOperator, Callable[[Any, Any], Any]] = {
    CompareOperator.gt: lambda held, asked: held > asked,
    CompareOperator.ge: lambda held, asked: held >= asked,
    CompareOperator.lt: lambda held, asked: held < asked,
    CompareOperator.le: lambda held, asked: held <= asked,
}
Told = Mapping[str, Any]  # by key: "type", "user.department"


def checked(text: str, attributes: Collection[str]) -> FilterNode | None:
    """Return the tree of a filter, None for a blank one; ``attributes`` are names of a user's. Raise ValueError."""
    if not text.strip():
        return None
    node = parse(text)
    _check(node, {*PLAIN, "group.name", *(f"user.{name}".lower() for name in attributes)})
    return node


def holds(node: FilterNode, told: Told) -> bool:
    """Return whether a filter holds for what an event tells; ``told`` has its keys in lower case."""
    if isinstance(node, LogicalExpr):
        parts = (holds(term, told) for term in node.terms)
        return all(parts) if node.op == LogicalOperator.and_ else any(parts)
    if isinstance(node, Not):
        return not holds(node.expr, told)
    if isinstance(node, Present):
        return told.get(_key(node.attr_path)) not in (None, "")
    assert isinstance(node, Comparison)
    return _compares(told.get(_key(node.attr_path)), node.op, node.value)


def _compares(held: Any, operator: CompareOperator, asked: Any) -> bool:
    if operator == CompareOperator.ne:
        return not _compares(held, CompareOperator.eq, asked)
    if isinstance(held, bool) or isinstance(asked, bool) or held is None or asked is None:
        return operator == CompareOperator.eq and held is asked
    if isinstance(held, str) or isinstance(asked, str):
        held, asked = fold(str(held)), fold(str(asked))
    if operator == CompareOperator.eq:
        return bool(held == asked)
    if operator in OF_TEXTS:
        return OF_TEXTS[operator](str(held), str(asked))
    return bool(ORDERED[operator](held, asked))


def _check(node: FilterNode, known: Collection[str]) -> None:
    if isinstance(node, LogicalExpr):
        for term in node.terms:
            _check(term, known)
    elif isinstance(node, Not):
        _check(node.expr, known)
    elif isinstance(node, Comparison | Present):
        if node.attr_path.uri or _key(node.attr_path) not in known:
            raise ValueError(f"{node.attr_path} is nothing that an event tells. Ask for type or user.department, say.")
    else:
        raise ValueError("Brackets as in emails[...] are of no use here: an event has one value of each.")


def _key(path: AttrPath) -> str:
    return (f"{path.attr}.{path.sub_attr}" if path.sub_attr else path.attr).lower()
