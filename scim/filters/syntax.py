"""From text to a tree: filters, whose parser rules have too, and the paths of PATCH, which share the grammar."""

from dataclasses import dataclass, replace
from functools import lru_cache

from scim2_models import InvalidPathException
from scim2_models.path import AttrPath, Comparison, FilterNode, Path, ValuePath

from config import filter_syntax
from scim.errors import ScimError


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
    try:
        return filter_syntax.parse(text)
    except ValueError as error:
        raise ScimError(400, str(error), "invalidFilter") from None


@lru_cache(maxsize=1024)
def parse_path(text: str) -> PatchPath:
    """Return the parts of a PATCH path; raise ScimError 400 invalidPath.

    ``emails.type eq "work"`` is ``emails[type eq "work"]`` in other words (errata 7122). Clients send the same few
    paths again and again: they are kept.
    """
    try:
        filter_syntax.check_size(text, "path")
        node = Path(text).ast
    except InvalidPathException as error:
        raise ScimError(400, f"The path cannot be read: {error.detail}.", "invalidPath") from None
    except ValueError as error:
        raise ScimError(400, str(error), "invalidPath") from None
    if isinstance(node, AttrPath):
        return PatchPath(node)
    if isinstance(node, ValuePath):
        return PatchPath(node.attr_path, node.val_filter, node.sub_attr)
    if isinstance(node, Comparison) and node.attr_path.sub_attr:
        within = Comparison(AttrPath(node.attr_path.sub_attr), node.op, node.value)
        return PatchPath(AttrPath(node.attr_path.attr, None, node.attr_path.uri), within)
    raise ScimError(400, "The path names no attribute.", "invalidPath")
