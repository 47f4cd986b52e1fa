"""A scripted source that also has groups, by id or by place, and what goes wrong while it gives them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from directories.connectors.base import Capability, GroupPage, MemberPage, NotFound, RemoteGroup
from provisioning.imports import engine
from tests.provisioning.imports.conftest import Source, SourceConnector


@dataclass
class GroupSource:
    """The groups of a source, in order, with their members' ids (or places, with ``by_place``)."""

    people: Source
    groups: dict[str, RemoteGroup] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    nested: bool = True
    by_place: bool = False
    groups_end: bool = True
    members_end: bool = True
    gone: set[str] = field(default_factory=set)  # groups that vanish between their page and their members
    before_members: Callable[[str], None] = lambda ref: None

    def put(self, ref: str, *members: str, name: str = "", description: str = "", **more: str) -> None:
        """Add or replace a group; members are refs of people and of groups."""
        place = f"cn={ref},ou=groups" if self.by_place else ""
        self.groups[ref] = RemoteGroup(ref, name or ref, description, **{"place": place, **more})
        self.members[ref] = list(members)

    def person(self, key: str, place: str = "") -> None:
        """Add a person who stands somewhere."""
        self.people.put(key, place=place or (f"uid={key},ou=people" if self.by_place else ""))

    def person_at(self, key: str) -> str:
        """Return where a person or a group stands."""
        if key in self.groups:
            return self.groups[key].place
        return next((row.place for row in self.people.rows if row.ref == key), key)

    def rename_person(self, key: str, place: str) -> None:
        """Move a person."""
        self.people.rows = [replace(row, place=place) if row.ref == key else row for row in self.people.rows]


class GroupSourceConnector(SourceConnector):
    """Gives a group source's rows."""

    def __init__(self, source: GroupSource) -> None:
        super().__init__(source.people)
        self.group_source = source
        self.nested_groups = source.nested  # type: ignore[misc]

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.IMPORT, Capability.IMPORT_GROUPS})

    def groups(self, page_size: int = 1000) -> Iterator[GroupPage]:
        found = list(self.group_source.groups.values())
        size = self.people_size or page_size
        for start in range(0, len(found), size):
            yield GroupPage(found[start : start + size])
        if self.group_source.groups_end:
            yield GroupPage((), last=True)

    @property
    def people_size(self) -> int:
        return self.source.page_size

    def members(self, group: RemoteGroup, page_size: int = 1000) -> Iterator[MemberPage]:
        source = self.group_source
        source.before_members(group.ref)
        if group.ref in source.gone:
            raise NotFound("gone")
        found, size = source.members[group.ref], self.people_size or page_size
        for start in range(0, len(found), size):
            page = found[start : start + size]
            yield MemberPage(places=[source.person_at(each) for each in page]) if source.by_place else MemberPage(page)
        if source.members_end:
            yield MemberPage(last=True)


@pytest.fixture(params=["by id", "by place"])
def groups(source: Source, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> GroupSource:
    """The directory HR with group sync on, whose members are named by id, or by place."""
    made = GroupSource(source, by_place=request.param == "by place")
    source.set(sync_groups=True, max_lost_members_percent=100)
    monkeypatch.setattr(engine, "open_connector", lambda config: GroupSourceConnector(made))
    return made
