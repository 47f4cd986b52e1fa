"""One comparison with one column, as a Q that is true or false and never NULL."""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import F, Q, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Lower
from django.db.models.lookups import GreaterThan, GreaterThanOrEqual, LessThan, LessThanOrEqual
from django.db.models.lookups import Lookup as Comparing
from scim2_models.path import STRING_OPERATORS, Comparison

from config.filter_syntax import WAYS
from scim.errors import ScimError
from scim.filters.values import NOTHING, check_operator, coerced, invalid
from scim.resources.attributes import Attribute
from scim.resources.comparing import folded
from scim.resources.lookups import Lookup

NEVER = Q(pk__in=[])
ALWAYS = ~NEVER
_WITHOUT_CASE = {"eq": "iexact", "co": "icontains", "sw": "istartswith", "ew": "iendswith"}
_ORDERS: dict[str, type[Comparing[bool]]] = {
    "gt": GreaterThan,
    "ge": GreaterThanOrEqual,
    "lt": LessThan,
    "le": LessThanOrEqual,
}
_JSON = "custom_profile__"


def any_of(parts: Iterable[Q]) -> Q:
    """Return the disjunction, which nothing satisfies when there are no parts."""
    return reduce(or_, parts, NEVER)


def no_filter(attribute: Attribute) -> ScimError:
    """Return the error for an attribute that is known and kept nowhere to look."""
    return invalid(f"{attribute.path} cannot be filtered by: no portal attribute is mapped to it.")


def compared(attribute: Attribute, lookup: Lookup | None, node: Comparison) -> Q:
    """Return one comparison with a column; the value is never null here, and the operator never ``ne``."""
    if lookup is None:
        raise no_filter(attribute)
    operator, is_uuid = node.op.value, lookup.field.rpartition("__")[2] == "scim_id"
    check_operator(attribute, node.op, uuid_field=is_uuid)
    value = coerced(attribute, node.value, uuid_field=is_uuid)
    if value is NOTHING or (value == "" and operator == "eq"):
        return NEVER
    if value == "" and operator in STRING_OPERATORS:
        return present(lookup)
    if lookup.query:
        return lookup.query(operator, value)
    wanted = _wanted(lookup, operator, value, case_exact=attribute.case_exact)
    # A blank comes before every text, and a key that a JSON object lacks is NULL.
    guarded = lookup.field.startswith(_JSON) or (lookup.text and operator in {"lt", "le"})
    return present(lookup) & wanted if guarded else wanted


def present(lookup: Lookup) -> Q:
    """Return whether there is a value; a blank is none."""
    if lookup.query:
        return lookup.query("pr", None)
    if lookup.field.startswith(_JSON):
        held = Q(custom_profile__has_key=lookup.field.removeprefix(_JSON))
        return held & ~Q(**{lookup.field: ""}) & ~Q(**{lookup.field: None})
    if lookup.text:
        return ~Q(**{lookup.field: ""})
    return Q(**{f"{lookup.field}__isnull": False})


def _wanted(lookup: Lookup, operator: str, value: Any, *, case_exact: bool) -> Q:
    if not isinstance(value, str) or case_exact:
        return Q(**{f"{lookup.field}__{WAYS[operator]}": value})
    if lookup.key:
        return Q(**{f"{lookup.key}__{WAYS[operator]}": folded(value)})
    if operator in _WITHOUT_CASE:
        return Q(**{f"{lookup.field}__{_WITHOUT_CASE[operator]}": value})
    name = lookup.field.removeprefix(_JSON)
    column = F(name) if name == lookup.field else KeyTextTransform(name, "custom_profile")
    return Q(_ORDERS[operator](Lower(column), Value(folded(value))))
