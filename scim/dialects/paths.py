"""Paths as clients write them, brought into the RFC's form.

- An extension's attribute without its URN: ``manager`` (Entra's own mapping table calls it so), or with a dot after the
  URN, as Entra did before 2018 (application-provisioning-config-problem-scim-compatibility: "Extension attributes use
  dot notation before attribute names instead of colon notation").
- SCIM 1.1's and the drafts' URNs for the enterprise extension: OneLogin's legacy template has version 2.0 of the old
  one (https://github.com/goauthentik/authentik/issues/11249).
- ``roles[primary eq "True"].value``: a boolean compared with a text
  (https://learn.microsoft.com/en-us/entra/identity/app-provisioning/customize-application-attributes#provisioning-a-role-to-a-scim-app).
"""

import dataclasses
from typing import NamedTuple

from scim2_models.path import Comparison, FilterNode, LogicalExpr, Not

from scim.errors import ScimError
from scim.filters import PatchPath, parse_path
from scim.resources.attributes import Attribute, Schema
from scim.resources.schemas import ENTERPRISE

_OLDER = {
    f"urn:scim:schemas:extension:enterprise:{version}{end}": ENTERPRISE.casefold()
    for version in ("1.0", "1.1", "2.0")
    for end in ("", ":user")
}
_TRUTH = {"true": True, "false": False}


def schema_urn(text: str, schema: Schema) -> str | None:
    """Return the schema that the text is the URN of, or an older one."""
    wanted = text.strip().casefold()
    wanted = _OLDER.get(wanted, wanted)
    return next((urn for urn in (schema.urn, *schema.extensions) if urn.casefold() == wanted), None)


def home(attribute: Attribute) -> str:
    """Return the URN of the extension that the attribute belongs to, "" for the resource's own."""
    return attribute.path.rpartition(":")[0]


def under(urn: str, name: str) -> str:
    """Return the path of an attribute of a schema; "" stands for the resource's own."""
    return f"{urn}:{name}" if urn and not name.lower().startswith("urn:") else name


class Target(NamedTuple):
    """Where a path leads: an attribute, a sub-attribute where it names one, None when it is not known.

    ``parent`` is the attribute that the sub-attribute is part of.
    """

    path: PatchPath
    attribute: Attribute | None
    parent: Attribute | None


def resolve(text: str, schema: Schema) -> Target:
    """Return where a path leads, with the path in the RFC's form; raise ScimError 400 for one that cannot be read."""
    path = _qualified(parse_path(_colons(text, schema)), schema)
    whole = schema.find(str(dataclasses.replace(path.attribute, sub_attr=None)))
    if path.value_filter is not None and whole is not None:
        path = dataclasses.replace(path, value_filter=_truths(path.value_filter, whole))
    part = path.sub or path.attribute.sub_attr
    if not part:
        return Target(path, whole, None)
    return Target(path, schema.find(f"{dataclasses.replace(path.attribute, sub_attr=None)}.{part}"), whole)


def known(text: str, schema: Schema) -> Target | None:
    """Return where a path leads, None for one that cannot be read."""
    try:
        return resolve(text, schema)
    except ScimError:
        return None


def _colons(text: str, schema: Schema) -> str:
    older, _, name = text.rpartition(":")
    if older.casefold() in _OLDER:
        text = f"{_OLDER[older.casefold()]}:{name}"
    for urn in (schema.urn, *schema.extensions):
        if text.casefold().startswith(f"{urn}.".casefold()):
            return f"{urn}:{text[len(urn) + 1 :]}"
    return text


def _qualified(path: PatchPath, schema: Schema) -> PatchPath:
    if path.attribute.uri or schema.find(path.attribute.attr) is not None:
        return path
    homes = [urn for urn in schema.extensions if schema.find(f"{urn}:{path.attribute.attr}") is not None]
    if len(homes) != 1:
        return path
    return dataclasses.replace(path, attribute=dataclasses.replace(path.attribute, uri=homes[0]))


def _truths(node: FilterNode, attribute: Attribute) -> FilterNode:
    """Read "True" and "False" as what they mean where the filter compares a boolean."""
    if isinstance(node, LogicalExpr):
        return dataclasses.replace(node, terms=tuple(_truths(term, attribute) for term in node.terms))
    if isinstance(node, Not):
        return dataclasses.replace(node, expr=_truths(node.expr, attribute))
    if isinstance(node, Comparison) and isinstance(node.value, str):
        sub = attribute.find(node.attr_path.attr)
        if sub is not None and sub.type == "boolean":
            return dataclasses.replace(node, value=_TRUTH.get(node.value.lower(), node.value))
    return node
