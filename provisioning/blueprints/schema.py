"""What may stand in a blueprint.

A key that is not known is refused, with the nearest one that is. The checked data has the words and the completeness of
``state``: within a section that is written, what is left out has its default.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from directories.attributes import Kind, Type
from directories.connectors import registry
from directories.connectors.base import ConnectorField, FieldType
from directories.models import WEEKDAYS, Direction, Operation, ProvisioningSettings, Schedule
from directories.query_templates import nearest
from provisioning.blueprints import state
from provisioning.blueprints.references import ReferenceProblem, resolve
from provisioning.models import AttributeDefinition

VERSION = 1
_DAYS = [name.lower() for name in WEEKDAYS]


class Strict(serializers.Serializer[Any]):
    """A serializer that refuses keys it does not know."""

    what = "key"

    def to_internal_value(self, data: Any) -> Any:
        """Check the keys along with the values, so that all problems are shown at once."""
        unknown = {}
        if isinstance(data, Mapping):
            unknown = {name: [self._unknown(str(name))] for name in data if name not in self.fields}
        try:
            found = super().to_internal_value(data)
        except serializers.ValidationError as error:
            detail = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
            raise serializers.ValidationError({**detail, **unknown}) from None
        if unknown:
            raise serializers.ValidationError(unknown)
        return found

    def _unknown(self, name: str) -> str:
        known = sorted(self.fields)
        near = nearest(name, known)
        hint = f"Did you mean {near!r}?" if near else f"There is: {', '.join(known)}."
        return f"There is no {self.what} {name!r} here. {hint}"


class SecretField(serializers.CharField):
    """A reference to a secret; the checked value is the secret."""

    def to_internal_value(self, data: Any) -> Any:
        """Follow the reference."""
        try:
            return resolve(str(super().to_internal_value(data)))
        except ReferenceProblem as problem:
            raise serializers.ValidationError(str(problem)) from None


class Statement(serializers.CharField):
    """One SQL statement, with Unix line ends as the page stores it."""

    def to_internal_value(self, data: Any) -> str:
        """Refuse a number or a list, which would be turned into text."""
        if not isinstance(data, str):
            raise serializers.ValidationError("Write an SQL statement.")
        return state.statement(str(super().to_internal_value(data)))


class AttributeSchema(Strict):
    """A custom profile attribute."""

    name = serializers.CharField(
        max_length=64, validators=AttributeDefinition._meta.get_field("name").validators[:1], required=True
    )
    label = serializers.CharField(max_length=100)  # type: ignore[assignment]  # a field of that name, as DRF allows
    type = serializers.ChoiceField(choices=[kind.value for kind in Type], default=Type.TEXT.value)
    choices = serializers.ListField(child=serializers.CharField(max_length=255, trim_whitespace=False), default=list)
    required = serializers.BooleanField(default=False)  # type: ignore[assignment]
    position = serializers.IntegerField(min_value=0, max_value=32_767, default=0)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Choices belong to the type choice, and to it alone."""
        if (attrs["type"] == Type.CHOICE) != bool(attrs["choices"]):
            raise serializers.ValidationError(
                {"choices": "An attribute of type choice has choices, and no other does."}
            )
        if len({choice.casefold() for choice in attrs["choices"]}) < len(attrs["choices"]):
            raise serializers.ValidationError({"choices": "A choice stands here twice."})
        return attrs


class GroupSchema(Strict):
    """A group of the portal, and the directories that it is chosen for."""

    name = serializers.CharField(max_length=255)
    description = serializers.CharField(allow_blank=True, default="", trim_whitespace=False)
    directories = serializers.ListField(child=serializers.CharField(max_length=255), required=False)


class MappingSchema(Strict):
    """One row of the attribute mapping."""

    directory_attribute = serializers.CharField(max_length=128)
    portal_attribute = serializers.CharField(max_length=128)
    kind = serializers.ChoiceField(choices=[kind.value for kind in Kind], default=Kind.PROFILE.value)
    direction = serializers.ChoiceField(choices=Direction.values, default=Direction.BOTH.value)
    expression = serializers.CharField(max_length=2000, allow_blank=True, default="")


