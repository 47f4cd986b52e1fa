"""``/api/v1/products``: what people can ask for, checked as on the page of a product. Pictures stay with that page."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models, transaction
from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from directories.models import Directory
from provisioning.api import schema
from provisioning.api.access import actor_of
from provisioning.api.configuration import Configuration, merged
from provisioning.api.filters import FilterKind, ResourceField, fields_of
from provisioning.api.resources import ApiList, ApiSingle, NotPossible, repeatable
from provisioning.api.rules import GOING, MOST_IDS, NOBODY, keep_of
from provisioning.blueprints import rules as blueprint
from provisioning.blueprints.state import without_nulls
from provisioning.models import Group, User
from provisioning.requests import products
from provisioning.requests.forms import KINDS, MOST_FIELDS
from provisioning.requests.models import MOST_DAYS, MOST_STEPS, ApproverKind, Audience, Product, ProductStep
from provisioning.requests.products import ProductDraft, StepDraft
from provisioning.rules import fields
from provisioning.rules.conditions import EVERYBODY, Known, Node, from_json, parse, render
from provisioning.rules.models import BusinessRule, Entitlement, EntitlementKind
from provisioning.rules.services import RuleDraft
from provisioning.tokens import families

TAKEN = "There is a product of this name already."
NO_GROUPS = "Name the groups whose members see the product."
NO_CHOICES = "Say what can be chosen."
NO_WHO = "Say with {field} who decides."
WHO = {ApproverKind.PERSON: "person", ApproverKind.GROUP: "group", ApproverKind.CONDITION: "condition"}
PLAIN = ("text", "risk", "offered", "audience", "days", "renewable", "most", "until_disabled")


class IdsField(serializers.ListField):
    """Ids of rows that are there, looked up in one query."""

    def __init__(self, model: type[models.Model], **options: Any) -> None:
        self.model = model
        child = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
        super().__init__(child=child, required=False, max_length=MOST_IDS, **options)

    def to_internal_value(self, data: Any) -> list[int]:
        """Return them, each once; raise ValidationError by their places."""
        ids = list(dict.fromkeys(super().to_internal_value(data)))
        found = self.model._default_manager.in_bulk(ids)
        if wrong := {str(place): [NOBODY.format(pk=pk)] for place, pk in enumerate(ids) if pk not in found}:
            raise ValidationError(wrong)
        return ids


class ProductFieldSerializer(serializers.Serializer[Any]):
    """A field of the form in which people ask for a product."""

    label: Any = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(list(KINDS.items()), default="text")
    required: Any = serializers.BooleanField(default=False)
    choices = serializers.ListField(child=serializers.CharField(max_length=100), required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Keep choices to the kind that has them."""
        if attrs["kind"] == "choice" and not attrs.get("choices"):
            raise ValidationError({"choices": [NO_CHOICES]})
        return {name: value for name, value in attrs.items() if name != "choices" or attrs["kind"] == "choice"}


class ProductStepSerializer(serializers.Serializer[Any]):
    """A step that decides about requests; ``person``, ``group`` and ``condition`` are of the kinds that need them."""

    kind = serializers.ChoiceField(ApproverKind.choices)
    person = serializers.PrimaryKeyRelatedField(queryset=User.objects.all(), required=False, allow_null=True)
    group = serializers.PrimaryKeyRelatedField(queryset=Group.objects.all(), required=False, allow_null=True)
    condition = serializers.CharField(required=False, allow_null=True, max_length=10_000)
    remind = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, default=3, help_text="After so many days.")
    escalate = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, default=7, help_text="After so many days.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for who decides where the kind does not say it."""
        field = WHO.get(attrs["kind"])
        if field and not attrs.get(field):
            raise ValidationError({field: [NO_WHO.format(field=field)]})
        return attrs


