"""What resources of the configuration share: bodies checked as blueprints are, and versions that are asked for.

A body never says where a secret is found, as a blueprint does: it has the secret itself, and no answer ever has it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import pydantic
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request

from directories.described.document import Location
from directories.described.references import in_clear
from directories.described.schema import Strict, checked
from directories.encryption import SecretLost
from provisioning.api.resources import ApiResource, NotPossible
from provisioning.blueprints.writing import PartRefused, WrittenPart

NO_OBJECT = "Send an object with the fields that are to change."
AGAIN = "Look at what it would do, and send it again with number={number} in the address."
NO_NUMBER = "number is a whole number: how many the change reaches, as the refusal said."
NOT_SET = "Send the secret as a text, or null to take it away. True and false only say whether there is one."


@extend_schema_field({"oneOf": [{"type": "boolean"}, {"type": "string", "minLength": 1}], "nullable": True})
class SecretField(serializers.Field[Any, Any, Any, Any]):
    """A secret: whether there is one, when it is read; itself, or null to take it away, when it is written."""


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"oneOf": [{"type": "boolean"}, {"type": "string", "minLength": 1}], "nullable": True},
    }
)
class SecretsField(serializers.Field[Any, Any, Any, Any]):
    """Secrets by name, each as a ``SecretField``."""


class Configuration(ApiResource):
    """A resource of the configuration; changing and deleting name the version that they mean."""

    versioned: ClassVar[bool] = True

    def handle_exception(self, exc: Exception) -> Any:
        """Say what the writers refuse."""
        if isinstance(exc, PartRefused):
            exc = ValidationError(by_field([(exc.path, exc.message)]))
        elif isinstance(exc, SecretLost):
            exc = NotPossible(exc.message)
        return super().handle_exception(exc)

    def sent(self, request: Request) -> dict[str, Any]:
        """Return the fields of the body that can be written; raise ValidationError. The others are left as they are."""
        if not isinstance(request.data, Mapping):
            raise ValidationError(NO_OBJECT)
        shown = {name for name, field in self.serializer_class().fields.items() if field.read_only}
        return {str(name): value for name, value in request.data.items() if name not in shown}


def merged(now: Mapping[str, Any], sent: Any, *, where: str) -> dict[str, Any]:
    """Return a part with what was sent of it; null stays null. Raises ValidationError."""
    if not isinstance(sent, Mapping):
        raise ValidationError({where: [NO_OBJECT]})
    return {**now, **sent}


def secrets_sent(now: Mapping[str, bool], sent: Any, *, where: str) -> dict[str, Any]:
    """Return the secrets that are set or taken away: what an answer had of them, sent back, changes nothing."""
    if not isinstance(sent, Mapping):
        raise ValidationError({where: [NO_OBJECT]})
    found = {name: value for name, value in sent.items() if not (isinstance(value, bool) and now.get(name) is value)}
    if wrong := {name: [NOT_SET] for name, value in found.items() if isinstance(value, bool)}:
        raise ValidationError({where: wrong})
    return found


def item(schema: type[Strict], data: Mapping[str, Any], called: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what was sent as the writers take it; raise ValidationError by field.

    ``called`` are the names of fields that a blueprint calls otherwise.
    """
    try:
        with in_clear():
            return checked(schema, dict(data))
    except pydantic.ValidationError as error:
        found = by_field((each["loc"], each["msg"]) for each in error.errors())
        raise ValidationError({(called or {}).get(name, name): words for name, words in found.items()}) from None


def by_field(problems: Iterable[tuple[Location, str]]) -> dict[str, Any]:
    """Return problems by the fields and the places in them."""
    found: dict[str, Any] = {}
    for path, message in problems:
        here = found
        for step in map(str, path):
            here = here.setdefault(step, {})
        here.setdefault("", []).append(message)
    return (
        {name: _short(value) for name, value in found.items()} if "" not in found else {"non_field_errors": found[""]}
    )


def _short(value: Any) -> Any:
    """Return only the messages where nothing further inside is wrong."""
    if isinstance(value, list):
        return value
    if set(value) == {""}:
        return value[""]
    return {name or "non_field_errors": _short(inner) for name, inner in value.items()}


class TooMuch(APIException):
    """It reaches more than is done without being confirmed; the answer has the number that confirms it."""

    status_code = 409

    def __init__(self, words: str, number: int, **more: Any) -> None:
        super().__init__(f"{words} {AGAIN.format(number=number)}")
        self.more = {"number": number, **more}


def number_of(request: Request) -> int | None:
    """Return the number by which a change is confirmed; None where none is sent. Raises ValidationError."""
    text = request.query_params.get("number", "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ValidationError({"number": [NO_NUMBER]})
    return int(text) if text else None


def must_be_confirmed(written: WrittenPart, number: int | None) -> None:
    """Raise TooMuch where a directory's page would ask before it saves, and nobody sent how many the change reaches."""
    impact = written.impact
    if impact is not None and (written.over or not impact.is_small) and number != impact.reached:
        words = " ".join(written.over or impact.sentences)
        raise TooMuch(words, impact.reached, impacts=impact.sentences)
