"""People out of records: what every source of truth shares that gives JSON or rows instead of answering questions.

A record is one person: values by name, and their contracts as a list below one of the names. What lies deeper is named
with dots (``Name.GivenName``); a list of plain values is one value with several parts, other lists are numbered. Names
are found without regard to case. Such sources are only read, from beginning to end; there is no look-up of one person.
"""

import datetime as dt
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from typing import Any, ClassVar, TypeVar

from directories.attributes import Value
from directories.connectors.base import (
    Capability,
    ConnectionStep,
    ConnectionTest,
    Connector,
    ConnectorConfig,
    ConnectorError,
    ConnectorField,
    Cursor,
    CursorLost,
    DepartmentPage,
    Entry,
    Page,
    RemoteAccount,
    RemoteContract,
    RemoteDepartment,
)
from directories.connectors.form_values import text_of

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Flawed:
    """A record that cannot be used, and why: its person is there, and stays as they are."""

    record: Record
    problem: str


class NestedTooDeeply(Exception):
    """A value nests more deeply than a record is read."""


One = TypeVar("One")

PEOPLE, CONTRACTS, DEPARTMENTS = "People", "Contracts", "Departments"
SAMPLED = 50  # records that a connection test looks at
OVERLAP = dt.timedelta(minutes=10)  # how much is read again: clocks differ, and changes are written late
_DEEPEST = 8  # levels of a record; below them it is text
_LEVELS = 100  # of such text; what nests more deeply is no value of anybody's
_MOST = 20  # records of a list that are numbered
_LONGEST = 1000  # characters of a dotted name; nobody maps a longer one, and each name below it holds it again

NO_RECORD = "This entry is no record with names and values."
TOO_DEEP = "The record is nested too deeply to be read. Correct it in the source."
NO_NUMBER = "A contract has no number. Correct it in the source."
NO_CONTRACTS = "Where the contracts of a person stand is not named. Name it under People."
NO_DEPARTMENTS = "Where the departments are is not named. Name it under Departments."


def person_fields(
    *,
    where: str = "The name of the field",
    id: str = "",
    contracts: str = "",
    number: str = "",
    contracts_help: str = "The name of a person's list of contracts.",
    number_help: str = "The name of a field, unique to its person. Blank: their order, which must then stay.",
) -> tuple[ConnectorField, ...]:
    """Return the settings that say where a person's id, name and contracts stand; ``where`` is what they are typed as.

    ``id``, ``contracts`` and ``number`` (of a contract) are what stands in the boxes at first. The words are those for
    records that hold everything by name.
    """
    common: dict[str, Any] = {"group": PEOPLE, "harmless": True}
    return (
        ConnectorField(
            "id",
            "Lasting number",
            default=id,
            required=bool(id),
            help_text=f"{where} whose value never changes while the person is known there.",
            selects=True,
            **common,
        ),
        ConnectorField("user_name", "User name", help_text="Blank: the lasting number.", **common),
        ConnectorField(
            "contracts",
            "Contracts",
            default=contracts,
            help_text=f"{contracts_help} Blank: the source has no contracts.",
            **common,
        ),
        ConnectorField("contract_id", "Number of a contract", default=number, help_text=number_help, **common),
    )


def department_fields(place: ConnectorField, *, id: str, name: str, parent: str, manager: str) -> tuple[Any, ...]:
    """Return the settings that say where the departments are (``place``), and the usual names of their values."""
    common: dict[str, Any] = {"group": DEPARTMENTS, "harmless": True}
    return (
        place,
        ConnectorField("department_id", "Number of a department", default=id, **common),
        ConnectorField("department_name", "Its name", default=name, **common),
        ConnectorField("department_parent", "Number of the one above", default=parent, **common),
        ConnectorField("department_manager", "Lasting number of its head", default=manager, **common),
    )


@dataclass(frozen=True, slots=True)
class Places:
    """Where things stand in records, by the words of the settings."""

    id: str
    user_name: str
    contracts: str
    contract_id: str
    department_id: str
    department_name: str
    department_parent: str
    department_manager: str