class ProductSerializer(serializers.ModelSerializer[Product]):
    """A product as it is sent, and what may be sent of one."""

    id = serializers.IntegerField(source="pk", read_only=True)
    name = serializers.CharField(max_length=150)
    category = serializers.CharField(max_length=80, required=False, allow_blank=True)
    position = serializers.IntegerField(min_value=0, max_value=1_000_000, required=False)
    text = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    risk = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    condition = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, max_length=10_000, help_text="Of the audience condition."
    )
    seen_by = IdsField(Group, help_text="Ids of groups, of the audience groups.")
    fields: Any = serializers.ListSerializer(child=ProductFieldSerializer(), required=False, max_length=MOST_FIELDS)
    steps: Any = serializers.ListSerializer(
        child=ProductStepSerializer(), required=False, allow_empty=False, max_length=MOST_STEPS
    )
    directories = IdsField(Directory)
    groups = IdsField(Group)
    values = serializers.DictField(required=False, help_text='Values of attributes: {"profile.title": "Nurse"}.')
    retired = serializers.BooleanField(source="rule.retired", read_only=True)

    class Meta:
        model = Product
        fields = (
            *("id", "name", "category", "position", *PLAIN, "owner", "department", "seen_by", "condition", "fields"),
            *("steps", "directories", "groups", "values", "retired"),
        )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for the groups of an audience of groups, where one of the two is sent."""
        held = self.context.get("held")
        audience = attrs.get("audience", held.audience if held else "")
        seen_by = attrs.get("seen_by", held.seen_by.all() if held else ())
        if {"audience", "seen_by"} & attrs.keys() and audience == Audience.GROUPS and not seen_by:
            raise ValidationError({"seen_by": [NO_GROUPS]})
        return attrs

    def to_representation(self, instance: Product) -> dict[str, Any]:
        """Return it with what it gives and who decides."""
        rule, given = instance.rule, list(instance.rule.entitlements.all())
        line = self.context["line"]
        found: dict[str, Any] = {name: getattr(rule, name) for name in ("name", "category", "position", "retired")}
        found |= {name: getattr(instance, name) for name in (*PLAIN, "fields")}
        return {
            "id": instance.pk,
            **found,
            "owner": instance.owner_id,
            "department": instance.department_id,
            "seen_by": sorted(one.pk for one in instance.seen_by.all()),
            "condition": line(instance.condition),
            "steps": [
                {
                    "kind": one.kind,
                    "person": one.person_id,
                    "group": one.group_id,
                    "condition": line(one.condition) if one.kind == ApproverKind.CONDITION else None,
                    "remind": one.remind,
                    "escalate": one.escalate,
                }
                for one in instance.steps.all()
            ],
            "directories": sorted(one.directory_id for one in given if one.directory_id is not None),
            "groups": sorted(one.group_id for one in given if one.group_id is not None),
            "values": {one.attribute: one.value for one in given if one.kind == EntitlementKind.VALUE},
        }


class OfProducts(Configuration):
    """What the list and the single product share."""

    model: ClassVar[Any] = Product
    family = families.REQUESTS
    serializer_class: ClassVar[Any] = ProductSerializer

    def rows(self) -> "QuerySet[Product]":
        """Return all products with what they give and who decides."""
        given = Entitlement.objects.filter(ended=False).order_by("attribute", "pk")
        parts = (Prefetch("rule__entitlements", given), "seen_by", Prefetch("steps", ProductStep.objects.all()))
        return Product.objects.select_related("rule").defer("picture").prefetch_related(*parts)

    def context(self) -> dict[str, Any]:
        """Return how conditions are written."""
        known = fields.known()
        return {"line": lambda condition: _line(condition, known)}

    def save(self, request: Request, product: Product | None) -> Product:
        """Write what was sent of a product, or add one, in the caller's transaction; return it."""
        sent = self.sent(request)
        if product is not None and product.rule.retired:
            raise NotPossible(GOING)
        if "values" in sent:
            held = _values(product) if product else {}
            sent["values"] = without_nulls(merged(held, sent["values"], where="values"))
        known_names = set(ProductSerializer.Meta.fields)
        if unknown := sorted(set(sent) - known_names):
            raise ValidationError({name: ["There is no such field."] for name in unknown})
        named = {"name": product.rule.name} if product else {}
        body = ProductSerializer(data=named | sent, context={"held": product})
        body.is_valid(raise_exception=True)
        draft = _draft(body.validated_data, product, fields.known())
        others = BusinessRule.objects.filter(name=draft.rule.name, by_request=True)
        if others.exclude(pk=product.pk if product else 0).exists():
            raise ValidationError({"name": [TAKEN]})
        return products.save(product, draft, actor_of(request))


