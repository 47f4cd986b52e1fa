"""The attribute mapping of one client's groups, compiled: what a group is called and how it is described, either side.

``displayName`` is always the name. With an expression the portal calls the group otherwise than the client does
("Okta – " before every name): the client's own name is then kept for it (``GroupLink.name``), read back, filtered by
and unique among the groups that it sees. The description has no attribute in RFC 7643: it stands in an extension.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from directories.attributes import Kind, Person, PortalAttribute
from directories.mapping import BOTH, OUT, AttributeKey, Catalogue, MappingError
from provisioning.models import Group
from scim.errors import ScimError, invalid_value
from scim.models import Client, ClientMapping, GroupLink, Resource
from scim.resources.rules import Path, Rule, Rules, parse, recent
from scim.resources.schemas import CUSTOM, CUSTOM_GROUP, ENTERPRISE, GROUP, USER

NAME: AttributeKey = (Kind.PROFILE, "name")
DESCRIPTION: AttributeKey = (Kind.PROFILE, "description")
DISPLAY = "displayName"
_TAKEN = {urn.casefold() for urn in (GROUP, USER, ENTERPRISE, CUSTOM)}
CATALOGUE: Catalogue = {
    NAME: PortalAttribute(Kind.PROFILE, "name", "The group's name", required=True),
    DESCRIPTION: PortalAttribute(Kind.PROFILE, "description", "The description", max_length=4000),
}
_CALLED = Rule(Path(DISPLAY, "", DISPLAY, None, ""), Kind.PROFILE, "name", required=True)


@dataclass(frozen=True, eq=False)
class GroupRules(Rules):
    """The mapping of groups of one client. Equal mappings are one object."""

    @cached_property
    def catalogue(self) -> Catalogue:
        """The portal's attributes of a group."""
        return CATALOGUE

    @cached_property
    def renames(self) -> bool:
        """Whether the portal calls groups otherwise than the client does."""
        return any(row.expression for row in self.rows if row.path.text == DISPLAY)

    @cached_property
    def extensions(self) -> tuple[tuple[str, str], ...]:
        """The URN and the name of each attribute of an extension."""
        return tuple((row.path.prefix, row.path.name) for row in self.rows if row.path.prefix)

    def called(self, group: Group, link: GroupLink | None) -> str:
        """Return the name by which the client knows the group: its own as long as the portal's is what came of it."""
        own = self.renames and link is not None and link.name and link.stands_for == group.name_key
        return link.name if own and link is not None else group.name

    def shown(self, group: Group, link: GroupLink | None) -> dict[str, Any]:
        """Return the mapped attributes as the client sees them."""
        found: dict[str, Any] = {DISPLAY: self.called(group, link)}
        if not self.extensions:
            return found
        try:
            values = self.mapper.outbound(Person({"name": group.name, "description": group.description}))
        except MappingError:  # shows the group without it, as users are
            values = {}
        kept = link.kept if link else {}
        readable = {row.path.text for row in self.readable}
        for row in self.rows:
            value = (values if row.path.text in readable else kept).get(row.path.text)
            if row.path.prefix and value not in (None, ""):
                found.setdefault(row.path.prefix, {})[row.path.name] = value
        return found

    def read(self, document: Mapping[str, Any]) -> tuple[dict[AttributeKey, Any], dict[str, Any]]:
        """Return what a document says of the portal's attributes, and what is kept of it; raise ScimError 400."""
        row = self._row(document)
        try:
            found = self.mapper.inbound(row)
        except MappingError as error:
            raise ScimError(500, error.message) from None
        if found.problems:
            raise invalid_value(" ".join(f"{problem.rstrip('.')}." for problem in found.problems))
        said = dict(found.values)
        if len(row) == 1:
            said.pop(DESCRIPTION, None)  # no row of the document speaks of it
        computed = {DISPLAY, *(rule.path.text for rule in self.readable)}
        kept = {path: value for path, value in row.items() if path not in computed and value}
        return said, kept

    def _row(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the mapped attributes that the document has, by path; raise ScimError 400 for one that is no text."""
        row = {DISPLAY: document.get(DISPLAY)}
        for rule in self.writable:
            extension = document.get(rule.path.prefix) or {} if rule.path.prefix else {}
            if rule.path.name in extension:
                row[rule.path.text] = extension[rule.path.name]
        for path, value in row.items():
            if value is not None and not isinstance(value, str):
                raise invalid_value(f"{path} must be text.")
        return row


def problem(path: str, attribute: str, direction: str) -> str:
    """Return what is wrong with a row, "" when nothing is: the name is ``displayName``, a description behind a URN."""
    parsed = parse(path)
    if attribute == "name":
        wrong = path != DISPLAY or direction == OUT
        return "The name of a group is displayName, and comes into the portal." if wrong else ""
    if parsed is None or not parsed.prefix or parsed.prefix.casefold() in _TAKEN or parsed.sub or parsed.element:
        return f"Write it as URN:attribute, for example {CUSTOM_GROUP}:description."
    return ""


def group_rules(client: Client) -> GroupRules:
    """Return the mapping of groups, in one query; as with users, a process asks again after a moment."""
    return recent(client, "group_rules", _read)


def _read(client: Client) -> GroupRules:
    rows = ClientMapping.objects.filter(client=client, resource=Resource.GROUP).exclude(portal_attribute="")
    stored = rows.order_by("position", "pk").values_list(
        "scim_path", "portal_attribute", "direction", "expression", "required"
    )
    return _rules(tuple(stored))


@lru_cache(maxsize=64)
def _rules(stored: tuple[tuple[str, str, str, str, bool], ...]) -> GroupRules:
    rows = [
        Rule(path, Kind.PROFILE, name, direction, expression, required)
        for text, name, direction, expression, required in stored
        if (path := parse(text)) is not None
    ]
    named = any(row.path.text == DISPLAY and row.direction in (BOTH, "in") for row in rows)
    return GroupRules(tuple(rows if named else [_CALLED, *rows]), ())
