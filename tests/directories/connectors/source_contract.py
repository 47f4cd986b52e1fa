"""The contract of a source of truth: what every kind that gives people's contracts and departments must do.

A test module subclasses ``SourceContract`` (its name then begins with ``Test``) and gives a ``subject`` fixture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from directories.attributes import Value
from directories.connectors.base import (
    Capability,
    Connector,
    DepartmentPage,
    RemoteAccount,
    RemoteContract,
    RemoteDepartment,
)
from tests.directories.connectors.contract import AWKWARD, crawl

Row = Mapping[str, Value]


@dataclass(frozen=True)
class SourcePerson:
    """A person as the test puts them into a source: values, and contracts by number."""

    key: str
    values: Row = field(default_factory=dict)
    contracts: Mapping[str, Row] = field(default_factory=dict)


class SourceSubject(Protocol):
    """A source of truth under test: empty at first. Its names of values are given as they are read."""

    def put(self, people: Sequence[SourcePerson], departments: Sequence[RemoteDepartment] = ()) -> None:
        """Let the source hold just these people and departments; only ``title`` and ``note`` are contracts' values."""

    def open(self) -> Connector:
        """Return a new connector to the source."""


def told(account: RemoteAccount) -> dict[str, dict[str, Value]]:
    """Return what a person's contracts say, by number; each may be there once."""
    assert account.contracts is not None
    found = {one.ref: _lower(one.attributes) for one in account.contracts}
    assert len(found) == len(account.contracts)
    return found


def _lower(values: Row) -> dict[str, Value]:
    return {name.casefold(): value for name, value in values.items()}


def departments(connector: Connector, page_size: int) -> tuple[list[DepartmentPage], list[RemoteDepartment]]:
    pages = list(connector.departments(page_size))
    return pages, [one for page in pages for one in page.departments]


def many(number: int) -> list[SourcePerson]:
    """Return people with 0, 1, 2 and 3 contracts, and so on; numbers of contracts are only unique to a person."""
    return [
        SourcePerson(f"p{at:02}", {}, {str(one): {"title": f"T{at}-{one}"} for one in range(at % 4)})
        for at in range(number)
    ]


class SourceContract:
    """The tests."""

    def test_it_says_what_it_gives(self, subject: SourceSubject) -> None:
        with subject.open() as connector:
            assert {Capability.IMPORT, Capability.CONTRACTS, Capability.DEPARTMENTS} <= connector.capabilities

    @pytest.mark.parametrize("page_size", [1, 2, 5, 1000])
    def test_everybody_comes_once_with_all_of_their_contracts(self, subject: SourceSubject, page_size: int) -> None:
        people = many(9)
        subject.put(people)
        with subject.open() as connector:
            pages, accounts = crawl(connector, page_size)
        assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
        assert max(len(page.accounts) for page in pages) <= page_size
        assert sorted(one.key for one in accounts) == [one.key for one in people]
        found = {one.key: {number: row["title"] for number, row in told(one).items()} for one in accounts}
        assert found == {one.key: {number: row["title"] for number, row in one.contracts.items()} for one in people}

    def test_a_look_up_agrees_with_the_crawl(self, subject: SourceSubject) -> None:
        subject.put(many(9))
        with subject.open() as connector:
            accounts = {one.ref: one for one in crawl(connector, 4)[1]}
            wanted = [*accounts][2:5]
            found = connector.look_up([*wanted, "nobody"])
        if found is None:
            pytest.skip("it cannot be asked for single people")
        assert {one.ref: told(one) for one in found} == {ref: told(accounts[ref]) for ref in wanted}

    def test_two_hundred_contracts_are_one_person(self, subject: SourceSubject) -> None:
        subject.put([SourcePerson("ann", {}, {str(at): {"title": f"T{at}"} for at in range(200)}), SourcePerson("bob")])
        with subject.open() as connector:
            accounts = {one.key: one for one in crawl(connector, 1)[1]}
        assert len(told(accounts["ann"])) == 200
        assert accounts["bob"].contracts is not None
        assert not accounts["bob"].contracts

    @pytest.mark.parametrize("value", [*AWKWARD, None])
    def test_values_of_contracts_arrive_byte_for_byte(self, subject: SourceSubject, value: str | None) -> None:
        subject.put([SourcePerson("ann", {}, {"1": {"title": value, "note": "x"}})])
        with subject.open() as connector:
            (account,) = crawl(connector, 10)[1]
        found = told(account)["1"]
        assert (found.get("title"), found["note"]) == (value, "x")

    @pytest.mark.parametrize("page_size", [1, 3, 1000])
    def test_departments_come_in_pages_with_their_parents_and_heads(
        self, subject: SourceSubject, page_size: int
    ) -> None:
        tree = [
            RemoteDepartment("1", "Board", manager="ann"),
            RemoteDepartment("2", "Zoë's 漢字", parent="1"),
            RemoteDepartment("3", "Tools", parent="2", manager="bob"),
            RemoteDepartment("4", "Lost", parent="99"),
        ]
        subject.put([], tree)
        with subject.open() as connector:
            pages, found = departments(connector, page_size)
        assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
        shown = {one.ref: (one.name, one.parent, one.manager, one.problem) for one in found}
        assert shown == {one.ref: (one.name, one.parent, one.manager, "") for one in tree}

    def test_an_empty_source_is_one_last_page_of_each(self, subject: SourceSubject) -> None:
        subject.put([])
        with subject.open() as connector:
            assert [(page.last, [*page.accounts]) for page in connector.accounts(10)] == [(True, [])]
            assert [(page.last, [*page.departments]) for page in connector.departments(10)] == [(True, [])]

    def test_a_contract_says_the_same_each_time(self, subject: SourceSubject) -> None:
        subject.put(many(4))
        with subject.open() as connector:
            first, again = (crawl(connector, 10)[1] for _ in range(2))
        assert [*map(told, first)] == [*map(told, again)]


def remote(person: SourcePerson) -> list[RemoteContract]:
    """Return a person's contracts as a connector gives them."""
    return [RemoteContract(number, dict(row)) for number, row in person.contracts.items()]
