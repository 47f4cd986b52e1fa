"""The outside of a PATCH request: Entra's capitals, authentik's ``"path": null``, and messages without ``schemas``.

Entra writes ``Add``, ``Replace`` and ``Remove``
(https://learn.microsoft.com/en-us/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups#general).
authentik sends a null path for a whole object and leaves ``schemas`` out (authentik/providers/scim/clients/groups.py).
The names of attributes, and so of a message's parts, have no case (RFC 7643 section 2.1).
"""

from collections.abc import Mapping
from typing import Any

from scim.errors import ScimError, invalid_syntax, invalid_value

_VERBS = ("add", "remove", "replace")


def operations(body: Any) -> list[dict[str, Any]]:
    """Return the operations with their verbs and keys in lower case, and a path only where there is one."""
    found = _folded(body).get("operations") if isinstance(body, Mapping) else None
    if not isinstance(found, list) or not found:
        raise invalid_syntax("A PATCH request needs Operations, a list of one or more.")
    return [_operation(item) for item in found]


def _operation(item: Any) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise invalid_syntax("An operation must be an object with op, path and value.")
    given = _folded(item)
    verb = given.get("op")
    if not isinstance(verb, str) or verb.lower() not in _VERBS:
        raise invalid_value("An operation's op must be add, remove or replace.")
    result = {"op": verb.lower()}
    path = given.get("path")
    if path is not None and not isinstance(path, str):
        raise ScimError(400, "An operation's path must be text.", "invalidPath")
    if path and path.strip():
        result["path"] = path.strip()
    if "value" in given:
        result["value"] = given["value"]
    return result


def _folded(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in given.items()}
