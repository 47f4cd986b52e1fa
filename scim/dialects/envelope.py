"""The outside of a PATCH request: Entra's capitals, authentik's ``"path": null``, and messages without ``schemas``.

Entra writes ``Add``, ``Replace`` and ``Remove``
(https://learn.microsoft.com/en-us/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups#general).
authentik sends a null path for a whole object and leaves ``schemas`` out (authentik/providers/scim/clients/groups.py).
The names of attributes, and so of a message's parts, have no case (RFC 7643 section 2.1).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from scim.errors import ScimError, invalid_syntax, invalid_value
from scim.patch.operation import ABSENT

_VERBS = ("add", "remove", "replace")


class Asked(NamedTuple):
    """One operation as it was sent: the verb in lower case, the path "" where there is none."""

    verb: str
    path: str
    value: Any


def operations(body: Any) -> list[Asked]:
    """Return the operations of a request's body; raise ScimError 400."""
    found = _folded(body).get("operations") if isinstance(body, Mapping) else None
    if not isinstance(found, list) or not found:
        raise invalid_syntax("A PATCH request needs Operations, a list of one or more.")
    return [_operation(item) for item in found]


def _operation(item: Any) -> Asked:
    if not isinstance(item, Mapping):
        raise invalid_syntax("An operation must be an object with op, path and value.")
    given = _folded(item)
    verb, path = given.get("op"), given.get("path")
    if not isinstance(verb, str) or verb.lower() not in _VERBS:
        raise invalid_value("An operation's op must be add, remove or replace.")
    if path is not None and not isinstance(path, str):
        raise ScimError(400, "An operation's path must be text.", "invalidPath")
    return Asked(verb.lower(), (path or "").strip(), given.get("value", ABSENT))


def _folded(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in given.items()}
