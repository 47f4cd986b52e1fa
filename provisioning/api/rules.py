"""``/api/v1/rules``: who should have what, written as drafts, then published and taken back by actions of their own.

What a published rule gives is evaluated as ever, and the guard looks at it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from directories.models import Directory
from provisioning import services
from provisioning.api import configuration, schema
from provisioning.api.access import actor_of
from provisioning.api.configuration import Configuration, merged
from provisioning.api.filters import fields_of
from provisioning.api.resources import ApiList, ApiRow, ApiSingle, NotPossible, repeatable
from provisioning.blueprints import rules as blueprint
from provisioning.blueprints.state import without_nulls
from provisioning.models import Group
from provisioning.rules import fields, looks
from provisioning.rules import services as rules
from provisioning.rules.book import book_of
from provisioning.rules.models import BusinessRule, Entitlement, EntitlementKind
from provisioning.tokens import families

CHANGE = "rules.change_businessrule"
TAKEN = "There is a rule of this name already."
MOST_IDS = 500  # directories or groups of a rule, or of a product
NO_LIST = f"Send a list of ids, {MOST_IDS} at most."
NOBODY = "There is none with the id {pk}."
GOING = "This rule is being removed, and goes once nothing of it is left."
KEEP = "Say whether what the rule gave stays: keep=true, or keep=false to take it away."
COLUMNS = ("id", "name", "category", "position", "days_before", "days_after", "published", "retired", "changed_at")


class RuleSerializer(serializers.ModelSerializer[BusinessRule]):
    """A rule as it is sent, and what may be sent of one."""

    condition = serializers.CharField(
        required=False,
        allow_blank=True,
        allow_null=True,
        max_length=10_000,
        help_text="A line of SCIM's filter language; blank for everybody. Null: it is one that no line can say.",
    )
    directories = serializers.ListField(
        child=serializers.IntegerField(), required=False, help_text="Ids of those in which it gives an account."
    )
    groups = serializers.ListField(
        child=serializers.IntegerField(), required=False, help_text="Ids of the groups that it gives."
    )
    values = serializers.DictField(
        required=False, help_text='Values of attributes: {"profile.title": "Nurse"}. Null takes one away.'
    )

    class Meta:
        model = BusinessRule
        fields = (*COLUMNS[:6], "condition", "directories", "groups", "values", *COLUMNS[6:])
        read_only_fields = ("id", "published", "retired", "changed_at")

    def to_representation(self, instance: BusinessRule) -> dict[str, Any]:
        """Return it with what it gives."""
        given = list(instance.entitlements.all())
        described = blueprint.describe(instance, (), self.context["known"])
        found = {name: getattr(instance, name) for name in COLUMNS} | {
            "changed_at": self.fields["changed_at"].to_representation(instance.changed_at),
            "condition": described.get("condition"),
            "directories": sorted(one.directory_id for one in given if one.directory_id is not None),
            "groups": sorted(one.group_id for one in given if one.group_id is not None),
            "values": {one.attribute: one.value for one in given if one.kind == EntitlementKind.VALUE},
        }
        return {str(name): found[str(name)] for name in self.fields}


class PublishSerializer(serializers.Serializer[Any]):
    """Whether what it changes waits for somebody in any case, as a run."""

    preview = serializers.BooleanField(default=False)


class TakeBackSerializer(serializers.Serializer[Any]):
    """Whether what the rule gave stays with those who have it; else it is taken away."""

    keep = serializers.BooleanField()


class OfRules(Configuration):
    """What the list and the single rule share; those of products are under products."""

    model: ClassVar[Any] = BusinessRule
    family = families.CONFIGURATION
    serializer_class: ClassVar[Any] = RuleSerializer

    def rows(self) -> "QuerySet[BusinessRule]":
        """Return all rules with what they give."""
        given = Prefetch("entitlements", Entitlement.objects.filter(ended=False).order_by("attribute", "pk"))
        return BusinessRule.objects.filter(by_request=False).prefetch_related(given)

    def context(self) -> dict[str, Any]:
        """Return the names by which conditions are written."""
        return {"known": fields.known()}

    def save(self, request: Request, rule: BusinessRule | None) -> str:
        """Write what was sent of a rule, or add one, in the caller's transaction; return its name."""
        sent = self.sent(request)
        if rule is not None and rule.retired:
            raise NotPossible(GOING)
        if "position" in sent:
            sent["order"] = sent.pop("position")
        if "directories" in sent:
            found = Directory.objects.in_bulk(ids_of(sent["directories"], "directories"))
            sent["accounts"] = names_of(sent.pop("directories"), found, "directories")
        if "groups" in sent:
            sent["groups"] = names_of(sent["groups"], Group.objects.in_bulk(ids_of(sent["groups"], "groups")), "groups")
        if "values" in sent:
            held = rule.entitlements.filter(ended=False, kind=EntitlementKind.VALUE) if rule else ()
            now = {one.attribute: one.value for one in held}
            sent["values"] = without_nulls(merged(now, sent["values"], where="values"))
        if sent.get("condition", "") is None:
            del sent["condition"]  # as it was read: one that no line can say
        named = {"name": rule.name} if rule else {}
        wanted = configuration.item(blueprint.RuleSchema, named | sent, {"order": "position"})
        others = BusinessRule.objects.filter(name__iexact=wanted["name"], by_request=False)
        if others.exclude(pk=rule.pk if rule else 0).exists():
            raise ValidationError({"name": [TAKEN]})
        blueprint.change(rule, wanted, actor_of(request))
        return str(wanted["name"])


