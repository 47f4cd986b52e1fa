"""Contracts on their way through an import: what a row says of them becomes a part of its plan, and is written.

A source decides about its contracts alone: what a complete row does not give any more is removed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.utils import timezone

from directories.mapping import Mapper
from provisioning.contracts import days, planned, services
from provisioning.contracts.fields import CUSTOM
from provisioning.contracts.models import Contract, Department, Location
from provisioning.contracts.planned import NUMBERS, TEXTS, Fields, number_of, path_of
from provisioning.contracts.services import ContractOwner, ContractRow
from provisioning.imports.users.plan import CONTRACTS, CREATE, LINK, UPDATE, ChangedRow, Planned, printable, storable
from provisioning.imports.users.state import ACTIVE
from provisioning.models import Account

TWICE = "Contract {} comes twice in the row, so nobody knows which is right. Remove one of them in the source."
NO_NUMBER = "A contract has no number, by which it could be known again. Give it one in the source."
LONG = "The number of contract {} is longer than {} characters, or cannot be stored."
BACKWARDS = "Contract {} ends before it begins, so it never holds."
UNKNOWN = "Contract {} names the department {}, which the source does not give."
STARTS_LATER = "Added as inactive: {}"
PLACES = frozenset({"department_name", "location_name", "time_zone"})

Held = Mapping[str, Fields]  # contracts as plans hold them, by number


class ContractPlanner:
    """Plans the contracts of the rows of one crawl.

    ``departments`` are the numbers of those that the source gives, None where it gives none.
    """

    def __init__(self, directory_id: int, mapper: Mapper) -> None:
        self.directory_id = directory_id
        self.mapper = mapper
        self.on = bool(mapper.contract_fields)
        self.departments: Collection[str] | None = None
        self._held: dict[int, dict[str, Fields]] = {}
        self._zone_of_source: str | None = None

    def read(self, row: ChangedRow) -> None:
        """Put on a row what its contracts say, and what is wrong with them."""
        if not self.on or row.remote.contracts is None:
            return
        found: dict[str, Fields] = {}
        problems: list[str] = []
        notes: list[str] = []
        for one in row.remote.contracts:
            number = one.ref.strip()
            if not number:
                problems.append(NO_NUMBER)
            elif len(number) > planned.MAX_NUMBER or not storable(number):
                problems.append(LONG.format(printable(number[: planned.MAX_NUMBER]), planned.MAX_NUMBER))
            elif number in found:
                problems.append(TWICE.format(number))
            elif one.problem:
                problems.append(f"Contract {number}: {one.problem}")
            else:
                found[number] = self._mapped(row, one, number, problems, notes)
        row.problems, row.left = [*row.problems, *problems], [*row.left, *notes]
        row.contracts = found

    def _mapped(self, row: ChangedRow, one: Any, number: str, problems: list[str], notes: list[str]) -> Fields:
        inbound = self.mapper.contract(one, row.remote.attributes)
        if missing := self.mapper.missing_of_contract(inbound.values):
            row.blocked = row.blocked or f"Contract {number}: {missing}"
        problems += [f"Contract {number}: {words}" for words in inbound.problems]
        notes += [f"Contract {number}: {words}" for words in inbound.left]
        try:
            fields = planned.of_mapped(inbound.values)
        except ValueError as error:
            problems.append(f"Contract {number}: {error}.")
            return {}
        starts, ends = planned.day(fields, "starts"), planned.day(fields, "ends")
        if starts and ends and ends < starts:
            notes.append(BACKWARDS.format(number))
        department = fields.get("department")
        if department and self.departments is not None and department not in self.departments:
            notes.append(UNKNOWN.format(number, department))
        return fields

    def fetch(self, account_ids: Iterable[int]) -> None:
        """Read the contracts that the portal has of these accounts: one query."""
        wanted = list(account_ids) if self.on else []
        self._held = stored(wanted, self.mapper.contract_fields) if wanted else {}

    def add(self, one: Planned, row: ChangedRow) -> None:
        """Add to the plan of a row what changes of its contracts."""
        if row.contracts is None or one.action not in (CREATE, UPDATE, LINK):
            return
        held = self._held.get(one.account_id or 0, {})
        for number in dict.fromkeys([*row.contracts, *held]):
            before, after = held.get(number), row.contracts.get(number)
            if before != after:
                one.after[path_of(number)] = after
                if before is not None:
                    one.before[path_of(number)] = before
                one.row[CONTRACTS] = self.directory_id
        if one.action == LINK and CONTRACTS in one.row:
            one.action = UPDATE
        if one.action == CREATE and row.contracts and one.after.get(ACTIVE) is not False:
            self._starter(one, row)

    def _starter(self, one: Planned, row: ChangedRow) -> None:
        """Let somebody whose contracts do not hold yet, or not any more, be added as inactive."""
        assert row.contracts is not None
        now = timezone.now()
        zone = str(row.values.get("profile.time_zone") or "")
        contracts = list(row.contracts.values())
        terms = [
            days.Term(planned.day(each, "starts"), planned.day(each, "ends"), self._zone(each, zone))
            for each in contracts
        ]
        if any(held is not None and held.holds(now) for held in days.intervals(terms)):
            return
        one.after[ACTIVE] = False
        coming = [each.starts for each in terms if each.starts and each.starts > timezone.localdate(now)]
        words = f"the first contract begins on {days.day_words(min(coming))}." if coming else "no contract holds now."
        one.message = f"{one.message} {STARTS_LATER.format(words)}".lstrip()

    def _zone(self, fields: Fields, of_person: str) -> str:
        if self._zone_of_source is None:
            here = Location.objects.filter(source=self.directory_id, external_id="")
            self._zone_of_source = here.values_list("time_zone", flat=True).first() or ""
        candidates = [
            ("the location", fields.get("time_zone", "")),
            ("the person", of_person),
            ("the source", self._zone_of_source),
            ("the portal", settings.TIME_ZONE),
        ]
        return days.zone_of(candidates).name


def stored(account_ids: Sequence[int], names: Collection[str] = PLACES) -> dict[int, dict[str, Fields]]:
    """Return the contracts of accounts as plans hold them, by number: one query."""
    found: dict[int, dict[str, Fields]] = defaultdict(dict)
    rows = Contract.objects.filter(account__in=account_ids).select_related("department", "location").order_by("pk")
    for contract in rows:
        found[contract.account_id or 0][contract.external_id] = planned.of_stored(contract, names)
    return found


def accounts_of(changes: Iterable[Planned]) -> dict[tuple[int, int], int]:
    """Return the accounts by user and source that planned contracts belong to: one query, none without contracts."""
    pairs = {(one.user_id, one.row[CONTRACTS]) for one in changes if CONTRACTS in one.row and one.user_id}
    if not pairs:
        return {}
    rows = Account.objects.filter(user__in={user for user, _ in pairs}, directory__in={source for _, source in pairs})
    return {(user or 0, source): pk for pk, user, source in rows.values_list("pk", "user_id", "directory_id")}


def held_by(changes: Sequence[Planned]) -> dict[int, dict[str, Fields | None]]:
    """Return the present contracts of planned changes by change and path, those that are planned and not there as None.

    Two queries, none without contracts.
    """
    accounts = accounts_of(changes)
    if not accounts:
        return {}
    held = stored(list(accounts.values()))
    found: dict[int, dict[str, Fields | None]] = {}
    for one in changes:
        account = accounts.get((one.user_id or 0, one.row.get(CONTRACTS, 0)))
        theirs = held.get(account or 0, {})
        found[one.id] = {
            path: _as_told(theirs.get(number_of(path)), one.before.get(path), value)
            for path, value in one.after.items()
            if number_of(path)
        }
    return found


def _as_told(now: Fields | None, *told: Fields | None) -> Fields | None:
    """Return what is stored without the names of places of which the plan says nothing."""
    if now is None:
        return None
    named = PLACES & {name for each in told if each for name in each}
    return {name: value for name, value in now.items() if name not in PLACES or name in named}


def write(changes: Iterable[Planned], people: Mapping[int, tuple[int, int | None]]) -> None:
    """Write the planned contracts of changes that were applied; ``people`` are the user and account of each."""
    done = [one for one in changes if CONTRACTS in one.row and one.id in people]
    if not done:
        return
    for one in done:
        one.user_id = people[one.id][0]
    known = accounts_of([one for one in done if people[one.id][1] is None])
    by_source: dict[int, list[tuple[int, str, Fields | None]]] = defaultdict(list)
    for one in done:
        source = one.row[CONTRACTS]
        account = people[one.id][1] or known.get((one.user_id or 0, source))
        if account is None:
            continue
        by_source[source] += [
            (account, number, value) for path, value in one.after.items() if (number := number_of(path))
        ]
    for source, rows in by_source.items():
        _write(source, rows)


def _write(source: int, rows: Sequence[tuple[int, str, Fields | None]]) -> None:
    given = [fields for _, _, fields in rows if fields is not None]
    services.write_places(source, given)
    departments = _by_number(Department, source, {one["department"] for one in given if "department" in one})
    locations = _by_number(Location, source, {one["location"] for one in given if "location" in one})
    services.write_contracts(
        [
            ContractRow(ContractOwner(account=account), number, _columns(fields, departments, locations))
            for account, number, fields in rows
            if fields is not None
        ],
        [ContractRow(ContractOwner(account=account), number) for account, number, fields in rows if fields is None],
    )


def _by_number(model: type[Department] | type[Location], source: int, numbers: set[str]) -> dict[str, int]:
    if not numbers:
        return {}
    rows: Any = model._default_manager.filter(source=source, external_id__in=numbers)
    return dict(rows.values_list("external_id", "pk"))


def _columns(fields: Fields, departments: Mapping[str, int], locations: Mapping[str, int]) -> dict[str, Any]:
    """Return a planned contract as the columns of the model."""
    columns: dict[str, Any] = {name: fields[name] for name in (*TEXTS, *NUMBERS, "sequence") if name in fields}
    columns |= {name: value for name in planned.DATES if (value := planned.day(fields, name)) is not None}
    columns["department_ref"] = fields.get("department", "")
    columns["department_id"] = departments.get(fields.get("department", ""))
    columns["location_id"] = locations.get(fields.get("location", ""))
    columns["manager_ref"] = fields.get("manager", "")
    columns["custom"] = {name[len(CUSTOM) :]: value for name, value in fields.items() if name.startswith(CUSTOM)}
    return columns
