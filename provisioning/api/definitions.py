"""``/api/v1/attribute-definitions``: the custom profile attributes, checked and written as blueprints write them."""

from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from provisioning.api import configuration, schema
from provisioning.api.access import actor_of
from provisioning.api.configuration import Configuration, TooMuch
from provisioning.api.filters import fields_of
from provisioning.api.resources import ApiList, ApiSingle, NotPossible, repeatable
from provisioning.blueprints import state
from provisioning.blueprints.schema import AttributeSchema
from provisioning.blueprints.writing import change_attribute
from provisioning.guard.limits import people
from provisioning.models import AttributeDefinition
from provisioning.profile.custom_attributes import count_holders, mapped_by, remove
from provisioning.rules.services import given_by
from provisioning.tokens import families

TAKEN = "There is an attribute of this name already."
NAME = "The name cannot be changed: mappings, templates and values go by it."
HELD = "{people} would lose their {label}."
GIVEN = "{label} is given by {names}. Let them give it no more first."
MAPPED = "{label} is mapped by {names}. Remove that mapping first."


class AttributeDefinitionSerializer(serializers.ModelSerializer[AttributeDefinition]):
    """A custom profile attribute."""

    choices = serializers.ListField(
        child=serializers.CharField(max_length=255), required=False, help_text="Of the type choice, and of it alone."
    )

    class Meta:
        model = AttributeDefinition
        fields = ("id", "name", "label", "type", "choices", "required", "searchable", "position")
        read_only_fields = ("id",)


class OfDefinitions(Configuration):
    """What the list and the single definition share."""

    model: ClassVar[Any] = AttributeDefinition
    family = families.CONFIGURATION
    serializer_class: ClassVar[Any] = AttributeDefinitionSerializer


@extend_schema(tags=["attribute-definitions"])
class ApiDefinitions(OfDefinitions, ApiList):
    """All custom profile attributes."""

    fields = fields_of(AttributeDefinition, AttributeDefinitionSerializer.Meta.fields)

    @schema.listing("list_attribute_definitions", AttributeDefinitionSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List custom profile attributes, in the order of their ids."""
        return super().get(request, **within)

    @schema.writing("create_attribute_definition", AttributeDefinitionSerializer, status=201)
    @repeatable
    def post(self, request: Request) -> Response:
        """Add a custom profile attribute."""
        wanted = configuration.item(AttributeSchema, self.sent(request))
        with transaction.atomic():
            if AttributeDefinition.objects.filter(name=wanted["name"]).exists():
                raise ValidationError({"name": [TAKEN]})
            change_attribute(None, wanted, actor_of(request))
            made = AttributeDefinition.objects.get(name=wanted["name"])
        return self.answer(made, 201, Location=request.build_absolute_uri(f"{request.path}/{made.pk}"))


@extend_schema(tags=["attribute-definitions"])
class ApiDefinition(OfDefinitions, ApiSingle):
    """One custom profile attribute."""

    parameters = frozenset({"number"})

    @schema.reading("get_attribute_definition", AttributeDefinitionSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show a custom profile attribute."""
        return super().get(request, pk)

    @schema.writing("update_attribute_definition", AttributeDefinitionSerializer, versioned=True)
    @repeatable
    def patch(self, request: Request, pk: int) -> Response:
        """Change what is sent of a custom profile attribute, and leave the rest (RFC 7396)."""
        with transaction.atomic():
            definition: AttributeDefinition = self.locked(request, pk)
            wanted = configuration.item(AttributeSchema, {**state.of_attribute(definition), **self.sent(request)})
            if wanted["name"] != definition.name:
                raise ValidationError({"name": [NAME]})
            change_attribute(definition, wanted, actor_of(request))
        return self.answer(self.find(pk))

    @schema.deleting("delete_attribute_definition", versioned=True, parameters=[schema.NUMBER])
    @repeatable
    def delete(self, request: Request, pk: int) -> Response:
        """Delete a custom profile attribute, and everybody's value of it: how many have one is confirmed by number."""
        number = configuration.number_of(request)
        with transaction.atomic():
            definition: AttributeDefinition = self.locked(request, pk)
            if names := mapped_by(definition):
                raise NotPossible(MAPPED.format(label=definition.label, names=", ".join(names)))
            if names := given_by(definition):
                raise NotPossible(GIVEN.format(label=definition.label, names=", ".join(names)))
            if (holders := count_holders(definition.name)) and number != holders:
                raise TooMuch(HELD.format(people=people(holders), label=definition.label), holders)
            remove(definition, actor_of(request))
        return Response(status=204)
