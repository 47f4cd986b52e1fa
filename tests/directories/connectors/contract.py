"""The connector contract: what every kind of directory must do, whatever it speaks.

A test module subclasses ``ConnectorContract`` (its name then begins with ``Test``) and gives a ``subject`` fixture;
each method runs against it. A capability that the subject's connector does not declare is skipped.
"""

from dataclasses import dataclass
from typing import Protocol

import pytest

from directories.attributes import Value
from directories.connectors.base import Capability, Conflict, Connector, Entry, NotFound, Page, RemoteAccount

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
    """A directory under test: empty at first."""

    names: Names

    def open(self, *, with_passwords: bool = False) -> Connector:
        """Return a new connector to the directory."""


def entry(subject: Subject, key: str, first: Value = "Ann", last: Value = "Lee", *, ref: str = "") -> Entry:
    names = subject.names
    person = {"username": key, "first_name": first, "last_name": last, "email": f"{key}@example.org"}
    return Entry(key, ref, {names.first: first, names.last: last, names.mail: f"{key}@example.org"}, person)


def crawl(connector: Connector, page_size: int) -> tuple[list[Page], list[RemoteAccount]]:
    pages = list(connector.accounts(page_size))
    return pages, [account for page in pages for account in page.accounts]


class ConnectorContract:
    """The tests."""

    def test_the_connection_test_passes_and_offers_attributes(self, subject: Subject) -> None:
        with subject.open() as connector:
            connector.create(entry(subject, "ann"), "secret")
            found = connector.test()
        assert found.ok, found.steps
        assert found.version
        assert found.latency_ms is not None
        assert subject.names.first.casefold() in [name.casefold() for name in found.attributes]

    def test_what_is_absent_is_not_found(self, subject: Subject) -> None:
        with subject.open() as connector:
            assert connector.find(entry(subject, "nobody")) is None
            assert connector.find(entry(subject, "nobody", ref="nobody")) is None

    def test_what_was_created_is_found_as_it_was_written(self, subject: Subject) -> None:
        ann = entry(subject, "ann")
        with subject.open() as connector:
            created = connector.create(ann, "secret")
            found = connector.find(ann)
            again = connector.find(entry(subject, "ann", ref=created.ref))
        assert created.ref
        assert found is not None
        assert again is not None
        assert found.ref == again.ref == created.ref
        assert found.key == "ann"
        assert dict(found.attributes) == dict(ann.attributes)

    @pytest.mark.parametrize("value", AWKWARD)
    def test_values_arrive_byte_for_byte(self, subject: Subject, value: str) -> None:
        with subject.open() as connector:
            created = connector.create(entry(subject, "ann", value), "secret")
            connector.update(entry(subject, "ann", value, value, ref=created.ref))
            found = connector.find(entry(subject, "ann"))
        assert found is not None
        assert found.attributes[subject.names.first] == found.attributes[subject.names.last] == value

    def test_a_missing_value_is_kept_as_missing(self, subject: Subject) -> None:
        with subject.open() as connector:
            connector.create(entry(subject, "ann", None), "secret")
            found = connector.find(entry(subject, "ann"))
        assert found is not None
        assert found.attributes.get(subject.names.first) is None

    def test_an_update_changes_one_account_and_may_change_nothing(self, subject: Subject) -> None:
        with subject.open() as connector:
            ann = connector.create(entry(subject, "ann"), "secret")
            connector.create(entry(subject, "bob", "Bob"), "secret")
            changed = entry(subject, "ann", "Anna", ref=ann.ref)
            assert connector.update(changed).ref == ann.ref
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
            ann = connector.create(entry(subject, "ann"), "secret")
            bob = connector.create(entry(subject, "bob"), "secret")
            gone = entry(subject, "ann", ref=ann.ref)
            connector.delete(gone)
            connector.delete(gone)
            assert connector.find(gone) is None
            assert connector.find(entry(subject, "bob", ref=bob.ref)) is not None

    def test_two_accounts_of_one_name_are_a_conflict_that_shows_no_value(self, subject: Subject) -> None:
        with subject.open() as connector:
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
                connector.create(entry(subject, f"user{number}", f"First{number}"), "secret")
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
            connector.create(entry(subject, "ann", "Ann", None), "secret")
            (account,) = crawl(connector, 10)[1]
            found = connector.find(entry(subject, "ann"))
        assert found is not None
        assert (found.ref, dict(found.attributes)) == (account.ref, dict(account.attributes))

    def test_a_crawl_may_be_left_early(self, subject: Subject) -> None:
        with subject.open() as connector:
            for number in range(20):
                connector.create(entry(subject, f"user{number}"), "secret")
            pages = connector.accounts(5)
            next(pages)
            pages.close()  # type: ignore[attr-defined]
            assert connector.find(entry(subject, "user3")) is not None

    def test_passwords_are_read_only_on_request_and_never_shown(self, subject: Subject) -> None:
        with subject.open() as connector:
            connector.create(entry(subject, "ann"), "s3cret-word")
            (account,) = crawl(connector, 10)[1]
        assert account.password is None
        with subject.open(with_passwords=True) as connector:
            (account,) = crawl(connector, 10)[1]
        assert "s3cret-word" not in repr(account)

    def test_disable_and_enable_can_be_repeated(self, subject: Subject) -> None:
        with subject.open() as connector:
            if not {Capability.DISABLE, Capability.ENABLE} <= connector.capabilities:
                pytest.skip("this directory cannot disable")
            ann = connector.create(entry(subject, "ann"), "secret")
            known = entry(subject, "ann", ref=ann.ref)
            for change in (connector.disable, connector.disable, connector.enable, connector.enable):
                change(known)

    def test_it_can_be_closed_twice_and_opened_again(self, subject: Subject) -> None:
        connector = subject.open()
        connector.create(entry(subject, "ann"), "secret")
        connector.close()
        connector.close()
        with subject.open() as again:
            assert again.find(entry(subject, "ann")) is not None
