"""What goes wrong, as RFC 7644 section 3.12 says it: a status, a scimType where the RFC has one, and words."""

from collections.abc import Mapping
from typing import Any

from scim2_models import Error

SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
MOST_DETAIL = 1000


class ScimError(Exception):
    """A request cannot be carried out. ``detail`` goes to the client: no secret and no exception text belongs in it.

    ``views.base`` turns it into the response. ``reason`` is what the portal's own report says beside it, such as a
    name that the client may not see.
    """

    def __init__(self, status: int, detail: str, scim_type: str = "", reason: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail, self.scim_type, self.reason = status, detail, scim_type, reason

    def to_dict(self) -> dict[str, Any]:
        """Return the message's body, in which ``status`` is a string."""
        found = {"schemas": [SCHEMA], "status": str(self.status), "detail": printable(self.detail)}
        return found | ({"scimType": self.scim_type} if self.scim_type else {})


def printable(text: str, most: int = MOST_DETAIL) -> str:
    """Return the text without what cannot be encoded or shown: it may quote what a client sent."""
    if len(text) <= most and text.isprintable():
        return text
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:most])
    return shown if len(text) <= most else f"{shown}…"


def invalid_value(detail: str) -> ScimError:
    """Return the error for a value that does not fit its attribute."""
    return ScimError(400, detail, "invalidValue")


def invalid_syntax(detail: str) -> ScimError:
    """Return the error for a body that is not what the request needs."""
    return ScimError(400, detail, "invalidSyntax")


def not_found() -> ScimError:
    """Return the error for what does not exist, or not for this client."""
    return ScimError(404, "There is no such resource.")


def conflict(detail: str, reason: str = "") -> ScimError:
    """Return the error for a value that must be unique and is taken."""
    return ScimError(409, detail, "uniqueness", reason)


def switched_off(what: str) -> ScimError:
    """Return the error for a feature that the client's settings do not allow."""
    return ScimError(403, f"{what} is switched off for this application in the portal.")


def of_model(error: Mapping[str, Any]) -> ScimError:
    """Return the error for what scim2-models found in a body; its words name the attribute, not the value."""
    found = Error.from_validation_error(error)
    return ScimError(found.status or 400, found.detail or "The body is not valid.", found.scim_type or "invalidValue")