class TemplatesSchema(Strict):
    """The statements by operation."""

    what = "operation"

    def get_fields(self) -> dict[str, Any]:
        """Offer every operation."""
        return {
            operation.value: serializers.ListField(child=Statement(), required=False, max_length=200)
            for operation in Operation
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """An operation without statements is one that is not there; the order is that of the operations."""
        return {operation.value: attrs[operation.value] for operation in Operation if attrs.get(operation.value)}


class ProvisioningSchema(Strict, serializers.ModelSerializer[ProvisioningSettings]):
    """The provisioning settings."""

    what = "setting"
    fixed_password = SecretField(allow_null=True, required=False, trim_whitespace=False)
    schedule_time = serializers.TimeField(allow_null=True, required=False, input_formats=["%H:%M", "%H:%M:%S"])
    schedule_weekday = serializers.ChoiceField(choices=_DAYS, allow_null=True, required=False)

    class Meta:
        model = ProvisioningSettings
        exclude = ("id", "directory")

    def get_fields(self) -> dict[str, Any]:
        """Offer what an admin sets."""
        return {name: field for name, field in super().get_fields().items() if name in state.PROVISIONING_FIELDS}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Fill in the defaults; refuse a schedule without its time or day and a fixed password that is not there."""
        found: dict[str, Any] = {**state.of_provisioning(ProvisioningSettings()), **attrs}
        if "schedule_time" in attrs:
            found["schedule_time"] = state.time_text(attrs["schedule_time"])
        missing = {}
        if found["schedule"] in (Schedule.DAILY, Schedule.WEEKLY) and found["schedule_time"] is None:
            missing["schedule_time"] = 'Say at what time, for example "02:30".'
        if found["schedule"] == Schedule.WEEKLY and found["schedule_weekday"] is None:
            missing["schedule_weekday"] = "Say on which day, for example monday."
        if found["create_users"] and found["initial_password"] == "fixed" and not found["fixed_password"]:
            missing["fixed_password"] = "Say where the password that new accounts get is found, or choose random."
        if missing:
            raise serializers.ValidationError(missing)
        return found


class DirectorySchema(Strict):
    """A directory. A section that is left out stays as it is; one that is written is complete."""

    name = serializers.CharField(max_length=100)
    kind = serializers.CharField()
    description = serializers.CharField(allow_blank=True, required=False, trim_whitespace=False)
    enabled = serializers.BooleanField(required=False)
    default = serializers.BooleanField(required=False)
    settings = serializers.DictField(required=False)
    secrets = serializers.DictField(required=False)
    templates = TemplatesSchema(required=False)
    mapping = MappingSchema(many=True, required=False)
    provisioning = ProvisioningSchema(required=False)

    def validate_kind(self, kind: str) -> str:
        """Refuse a kind that no connector speaks to."""
        if kind not in registry():
            raise serializers.ValidationError(f"There is no kind {kind!r}. There is: {', '.join(sorted(registry()))}.")
        return kind

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check settings and secrets by what the connector declares."""
        errors = {}
        for section, secret in (("settings", False), ("secrets", True)):
            if section not in attrs:
                continue
            schema = connection_schema(attrs["kind"], secret=secret)(data=attrs[section])
            if schema.is_valid():
                attrs[section] = schema.validated_data
            else:
                errors[section] = schema.errors
        if errors:
            raise serializers.ValidationError(errors)
        if "settings" in attrs:
            attrs["settings"] = state.settings_of(attrs["kind"], attrs["settings"])
        return attrs


class BlueprintSchema(Strict):
    """The whole document."""

    version = serializers.ChoiceField(choices=[VERSION])
    attributes = AttributeSchema(many=True, default=list)
    groups = GroupSchema(many=True, default=list)
    directories = DirectorySchema(many=True, default=list)


def with_sections(sections: Mapping[str, type[Strict]]) -> type[BlueprintSchema]:
    """Return the document's schema with more sections, which hold lists."""
    return type(
        "Blueprint", (BlueprintSchema,), {name: part(many=True, default=list) for name, part in sections.items()}
    )


class _Connection(Strict):
    def to_internal_value(self, data: Any) -> Any:
        """Keep what was given: a null is a blank in place of the default."""
        found = super().to_internal_value(data)
        return {name: value for name, value in found.items() if name in data}


class _Settings(_Connection):
    what = "setting"
    secrets: frozenset[str] = frozenset()

    def _unknown(self, name: str) -> str:
        if name in self.secrets:
            return "This is a secret: write it under secrets, as env:NAME or file:/path."
        return super()._unknown(name)


class _Secrets(_Connection):
    what = "secret"


def connection_schema(kind: str, *, secret: bool) -> type[Strict]:
    """Return the serializer of the settings, or of the secrets, that the connector of ``kind`` declares."""
    fields = {field.name: _field(field) for field in state.declared(kind, secret=secret)}
    if secret:
        return type("Declared", (_Secrets,), fields)
    secrets = frozenset(field.name for field in state.declared(kind, secret=True))
    return type("Declared", (_Settings,), {**fields, "secrets": secrets})


def _field(declared: ConnectorField) -> Any:
    required = declared.required and declared.default in (None, "")
    common: dict[str, Any] = {"required": required, "allow_null": not required}
    match declared.type:
        case FieldType.SECRET:
            return SecretField(required=declared.required, trim_whitespace=False)
        case FieldType.INTEGER:
            limits: dict[str, Any] = {"min_value": declared.minimum, "max_value": declared.maximum}
            return serializers.IntegerField(**common, **limits)
        case FieldType.BOOLEAN:
            return serializers.BooleanField(required=False)
        case FieldType.CHOICE:
            return serializers.ChoiceField(**common, choices=declared.choices, allow_blank=not required)
    return serializers.CharField(**common, allow_blank=not required, trim_whitespace=False)
