"""The group calls of an LDAP directory."""

from collections.abc import Sequence
from functools import cached_property

from directories.connectors.base import (
    Capability,
    ConnectorConfig,
    Entry,
    GroupEntry,
    RefusedMember,
    RemoteGroup,
)
from directories.connectors.ldap.groups.creation import new_groups
from directories.connectors.ldap.groups.membership import MemberWriter
from directories.connectors.ldap.groups.settings import NAMES
from directories.connectors.ldap.groups.writing import GroupWriter
from directories.connectors.ldap.inspection import Inspecting

_WRITING = frozenset({Capability.CREATE_GROUP, Capability.UPDATE_GROUP, Capability.DELETE_GROUP, Capability.MEMBERS})
ONLY_NAMES = (
    "The directory's groups are only names in an attribute of its users, so the portal cannot write them. "
    "Choose another Membership under Connection."
)


class Grouping(Inspecting):
    """An LDAP server whose groups are written."""

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        """Groups can be written where they are entries, not where users only hold their names."""
        if capability in _WRITING and config.settings.get("membership") == NAMES:
            return ONLY_NAMES
        return super().lacking(capability, config)

    @cached_property
    def group_writer(self) -> GroupWriter:
        """What writes groups; raise ConnectorError when its settings cannot be used."""
        kind = str(self.config.settings.get("preset") or "") if self.kind == "ldap" else self.kind
        new = new_groups(self.config.settings, kind)
        return GroupWriter(self.session, self.tree, self.group_reader, new, self.by_ref)

    def find_group(self, group: GroupEntry) -> RemoteGroup | None:
        """Return the group with the entry's lasting id or, before it has one, with its name."""
        raw = self.group_writer.look(group)
        return self.group_reader.group(raw) if raw else None

    def create_group(self, group: GroupEntry) -> RemoteGroup:
        """Add the group in the container of new groups."""
        return self.group_writer.create(group)

    def update_group(self, group: GroupEntry) -> RemoteGroup:
        """Rename the group, or change its description."""
        return self.group_writer.update(group)

    def delete_group(self, group: GroupEntry) -> None:
        """Remove the group's entry."""
        self.group_writer.delete(group)

    def add_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Put accounts into the group."""
        return MemberWriter(self.group_writer, group).add(members)

    def remove_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Take accounts out of the group."""
        return MemberWriter(self.group_writer, group).remove(members)
