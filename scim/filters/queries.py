"""From a filter's tree to Django's ``Q``: what a filter means on the database (RFC 7644 section 3.4.2.2).

An attribute that is not known, or that nobody can filter by, refuses the whole filter: dropping it would match
resources that the client did not mean, and answering with an empty list makes clients create people twice. ``ne`` is
the contrary of ``eq``: it holds for a resource without the attribute, and for several values when none of them is
equal. Every Q here is true or false and never NULL, so that ``not`` is safe.
"""

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_

from django.db.models import Q, QuerySet
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

from provisioning.models import Group, User
from scim.filters import elements, kept
from scim.filters.columns import ALWAYS, NEVER, any_of, compared, no_filter, present
from scim.filters.values import invalid
from scim.resources.attributes import Attribute, Schema
from scim.resources.lookups import Slot
from scim.resources.schemas import GROUP

_EQ = CompareOperator.eq


def to_q(node: FilterNode, schema: Schema, others: Sequence[Schema] = ()) -> Q:
    """Return the filter as a Q on the schema's model; raise ScimError 400 invalidFilter.

    ``others`` are the schemas of the other types that the same query asks for: what only they know is false here
    (RFC 7644 section 3.4.2.1).
    """
    return _Compiler(schema, others).visit(node)


class _Compiler(FilterVisitor[Q]):
    """A filter on resources."""

    def __init__(self, schema: Schema, others: Sequence[Schema]) -> None:
        self.schema = schema
        self.others = others
        self.model: type[User] | type[Group] = Group if schema.urn == GROUP else User

    def visit_logical_expr(self, node: LogicalExpr) -> Q:
        parts = [self.visit(term) for term in node.terms]
        if node.op == LogicalOperator.and_:
            return reduce(and_, parts)
        return self._either(parts) if any(map(_asks_elsewhere, parts)) else reduce(or_, parts)

    def visit_not(self, node: Not) -> Q:
        return ~self.visit(node.expr)

    def visit_comparison(self, node: Comparison) -> Q:
        if node.op == CompareOperator.ne:
            return ~self.visit_comparison(Comparison(node.attr_path, _EQ, node.value))
        if node.value is None:
            return ~self.visit_present(Present(node.attr_path)) if node.op == _EQ else NEVER
        if (constant := self._constant(node)) is not None:
            return constant
        attribute = self._find(node.attr_path)
        if attribute is None:
            return NEVER
        parent, leaf = self._leaf(attribute)
        if parent.slots:
            return self._some(parent, Comparison(AttrPath(leaf.name), node.op, node.value))
        return compared(leaf, leaf.lookup, node)

    def visit_present(self, node: Present) -> Q:
        attribute = self._find(node.attr_path)
        if attribute is None:
            return NEVER
        if attribute.name in {"schemas", "meta"}:
            return ALWAYS
        parent, leaf = self._parent(attribute)
        if parent.slots:
            return self._some(parent, None if leaf is parent else Present(AttrPath(leaf.name)))
        subs = [leaf] if leaf.lookup else [sub for sub in leaf.sub if sub.lookup]
        if not subs:
            raise no_filter(attribute)
        return any_of(present(sub.lookup) for sub in subs if sub.lookup)

    def visit_value_path(self, node: ValuePath) -> Q:
        attribute = self._find(node.attr_path)
        if attribute is None:
            return NEVER
        if not attribute.multi_valued or attribute.type != "complex":
            raise invalid(f"{attribute.path} has no several values to choose from.")
        if attribute.slots:
            return self._some(attribute, node.val_filter)
        if not any(sub.lookup for sub in attribute.sub):
            raise no_filter(attribute)
        return _Element(attribute, None).visit(node.val_filter)

    def _some(self, attribute: Attribute, node: FilterNode | None) -> Q:
        """Ask for a value of the attribute, in columns or kept as it was sent, that satisfies the node, if any."""
        mapped = any_of(self._mapped(attribute, slot, node) for slot in attribute.slots)
        return self._either([mapped, kept.has_element(attribute, node)])

    def _mapped(self, attribute: Attribute, slot: Slot, node: FilterNode | None) -> Q:
        if node is None:
            return elements.exists(attribute, slot)
        wanted = _Element(attribute, slot).visit(node)
        return wanted if elements.says_that_it_exists(slot, node) else elements.exists(attribute, slot) & wanted

    def _either(self, parts: Sequence[Q]) -> Q:
        """Return the disjunction as a union: PostgreSQL uses no index for ``a OR id IN (SELECT ...)``."""
        first, *rest = (self.model.objects.order_by().filter(part).values("pk") for part in parts)
        return Q(pk__in=first.union(*rest))

    def _find(self, path: AttrPath) -> Attribute | None:
        name = str(path)
        found = self.schema.find(name)
        if found is None and path.uri is None:  # an extension's attribute by its bare name, as in PATCH
            homes = [urn for urn in self.schema.extensions if self.schema.find(f"{urn}:{name}")]
            found = self.schema.find(f"{homes[0]}:{name}") if len(homes) == 1 else None
        if found is None and not any(other.find(name) for other in self.others):
            raise invalid(f"There is no attribute {name}.")
        if found is not None and found.returned == "never":
            raise invalid(f"{found.path} is never compared.")
        return found

    def _parent(self, attribute: Attribute) -> tuple[Attribute, Attribute]:
        """Return the attribute that holds this one, which may be itself."""
        holder = attribute.path.removesuffix(f".{attribute.name}")
        parent = self.schema.find(holder) if holder != attribute.path else None
        return parent or attribute, attribute

    def _leaf(self, attribute: Attribute) -> tuple[Attribute, Attribute]:
        """Return what is compared: of a complex attribute, its ``value`` (as in ``emails co "x"``)."""
        value = attribute.find("value") if attribute.type == "complex" else None
        return (attribute, value) if value else self._parent(attribute)

    def _constant(self, node: Comparison) -> Q | None:
        """Answer for what is the same, or nearly, for every resource: its type and its schemas."""
        attribute = self.schema.find(str(node.attr_path))
        if attribute is None or attribute.path not in {"schemas", "meta.resourceType"}:
            return None
        if node.op != _EQ:
            raise invalid(f"{attribute.path} is compared with eq or ne only.")
        if attribute.path == "meta.resourceType":
            return ALWAYS if node.value == self.schema.urn.rsplit(":", 1)[1] else NEVER
        wanted = str(node.value).casefold()
        if wanted == self.schema.urn.casefold():
            return ALWAYS
        if wanted not in {urn.casefold() for urn in self.schema.extensions}:
            return NEVER
        inside = [each for each in self.schema.attributes if each.path.casefold().startswith(f"{wanted}:")]
        lookups = [part.lookup for each in inside for part in (each, *each.sub) if part.lookup]
        return any_of(present(lookup) for lookup in lookups)


