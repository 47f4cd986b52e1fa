"""The values of a multi-valued attribute that no row maps: as the client sent them, in ``UserLink.kept``.

The database looks into each of them (``jsonb_array_elements``, ``json_each``), so that a whole filter is about the same
value. A value whose parts are in columns has only its labels here, and the mark of its slot.
"""

from collections.abc import Callable
from typing import Any

from django.db.models import BooleanField, F, Func, Q
from django.db.models.fields.json import KeyTransform
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

from scim.errors import ScimError
from scim.filters.values import NOTHING, check_operator, coerced, invalid
from scim.models import UserLink
from scim.resources.attributes import Attribute
from scim.resources.comparing import folded
from scim.resources.lookups import Slot
from scim.resources.mapping import LABELS, MARK

Sql = tuple[str, list[Any]]
Condition = Callable[[str], Sql]  # from the database's kind to a condition on ``one.value``
_ORDERS = {
    CompareOperator.gt: ">",
    CompareOperator.ge: ">=",
    CompareOperator.lt: "<",
    CompareOperator.le: "<=",
    CompareOperator.eq: "=",
}
_NEVER: Sql = ("FALSE", [])


def has_element(parent: Attribute, node: FilterNode | None, mark: str = "") -> Q:
    """Ask for a value of the attribute that satisfies the node: of the marked slot, or of none."""
    check = _Check(parent, node)
    check("postgresql")  # what cannot be asked is refused now, not when the query runs
    return _among(parent, check, mark=("= %s", [mark]) if mark else ("IS NULL", []))


def has_primary(parent: Attribute, slot: Slot) -> Q:
    """Ask for a primary value besides the slot's own."""
    primary = Comparison(AttrPath("primary"), CompareOperator.eq, True)
    return _among(parent, _Check(parent, primary), mark=("IS DISTINCT FROM %s", [slot.mark]))


def has_more(parent: Attribute, slot: Slot) -> Q:
    """Ask for a value of the slot of which the client said more than labels, whatever is in the columns."""
    return _among(parent, _more, mark=("= %s", [slot.mark]))


def _among(parent: Attribute, check: Condition, *, mark: Sql) -> Q:
    links = UserLink.objects.filter(client_id=parent.slots[0].client_id)
    held: Any = F("kept")
    *prefix, name = [part for part in (parent.path.rpartition(":")[0], parent.name) if part]
    if not prefix:
        links = links.filter(kept__has_key=name)
    for key in (*prefix, name):
        held = KeyTransform(key, held)
    return Q(pk__in=links.filter(_AnyElement(held, check=check, mark=mark)).values("user_id"))


class _AnyElement(Func):
    """Whether any element of a JSON list satisfies a check."""

    output_field = BooleanField()

    def __init__(self, held: Any, *, check: Condition, mark: Sql) -> None:
        super().__init__(held)
        self.check, self.mark = check, mark

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> Any:  # type: ignore[override]
        held, params = compiler.compile(self.source_expressions[0])
        vendor = connection.vendor
        sql, values = self.check(vendor)
        mark, marks = self.mark
        if vendor == "postgresql":
            rows = f"jsonb_array_elements(CASE jsonb_typeof({held}) WHEN 'array' THEN {held} ELSE '[]'::jsonb END)"
            params = [*params, *params]
        else:
            rows = f"json_each({held})"
        where = f"{_part(vendor, MARK)} {mark} AND {sql}"  # fixed words and names of schemas; values are parameters
        return f"EXISTS (SELECT 1 FROM {rows} AS one(value) WHERE {where})", [*params, *marks, *values]  # noqa: S608

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        sql, params = self.as_sql(compiler, connection, **more)
        return sql.replace("AS one(value)", "AS one"), params