@extend_schema(tags=["products"])
class ApiProducts(OfProducts, ApiList):
    """All products."""

    fields = fields_of(Product, (*PLAIN, "owner", "department")) | {
        "id": ResourceField(FilterKind.NUMBER, "pk"),
        "name": ResourceField(FilterKind.TEXT, "rule__name"),
        "category": ResourceField(FilterKind.TEXT, "rule__category"),
    }

    @schema.listing("list_products", ProductSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List products, in the order of their ids."""
        return super().get(request, **within)

    @schema.writing("create_product", ProductSerializer, status=201)
    @repeatable
    def post(self, request: Request) -> Response:
        """Add a product; people see it in their catalogue at once."""
        with transaction.atomic():
            made = self.save(request, None)
        address = request.build_absolute_uri(f"{request.path}/{made.pk}")
        return self.answer(self.rows().get(pk=made.pk), 201, Location=address)


@extend_schema(tags=["products"])
class ApiProduct(OfProducts, ApiSingle):
    """One product."""

    parameters = frozenset({"keep"})

    @schema.reading("get_product", ProductSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show a product."""
        return super().get(request, pk)

    @schema.writing("update_product", ProductSerializer, versioned=True)
    @repeatable
    def patch(self, request: Request, pk: int) -> Response:
        """Change what is sent of a product, and leave the rest (RFC 7396); whoever has it follows within a minute."""
        with transaction.atomic():
            self.save(request, self.locked(request, pk))
        return self.answer(self.find(pk))

    @schema.deleting("delete_product", versioned=True, parameters=[schema.KEEP])
    @repeatable
    def delete(self, request: Request, pk: int) -> Response:
        """Remove a product and end the requests for it that wait; it is there until what it gave is taken away."""
        keep = keep_of(request)
        with transaction.atomic():
            products.remove(self.locked(request, pk), actor_of(request), keep=keep)
        return Response(status=204)


def _draft(given: Mapping[str, Any], product: Product | None, known: Known) -> ProductDraft:
    """Return the product with what was sent of it; raise ValidationError, PartRefused.

    What was not sent stays as it is stored: it is not checked anew, and may name what is not there any more.
    """
    plain: dict[str, Any] = _plain(product) if product else {}
    plain |= {name: given[name] for name in (*PLAIN, "fields") if name in given}
    plain |= {name: given[name].pk if given[name] else None for name in ("owner", "department") if name in given}
    if "seen_by" in given:
        plain["groups"] = given["seen_by"]
    if "steps" in given:
        plain["steps"] = [_step(step, known) for step in given["steps"]]
    if given.get("condition") is not None:
        plain["condition"] = _node(given["condition"], known, "condition")
    rule: dict[str, Any] = _rule(product) if product else {"position": 50}
    values = rule.pop("values", {})
    rule |= {name: given[name] for name in ("name", "category", "position", "directories", "groups") if name in given}
    rule["values"] = without_nulls(blueprint.values_after(values, given.get("values", values)))
    return ProductDraft(rule=RuleDraft(**rule, by_request=True), **plain)


def _plain(product: Product) -> dict[str, Any]:
    """Return what is stored of a product besides what it gives."""
    return {name: getattr(product, name) for name in (*PLAIN, "fields")} | {
        "owner": product.owner_id,
        "department": product.department_id,
        "groups": [one.pk for one in product.seen_by.all()],
        "condition": _stored(product.condition, "condition"),
        "steps": [
            StepDraft(
                one.kind,
                one.person_id,
                one.group_id,
                _stored(one.condition, "steps") if one.condition else None,
                one.remind,
                one.escalate,
            )
            for one in product.steps.all()
        ],
    }


def _rule(product: Product) -> dict[str, Any]:
    """Return what is stored of what a product gives, and how it is called."""
    rule, given = product.rule, list(product.rule.entitlements.all())
    return {
        "name": rule.name,
        "category": rule.category,
        "position": rule.position,
        "directories": [one.directory_id for one in given if one.directory_id is not None],
        "groups": [one.group_id for one in given if one.group_id is not None],
        "values": _values(product),
    }


def _values(product: Product) -> dict[str, Any]:
    given = product.rule.entitlements.all()
    return {one.attribute: one.value for one in given if one.kind == EntitlementKind.VALUE}


def _step(step: Mapping[str, Any], known: Known) -> StepDraft:
    kind, condition = step["kind"], None
    if kind == ApproverKind.CONDITION:
        condition = _node(step["condition"], known, "steps")
    person, group = (step.get(name) for name in ("person", "group"))
    return StepDraft(
        kind,
        person.pk if person and kind == ApproverKind.PERSON else None,
        group.pk if group and kind == ApproverKind.GROUP else None,
        condition,
        step["remind"],
        step["escalate"],
    )


def _node(line: str, known: Known, where: str) -> Node:
    try:
        return parse(line, known)
    except ValueError as error:
        raise ValidationError({where: [str(error)]}) from None


def _stored(condition: Any, where: str) -> Node:
    try:
        return from_json(condition) if condition else EVERYBODY
    except ValueError as error:
        raise ValidationError({where: [str(error)]}) from None


def _line(condition: Any, known: Known) -> str | None:
    """Return a condition as a line; None for one that no line can say."""
    try:
        return render(from_json(condition), known) if condition else ""
    except ValueError:
        return None
