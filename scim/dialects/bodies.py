"""The resource in a POST or PUT: the same liberties as in PATCH, and names in the schema's own spelling.

Attribute names have no case (RFC 7643 section 2.1); values are brought into shape (``shapes``); an extension's
attributes may stand at the top, by name (``manager``) or by whole URN. A Microsoft schema URI in ``schemas`` is of no
consequence (https://learn.microsoft.com/en-us/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups#create-group).
"""

from collections.abc import Mapping
from typing import Any

from scim.dialects import paths
from scim.dialects.shapes import shaped
from scim.errors import invalid_syntax, invalid_value
from scim.resources.attributes import Schema

_OLD_URNS = ("urn:scim:schemas:", "http://schemas.microsoft.com/")  # SCIM 1.1, its drafts, and Microsoft's own


def resource(body: Any, schema: Schema) -> dict[str, Any]:
    """Return the resource with known attributes only, each in its shape; None stands for a value taken away."""
    if not isinstance(body, Mapping):
        raise invalid_syntax("The body must be an object.")
    _check_schemas(body, schema)
    result: dict[str, Any] = {}
    _read(body, "", schema, result)
    return result


def _check_schemas(body: Mapping[str, Any], schema: Schema) -> None:
    """Refuse a body that says of itself that it is something else (RFC 7643 section 3); left out, it says nothing."""
    given = next((value for name, value in body.items() if name.casefold() == "schemas"), None)
    if given in (None, []):
        return
    if not isinstance(given, list) or not all(isinstance(urn, str) for urn in given):
        raise invalid_value("schemas must be a list of URNs.")
    if not any(paths.schema_urn(urn, schema) or urn.casefold().startswith(_OLD_URNS) for urn in given):
        raise invalid_value(f"schemas does not name {schema.urn}.")


def _read(given: Mapping[str, Any], urn: str, schema: Schema, result: dict[str, Any]) -> None:
    for key, item in given.items():
        inner = paths.schema_urn(key, schema)
        if inner is not None:
            if isinstance(item, Mapping):
                _read(item, inner, schema, result)
            elif item not in (None, "", []):
                raise invalid_value(f"{inner} must be an object of attributes.")
            continue
        found = paths.known(paths.under(urn, key), schema)
        attribute = found.attribute if found else None
        if found is None or attribute is None or found.path.value_filter is not None or found.parent is not None:
            continue
        if attribute.mutability == "readOnly":
            continue  # ignored whatever it holds (RFC 7644 section 3.3)
        extension = paths.home(attribute)
        home = result.setdefault(extension, {}) if extension else result
        home[attribute.name] = shaped(item, attribute)
