"""The contract of groups: what every kind of directory must do that keeps groups, whatever it speaks.

A test module subclasses ``GroupContract`` and gives a ``subject`` fixture, as with ``contract.ConnectorContract``.
"""

import pytest

from directories.connectors.base import Connector, Entry, GroupEntry, NotFound, RemoteGroup
from tests.directories.connectors.contract import Subject, entry

AWKWARD = ["O'Brien & Sons", "Zoë 漢字", "a, b + c", 'say "hi"', "back\\slash", "a ##GROUP##", "1; DROP TABLE GROUPS_"]


def listed(connector: Connector) -> list[RemoteGroup]:
    pages = list(connector.groups(2))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return [group for page in pages for group in page.groups]


def inside(subject: Subject, name: str) -> set[str]:
    """Return the user names of a group's members, by whatever the directory calls them."""
    with subject.open() as connector:
        accounts = [account for page in connector.accounts() for account in page.accounts]
        known = {account.ref: account.key for account in accounts}
        known |= {account.place: account.key for account in accounts if account.place}
        group = next(group for group in listed(connector) if group.name == name)
        pages = list(connector.members(group, 2))
    assert pages[-1].last
    found = [each for page in pages for each in (*page.refs, *page.places)]
    return {known[each] for each in found if each in known}


def people(subject: Subject, connector: Connector, *names: str, password: str | None = "Secret-123#") -> list[Entry]:
    """Make accounts and return the entries by which they are named from then on."""
    made = [connector.create(entry(subject, name), password) for name in names]
    return [entry(subject, name, ref=account.ref) for name, account in zip(names, made, strict=True)]


def made(connector: Connector, name: str = "Developers", description: str = "") -> GroupEntry:
    group = connector.create_group(GroupEntry(name, "", description))
    return GroupEntry(name, group.ref, description)


class GroupContract:
    """The tests."""

    def test_a_group_that_was_made_is_found_by_name_and_by_its_lasting_id(self, subject: Subject) -> None:
        with subject.open() as connector:
            assert connector.find_group(GroupEntry("Developers")) is None
            group = made(connector, description="They write it")
            by_name = connector.find_group(GroupEntry("Developers"))
            by_ref = connector.find_group(group)
        assert by_name is not None
        assert by_name == by_ref
        said = "They write it" if connector.describes_groups else ""
        assert (by_name.ref, by_name.name, by_name.description) == (group.ref, "Developers", said)

    @pytest.mark.parametrize("name", AWKWARD)
    def test_names_arrive_as_they_are_written(self, subject: Subject, name: str) -> None:
        with subject.open() as connector:
            made(connector, name)
            assert [group.name for group in listed(connector)] == [name]
            assert connector.find_group(GroupEntry(name)) is not None

    def test_a_rename_keeps_the_members(self, subject: Subject) -> None:
        with subject.open() as connector:
            group = made(connector)
            connector.add_members(group, people(subject, connector, "ann"))
            renamed = connector.update_group(GroupEntry("Engineers", group.ref, "Now so called"))
            said = "Now so called" if connector.describes_groups else ""
            assert (renamed.name, renamed.description) == ("Engineers", said)
            found = connector.find_group(GroupEntry("Engineers", renamed.ref))
            assert connector.find_group(GroupEntry("Developers")) is None
        assert found is not None
        assert (found.ref, found.name, found.description) == (renamed.ref, "Engineers", said)
        assert inside(subject, "Engineers") == {"ann"}

    def test_changing_a_group_that_is_absent_says_so(self, subject: Subject) -> None:
        with subject.open() as connector:
            group = made(connector)
            connector.delete_group(group)
            with pytest.raises(NotFound):
                connector.update_group(GroupEntry("Engineers", group.ref))

    def test_a_delete_is_final_and_deleting_what_is_absent_succeeds(self, subject: Subject) -> None:
        with subject.open() as connector:
            group, other = made(connector), made(connector, "Sales")
            connector.add_members(group, people(subject, connector, "ann"))
            connector.delete_group(group)
            connector.delete_group(group)
            assert connector.find_group(group) is None
            assert [each.name for each in listed(connector)] == [other.name]
            assert connector.find(entry(subject, "ann")) is not None

    def test_members_come_and_go_and_twice_is_as_good(self, subject: Subject) -> None:
        with subject.open() as connector:
            group, other = made(connector), made(connector, "Sales")
            ann, bob, cid = people(subject, connector, "ann", "bob", "cid")
            assert not connector.add_members(group, [ann, bob])
            assert not connector.add_members(group, [bob, cid])
            assert not connector.add_members(other, [cid])
        assert inside(subject, "Developers") == {"ann", "bob", "cid"}
        with subject.open() as connector:
            assert not connector.remove_members(group, [bob])
            assert not connector.remove_members(group, [ann, bob])
        assert inside(subject, "Developers") == {"cid"}
        with subject.open() as connector:
            assert not connector.remove_members(group, [cid])
        assert inside(subject, "Developers") == set()
        assert inside(subject, "Sales") == {"cid"}
        with subject.open() as connector:
            assert not connector.add_members(group, [ann])
        assert inside(subject, "Developers") == {"ann"}

    def test_an_empty_group_has_nobody_in_it(self, subject: Subject) -> None:
        with subject.open() as connector:
            made(connector)
        assert inside(subject, "Developers") == set()

    @pytest.mark.heavy
    def test_members_by_the_hundred(self, subject: Subject) -> None:
        names = [f"user{number:03}" for number in range(230)]
        with subject.open() as connector:
            group = made(connector)
            everyone = people(subject, connector, *names, password=None)  # which take a domain most of the time
            assert not connector.add_members(group, everyone)
        assert inside(subject, "Developers") == set(names)
        with subject.open() as connector:
            assert not connector.remove_members(group, everyone[5:])
        assert inside(subject, "Developers") == set(names[:5])
