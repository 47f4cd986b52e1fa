"""Values in the shape of their attribute, or an error that names the attribute.

- ``"True"`` and ``"False"`` for booleans: Entra without ``aadOptscim062020``, and ``"primary": "True"`` of its roles
  (https://learn.microsoft.com/en-us/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility).
- One object, or one text, where a list is due: OneLogin's ``emails`` as one object
  (https://developers.onelogin.com/scim/create-app), roles as texts.
- A manager as text, as object or as a list of one: Entra sends the id alone, or ``{"value": id}``.
- ``""`` is no value (RFC 7643 section 2.5 has null and an empty list; Entra clears with ``""``).
"""

from collections.abc import Mapping
from typing import Any

from scim.errors import invalid_value
from scim.resources.attributes import Attribute

_TRUTH = {"true": True, "false": False}
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "reference": (str,),
    "dateTime": (str,),
    "binary": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "decimal": (int, float),
}
_NAMES = {"boolean": "true or false", "integer": "a whole number", "decimal": "a number", "dateTime": "a date and time"}


def shaped(value: Any, attribute: Attribute, *, within: bool = False) -> Any:
    """Return the value in the attribute's shape, None for no value; ``within``: it is one of the attribute's values."""
    if value is None or value == "":
        return None
    if attribute.multi_valued and not within:
        items = value if isinstance(value, list) else [value]
        there = [item for item in items if item != ""]
        if any(item in (None, {}) for item in there) or (len(there) < len(items) and attribute.find("$ref")):
            # A list of nothings is not an empty list: read as one, it would empty a group.
            raise invalid_value(f"{attribute.path} has an element without a value.")
        return [_one(item, attribute) for item in there]
    if isinstance(value, list) and attribute.type == "complex" and len(value) <= 1:
        return shaped(value[0] if value else None, attribute, within=True)
    return _one(value, attribute)


def _one(value: Any, attribute: Attribute) -> Any:
    if attribute.type == "complex":
        return _object(value, attribute)
    if attribute.type == "boolean" and isinstance(value, str):
        value = _TRUTH.get(value.strip().lower(), value)
    kinds = _KINDS.get(attribute.type, (str,))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise invalid_value(f"{attribute.path} must be {_NAMES.get(attribute.type, 'text')}.")
    return value


def _object(value: Any, attribute: Attribute) -> dict[str, Any]:
    if isinstance(value, str) and attribute.find("value") is not None:
        value = {"value": value}
    if not isinstance(value, Mapping):
        raise invalid_value(f"{attribute.path} must be an object.")
    result: dict[str, Any] = {}
    for name, item in value.items():
        sub = attribute.find(name)
        if sub is None:
            continue
        result[sub.name] = shaped(item, sub)
    if attribute.find("$ref") is not None and "value" not in result and value:
        result["value"] = _referred(result.get("$ref"), attribute)
    if attribute.multi_valued and not result:
        raise invalid_value(f"{attribute.path} has an element without any part that is known.")
    return result


def _referred(address: Any, attribute: Attribute) -> str:
    """Return the id that a resource's address ends in (RFC 7643 section 2.3.7), such as ``../Users/ID``."""
    key = address.rstrip("/").rpartition("/")[2] if isinstance(address, str) else ""
    if not key:
        raise invalid_value(f"{attribute.path} needs the id of the resource as its value.")
    return key
