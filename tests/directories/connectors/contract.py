"""The connector contract: what every kind of directory must do, whatever it speaks.

A test module subclasses ``ConnectorContract`` (its name then begins with ``Test``) and gives a ``subject`` fixture;
each method runs against it. A test of what the subject's connector cannot do is skipped.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from directories.attributes import Value
from directories.connectors.base import (
    METHODS,
    Capability,
    Conflict,
    Connector,
    ConnectorError,
    Entry,
    GroupEntry,
    NotFound,
    Page,
    RemoteAccount,
    RemoteGroup,
)

AWKWARD = [
    "O'Brien",
    'say "hi"',
    "back\\slash \\' \\",
    "100% %s %(x)s",
    ":colon :1 $1 ?",
    "# hash ## -- /* */ ;",
    "Zoë 漢字 🙂",
    "line\nbreak\ttab",
    "'; DROP TABLE USERS; --",
    "##USERNAME##",
]


@dataclass(frozen=True)
class Names:
    """The directory's names for a first name, a last name and an e-mail address."""

    first: str
    last: str
    mail: str


class Subject(Protocol):
    """A directory under test: empty at first.

    One whose connector only reads has ``put_account(entry)`` too, which writes an account where it is read from.
    """

    names: Names

    def open(self, *, with_passwords: bool = False) -> Connector:
        """Return a new connector to the directory."""

    def enabled(self, key: str) -> bool | None:
        """Return whether the directory lets the account be used, by its own way of saying so."""


PASSWORD = "Secret-123#"


def entry(subject: Subject, key: str, first: Value = "Ann", last: Value = "Lee", *, ref: str = "") -> Entry:
    names = subject.names
    person = {"username": key, "first_name": first, "last_name": last, "email": f"{key}@example.org"}
    return Entry(key, ref, {names.first: first, names.last: last, names.mail: f"{key}@example.org"}, person)


def needs(connector: Connector, *capabilities: Capability) -> None:
    """Skip the test when the directory cannot do what it is about."""
    for capability in capabilities:
        if lacking := connector.lacks(capability):
            pytest.skip(lacking)


def put(connector: Connector, subject: Subject, wanted: Entry, password: str = "secret") -> RemoteAccount:
    """Let the directory hold an account, and return it."""
    if Capability.CREATE in connector.capabilities:
        return connector.create(wanted, password)
    subject.put_account(wanted)  # type: ignore[attr-defined]
    found = connector.find(wanted)
    assert found is not None
    return found


def crawl(connector: Connector, page_size: int) -> tuple[list[Page], list[RemoteAccount]]:
    pages = list(connector.accounts(page_size))
    return pages, [account for page in pages for account in page.accounts]


