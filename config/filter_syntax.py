"""The filter language of SCIM (RFC 7644 section 3.4.2.2), from text to a tree: what SCIM clients and rules write.

The parser is scim2-models': the whole ABNF with its errata, ``emails[type eq "work"].value eq "x"`` as Entra sends it,
JSON's own rules for values, and errors that name a column. (scim2-filter-parser, which django-scim2 brings, knows one
digit of a number, no escape in a string and no attribute named ``notes`` or ``order``.) The limits are ours.
"""

import re

from scim2_models import InvalidFilterException
from scim2_models.path import FilterNode, LogicalExpr, Not, ScimFilter, ValuePath

MAX_LENGTH = 8000  # characters: what a URL may have
MAX_DEPTH = 32  # brackets within brackets
MAX_TERMS = 200  # comparisons
# How a comparison is asked of a column, by its operator: Django's look-ups.
WAYS = {
    "eq": "exact",
    "co": "contains",
    "sw": "startswith",
    "ew": "endswith",
    "gt": "gt",
    "ge": "gte",
    "lt": "lt",
    "le": "lte",
}

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse(text: str, *, longest: int = MAX_LENGTH, most: int = MAX_TERMS) -> FilterNode:
    """Return the tree of a filter of so many characters and comparisons at most; raise ValueError with words."""
    check_size(text, "filter", longest)
    try:
        node = ScimFilter(text).ast
    except InvalidFilterException as error:
        raise ValueError(f"The filter cannot be read: {error.detail}.") from None
    terms = _count(node)
    if terms > most:
        raise ValueError(f"The filter has {terms} comparisons; {most} are allowed.")
    return node


def check_size(text: str, what: str, longest: int = MAX_LENGTH) -> None:
    """Refuse what is long or deep before anything walks it; raise ValueError with words."""
    if len(text) > longest:
        raise ValueError(f"The {what} has {len(text)} characters; {longest} are allowed.")
    if _UNSTORABLE.search(text):
        raise ValueError(f"The {what} holds characters that no text can have.")
    depth = deepest = 0
    for character in _STRING.sub("", text):
        depth += (character in "([") - (character in ")]")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise ValueError(f"The {what} nests {deepest} brackets; {MAX_DEPTH} are allowed.")


def _count(node: FilterNode) -> int:
    if isinstance(node, LogicalExpr):
        return sum(_count(term) for term in node.terms)
    if isinstance(node, Not):
        return _count(node.expr)
    if isinstance(node, ValuePath):
        return _count(node.val_filter)
    return 1
