"""What lists are sorted by (RFC 7644 section 3.4.2.3)."""

from typing import Any

from django.db.models import F, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Lower
from django.db.models.lookups import Exact

from scim.errors import ScimError
from scim.lists.paging import Order
from scim.resources.attributes import Attribute, Schema
from scim.resources.lookups import Lookup

_JSON = "custom_profile__"
_UNIQUE = frozenset({"username_key", "name_key", "scim_id"})


def order_by(schema: Schema, sort_by: str, *, descending: bool) -> Order:
    """Return the order; raise ScimError 400 invalidPath for what nobody can sort by.

    Of several values the first that the mapping knows counts. Those without a value come last, first when descending.
    """
    if not sort_by:
        return Order(descending=descending)
    attribute = schema.find(sort_by)
    lookup = _lookup(schema, attribute) if attribute else None
    if attribute is None or lookup is None or attribute.returned == "never":
        raise ScimError(400, f"Resources cannot be sorted by {sort_by}.", "invalidPath")
    if lookup.sort in _UNIQUE:
        return Order((lookup.sort,), descending)
    if not lookup.text and lookup.sort:
        return Order((lookup.sort, "pk"), descending)
    return Order(("_blank", "_value", "pk"), descending, _computed(lookup, folds=not attribute.case_exact))


def _lookup(schema: Schema, attribute: Attribute) -> Lookup | None:
    if attribute.type == "complex":
        value = attribute.find("value")
        return _lookup(schema, value) if value else None
    if attribute.lookup:
        return attribute.lookup if attribute.lookup.sort or attribute.lookup.field.startswith(_JSON) else None
    holder, _, name = attribute.path.rpartition(".")
    parent = schema.find(holder) if holder else None
    return parent.slots[0].parts.get(name) if parent and parent.slots else None


def _computed(lookup: Lookup, *, folds: bool) -> dict[str, Any]:
    column: Any = F(lookup.sort or lookup.field)
    if lookup.field.startswith(_JSON):
        column = Coalesce(KeyTextTransform(lookup.field.removeprefix(_JSON), "custom_profile"), Value(""))
    value = Lower(column) if folds and not lookup.key else column
    return {"_blank": Exact(value, Value("")), "_value": value}