def _asks_elsewhere(part: Q) -> bool:
    """Return whether the condition looks into another table."""
    return any(
        _asks_elsewhere(child) if isinstance(child, Q) else isinstance(child, tuple) and isinstance(child[1], QuerySet)
        for child in part.children
    )


class _Element(_Compiler):
    """A filter on the values of one attribute; each of its comparisons is about the same value.

    Without a slot the values are rows of their own (members of a group), and one comparison asks about each of them.
    """

    def __init__(self, parent: Attribute, slot: Slot | None) -> None:
        super().__init__(Schema("", (), (), {}), ())
        self.parent = parent
        self.slot = slot

    def visit(self, node: FilterNode) -> Q:
        simple = isinstance(node, Present) or (isinstance(node, Comparison) and node.op != CompareOperator.ne)
        either = isinstance(node, LogicalExpr) and node.op == LogicalOperator.or_
        if self.slot is None and not simple and not either:
            raise invalid(f"Within {self.parent.path}[...] only comparisons joined by or can be asked for, without ne.")
        return super().visit(node)

    def _find(self, path: AttrPath) -> Attribute:
        found = self.parent.find(path.attr) if not path.uri and not path.sub_attr else None
        if found is None:
            raise invalid(f"{self.parent.path} has no part {path}.")
        return found

    def visit_comparison(self, node: Comparison) -> Q:
        if node.op == CompareOperator.ne or node.value is None:
            return super().visit_comparison(node)
        leaf = self._find(node.attr_path)
        return (
            elements.compared_in(self.parent, self.slot, leaf, node) if self.slot else compared(leaf, leaf.lookup, node)
        )

    def visit_present(self, node: Present) -> Q:
        leaf = self._find(node.attr_path)
        if self.slot:
            return elements.has(self.parent, self.slot, leaf)
        if leaf.lookup is None:
            raise no_filter(leaf)
        return present(leaf.lookup)