class _Check:
    """A filter on one element, as SQL."""

    def __init__(self, parent: Attribute, node: FilterNode | None) -> None:
        self.parent, self.node = parent, node

    def __call__(self, vendor: str) -> Sql:
        return ("TRUE", []) if self.node is None else self._visit(self.node, vendor)

    def _visit(self, node: FilterNode, vendor: str) -> Sql:
        if isinstance(node, LogicalExpr):
            found = [self._visit(term, vendor) for term in node.terms]
            word = " AND " if node.op == LogicalOperator.and_ else " OR "
            return f"({word.join(sql for sql, _ in found)})", [value for _, values in found for value in values]
        if isinstance(node, Not):
            sql, values = self._visit(node.expr, vendor)
            return f"(NOT {sql})", values
        if isinstance(node, Present):
            return _present(vendor, self._leaf(node.attr_path))
        if isinstance(node, Comparison):
            return self._compared(node, vendor)
        raise invalid(f"Within {self.parent.path}[...] there are no brackets.")

    def _compared(self, node: Comparison, vendor: str) -> Sql:
        leaf = self._leaf(node.attr_path)
        if node.op == CompareOperator.ne:
            sql, values = self._compared(Comparison(node.attr_path, CompareOperator.eq, node.value), vendor)
            return f"(NOT {sql})", values
        if node.value is None:
            sql, values = _present(vendor, leaf)
            return (f"(NOT {sql})", values) if node.op == CompareOperator.eq else _NEVER
        check_operator(leaf, node.op, uuid_field=False)
        value = coerced(leaf, node.value, uuid_field=False)
        if value is NOTHING or (value == "" and node.op == CompareOperator.eq):
            return _NEVER
        if leaf.type == "boolean":
            return f"COALESCE({_part(vendor, leaf.name)} = {_truth(vendor, value)}, FALSE)", []
        return _text(vendor, leaf, node.op, str(value))

    def _leaf(self, path: AttrPath) -> Attribute:
        found = self.parent.find(path.attr) if not path.uri and not path.sub_attr else None
        if found is None:
            raise invalid(f"{self.parent.path} has no part {path}.")
        return found


def _text(vendor: str, leaf: Attribute, operator: CompareOperator, value: str) -> Sql:
    held = _part(vendor, leaf.name)
    if not leaf.case_exact:
        held, value = f"lower({held})", folded(value)
    if value == "":
        return _present(vendor, leaf)
    values: list[Any]
    if operator in _ORDERS:
        # A value that is not there compares with nothing, a blank one neither.
        sql, values = f"{held} {_ORDERS[operator]} %s AND {held} <> ''", [value]
    elif operator == CompareOperator.co:
        sql, values = f"{'strpos' if vendor == 'postgresql' else 'instr'}({held}, %s) > 0", [value]
    elif operator == CompareOperator.sw:
        sql, values = f"substr({held}, 1, %s) = %s", [len(value), value]
    elif vendor == "postgresql":
        sql, values = f"right({held}, %s) = %s", [len(value), value]
    else:
        sql, values = f"substr({held}, %s) = %s", [-len(value), value]
    return f"COALESCE({sql}, FALSE)", values


def _present(vendor: str, leaf: Attribute) -> Sql:
    return f"(COALESCE({_part(vendor, leaf.name)}, '') <> '')", []


def _more(vendor: str) -> Sql:
    names = sorted({*LABELS, MARK})
    if vendor == "postgresql":
        quoted = ", ".join(f"'{name}'" for name in names)
        return f"(one.value - ARRAY[{quoted}]) <> '{{}}'::jsonb", []
    paths = ", ".join(f"""'$."{name}"'""" for name in names)
    return f"json_remove(one.value, {paths}) <> '{{}}'", []


def _part(vendor: str, name: str) -> str:
    """Return one part of the element as text; its name is a schema's and not a client's."""
    if not name.replace("$", "").replace(MARK, "a").isidentifier():
        raise ScimError(400, f"{name} cannot be filtered by.", "invalidFilter")
    return f"(one.value ->> '{name}')" if vendor == "postgresql" else f"""json_extract(one.value, '$."{name}"')"""


def _truth(vendor: str, value: bool) -> str:
    return f"'{str(value).lower()}'" if vendor == "postgresql" else str(int(value))
