"""SCIM filters (RFC 7644 section 3.4.2.2): their syntax, what they mean in Django's queries, and the order of lists."""

from scim.filters.queries import to_q
from scim.filters.sorting import order_by
from scim.filters.syntax import PatchPath, parse, parse_path

__all__ = ["PatchPath", "order_by", "parse", "parse_path", "to_q"]
