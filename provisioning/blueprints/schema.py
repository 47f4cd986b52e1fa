"""What may stand in a blueprint.

A key that is not known is refused, with the nearest one that is. The checked data (``checked``) has the words and the
completeness of ``state``: within a section that is written, what is left out has its default.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

import pydantic
from django.core.exceptions import ValidationError as ColumnError
from django.db import models
from pydantic import AfterValidator, Field, PlainValidator, create_model

from directories.attributes import FROM_SOURCES, Kind, Type
from directories.connectors import registry
from directories.described.schema import LEFT_OUT, Name, SecretReference, Strict, Text, connection_schema, written_part
from directories.models import WEEKDAYS, MappingDirection, ProvisioningSettings, Schedule, TemplateOperation
from provisioning.blueprints import state
from provisioning.blueprints.state import BlueprintItem
from provisioning.models import AttributeDefinition

VERSION = 1
ExpressionText = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, max_length=2000)]


def _rules(model: type[models.Model], name: str) -> AfterValidator:
    """Return the check of a value by the rules of a column: what is allowed, how long or large, which characters."""
    column: Any = model._meta.get_field(name)

    def check(value: Any) -> Any:
        try:
            return column.clean(value, None)
        except ColumnError as error:
            choices = ", ".join(str(choice) for choice, _ in column.flatchoices)
            raise ValueError(f"Write one of: {choices}." if choices else " ".join(error.messages)) from None

    return AfterValidator(check)


class AttributeSchema(Strict):
    """A custom profile attribute."""

    name: Annotated[Text, _rules(AttributeDefinition, "name")]
    label: Annotated[Text, _rules(AttributeDefinition, "label")]
    type: Type = Type.TEXT
    choices: list[Annotated[str, Field(min_length=1, max_length=255)]] = []
    required: bool = False
    searchable: bool = False
    position: Annotated[int, _rules(AttributeDefinition, "position")] = 0

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Choices belong to the type choice, and to it alone."""
        if (self.type == Type.CHOICE) != bool(self.choices):
            yield "choices", "An attribute of type choice has choices, and no other does."
        if len({choice.casefold() for choice in self.choices}) < len(self.choices):
            yield "choices", "A choice stands here twice. Remove one."


class GroupSchema(Strict):
    """A group of the portal, and the directories that it is chosen for."""

    name: Name
    description: str = ""
    directories: list[Name] = LEFT_OUT


class AttributeMappingSchema(Strict):
    """One row of the attribute mapping."""

    directory_attribute: Annotated[Text, Field(max_length=128)]
    portal_attribute: Annotated[Text, Field(max_length=128)]
    kind: Kind = Kind.PROFILE
    direction: MappingDirection = MappingDirection.BOTH
    expression: ExpressionText = ""
    required: bool = False

    @pydantic.model_validator(mode="after")
    def _only_comes_in(self) -> Self:
        """What a source says of contracts only comes in, so that its direction may be left out."""
        if self.kind in FROM_SOURCES and "direction" not in self.model_fields_set:
            self.direction = MappingDirection.IN
        return self


