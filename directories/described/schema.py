"""The parts of a file that describes directories: mappings that refuse unknown keys, settings that connectors declare.

A key that is not known is refused, with the nearest one that is; every message says what to do.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import pydantic
from pydantic import Field, PlainValidator, SecretStr, ValidationError, create_model
from pydantic_core import InitErrorDetails, PydanticCustomError

from directories.connectors import connector_class
from directories.connectors.base import ConnectorField, FieldType
from directories.described.references import HOW, resolve
from directories.query_templates import nearest

LEFT_OUT: Any = None  # the default of a key that says nothing when it is left out; written, it cannot be null
_MESSAGES = {
    "bool": "Write true or false.",
    "dict": "Write keys with their values here.",
    "int": "Write a whole number.",
    "list": "Write a list here.",
    "missing": "This is required.",
    "model": "Write keys with their values here.",
    "string_too_short": "This cannot be blank.",
    "string_type": "Write a text here.",
}

Text = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[Text, Field(max_length=255)]


class Strict(pydantic.BaseModel):
    """A mapping that refuses keys it does not know; ``what`` is the word for one of them."""

    model_config = pydantic.ConfigDict(extra="forbid", coerce_numbers_to_str=True)
    what: ClassVar[str] = "key"
    misplaced: ClassVar[Mapping[str, str]] = {}  # keys that belong somewhere else, and what to do

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Give the keys whose values do not fit each other, each with what to do."""
        yield from ()

    @pydantic.model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, validate: Callable[[Any], Self]) -> Self:
        """Say of everything that is wrong what to do."""
        problems: list[tuple[tuple[int | str, ...], str]]
        try:
            checked = validate(data)
            problems = [((key,), message) for key, message in checked.contradictions()]
            if not problems:
                return checked
        except ValidationError as error:
            problems = [(each["loc"], cls._message(each["type"], each["loc"], each["msg"])) for each in error.errors()]
        details = [
            InitErrorDetails(type=PydanticCustomError("explained", message), loc=path, input=None)
            for path, message in problems
        ]
        raise ValidationError.from_exception_data(cls.__name__, details)

    @classmethod
    def _message(cls, kind: str, path: tuple[int | str, ...], message: str) -> str:
        if kind == "extra_forbidden":
            return cls.misplaced.get(str(path[-1])) or cls._unknown(str(path[-1]))
        ours = _MESSAGES.get(kind) or _MESSAGES.get(kind.partition("_")[0])
        message = ours or message.removeprefix("Value error, ").replace("Input should", "This should")
        return message if message.endswith((".", "?")) else f"{message}."

    @classmethod
    def _unknown(cls, name: str) -> str:
        known = sorted(field.alias or name for name, field in cls.model_fields.items())
        near = nearest(name, known)
        hint = f"Did you mean {near!r}?" if near else f"There is: {', '.join(known)}."
        return f"There is no {cls.what} {name!r} here. {hint}"


def checked(schema: type[Strict], data: Any) -> dict[str, Any]:
    """Return the checked data, without what was left out; raises ValidationError, whose messages say what to do."""
    return schema.model_validate(data).model_dump(by_alias=True, exclude_none=True)


def written_part(schema: type[Strict], data: Any) -> dict[str, Any]:
    """Return the checked data of a section in which null is a value, without what was left out."""
    return schema.model_validate(data).model_dump(by_alias=True, exclude_unset=True)


def _referred(value: Any) -> SecretStr:
    if isinstance(value, SecretStr):
        return value  # no document holds one: it is stored already
    if not isinstance(value, str):
        raise ValueError(f"This is a secret. {HOW}")
    return resolve(value)


SecretReference = Annotated[SecretStr, PlainValidator(_referred)]  # the checked value is the secret itself


def declared_by(kind: str, *, secret: bool) -> list[ConnectorField]:
    """Return the settings, or the secrets, that the connector of ``kind`` declares."""
    return [field for field in connector_class(kind).fields if (field.type == FieldType.SECRET) == secret]


def connection_schema(kind: str, *, secret: bool) -> type[Strict]:
    """Return the schema of the settings, or of the secrets, that the connector of ``kind`` declares."""
    # A connector names its fields as it likes, say "copy": here they have names that hide nothing of the model.
    fields: dict[str, Any] = {
        f"declared_{field.name}": _declared_field(field) for field in declared_by(kind, secret=secret)
    }
    schema = create_model("Connection", __base__=Strict, **fields)
    schema.what = "secret" if secret else "setting"
    if not secret:
        message = "This is a secret: write it under secrets, as env:NAME or file:/path."
        schema.misplaced = {field.name: message for field in declared_by(kind, secret=True)}
    return schema


def _declared_field(declared: ConnectorField) -> tuple[Any, Any]:
    """Return the type and default of a declared field; null is a blank in place of the field's default."""
    required = declared.required and declared.default in (None, "")
    kind: Any = Annotated[str, Field(min_length=1 if required else 0)]
    match declared.type:
        case FieldType.SECRET:
            kind = SecretReference
        case FieldType.BOOLEAN:
            kind = bool
        case FieldType.INTEGER:
            kind = Annotated[int, Field(ge=declared.minimum, le=declared.maximum)]
        case FieldType.CHOICE:
            kind = Literal[tuple((declared.values if required else ["", *declared.values]) or [""])]
    if not required and declared.type not in (FieldType.SECRET, FieldType.BOOLEAN):
        kind = kind | None
    return kind, Field(... if required else LEFT_OUT, alias=declared.name)
