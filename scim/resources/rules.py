"""The attribute mapping of one client, compiled: SCIM paths, directions, and the mapper that directories use too.

Custom profile attributes need no row: each is served in the portal's own extension under its name, unless the client
maps that path itself.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from django.conf import settings

from directories.attributes import PROFILE_ATTRIBUTES, Kind, PortalAttribute
from directories.mapping import BOTH, IN, OUT, AttributeRule, Catalogue, Mapper, problems_of
from provisioning.profile import person
from scim.models import Client, ClientMapping, Resource
from scim.resources import schemas

_PATH = re.compile(
    r'(?:(?P<urn>urn:[^\[\]"\s]+):)?(?P<name>[A-Za-z][\w$-]*)'
    r'(?:\[\s*(?P<label>[A-Za-z]\w*)\s+eq\s+"(?P<word>[^"\\]+)"\s*\])?(?:\.(?P<sub>\$?[A-Za-z][\w-]*))?\Z'
)

Known = TypeVar("Known")
_recent: dict[tuple[int, str], tuple[float, Any]] = {}  # by client and mapping: when it was read, and what


@dataclass(frozen=True, slots=True)
class Path:
    """A path of the mapping, such as ``emails[type eq "work"].value``.

    ``attribute`` includes the URN of an extension (``prefix``), and ``element`` is the label of one of several values.
    """

    text: str
    prefix: str
    name: str
    element: tuple[str, str] | None
    sub: str

    @property
    def attribute(self) -> str:
        """The path of the whole attribute."""
        return f"{self.prefix}:{self.name}" if self.prefix else self.name

    @property
    def flat(self) -> str:
        """The path as a filter names it, without the element."""
        return f"{self.attribute}.{self.sub}" if self.sub else self.attribute


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of a client's mapping."""

    path: Path
    kind: Kind
    portal_attribute: str
    direction: str = BOTH
    expression: str = ""
    required: bool = False


@dataclass(frozen=True, eq=False)
class Rules:
    """The mapping of users of one client. Equal mappings are one object (see ``_rules``), so identity is enough."""

    rows: tuple[Rule, ...]
    definitions: tuple[PortalAttribute, ...]
    problems: tuple[str, ...] = ()  # what is wrong with rows that are left out, such as one for an attribute now gone

    @cached_property
    def catalogue(self) -> Catalogue:
        """The portal's attributes."""
        found = {(attribute.kind, attribute.name): attribute for attribute in PROFILE_ATTRIBUTES}
        return found | {(attribute.kind, attribute.name): attribute for attribute in self.definitions}

    @cached_property
    def mapper(self) -> Mapper:
        """The mapper between SCIM paths and portal attributes."""
        return Mapper(map(_attribute_rule, self.rows), self.catalogue)

    @cached_property
    def plain_mapper(self) -> Mapper:
        """The mapper without the rows that have an expression, which may fail for one person."""
        return Mapper((_attribute_rule(row) for row in self.rows if not row.expression), self.catalogue)

    @cached_property
    def writable(self) -> tuple[Rule, ...]:
        """The rows that lead into the portal."""
        return tuple(row for row in self.rows if row.direction != OUT)

    @cached_property
    def readable(self) -> tuple[Rule, ...]:
        """The rows whose value the portal gives back."""
        return tuple(row for row in self.rows if row.direction != IN)

    @cached_property
    def state_attributes(self) -> frozenset[str]:
        """The attributes, folded, that say whether somebody is active."""
        rows = (row for row in self.writable if (row.kind, row.portal_attribute) == (Kind.PROFILE, "active"))
        return frozenset(row.path.attribute.casefold() for row in rows)

    @cached_property
    def plain_state(self) -> bool:
        """Whether ``active`` is the user's own state, and nothing else follows from it."""
        rows = [row for row in self.writable if row.path.attribute.casefold() == "active"]
        own = [(row.path.text, row.kind, row.portal_attribute) for row in rows] == [("active", Kind.PROFILE, "active")]
        return own and not any(row.expression for row in self.writable)

    @cached_property
    def firsts(self) -> frozenset[str]:
        """The paths whose element is the first that the mapping knows of its attribute."""
        elements: dict[str, tuple[str, str] | None] = {}
        for row in self.rows:
            elements.setdefault(row.path.attribute, row.path.element)
        return frozenset(row.path.text for row in self.rows if elements[row.path.attribute] == row.path.element)