def _statement(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("Write an SQL statement.")
    return state.statement(value)


class _Templates(Strict):
    what = "operation"


_Statements = Annotated[list[Annotated[str, PlainValidator(_statement)]], Field(max_length=200)]
_OPERATIONS: dict[str, Any] = {operation.value: (_Statements, LEFT_OUT) for operation in TemplateOperation}
TemplatesSchema = create_model("TemplatesSchema", __base__=_Templates, **_OPERATIONS)


def _time(value: Any) -> str:
    for written in ("%H:%M", "%H:%M:%S"):
        try:
            return str(state.time_text(dt.datetime.strptime(str(value), written).time()))
        except ValueError:
            continue
    raise ValueError('Write a time of day, for example "02:30".')


class _Provisioning(Strict):
    what = "setting"
    fixed_password: SecretReference | None = None
    schedule_time: Annotated[str, PlainValidator(_time)] | None = None
    schedule_weekday: Literal[tuple(name.lower() for name in WEEKDAYS)] | None = None  # type: ignore[valid-type]

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """A schedule has its time and day, and a fixed password is there."""
        found = {**state.of_provisioning(ProvisioningSettings()), **self.model_dump(exclude_unset=True)}
        if found["schedule"] in (Schedule.DAILY, Schedule.WEEKLY) and found["schedule_time"] is None:
            yield "schedule_time", 'Say at what time, for example "02:30".'
        if found["schedule"] == Schedule.WEEKLY and found["schedule_weekday"] is None:
            yield "schedule_weekday", "Say on which day, for example monday."
        if found["create_users"] and found["initial_password"] == "fixed" and not found["fixed_password"]:
            yield "fixed_password", "Say where the password that new accounts get is found, or choose random."


def _column(name: str) -> tuple[Any, Any]:
    """Return the type of a provisioning setting that is a column of its own, and that it may be left out."""
    column: Any = ProvisioningSettings._meta.get_field(name)
    kind: Any = str
    if isinstance(column, models.BooleanField):
        kind = bool
    elif isinstance(column, models.IntegerField):
        kind = int
    return Annotated[kind | None if column.null else kind, _rules(ProvisioningSettings, name)], LEFT_OUT


_COLUMNS: dict[str, Any] = {
    name: _column(name) for name in state.PROVISIONING_FIELDS if name not in _Provisioning.model_fields
}
ProvisioningSchema = create_model("ProvisioningSchema", __base__=_Provisioning, **_COLUMNS)


class DirectorySchema(Strict):
    """A directory. A section that is left out stays as it is; one that is written is complete."""

    name: Annotated[Text, Field(max_length=100)]
    kind: Text
    description: str = LEFT_OUT
    enabled: bool = LEFT_OUT
    default: bool = LEFT_OUT
    settings: dict[str, Any] = LEFT_OUT
    secrets: dict[str, Any] = LEFT_OUT
    templates: dict[str, Any] = LEFT_OUT
    mapping: list[AttributeMappingSchema] = LEFT_OUT
    provisioning: dict[str, Any] = LEFT_OUT

    @pydantic.field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        if kind not in registry():
            raise ValueError(f"There is no kind {kind!r}. There is: {', '.join(sorted(registry()))}.")
        return kind

    @pydantic.field_validator("settings", "secrets")
    @classmethod
    def _declared(cls, data: BlueprintItem, info: pydantic.ValidationInfo) -> BlueprintItem:
        """Check settings and secrets by what the connector declares; where the kind is wrong, there is no saying."""
        if "kind" not in info.data:
            return data
        kind = info.data["kind"]
        if info.field_name == "secrets":
            return written_part(connection_schema(kind, secret=True), data)
        return state.settings_of(kind, written_part(connection_schema(kind, secret=False), data))

    @pydantic.field_validator("templates")
    @classmethod
    def _not_empty(cls, data: BlueprintItem) -> BlueprintItem:
        """An operation without statements is one that is not there."""
        return {name: statements for name, statements in written_part(TemplatesSchema, data).items() if statements}

    @pydantic.field_validator("provisioning")
    @classmethod
    def _complete(cls, data: BlueprintItem) -> BlueprintItem:
        return {**state.of_provisioning(ProvisioningSettings()), **written_part(ProvisioningSchema, data)}


class BlueprintSchema(Strict):
    """The whole document."""

    version: Literal[1]
    attributes: list[AttributeSchema] = []
    groups: list[GroupSchema] = []
    directories: list[DirectorySchema] = []


def with_sections(sections: Mapping[str, type[Strict]]) -> type[BlueprintSchema]:
    """Return the document's schema with more sections, which hold lists."""
    lists: dict[str, Any] = {name: (list[part], []) for name, part in sections.items()}  # type: ignore[valid-type]
    return create_model("Blueprint", __base__=BlueprintSchema, **lists)