class RecordSource(Connector):
    """A source of truth that is read as a stream of records."""

    gives_contracts = True
    attributes_word = "fields"
    key_source = "the user name that is set under People, or the lasting number"
    departments_at: ClassVar[str]  # the setting without which there are no departments

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        names = Places.__dataclass_fields__
        self.places = Places(**{name: self.setting(config, name) for name in names})

    @classmethod
    def setting(cls, config: ConnectorConfig, name: str) -> str:
        """Return a setting as text, "" for a blank."""
        return text_of(config.settings, name)

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        """Contracts and departments are there when the settings say where."""
        if capability is Capability.CONTRACTS and not cls.setting(config, "contracts"):
            return NO_CONTRACTS
        if capability is Capability.DEPARTMENTS and not cls.setting(config, cls.departments_at):
            return NO_DEPARTMENTS
        return super().lacking(capability, config)

    @abstractmethod
    def people(self) -> Iterator[Record | Flawed]:
        """Stream the records of every person. To end without an error says that the last one was read."""

    @abstractmethod
    def department_records(self) -> Iterator[Record | Flawed]:
        """Stream the records of every department, as ``people``."""

    def at(self, record: Record, place: str) -> Any:
        """Return what stands at a place of a record, None without it."""
        found: Any = record
        if place in record:
            return record[place]
        for part in place.split("."):
            if not isinstance(found, Mapping):
                return None
            found = found[part] if part in found else _folded(found, part)
        return found

    def fields_of(self, record: Record) -> Mapping[str, Any]:
        """Return the part of a person's record that is mapped, before it is made flat."""
        return record

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Stream the people."""
        for accounts, last in paged(map(self.account, self.people()), page_size):
            yield Page(accounts, last)

    def departments(self, page_size: int = 1000) -> Iterator[DepartmentPage]:
        """Stream the departments."""
        if self.lacks(Capability.DEPARTMENTS):
            raise ConnectorError(self.lacks(Capability.DEPARTMENTS), code="settings")
        for departments, last in paged(map(self.department, self.department_records()), page_size):
            yield DepartmentPage(departments, last)

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Read people until the one with the entry's id, or before it has one with its name, comes."""
        found = map(self.account, self.people())
        if entry.ref:
            return next((account for account in found if account.ref == entry.ref), None)
        wanted = entry.key.casefold()
        return next((account for account in found if account.key.casefold() == wanted), None)

    def account(self, record: object) -> RemoteAccount:
        """Return what a record says of its person; one that cannot be used carries its problem."""
        if isinstance(record, Flawed):
            known = self.account(record.record)
            return RemoteAccount(known.ref, known.key, problem=record.problem)
        if not isinstance(record, Mapping):
            return RemoteAccount("", "", problem=NO_RECORD)
        places = self.places
        ref = key_text(self.at(record, places.id))
        name = key_text(self.at(record, places.user_name)) if places.user_name else ref
        if not ref:
            return RemoteAccount("", name, problem=f"The record has no {places.id or 'lasting number'}.")
        if not name:
            return RemoteAccount(ref, "", problem=f"The record has no {places.user_name}.")
        try:
            attributes = flat(self.fields_of(record), without=places.contracts)
            contracts = self.contracts(record) if places.contracts else None
        except NestedTooDeeply:
            return RemoteAccount(ref, name, problem=TOO_DEEP)
        numbers = Counter(one.ref for one in contracts or () if one.ref)
        if twice := next((number for number, times in numbers.items() if times > 1), ""):
            return RemoteAccount(ref, name, problem=f"Two contracts of this person have the number {twice}.")
        return RemoteAccount(ref, name, attributes, contracts=contracts)

    def contracts(self, record: Record) -> list[RemoteContract]:
        """Return what a record says of its person's contracts."""
        found = self.at(record, self.places.contracts)
        listed = [] if found is None else found if isinstance(found, list) else [found]
        return [self.contract(one, place) for place, one in enumerate(listed, 1)]

    def contract(self, record: object, place: int) -> RemoteContract:
        """Return one contract of a person; where contracts have no numbers, their ``place`` in the list is one."""
        if not isinstance(record, Mapping):
            return RemoteContract("", {}, NO_RECORD)
        number = self.places.contract_id
        ref = key_text(self.at(record, number)) if number else str(place)
        return RemoteContract(ref, flat(record), "" if ref else NO_NUMBER)

    def department(self, record: object) -> RemoteDepartment:
        """Return one department."""
        if isinstance(record, Flawed):
            return replace(self.department(record.record), problem=record.problem)
        if not isinstance(record, Mapping):
            return RemoteDepartment("", "", problem=NO_RECORD)
        places = self.places
        where = (places.department_id, places.department_name, places.department_parent, places.department_manager)
        ref, name, parent, manager = (key_text(self.at(record, place)) if place else "" for place in where)
        problem = "" if ref else f"A department has no {places.department_id or 'number'}."
        try:
            return RemoteDepartment(ref, name or ref, parent, manager, flat(record), problem)
        except NestedTooDeeply:
            return RemoteDepartment(ref, name or ref, parent, manager, problem=TOO_DEEP)

    # --- The connection test -----------------------------------------------------------------------------------------

    def looked_at(self) -> ConnectionTest:
        """Return the steps of a connection test that read people and departments, and the names of their values."""
        try:
            records = list(islice(self.people(), SAMPLED))
        except ConnectorError as error:
            return ConnectionTest([ConnectionStep(PEOPLE, False, error.message), *_not_reached(CONTRACTS, DEPARTMENTS)])
        accounts = list(map(self.account, records))
        names = dict.fromkeys(name for account in accounts for name in account.attributes)
        contracts = [contract for account in accounts for contract in account.contracts or ()]
        others = dict.fromkeys(name for contract in contracts for name in contract.attributes if name not in names)
        known: dict[str, Any] = {"attributes": [*names], "of_contracts": [*others]}
        step = self._people_step(records, accounts)
        if not step.ok:
            return ConnectionTest([step, *_not_reached(CONTRACTS, DEPARTMENTS)], **known)
        return ConnectionTest([step, self._contracts_step(accounts), self._departments_step()], **known)

    def _people_step(self, records: Sequence[object], accounts: Sequence[RemoteAccount]) -> ConnectionStep:
        if not records:
            return ConnectionStep(PEOPLE, True, "It can be read, and nobody is in it.", caution=True)
        wrong = [account for account in accounts if account.problem]
        if len(wrong) == len(accounts):
            names = [*records[0]] if isinstance(records[0], Mapping) else []
            known = f" Its fields are: {', '.join(names[:_MOST])}." if names else ""
            return ConnectionStep(PEOPLE, False, f"{wrong[0].problem}{known} Correct it under People.")
        of = f"the first {len(accounts)}" if len(accounts) == SAMPLED else f"{len(accounts)}"
        if wrong:
            return ConnectionStep(PEOPLE, True, f"Of {of}, {len(wrong)} cannot be used: {wrong[0].problem}", True)
        return ConnectionStep(PEOPLE, True, f"People read: {of}. One is {accounts[0].key}.")

    def _contracts_step(self, accounts: Sequence[RemoteAccount]) -> ConnectionStep:
        if lacking := self.lacks(Capability.CONTRACTS):
            return ConnectionStep(CONTRACTS, True, lacking, left_out=True)
        found = [contract for account in accounts for contract in account.contracts or ()]
        if problem := next((contract.problem for contract in found if contract.problem), ""):
            return ConnectionStep(CONTRACTS, True, problem, caution=True)
        names = list(dict.fromkeys(name for contract in found for name in contract.attributes))
        told = f" Their fields are: {', '.join(names[:_MOST])}." if names else ""
        return ConnectionStep(CONTRACTS, True, f"Contracts read: {len(found)}.{told}", caution=not names)

    def _departments_step(self) -> ConnectionStep:
        if lacking := self.lacks(Capability.DEPARTMENTS):
            return ConnectionStep(DEPARTMENTS, True, lacking, left_out=True)
        try:
            found = list(map(self.department, islice(self.department_records(), SAMPLED)))
        except ConnectorError as error:
            return ConnectionStep(DEPARTMENTS, False, error.message)
        if problem := next((one.problem for one in found if one.problem), ""):
            return ConnectionStep(DEPARTMENTS, False, problem)
        return ConnectionStep(DEPARTMENTS, True, f"Departments read: {len(found)}.")