class ConnectorContract:
    """The tests."""

    def test_the_connection_test_passes_and_offers_attributes(self, subject: Subject) -> None:
        with subject.open() as connector:
            put(connector, subject, entry(subject, "ann"))
            found = connector.test()
        assert found.ok, found.steps
        assert subject.names.first.casefold() in [name.casefold() for name in found.attributes]

    def test_what_is_absent_is_not_found(self, subject: Subject) -> None:
        with subject.open() as connector:
            assert connector.find(entry(subject, "nobody")) is None
            assert connector.find(entry(subject, "nobody", ref="nobody")) is None

    def test_what_was_created_is_found_as_it_was_written(self, subject: Subject) -> None:
        ann = entry(subject, "ann")
        with subject.open() as connector:
            created = put(connector, subject, ann)
            found = connector.find(ann)
            again = connector.find(entry(subject, "ann", ref=created.ref))
        assert created.ref
        assert found is not None
        assert again is not None
        assert found.ref == again.ref == created.ref
        assert found.key == "ann"
        assert dict(found.attributes) | dict(ann.attributes) == dict(found.attributes)

    @pytest.mark.parametrize("value", AWKWARD)
    def test_values_arrive_byte_for_byte(self, subject: Subject, value: str) -> None:
        with subject.open() as connector:
            created = put(connector, subject, entry(subject, "ann", value, value))
            if Capability.UPDATE in connector.capabilities:
                connector.update(entry(subject, "ann", value, "x", ref=created.ref))
                connector.update(entry(subject, "ann", value, value, ref=created.ref))
            found = connector.find(entry(subject, "ann"))
        assert found is not None
        assert found.attributes[subject.names.first] == found.attributes[subject.names.last] == value

    def test_a_missing_value_is_kept_as_missing(self, subject: Subject) -> None:
        with subject.open() as connector:
            put(connector, subject, entry(subject, "ann", None))
            found = connector.find(entry(subject, "ann"))
        assert found is not None
        assert found.attributes.get(subject.names.first) is None

    def test_an_update_changes_one_account_and_may_change_nothing(self, subject: Subject) -> None:
        with subject.open() as connector:
            needs(connector, Capability.UPDATE)
            ann = put(connector, subject, entry(subject, "ann"))
            put(connector, subject, entry(subject, "bob", "Bob"))
            changed = entry(subject, "ann", "Anna", ref=ann.ref)
            written = connector.update(changed, connector.find(changed))
            assert (written.ref, written.attributes[subject.names.first]) == (ann.ref, "Anna")
            assert connector.update(changed).ref == ann.ref
            found = connector.find(changed)
            other = connector.find(entry(subject, "bob"))
        assert found is not None
        assert other is not None
        assert found.attributes[subject.names.first] == "Anna"
        assert other.attributes[subject.names.first] == "Bob"

    def test_changing_what_is_absent_says_so(self, subject: Subject) -> None:
        absent = entry(subject, "nobody", ref="nobody")
        with subject.open() as connector:
            if Capability.UPDATE in connector.capabilities:
                with pytest.raises(NotFound):
                    connector.update(absent)
            if Capability.DISABLE in connector.capabilities:
                with pytest.raises(NotFound):
                    connector.disable(absent)
            if Capability.ENABLE in connector.capabilities:
                with pytest.raises(NotFound):
                    connector.enable(absent)
            if Capability.SET_PASSWORD in connector.capabilities:
                with pytest.raises(NotFound):
                    connector.set_password(absent, "new")

    def test_a_delete_is_final_and_deleting_what_is_absent_succeeds(self, subject: Subject) -> None:
        with subject.open() as connector:
            needs(connector, Capability.CREATE, Capability.DELETE)
            ann = put(connector, subject, entry(subject, "ann"))
            bob = put(connector, subject, entry(subject, "bob"))
            gone = entry(subject, "ann", ref=ann.ref)
            connector.delete(gone)
            connector.delete(gone)
            assert connector.find(gone) is None
            assert connector.find(entry(subject, "bob", ref=bob.ref)) is not None

    def test_two_accounts_of_one_name_are_a_conflict_that_shows_no_value(self, subject: Subject) -> None:
        with subject.open() as connector:
            needs(connector, Capability.CREATE)
            connector.create(entry(subject, "ann.secret"), "secret")
            with pytest.raises(Conflict) as caught:
                connector.create(entry(subject, "ann.secret"), "secret")
            assert "ann.secret" not in str(caught.value)
            assert connector.find(entry(subject, "ann.secret")) is not None

    def test_an_empty_directory_is_one_last_page(self, subject: Subject) -> None:
        with subject.open() as connector:
            pages, accounts = crawl(connector, 10)
        assert [page.last for page in pages] == [True]
        assert accounts == []

    @pytest.mark.parametrize("page_size", [1, 2, 5, 7, 1000])
    def test_a_crawl_gives_every_account_once_and_only_its_end_says_last(
        self, subject: Subject, page_size: int
    ) -> None:
        with subject.open() as connector:
            for number in range(5):
                put(connector, subject, entry(subject, f"user{number}", f"First{number}"))
            pages, accounts = crawl(connector, page_size)
            counted = connector.count()
        assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
        assert max(len(page.accounts) for page in pages) <= page_size
        assert sorted(account.key for account in accounts) == [f"user{number}" for number in range(5)]
        assert len({account.ref for account in accounts}) == 5
        assert {account.attributes[subject.names.first] for account in accounts} == {f"First{n}" for n in range(5)}
        assert counted in {5, None}

    def test_a_crawl_agrees_with_find(self, subject: Subject) -> None:
        with subject.open() as connector:
            put(connector, subject, entry(subject, "ann", "Ann", None))
            (account,) = crawl(connector, 10)[1]
            found = connector.find(entry(subject, "ann"))
        assert found is not None
        assert (found.ref, dict(found.attributes)) == (account.ref, dict(account.attributes))

    @pytest.mark.heavy
    def test_a_crawl_may_be_left_early(self, subject: Subject) -> None:
        with subject.open() as connector:
            for number in range(20):
                put(connector, subject, entry(subject, f"user{number}"))
            pages = connector.accounts(5)
            next(pages)
            pages.close()  # type: ignore[attr-defined]
            assert connector.find(entry(subject, "user3")) is not None

    def test_passwords_are_read_only_on_request_and_never_shown(self, subject: Subject) -> None:
        with subject.open() as connector:
            put(connector, subject, entry(subject, "ann"), "s3cret-word")
            (account,) = crawl(connector, 10)[1]
        assert account.password is None
        with subject.open(with_passwords=True) as connector:
            (account,) = crawl(connector, 10)[1]
        assert "s3cret-word" not in repr(account)

    def test_disable_and_enable_can_be_repeated(self, subject: Subject) -> None:
        with subject.open() as connector:
            needs(connector, Capability.DISABLE, Capability.ENABLE, Capability.SET_PASSWORD)
            ann = put(connector, subject, entry(subject, "ann"), PASSWORD)
            put(connector, subject, entry(subject, "bob"), PASSWORD)
            known = entry(subject, "ann", ref=ann.ref)
            assert subject.enabled("ann")
            for change, allowed in (
                (connector.disable, False),
                (connector.disable, False),
                (connector.enable, True),
                (connector.enable, True),
            ):
                change(known)
                assert subject.enabled("ann") is allowed
                assert subject.enabled("bob"), "nobody else is touched"

    def test_an_account_is_made_disabled_at_once_or_by_the_next_step(self, subject: Subject) -> None:
        with subject.open() as connector:
            needs(connector, Capability.CREATE, Capability.DISABLE, Capability.ENABLE, Capability.SET_PASSWORD)
            made = put(connector, subject, replace(entry(subject, "ann"), usable=False), PASSWORD)
            known = entry(subject, "ann", ref=made.ref)
            if made.enabled is not False:
                connector.disable(known, made)
            assert not subject.enabled("ann")
            connector.enable(known)
            assert subject.enabled("ann")

    def test_what_is_declared_works_and_the_rest_says_what_is_lacking(self, subject: Subject) -> None:
        with subject.open() as connector:
            created = put(connector, subject, entry(subject, "ann"), PASSWORD)
            known = entry(subject, "ann", ref=created.ref)
            for capability in Capability:
                lacking = connector.lacks(capability)
                assert (lacking == "") is (capability in connector.capabilities)
                assert not lacking or (lacking[0].isupper() and lacking.endswith(".")), "whole sentences"
                for name in METHODS[capability]:
                    if name in ("news", "gives_passwords", "gives_contracts"):
                        continue  # one listens for ever, the others are no calls
                    if not lacking:
                        _call(connector, name, known)
                    elif capability not in connector.implemented() and name != "cursor":
                        with pytest.raises(ConnectorError):
                            _call(connector, name, known)

    def test_it_can_be_closed_twice_and_opened_again(self, subject: Subject) -> None:
        connector = subject.open()
        put(connector, subject, entry(subject, "ann"))
        connector.close()
        connector.close()
        with subject.open() as again:
            assert again.find(entry(subject, "ann")) is not None


