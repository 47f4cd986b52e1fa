"""Reading people with their contracts, departments and titles: one streamed query each.

By the order of its columns a contracts query gives the person's user name and the contract's number, and a departments
query number, name, number of the parent, user name of the head and code. A titles query is held in memory: the column
of the contracts that is called as its first one finds the row whose other columns the contract is given.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from directories.attributes import Value
from directories.connectors.base import DepartmentPage, Page, RemoteAccount, RemoteContract, RemoteDepartment
from directories.connectors.sql.reading import KEYS_A_STATEMENT, SqlReader, streamed
from directories.connectors.sql.session import Row, SqlSession
from directories.connectors.sql.values import name_of, plain
from directories.query_templates import Template
from directories.query_templates.employing import ContractPlan

PAGE = 1000


class SqlContractReader:
    """Makes people with contracts out of joined rows. ``titles`` is the titles query, None without one."""

    def __init__(self, session: SqlSession, people: SqlReader, plan: ContractPlan, titles: Template | None) -> None:
        self._session, self._people, self._plan, self._titles_query = session, people, plan, titles
        self._number = plan.people + 1
        self._titled = titles.outputs[0].name.casefold() if titles is not None else ""
        self._titles: Mapping[str, Mapping[str, Value]] = {}

    def pages(self, page_size: int) -> Iterator[Page]:
        """Stream everybody. Memory holds two pages of people with their contracts, and the titles."""
        self._read_titles()
        waiting: Sequence[RemoteAccount] | None = None
        found: list[list[Row]] = []
        for rows in streamed(self._session, self._plan.stream, (), page_size):
            for row in rows:
                if self._goes_on(found, row):
                    found[-1].append(row)
                    continue
                if len(found) == page_size:
                    if waiting is not None:
                        yield Page(waiting)
                    waiting, found = self._accounts(found), []
                found.append([row])
        if waiting is not None and found:
            yield Page(waiting)
            waiting = None
        yield Page(waiting if waiting is not None else self._accounts(found), last=True)

    def look_up(self, refs: Sequence[str]) -> list[RemoteAccount]:
        """Return those that are there, as ``pages`` gives them."""
        self._read_titles()
        found: list[list[Row]] = []
        for start in range(0, len(refs), KEYS_A_STATEMENT):
            chunk = refs[start : start + KEYS_A_STATEMENT]
            for row in self._session.rows(self._plan.many.sql(len(chunk)), chunk):
                if self._goes_on(found, row):
                    found[-1].append(row)
                else:
                    found.append([row])
        return self._accounts(found)

    def _goes_on(self, found: Sequence[Sequence[Row]], row: Row) -> bool:
        """Return whether a row is a further contract of the person before it.

        Two rows of people with one key and no contract are two, of which the portal applies none.
        """
        if not found or row[self._number - 1] is None:
            return False
        before = found[-1][-1]
        return before[self._number - 1] is not None and before[0] is not None and bool(before[0] == row[0])

    def _accounts(self, found: Sequence[Sequence[Row]]) -> list[RemoteAccount]:
        accounts = self._people.accounts([rows[0][: self._plan.people] for rows in found])
        for account, rows in zip(accounts, found, strict=True):
            account.contracts = [self._contract(row) for row in rows if row[self._number - 1] is not None]
        return accounts

    def _contract(self, row: Row) -> RemoteContract:
        values = dict(zip(self._plan.names, map(plain, row[self._number + 1 :]), strict=True))
        if self._titled:
            key = next((value for name, value in values.items() if name.casefold() == self._titled), None)
            values = {**self._titles.get(name_of(key), {}), **values}
        return RemoteContract(name_of(row[self._number]), values)

    def _read_titles(self) -> None:
        query = self._titles_query
        if query is None or self._titles:
            return
        places = [(output.name, output.position) for output in query.outputs]
        bound = query.bind({})
        self._titles = {
            name_of(row[places[0][1]]): {name: plain(row[at]) for name, at in places[1:]}
            for rows in streamed(self._session, bound.sql, bound.parameters, PAGE)
            for row in rows
        }


def departments(session: SqlSession, query: Template, page_size: int) -> Iterator[DepartmentPage]:
    """Stream what a departments query gives."""
    bound = query.bind({})
    places = [output.position for output in query.outputs]
    for rows in streamed(session, bound.sql, bound.parameters, page_size):
        yield DepartmentPage([_department([row[at] for at in places]) for row in rows])
    yield DepartmentPage((), last=True)


def _department(row: Sequence[Any]) -> RemoteDepartment:
    texts = [name_of(value) for value in row[:5]]
    number, name, parent, head, code = [*texts, *[""] * (5 - len(texts))]
    return RemoteDepartment(number, name, parent, head, {"code": code} if code else {})
