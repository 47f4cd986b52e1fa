"""The schemas that are served, and scim2-models' models of them: the core, the enterprise extension, and our own.

Our extension holds the custom profile attributes that an admin defines. What the portal does not check is served as it
is treated: a photo's address or a certificate is any text, so that no client is refused for what nobody looks at, and
an e-mail address may end in ``.local``, as in many an Active Directory.
"""

from functools import lru_cache
from threading import Lock
from typing import Any

from scim2_models import EnterpriseUser, Extension, Resource, ScimPolicy
from scim2_models import Group as GroupModel
from scim2_models import User as UserModel
from scim2_models.annotations import CaseExact, Mutability, Required, Returned, Uniqueness
from scim2_models.resources.schema import Attribute, Schema

from directories.attributes import PortalAttribute, Type

USER = str(UserModel.__schema__)
GROUP = str(GroupModel.__schema__)
ENTERPRISE = str(EnterpriseUser.__schema__)
CUSTOM = "urn:ietf:params:scim:schemas:extension:rollcall:2.0:User"
CUSTOM_GROUP = "urn:ietf:params:scim:schemas:extension:rollcall:2.0:Group"
TOLERANT = ScimPolicy(unknown=ScimPolicy.Unknown.ignore)

Definitions = tuple[PortalAttribute, ...]
Extensions = tuple[tuple[str, str], ...]  # of groups: the URN and the name of an attribute
_building = Lock()  # pydantic makes models on one thread at a time: the first requests of a process come together

_TYPES = {Type.NUMBER: Attribute.Type.decimal, Type.BOOLEAN: Attribute.Type.boolean}
_EXAMPLES = {
    "locale": ["en-US", "en-GB", "de-DE", "fr-FR"],
    "timezone": ["Europe/Berlin", "America/New_York", "UTC"],
    "preferredLanguage": ["en-US", "de-DE"],
}


def of_users(definitions: Definitions) -> list[Schema]:
    """Return the schemas of a user: core, enterprise, and our own when there are custom profile attributes."""
    found = [_core_user(published=True), _enterprise()]
    return [*found, _custom(definitions)] if definitions else found


def of_groups(extensions: Extensions = ()) -> list[Schema]:
    """Return the schemas of a group: core, and those of the attributes that the mapping names."""
    return [_core_group(), *_group_extensions(extensions)]


@lru_cache(maxsize=1)
def _core_group() -> Schema:
    schema = GroupModel.to_schema()
    for attribute in schema.attributes or []:
        _loosen(attribute)
        if attribute.name == "displayName":
            attribute.required, attribute.uniqueness = Required.true, Uniqueness.server
        for sub in attribute.sub_attributes or []:
            if sub.name == "display":  # the member's own name: it would double a list of a hundred thousand
                sub.mutability, sub.returned = Mutability.read_only, Returned.request
    return schema


def user_model(definitions: Definitions) -> type[Resource[Any]]:
    """Return the model of a user with every extension; building one takes 50 ms, so they are kept."""
    with _building:
        return _user_model(definitions)


def group_model(extensions: Extensions = ()) -> type[Resource[Any]]:
    """Return the model of a group with every extension."""
    with _building:
        return _group_model(extensions)


@lru_cache(maxsize=16)
def _user_model(definitions: Definitions) -> type[Resource[Any]]:
    _, *extensions = of_users(definitions)
    return _united(Resource.from_schema(_core_user(published=False)), extensions)


def _united(model: Any, extensions: list[Schema]) -> type[Resource[Any]]:
    united: Any = None
    for schema in extensions:
        extension = Extension.from_schema(schema)
        united = extension if united is None else united | extension
    found: type[Resource[Any]] = model if united is None else model[united]
    return found


@lru_cache(maxsize=16)
def _group_model(extensions: Extensions) -> type[Resource[Any]]:
    core, *rest = of_groups(extensions)
    return _united(Resource.from_schema(core), rest)


@lru_cache(maxsize=2)
def _core_user(*, published: bool) -> Schema:
    """Return the core schema. ``active`` is published as required, for it cannot be removed; without it, it is true."""
    schema = UserModel.to_schema()
    for attribute in schema.attributes or []:
        _loosen(attribute)
        if attribute.name == "userName" or (published and attribute.name == "active"):
            attribute.required = Required.true
    return schema


@lru_cache(maxsize=1)
def _enterprise() -> Schema:
    schema = EnterpriseUser.to_schema()
    for attribute in schema.attributes or []:
        _loosen(attribute)
        if attribute.name == "manager":  # who that is stands at the manager's own address, and only there
            attribute.sub_attributes = [sub for sub in attribute.sub_attributes or [] if sub.name != "displayName"]
    return schema


@lru_cache(maxsize=16)
def _custom(definitions: Definitions) -> Schema:
    attributes = [
        Attribute(
            name=definition.name,
            type=_TYPES.get(definition.type, Attribute.Type.string),
            multi_valued=False,
            description=_described(definition),
            required=Required.false,
            canonical_values=list(definition.choices) or None,
            case_exact=CaseExact.false,
            mutability=Mutability.read_write,
        )
        for definition in definitions
    ]
    return Schema(id=CUSTOM, name="Custom profile", description="Attributes of this portal", attributes=attributes)


@lru_cache(maxsize=16)
def _group_extensions(extensions: Extensions) -> tuple[Schema, ...]:
    found: dict[str, list[Attribute]] = {}
    for urn, name in extensions:
        message = "What the group is for"
        attribute = Attribute(
            name=name, type=Attribute.Type.string, multi_valued=False, description=message, required=Required.false
        )
        attribute.case_exact, attribute.mutability = CaseExact.false, Mutability.read_write
        found.setdefault(urn, []).append(attribute)
    return tuple(
        Schema(id=urn, name="Group description", description="More about a group", attributes=attributes)
        for urn, attributes in found.items()
    )


def _described(definition: PortalAttribute) -> str:
    return f"{definition.label} (a date such as 2026-12-31)" if definition.type == Type.DATE else definition.label


def _loosen(attribute: Attribute) -> None:
    """Serve an attribute as it is treated."""
    external = attribute.type == Attribute.Type.reference and "external" in (attribute.reference_types or ())
    if external or attribute.type == Attribute.Type.binary:
        attribute.type, attribute.reference_types, attribute.case_exact = Attribute.Type.string, None, CaseExact.true
    attribute.required = Required.false
    attribute.canonical_values = _EXAMPLES.get(attribute.name or "", attribute.canonical_values)
    for sub in attribute.sub_attributes or []:
        _loosen(sub)
