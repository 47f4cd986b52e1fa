"""Who sees which products: everyone, members of groups, or whoever a condition holds for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from provisioning.groups import nesting
from provisioning.models import Membership, User
from provisioning.requests.models import Audience, Product
from provisioning.rules import fields
from provisioning.rules.conditions import Node, from_json, problems
from provisioning.rules.models import Holding
from provisioning.rules.preview import holding_for


def visible(person: User) -> list[Product]:
    """Return the products that can be asked for, for a person, in their order; a fixed number of queries."""
    offered = Product.objects.filter(offered=True, rule__retired=False, steps__isnull=False).distinct()
    products = list(offered.select_related("rule").defer("picture").order_by("rule__category", "rule__name"))
    seen = _seen_by(person, products)
    return [one for one in products if one.pk in seen]


def sees(person: User, product: Product) -> bool:
    """Return whether a product is for a person at all."""
    return product.pk in _seen_by(person, [product])


def given(products: Iterable[Product]) -> Mapping[int, int]:
    """Return how many people have each product now: one query."""
    ids = [one.pk for one in products]
    return dict(current().filter(rule__in=ids).order_by().values_list("rule").annotate(Count("pk")))


def current() -> "QuerySet[Holding]":
    """Return what people hold of products now."""
    return Holding.objects.filter(Q(until=None) | Q(until__gt=timezone.now()))


def problem(product: Product, number: int) -> str:
    """Return why nobody can be given a product now, "" when somebody can; ``number`` is how many have it."""
    if not product.can_be_asked_for:
        return f"{product.name} is not offered any more."
    if product.most is not None and number >= product.most:
        return f"All {product.most} of {product.name} are given out. Ask again when somebody has given one back."
    return ""


def _seen_by(person: User, products: Sequence[Product]) -> set[int]:
    found = {one.pk for one in products if one.audience == Audience.EVERYONE}
    of_groups = [one.pk for one in products if one.audience == Audience.GROUPS]
    if of_groups:
        direct = Membership.objects.filter(user=person).values_list("group_id", flat=True)
        mine = nesting.above(direct)
        through = Product.seen_by.through.objects.filter(product__in=of_groups, group__in=mine)
        found.update(through.values_list("product_id", flat=True))
    conditions = {one.pk: one.condition for one in products if one.audience == Audience.CONDITION}
    if conditions:
        found |= _holding_for(person, conditions)
    return found


def _holding_for(person: User, conditions: Mapping[int, Mapping[str, Any]]) -> set[int]:
    known = fields.known()
    nodes: dict[int, Node] = {}
    for pk, held in conditions.items():
        try:
            node = from_json(held)
        except ValueError:
            continue
        if not problems(node, known):
            nodes[pk] = node
    return holding_for(person, nodes, known) if nodes else set()
