"""What a request wants a user to be: a document checked by scim2-models and read through the client's mapping."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from scim2_models import Context

from directories.attributes import Kind, Value
from directories.mapping import AttributeKey
from scim.errors import ScimError, invalid_value, of_model
from scim.resources import mapping, schemas
from scim.resources.rules import Rules

USERNAME: AttributeKey = (Kind.PROFILE, "username")
ACTIVE: AttributeKey = (Kind.PROFILE, "active")
MANAGER: AttributeKey = (Kind.PROFILE, "manager")
MOST_NAME = 255  # characters of userName and externalId
MOST_PASSWORD = 1024
MOST_KEPT = 100_000  # characters of what is kept for a client
_READ_ONLY = ("schemas", "id", "meta", "groups")


@dataclass(slots=True)
class Draft:
    """A user as a request wants them. ``external_id`` is None where the request says nothing of it."""

    user_name: str
    values: dict[AttributeKey, Value]
    kept: dict[str, Any]
    external_id: str | None = None
    password: str = field(default="", repr=False)
    manager: dict[str, Any] | None = None  # as sent, to keep when nobody is found by it

    @property
    def username(self) -> str:
        """The user name that a new user gets."""
        return str(self.values.get(USERNAME) or self.user_name)

    @property
    def active(self) -> bool | None:
        """Whether the client says that the user is active, None where it says nothing of it."""
        value = self.values.get(ACTIVE)
        return value if isinstance(value, bool) else None


def draft(document: Mapping[str, Any], rules: Rules) -> Draft:
    """Read a document in the schemas' own spelling (``scim.dialects``); raise ScimError 400."""
    return checked_draft(_checked(document, rules), rules)


def checked_draft(document: Mapping[str, Any], rules: Rules) -> Draft:
    """Read a document that scim2-models has checked, as that of a PATCH has been; raise ScimError 400."""
    checked = {name: value for name, value in document.items() if name not in _READ_ONLY}
    external_id = checked.pop("externalId", None)
    password = checked.pop("password", None) or ""
    user_name = str(checked.get("userName") or "").strip()
    for name, text, most in (
        ("userName", user_name, MOST_NAME),
        ("externalId", external_id or "", MOST_NAME),
        ("password", password, MOST_PASSWORD),
    ):
        if len(text) > most:
            raise invalid_value(f"{name} is longer than {most} characters.")
    if not user_name:
        raise invalid_value("userName is required and empty.")
    manager = _manager(checked)
    row, kept = mapping.split(checked, rules)
    kept.pop("userName", None)
    if len(str(kept)) > MOST_KEPT:
        raise ScimError(413, "The resource holds more than can be kept for an application.")
    return Draft(user_name, _values(row, rules), kept, external_id, password, manager)


def _checked(document: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """Return the document with known attributes only, each of its type; read-only ones are passed over."""
    given = {name: value for name, value in document.items() if name not in _READ_ONLY and value is not None}
    model = schemas.user_model(rules.definitions)
    try:
        found = model.model_validate(
            {"schemas": [schemas.USER], **given},
            scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST,
            scim_policy=schemas.TOLERANT,
        )
        dumped: dict[str, Any] = found.model_dump(scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
    except ValidationError as error:
        raise of_model(error.errors()[0]) from None
    return dumped


def _manager(document: dict[str, Any]) -> dict[str, Any] | None:
    """Take the manager's address out of the document, which the server makes, and return the manager as sent."""
    extension = document.get(schemas.ENTERPRISE)
    manager = extension.get("manager") if isinstance(extension, dict) else None
    if extension is None or not isinstance(manager, dict):
        return None
    bare = {name: value for name, value in manager.items() if name != "$ref"}
    document[schemas.ENTERPRISE] = {**extension, "manager": bare}
    return manager


def _values(row: Mapping[str, Any], rules: Rules) -> dict[AttributeKey, Value]:
    found = rules.mapper.inbound(row)
    if found.problems:
        raise invalid_value(" ".join(problem if problem.endswith(".") else f"{problem}." for problem in found.problems))
    for rule in rules.writable:
        if rule.required and found.values.get((rule.kind, rule.portal_attribute)) in (None, ""):
            raise invalid_value(f"{rule.path.text} is required and empty.")
    return found.values
