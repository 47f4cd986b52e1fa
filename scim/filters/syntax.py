"""From text to a tree: filters, and the paths of PATCH, which share the grammar.

The parser is scim2-models': the whole ABNF with its errata, ``emails[type eq "work"].value eq "x"`` as Entra sends it,
JSON's own rules for values, and errors that name a column. (scim2-filter-parser, which django-scim2 brings, knows one
digit of a number, no escape in a string and no attribute named ``notes`` or ``order``.) The limits are ours.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from scim2_models import InvalidFilterException, InvalidPathException
from scim2_models.path import AttrPath, Comparison, FilterNode, LogicalExpr, Not, Path, ScimFilter, ValuePath

from scim.errors import ScimError

MAX_LENGTH = 8000  # characters: what a URL may have
MAX_DEPTH = 32  # brackets within brackets
MAX_TERMS = 200  # comparisons

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class PatchPath:
    """What the ``path`` of a PATCH operation names: an attribute, which of its values, and a part of those.

    ``attribute.sub_attr`` is set for ``name.familyName``; ``sub`` for what follows the brackets of a ``value_filter``.
    The bare URN of an extension reads as an attribute: ``urn:...:2.0`` is its ``uri`` and ``User`` its ``attr``;
    ``str(attribute)`` is the URN again.
    """

    attribute: AttrPath
    value_filter: FilterNode | None = None
    sub: str | None = None

    def __str__(self) -> str:
        """Return the path as the RFC writes it."""
        if self.value_filter is None:
            return str(self.attribute)
        plain: AttrPath = replace(self.attribute, sub_attr=None)
        return str(ValuePath(plain, self.value_filter, self.sub))


def parse(text: str) -> FilterNode:
    """Return the tree of a filter; raise ScimError 400 invalidFilter."""
    _check_size(text, "filter", "invalidFilter")
    try:
        node = ScimFilter(text).ast
    except InvalidFilterException as error:
        raise ScimError(400, f"The filter cannot be read: {error.detail}.", "invalidFilter") from None
    terms = _count(node)
    if terms > MAX_TERMS:
        raise ScimError(400, f"The filter has {terms} comparisons; {MAX_TERMS} are allowed.", "invalidFilter")
    return node


@lru_cache(maxsize=1024)
def parse_path(text: str) -> PatchPath:
    """Return the parts of a PATCH path; raise ScimError 400 invalidPath.

    ``emails.type eq "work"`` is ``emails[type eq "work"]`` in other words (errata 7122). Clients send the same few
    paths again and again: they are kept.
    """
    _check_size(text, "path", "invalidPath")
    try:
        path = Path(text)
        node = path.ast
    except InvalidPathException as error:
        raise ScimError(400, f"The path cannot be read: {error.detail}.", "invalidPath") from None
    if isinstance(node, AttrPath):
        return PatchPath(node)
    if isinstance(node, ValuePath):
        return PatchPath(node.attr_path, node.val_filter, node.sub_attr)
    if isinstance(node, Comparison) and node.attr_path.sub_attr:
        within = Comparison(AttrPath(node.attr_path.sub_attr), node.op, node.value)
        return PatchPath(AttrPath(node.attr_path.attr, None, node.attr_path.uri), within)
    raise ScimError(400, "The path names no attribute.", "invalidPath")


def _check_size(text: str, what: str, scim_type: str) -> None:
    """Refuse what is long or deep before anything walks it."""
    if len(text) > MAX_LENGTH:
        raise ScimError(400, f"The {what} has {len(text)} characters; {MAX_LENGTH} are allowed.", scim_type)
    if _UNSTORABLE.search(text):
        raise ScimError(400, f"The {what} holds characters that no text can have.", scim_type)
    depth = deepest = 0
    for character in _STRING.sub("", text):
        depth += (character in "([") - (character in ")]")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise ScimError(400, f"The {what} nests {deepest} brackets; {MAX_DEPTH} are allowed.", scim_type)


def _count(node: FilterNode) -> int:
    if isinstance(node, LogicalExpr):
        return sum(_count(term) for term in node.terms)
    if isinstance(node, Not):
        return _count(node.expr)
    if isinstance(node, ValuePath):
        return _count(node.val_filter)
    return 1
