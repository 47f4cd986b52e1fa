"""The group calls of a SQL directory."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property

from directories.connectors.base import (
    Connector,
    Entry,
    GroupEntry,
    GroupPage,
    MemberPage,
    RefusedMember,
    RemoteGroup,
)
from directories.connectors.sql.group_writes import GroupWriter
from directories.connectors.sql.groups import GroupReader
from directories.connectors.sql.session import Session
from directories.query_templates import Template, Values


class SqlGrouping(Connector):
    """A SQL directory whose groups are read and written by query templates."""

    session: Session

    @abstractmethod
    def templates(self, operation: str) -> list[Template]:
        """Return the operation's statements in order; raise ConnectorError when there is none or one is wrong."""

    @abstractmethod
    def values(self, entry: Entry, password: str | None = None) -> Values:
        """Return what the placeholders stand for."""

    @cached_property
    def group_reader(self) -> GroupReader:
        """What reads groups; raise ConnectorError when there are no queries for it."""
        return GroupReader(self.session, self.templates("import_groups"), self.templates("import_members"))

    def groups(self, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream what the import groups query gives."""
        return self.group_reader.pages(page_size)

    def members(self, group: RemoteGroup, page_size: int = 1000) -> Iterator[MemberPage]:
        """Stream what the import memberships queries give for the group."""
        return self.group_reader.members(group, page_size)

    @cached_property
    def group_writer(self) -> GroupWriter:
        """What runs the statements of groups."""
        return GroupWriter(self)

    def find_group(self, group: GroupEntry) -> RemoteGroup | None:
        """Return the group with the entry's id or name, as the import groups query gives it."""
        return self.group_writer.find(group)

    def create_group(self, group: GroupEntry) -> RemoteGroup:
        """Run the create group queries."""
        return self.group_writer.create(group)

    def update_group(self, group: GroupEntry) -> RemoteGroup:
        """Run the rename group queries."""
        return self.group_writer.update(group)

    def delete_group(self, group: GroupEntry) -> None:
        """Run the delete group queries."""
        self.group_writer.delete(group)

    def add_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Run the add member queries for each."""
        return self.group_writer.change("add_member", group, members)

    def remove_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Run the remove member queries for each."""
        return self.group_writer.change("remove_member", group, members)