def _not_reached(*names: str) -> list[ConnectionStep]:
    return [ConnectionStep(name, None, "Not reached.") for name in names]


def moment_ago() -> Cursor:
    """Return where changes begin that are read from now on, by the portal's clock."""
    return {"since": (dt.datetime.now(dt.UTC) - OVERLAP).isoformat(timespec="seconds")}


def since_of(cursor: Cursor) -> dt.datetime:
    """Return the moment that ``moment_ago`` gave; raise CursorLost."""
    try:
        return dt.datetime.fromisoformat(str(cursor["since"])).astimezone(dt.UTC)
    except (KeyError, ValueError):
        raise CursorLost("Nobody knows since when changes are to be read.") from None


def paged(found: Iterable[One], page_size: int) -> Iterator[tuple[list[One], bool]]:
    """Yield pages and whether each is the last: known only when the stream has ended, so one is held back."""
    stream = iter(found)
    waiting = list(islice(stream, page_size))
    while following := list(islice(stream, page_size)):
        yield waiting, False
        waiting = following
    yield waiting, True


def flat(record: Mapping[str, Any], *, without: str = "") -> dict[str, Value]:
    """Return a record's values by their dotted names; ``without`` is a name that is left out with all below it."""
    found: dict[str, Value] = {}
    left_out = without.casefold()
    for name, value in record.items():
        if len(str(name)) <= _LONGEST and str(name).casefold() != left_out:
            _flatten(found, str(name), value, left_out, 1)
    return found


