"""Writing the groups of a SQL directory: the admin's own statements, one member after the other in one transaction.

A group's lasting id is the id that the import groups query gives, or else its name. What statements of groups may name
is in ``directories.query_templates.groups``.
"""

from collections.abc import Sequence
from typing import Protocol

from directories.connectors.base import (
    Capability,
    Conflict,
    ConnectorError,
    Entry,
    GroupEntry,
    NotFound,
    RefusedMember,
    RemoteGroup,
    Unavailable,
)
from directories.connectors.sql.groups import SqlGroupReader
from directories.connectors.sql.results import affected
from directories.connectors.sql.session import SqlSession
from directories.query_templates import NamedValues, Template, group_values

GONE = "The group is not in the directory: the query found no row for it."


class Database(Protocol):
    """What writing groups needs of the connector."""

    session: SqlSession

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the directory can do."""

    def templates(self, operation: str) -> list[Template]:
        """Return the statements of an operation; raise ConnectorError when there is none."""

    def values(self, entry: Entry, password: str | None = None) -> NamedValues:
        """Return what the placeholders stand for."""

    @property
    def group_reader(self) -> SqlGroupReader:
        """What reads groups."""


class SqlGroupWriter:
    """Runs the statements of groups over one connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session = database.session
        self._known: dict[str, RemoteGroup] | None = None

    def find(self, group: GroupEntry) -> RemoteGroup | None:
        """Return the group as the import groups query gives it; without that query one with an id is taken as there.

        Groups are read once for all that are asked for over one connection: a batch of new groups asks for many.
        """
        if Capability.IMPORT_GROUPS not in self._database.capabilities:
            return RemoteGroup(group.ref, group.ref, group.description) if group.ref else None
        if self._known is None:
            self._known = {
                each.ref: each for page in self._database.group_reader.pages(1000) for each in page.groups if each.ref
            }
        if group.ref:
            return self._known.get(group.ref)
        return next((each for each in self._known.values() if each.name == group.name), None)

    def create(self, group: GroupEntry) -> RemoteGroup:
        """Run the create group queries. Where no query reads groups, one that is there already is as good."""
        reads = Capability.IMPORT_GROUPS in self._database.capabilities
        try:
            self._run("create_group", self._values(group, group.name))
        except Conflict:
            if reads:
                self._known = None
                raise
        made = RemoteGroup(group.name, group.name, group.description)
        if not reads:
            return made
        if self._known is not None and not self._database.group_reader.has_ids:
            self._known[made.ref] = made
            return made
        self._known = None
        return self.find(group) or made

    def update(self, group: GroupEntry) -> RemoteGroup:
        """Run the rename group queries."""
        before = self.find(group)
        if before is None:
            raise NotFound(GONE)
        if not self._run("update_group", self._values(group, before.name)):
            raise NotFound(GONE)
        self._known = None
        # Where the name is the id, the id is the new name now.
        ref = group.name if before.ref == before.name else before.ref
        return RemoteGroup(ref, group.name, group.description)

    def delete(self, group: GroupEntry) -> None:
        """Run the delete group queries; no row is as good as one."""
        before = self.find(group)
        name = before.name if before else group.name
        self._run("delete_group", self._values(GroupEntry(name, group.ref, group.description), name))
        self._known = None

    def change(self, operation: str, group: GroupEntry, members: Sequence[Entry]) -> list[RefusedMember]:
        """Run the statements of an operation for each member, all in one transaction when the database lets them."""
        templates = self._database.templates(operation)
        try:
            with self._session.transaction():
                for member in members:
                    self._each(templates, group, member)
        except Unavailable:
            raise
        except ConnectorError:
            # One of them was refused, and nothing is kept: find out which, each in a transaction of its own.
            return [refused for member in members if (refused := self._alone(templates, group, member))]
        return []

    def _alone(self, templates: Sequence[Template], group: GroupEntry, member: Entry) -> RefusedMember | None:
        try:
            with self._session.transaction():
                self._each(templates, group, member)
        except Conflict:
            return None  # in the group already
        except Unavailable:
            raise
        except ConnectorError as error:
            return RefusedMember(member, error)
        return None

    def _each(self, templates: Sequence[Template], group: GroupEntry, member: Entry) -> None:
        values = self._database.values(member).over(self._values(group, group.name))
        for template in templates:
            affected(self._session, template, values)

    def _run(self, operation: str, values: NamedValues) -> bool:
        """Run an operation in one transaction; return whether an UPDATE found a row, if there was one."""
        templates = self._database.templates(operation)
        with self._session.transaction():
            rows = [affected(self._session, template, values) for template in templates]
        updated = [found for template, found in zip(templates, rows, strict=True) if template.kind == "UPDATE"]
        return not updated or any(updated)

    def _values(self, group: GroupEntry, old_name: str) -> NamedValues:
        return NamedValues(group_values(group.name, old_name, group.ref, group.description))