def _call(connector: Connector, name: str, known: Entry) -> None:
    """Call one method of the protocol as a delivery or an import would, about an account or a group of one name."""
    group = GroupEntry("Developers")
    if name in ("update_group", "delete_group", "add_members", "remove_members", "members"):
        found = connector.find_group(group) if Capability.CREATE_GROUP in connector.capabilities else None
        group = GroupEntry(group.name, (found or connector.create_group(group)).ref)
    match name:
        case "accounts" | "groups" | "departments":
            list(getattr(connector, name)(10))
        case "create":
            connector.create(Entry("bob", "", known.attributes, {**known.person, "username": "bob"}), PASSWORD)
        case "update" | "disable" | "enable":
            getattr(connector, name)(known)
        case "delete":
            connector.delete(Entry("bob", "bob"))
        case "set_password":
            connector.set_password(known, "Another-123#")
        case "inspect":
            assert connector.inspect(known.key) is not None
        case "cursor":
            assert connector.cursor() is not None
        case "changes":
            list(connector.changes(connector.cursor() or {}))
        case "members":
            list(connector.members(RemoteGroup(group.ref, group.name)))
        case "create_group":
            connector.create_group(GroupEntry("Sales"))
        case "find_group" | "update_group" | "delete_group":
            getattr(connector, name)(group)
        case "add_members" | "remove_members":
            assert not getattr(connector, name)(group, [known])