def _flatten(found: dict[str, Value], name: str, value: Any, left_out: str, depth: int) -> None:
    below: Iterable[tuple[object, Any]] = ()
    if depth < _DEEPEST and isinstance(value, Mapping):
        below = value.items()
    elif depth < _DEEPEST and isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value):
        below = enumerate(value[:_MOST])
    else:
        found[name] = plain(value)
        return
    for part, inner in below:
        path = f"{name}.{part}"
        if len(path) <= _LONGEST and path.casefold() != left_out:
            _flatten(found, path, inner, left_out, depth + 1)


def plain(value: Any) -> Value:
    """Return a value that JSON or a cell of a sheet holds as one that is mapped; "" is none. Raise NestedTooDeeply."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, dt.datetime):
        return value.date() if value.time() == dt.time() and value.tzinfo is None else value
    if value is None or isinstance(value, bool | int | float | Decimal | dt.date):
        return value
    if _levels(value) > _LEVELS:
        raise NestedTooDeeply
    if isinstance(value, list):
        return tuple(_text(one) for one in value if one is not None) or None
    return _text(value)


def _levels(value: Any) -> int:
    """Return how deep lists and objects nest, counted no further than is allowed and without recursion."""
    inner, levels = [value], 0
    while levels <= _LEVELS:
        nests = [one.values() if isinstance(one, Mapping) else one for one in inner if isinstance(one, Mapping | list)]
        if not nests:
            break
        inner, levels = [one for nest in nests for one in nest], levels + 1
    return levels


def key_text(value: Any) -> str:
    """Return a lasting number or a name as text, "" for anything that is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return ""
    return _text(value).strip()


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _folded(record: Mapping[str, Any], name: str) -> Any:
    wanted = name.casefold()
    return next((value for key, value in record.items() if str(key).casefold() == wanted), None)