@extend_schema(tags=["rules"])
class ApiRules(OfRules, ApiList):
    """All rules."""

    fields = fields_of(BusinessRule, COLUMNS)

    @schema.listing("list_rules", RuleSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List rules, in the order of their ids."""
        return super().get(request, **within)

    @schema.writing("create_rule", RuleSerializer, status=201)
    @repeatable
    def post(self, request: Request) -> Response:
        """Add a rule, as a draft."""
        with transaction.atomic():
            made = self.rows().get(name=self.save(request, None))
        return self.answer(made, 201, Location=request.build_absolute_uri(f"{request.path}/{made.pk}"))


@extend_schema(tags=["rules"])
class ApiRule(OfRules, ApiSingle):
    """One rule."""

    parameters = frozenset({"keep"})

    @schema.reading("get_rule", RuleSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show a rule."""
        return super().get(request, pk)

    @schema.writing("update_rule", RuleSerializer, versioned=True)
    @repeatable
    def patch(self, request: Request, pk: int) -> Response:
        """Change what is sent of a rule, and leave the rest (RFC 7396); a published one is evaluated anew."""
        with transaction.atomic():
            self.save(request, self.locked(request, pk))
        return self.answer(self.find(pk))

    @schema.deleting("delete_rule", versioned=True, parameters=[schema.KEEP])
    @repeatable
    def delete(self, request: Request, pk: int) -> Response:
        """Remove a rule; it is there until what it gave is taken away."""
        keep = keep_of(request)
        with transaction.atomic():
            rules.remove(self.locked(request, pk), actor_of(request), keep=keep)
            evaluate_after(actor_of(request))
        return Response(status=204)


class RuleAction(OfRules, ApiRow):
    """Something that is done to a rule, by whoever may change rules."""

    rights: ClassVar[Mapping[str, str]] = {"POST": CHANGE}

    def held(self, request: Request, pk: int) -> BusinessRule:
        """Return the rule, locked; raise NotFound, and NotPossible for one that is being removed."""
        rule: BusinessRule = self.locked(request, pk)
        if rule.retired:
            raise NotPossible(GOING)
        return rule


@extend_schema(tags=["rules"])
class PublishRule(RuleAction):
    """Lets a rule hold."""

    @schema.acting("publish_rule", RuleSerializer, body=PublishSerializer, status=202, versioned=True)
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Publish a rule: everybody is looked at within a minute, and the guard looks at what that changes."""
        body = PublishSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with transaction.atomic():
            rule = self.held(request, pk)
            if stopped := book_of([rule], rule.entitlements.all()).stopped.get(rule.pk):
                raise NotPossible(blueprint.CANNOT.format(" ".join(stopped)))
            rules.publish(rule, actor_of(request))
            evaluate_after(actor_of(request), look=body.validated_data["preview"])
        return self.answer(self.find(pk), 202)


@extend_schema(tags=["rules"])
class TakeBackRule(RuleAction):
    """Lets a rule hold no more."""

    @schema.acting("take_back_rule", RuleSerializer, body=TakeBackSerializer, status=202, versioned=True)
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Take a rule back: it is a draft again, and what it gave stays or is taken away."""
        body = TakeBackSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with transaction.atomic():
            rules.unpublish(self.held(request, pk), actor_of(request), keep=body.validated_data["keep"])
            evaluate_after(actor_of(request))
        return self.answer(self.find(pk), 202)


def evaluate_after(actor: str, *, look: bool = False) -> None:
    """Let everybody be looked at after the transaction: now where these are few, else within a minute."""
    looks.ask_everybody(actor, look=look)
    transaction.on_commit(lambda: services.evaluate_rules(actor, look=look), robust=True)


def keep_of(request: Request) -> bool:
    """Return whether what was given stays; raise ValidationError where that is not said."""
    text = request.query_params.get("keep", "")
    if text not in ("true", "false"):
        raise ValidationError({"keep": [KEEP]})
    return text == "true"


def ids_of(sent: Any, where: str) -> list[int]:
    """Return ids that were sent; raise ValidationError for what is no list of them."""
    if (
        not isinstance(sent, list)
        or len(sent) > MOST_IDS
        or not all(type(one) is int and 0 < one < 2**63 for one in sent)
    ):
        raise ValidationError({where: [NO_LIST]})
    return list(dict.fromkeys(sent))


def names_of(ids: Iterable[int], found: Mapping[int, Any], where: str) -> list[str]:
    """Return the names of rows that were asked for by their ids; raise ValidationError for one that is not there."""
    if wrong := {str(place): [NOBODY.format(pk=pk)] for place, pk in enumerate(ids) if pk not in found}:
        raise ValidationError({where: wrong})
    return [found[pk].name for pk in dict.fromkeys(ids)]
