"""The table of attributes: what each is (RFC 7643 section 7), and how Django asks for it.

It is made from the schemas that are served and from the client's mapping, so that filters, sorting, PATCH and the
projection of what is returned all know the same attributes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from django.db.models import Q
from scim2_models.resources.schema import Attribute as Described
from scim2_models.resources.schema import Schema as Document

from scim.models import Client
from scim.resources import schemas
from scim.resources.group_rules import GroupRules, group_rules
from scim.resources.lookups import Lookup, Slot, group_lookups, user_lookups
from scim.resources.rules import Rules, user_rules

__all__ = ["Attribute", "Lookup", "Q", "Schema", "Slot", "groups", "users"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute or sub-attribute. ``path`` is as in a filter; those of an extension begin with its URN.

    Without ``lookup`` (and ``slots``) it cannot be filtered or sorted by. A complex multi-valued attribute that is kept
    in columns has ``slots``, one for each element that the mapping knows.
    """

    path: str
    name: str
    type: str
    multi_valued: bool = False
    case_exact: bool = False
    mutability: str = "readWrite"
    returned: str = "default"
    uniqueness: str = "none"
    required: bool = False
    lookup: Lookup | None = None
    slots: tuple[Slot, ...] = ()
    sub: tuple["Attribute", ...] = ()

    def find(self, name: str) -> "Attribute | None":
        """Return a sub-attribute without regard to case."""
        wanted = name.casefold()
        return next((sub for sub in self.sub if sub.name.casefold() == wanted), None)


@dataclass(frozen=True)
class Schema:
    """The attributes of one kind of resource. ``urn`` is the core schema, ``extensions`` the URNs of the others."""

    urn: str
    extensions: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    _index: Mapping[str, Attribute] = field(repr=False, compare=False)

    def find(self, path: str) -> Attribute | None:
        """Return the attribute of a path such as ``name.givenName`` or one with a URN, without regard to case."""
        return self._index.get(path.casefold())


def users(client: Client) -> Schema:
    """Return the attributes of users as the client sees them, with their look-ups."""
    return _users(client, user_rules(client))


@lru_cache(maxsize=64)
def _users(client: Client, rules: Rules) -> Schema:
    """Make the table, which takes a millisecond, once for each client and mapping; look-ups know the client by id."""
    lookups, slots = user_lookups(client, rules)
    return _table(schemas.of_users(rules.definitions), lookups, slots)


def groups(client: Client) -> Schema:
    """Return the attributes of groups, with their look-ups."""
    return _groups(client, group_rules(client))


@lru_cache(maxsize=64)
def _groups(client: Client, rules: GroupRules) -> Schema:
    return _table(schemas.of_groups(rules.extensions), group_lookups(client, rules), {})


def _table(documents: list[Document], lookups: Mapping[str, Lookup], slots: Mapping[str, tuple[Slot, ...]]) -> Schema:
    core, *extensions = documents
    attributes = [*_common(lookups)]
    for document in documents:
        prefix = "" if document is core else f"{document.id}:"
        attributes += (_attribute(found, prefix, lookups, slots) for found in document.attributes or [])
    urns = tuple(str(document.id) for document in extensions)
    return Schema(str(core.id), urns, tuple(attributes), dict(_indexed(attributes, str(core.id))))


def _attribute(
    found: Described, prefix: str, lookups: Mapping[str, Lookup], slots: Mapping[str, tuple[Slot, ...]]
) -> Attribute:
    path = f"{prefix}{found.name}"
    subs = tuple(_attribute(sub, f"{path}.", lookups, {}) for sub in found.sub_attributes or [])
    return Attribute(
        path,
        found.name or "",
        str(found.type),
        bool(found.multi_valued),
        bool(found.case_exact),
        str(found.mutability),
        str(found.returned),
        str(found.uniqueness),
        bool(found.required),
        lookups.get(path),
        slots.get(path, ()),
        subs,
    )


def _common(lookups: Mapping[str, Lookup]) -> Iterator[Attribute]:
    """Return what every resource has (RFC 7643 section 3.1) and no schema lists."""
    read_only = "readOnly"
    yield Attribute("schemas", "schemas", "reference", True, True, read_only, "always")
    yield Attribute(
        "id", "id", "string", case_exact=True, mutability=read_only, returned="always", lookup=lookups.get("id")
    )
    yield Attribute("externalId", "externalId", "string", case_exact=True, lookup=lookups.get("externalId"))
    parts = {
        "resourceType": "string",
        "created": "dateTime",
        "lastModified": "dateTime",
        "location": "string",
        "version": "string",
    }
    subs = tuple(
        Attribute(f"meta.{name}", name, kind, False, True, read_only, lookup=lookups.get(f"meta.{name}"))
        for name, kind in parts.items()
    )
    yield Attribute("meta", "meta", "complex", mutability=read_only, sub=subs)


def _indexed(attributes: list[Attribute], core: str) -> Iterator[tuple[str, Attribute]]:
    for attribute in attributes:
        for found in (attribute, *attribute.sub):
            path = found.path.casefold()
            yield path, found
            if not path.startswith("urn:"):
                yield f"{core.casefold()}:{path}", found