def parse(text: str) -> Path | None:
    """Return the parts of a path, None when it is none that a mapping can use."""
    found = _PATH.match(text.strip())
    if not found:
        return None
    urn, name, label, word, sub = found.group("urn", "name", "label", "word", "sub")
    prefix = "" if not urn or urn.casefold() == schemas.USER.casefold() else urn
    if label and not sub:
        sub = "value"
    return Path(text.strip(), prefix, name, (label, word) if label else None, sub or "")


def user_rules(client: Client) -> Rules:
    """Return the mapping of users, in two queries."""
    return recent(client, "user_rules", _read)


def recent(client: Client, what: str, read: Callable[[Client], Known]) -> Known:
    """Return one mapping of a client; the same all through a request, as each request reads its client anew.

    A process asks again after ``SCIM_MAPPING_SECONDS``: so late may a changed mapping come into force.
    """
    known: Known | None = vars(client).get(what)
    if known is None:
        at, known = _recent.get((client.pk, what), (0.0, None))
        if known is None or time.monotonic() - at >= settings.SCIM_MAPPING_SECONDS:
            known = read(client)
            _recent[client.pk, what] = time.monotonic(), known
        vars(client)[what] = known
    return known


def _read(client: Client) -> Rules:
    rows = ClientMapping.objects.filter(client=client, resource=Resource.USER).exclude(portal_attribute="")
    stored = rows.order_by("position", "pk").values_list(
        "scim_path", "kind", "portal_attribute", "direction", "expression", "required"
    )
    return _rules(tuple(stored), _definitions())


def of_rows(rows: Iterable[ClientMapping]) -> Rules:
    """Return the mapping of users that these rows make, which need not be stored, in one query."""
    used = [row for row in rows if row.portal_attribute]
    plain = [
        (row.scim_path, str(row.kind), row.portal_attribute, str(row.direction), row.expression, row.required)
        for row in used
    ]
    return _rules(tuple(plain), _definitions())


def _definitions() -> tuple[PortalAttribute, ...]:
    return tuple(attribute for attribute in person.catalogue().values() if attribute.kind == Kind.CUSTOM_PROFILE)


@lru_cache(maxsize=64)
def _rules(stored: tuple[tuple[str, str, str, str, str, bool], ...], definitions: tuple[PortalAttribute, ...]) -> Rules:
    rows = [
        Rule(path, Kind(kind), name, direction, expression, required)
        for text, kind, name, direction, expression, required in stored
        if (path := parse(text)) is not None
    ]
    catalogue = Rules((), definitions).catalogue
    wrong = {row: found for row in rows if (found := problems_of([_attribute_rule(row)], catalogue))}
    rows = [row for row in rows if row not in wrong]
    problems = tuple(problem for found in wrong.values() for problem in found)
    return Rules((*rows, *_implied(rows, definitions)), definitions, problems)


def _attribute_rule(row: Rule) -> AttributeRule:
    return AttributeRule(row.path.text, row.kind, row.portal_attribute, row.direction, row.expression)


def _implied(rows: Iterable[Rule], definitions: Iterable[PortalAttribute]) -> Iterable[Rule]:
    taken = {row.path.flat.casefold() for row in rows}
    for definition in definitions:
        path = Path(f"{schemas.CUSTOM}:{definition.name}", schemas.CUSTOM, definition.name, None, "")
        if path.flat.casefold() not in taken:
            yield Rule(path, Kind.CUSTOM_PROFILE, definition.name)
