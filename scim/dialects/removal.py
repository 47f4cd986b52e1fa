"""Removing some values of a multi-valued attribute by naming them in ``value``, where the RFC wants a filter.

``{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "<id>"}]}`` is Entra's
(https://learn.microsoft.com/en-us/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups#update-group-remove-members),
authentik's (providers/scim/clients/groups.py) and JumpCloud's. Whoever reads only ``op`` and ``path`` empties the
group. A ``value`` that names nobody is therefore never read as "everybody": an empty list removes nothing, and null or
an object without a value is refused. Only a remove that has no ``value`` at all clears the attribute, as RFC 7644
section 3.5.2.2 says.
"""

from collections.abc import Mapping
from typing import Any

from scim.attributes import Attribute
from scim.errors import invalid_value

Operation = dict[str, Any]


def selective(operation: Operation, attribute: Attribute, *, selects: bool) -> Operation | None:
    """Return the remove with the values that it names, without a ``value`` where that means nothing, None for none."""
    plain = {"op": "remove", "path": operation["path"]}
    if "value" not in operation or selects or not attribute.multi_valued:
        return plain
    given = operation["value"]
    items = given if isinstance(given, list) else [given]
    if not items:
        return None
    return {**plain, "value": [_named(item, attribute) for item in items]}


def _named(item: Any, attribute: Attribute) -> dict[str, Any]:
    if isinstance(item, str):
        item = {"value": item}
    if isinstance(item, Mapping):
        known = {attribute.find(name): value for name, value in item.items() if value not in (None, "")}
        named = {sub.name: value for sub, value in known.items() if sub is not None}
        if "value" in named:
            return {name: named[name] for name in ("value", "type") if name in named}
        if named:
            return named
    raise invalid_value(
        f"It is not clear which values of {attribute.path} to remove: name them, or leave value out to remove all."
    )
