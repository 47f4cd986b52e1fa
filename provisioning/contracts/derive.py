"""What follows from the contracts of a page of users now: a fixed number of queries, whatever their number.

Contracts of a source count as long as that source shows the person. Nothing is written here.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from directories.attributes import Kind, PortalAttribute
from provisioning.contracts import days, fields, primary
from provisioning.contracts.days import Interval, Term, Zone, day_words
from provisioning.contracts.managers import DepartmentHead, manager_of
from provisioning.contracts.models import Contract, Department, Employment, Location, PrimaryOrder, ProfileSource
from provisioning.contracts.primary import By, Candidate
from provisioning.models import Account, User
from provisioning.models.accounts import AccountState
from provisioning.profile.person import catalogue
from provisioning.profile.values import parse

PORTAL = "the portal"
MANAGER = f"{Kind.PROFILE.value}.manager"
NEVER = frozenset({"username", "active"})  # of the profile, what no contract decides by its fields
Ref = tuple[int | None, str]  # a source and a person's number there


@dataclass(frozen=True, slots=True)
class Following:
    """An attribute of the profile and the field of the primary contract that it follows."""

    path: str
    attribute: PortalAttribute
    field: str


@dataclass(frozen=True, slots=True)
class Basis:
    """What is the same for all people: the order of contracts, what follows them, the departments, and the moment."""

    now: dt.datetime
    order: Sequence[By]
    follows: Sequence[Following]
    departments: Mapping[int, DepartmentHead]
    parents: Mapping[int, int | None]
    zones_of_sources: Mapping[int, str]

    @property
    def wants_managers(self) -> bool:
        """Whether the manager of the profile follows the contracts."""
        return any(one.path == MANAGER for one in self.follows)


class Phase(Enum):
    """Where a contract stands; NEVER: it ends before it begins."""

    AHEAD = "begins later"
    NOW = "holds now"
    OVER = "has ended"
    NEVER = "ends before it begins"


@dataclass(frozen=True, slots=True)
class Held:
    """One contract of a person: whose it is, when it holds, and in which time zone."""

    contract: Contract
    source: str
    term: Term
    zone: Zone
    interval: Interval | None
    phase: Phase

    @property
    def active(self) -> bool:
        """Whether it holds now."""
        return self.phase == Phase.NOW

    def on(self, day: dt.date | None) -> str:
        """Return a day of it in words, with the time zone."""
        return f"{day_words(day)} in {self.zone.name}"

    @property
    def words(self) -> str:
        """What the contract is called in a sentence."""
        return f"contract {self.contract.external_id} ({self.source})"


@dataclass(slots=True)
class Derived:
    """What follows from one person's contracts. ``employment`` is what was stored before, None where nothing was.

    ``values`` are what the primary contract says of the profile by "kind.name"; ``problems`` what could not be taken.
    """

    user: User
    employment: Employment | None
    contracts: list[Held] = field(default_factory=list)
    active: bool = False
    primary: Held | None = None
    why: str = ""
    next_change_at: dt.datetime | None = None
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def apart(self) -> str:
        """Say that the person is not as their contracts say; "" where they are, or nobody has looked at them yet."""
        employment = self.employment
        if employment is None or employment.active != self.active or self.active == self.user.is_active:
            return ""
        words = "Inactive though a contract holds." if self.active else "Active though no contract holds."
        if employment.refused:
            return f"{words} Somebody refused the change; it is planned again when the contracts become others."
        return f"{words} It stays so until the contracts say something else."

    @property
    def state_words(self) -> str:
        """Say in a sentence why the person is active or not: contract, day and time zone."""
        by_phase: dict[Phase, list[Held]] = defaultdict(list)
        for one in self.contracts:
            by_phase[one.phase].append(one)
        if now := by_phase[Phase.NOW]:
            newest = max(now, key=lambda one: one.term.starts or dt.date.min)
            began = f"began on {newest.on(newest.term.starts)}" if newest.term.starts else "has no first day"
            return f"{_capital(newest.words)} {began}."
        if over := by_phase[Phase.OVER]:
            last = max(over, key=lambda one: one.term.ends or dt.date.min)
            return f"The last {last.words} ended on {last.on(last.term.ends)}."
        if ahead := by_phase[Phase.AHEAD]:
            first = min(ahead, key=lambda one: one.term.starts or dt.date.max)
            return f"The first {first.words} begins on {first.on(first.term.starts)}."
        if never := by_phase[Phase.NEVER]:
            return f"{_capital(never[0].words)} ends before it begins, so it never holds."
        return "No contract is left."


def basis(now: dt.datetime | None = None) -> Basis:
    """Read what is the same for all people: at most six queries."""
    follows = following(dict(ProfileSource.objects.values_list("attribute", "field")))
    order = [fields.step(one.field, one.descending) for one in PrimaryOrder.objects.all()]
    found = list(Department.objects.values_list("pk", "name", "parent_id", "manager_id", "source_id", "manager_ref"))
    refs = [(source, ref) for *_, manager, source, ref in found if ref and not manager]
    wanted = any(one.path == MANAGER for one in follows)
    people = people_of(refs) if wanted else {}
    everywhere = Location.objects.filter(external_id="", source__isnull=False).values_list("source_id", "time_zone")
    return Basis(
        now=now or timezone.now(),
        order=order or fields.ORDER,
        follows=follows,
        departments={
            pk: DepartmentHead(name, manager or people.get((source, ref)))
            for pk, name, _, manager, source, ref in found
        },
        parents={pk: parent for pk, _, parent, *_ in found},
        zones_of_sources={source: zone for source, zone in everywhere if source is not None},
    )


def heads() -> tuple[Mapping[int, DepartmentHead], Mapping[int, int | None]]:
    """Return every department with its head, and its parent: three queries at most."""
    found = list(Department.objects.values_list("pk", "name", "parent_id", "manager_id", "source_id", "manager_ref"))
    people = people_of([(source, ref) for *_, manager, source, ref in found if ref and not manager])
    by_id = {
        pk: DepartmentHead(name, manager or people.get((source, ref))) for pk, name, _, manager, source, ref in found
    }
    return by_id, {pk: parent for pk, _, parent, *_ in found}


def following(sources: Mapping[str, str]) -> list[Following]:
    """Return what follows the primary contract, of fields by attribute ("kind.name"): one query."""
    known = {f"{kind.value}.{name}": attribute for (kind, name), attribute in catalogue().items()}
    return [
        Following(path, known[path], name)
        for path, name in sources.items()
        if path in known and known[path].name not in NEVER and fits(path, name)
    ]


def fits(path: str, name: str) -> bool:
    """Return whether an attribute may follow a field: a manager follows the manager, and nothing else does."""
    return (path == MANAGER) == (name == fields.MANAGER)


def followable() -> list[tuple[str, str]]:
    """Return the attributes that may follow a contract, as "kind.name" with their labels."""
    return [
        (f"{kind.value}.{name}", attribute.label)
        for (kind, name), attribute in catalogue().items()
        if name not in NEVER
    ]


def derive(user_ids: Collection[int], known: Basis, stored: Mapping[int, Employment] | None = None) -> list[Derived]:
    """Return what follows from the contracts of each user, in the order of their ids: at most six queries.

    ``stored`` are their employments by user, where the caller has locked them.
    """
    users = list(User.objects.filter(pk__in=user_ids).select_related("manager").order_by("pk"))
    if stored is None:
        stored = {one.user_id: one for one in Employment.objects.filter(user__in=user_ids)}
    found = [Derived(user, stored.get(user.pk)) for user in users]
    by_user = contracts_of([user.pk for user in users])
    for one in found:
        _hold(one, by_user.get(one.user.pk, []), known)
    _fill(found, known)
    return found


def kept_elsewhere(user_ids: Collection[int], account_ids: Collection[int]) -> dict[int, str]:
    """Return the users who have a contract that holds now by none of these accounts, with its words.

    One query where nobody of them has a contract that holds.
    """
    employed = Employment.objects.filter(user__in=user_ids, active=True)
    ids = list(employed.values_list("user_id", flat=True))
    found = {}
    gone = set(account_ids)
    for one in derive(ids, basis()) if ids else ():
        others = [each for each in one.contracts if each.active and each.contract.account_id not in gone]
        if others:
            found[one.user.pk] = others[0].words
    return found


def ends_of(user_ids: Collection[int]) -> dict[int, tuple[dt.datetime, str]]:
    """Return when the last contract of each user ends, and in which zone; nobody of whom one has no end."""
    found = {}
    for one in derive(user_ids, basis()) if user_ids else ():
        ends = [(each.interval.end, each.zone.name) for each in one.contracts if each.interval]
        known = [(end, zone) for end, zone in ends if end is not None]
        if known and len(known) == len(ends):
            found[one.user.pk] = max(known)
    return found


def contracts_of(user_ids: Collection[int]) -> dict[int, list[tuple[Contract, str]]]:
    """Return the contracts that count of each user, with the name of the source: two queries."""
    accounts = {
        account.pk: account
        for account in Account.objects.filter(user__in=user_ids)
        .exclude(state=AccountState.ABSENT)
        .select_related("directory")
        .only("pk", "user_id", "state", "directory__name")
    }
    rows = Contract.objects.filter(Q(account__in=list(accounts)) | Q(user__in=user_ids))
    found: dict[int, list[tuple[Contract, str]]] = defaultdict(list)
    for contract in rows.select_related("location", "department").order_by("pk"):
        account = accounts.get(contract.account_id or 0)
        owner = account.user_id if account else contract.user_id
        found[owner or 0].append((contract, account.directory.name if account else "made in the portal"))
        if account:
            contract.account = account
    return found


def _hold(one: Derived, contracts: Sequence[tuple[Contract, str]], known: Basis) -> None:
    """Work out when the contracts hold, and which is the primary one."""
    zones = [zone_of(one.user, contract, source, known) for contract, source in contracts]
    terms = [
        Term(contract.starts, contract.ends, zone.name) for (contract, _), zone in zip(contracts, zones, strict=True)
    ]
    held = days.intervals(terms)
    one.contracts = [
        Held(contract, source, term, zone, interval, _phase(interval, known.now))
        for (contract, source), term, zone, interval in zip(contracts, terms, zones, held, strict=True)
    ]
    one.active = any(each.active for each in one.contracts)
    one.next_change_at = days.next_change(held, known.now)
    candidates = [
        Candidate(
            each.contract.external_id,
            each.active,
            {by.field: each.contract.value(by.field) for by in known.order},
        )
        for each in one.contracts
    ]
    choice = primary.choose(candidates, known.order)
    one.primary = one.contracts[choice.place] if choice.place is not None else None
    one.why = choice.why


def zone_of(user: User, contract: Contract, source: str, known: Basis) -> Zone:
    """Return the time zone whose days count for a contract."""
    location = contract.location
    directory = contract.account.directory_id if contract.account else 0
    return days.zone_of(
        [
            (f"the location {location}", location.time_zone if location else ""),
            (str(user), user.time_zone),
            (source, known.zones_of_sources.get(directory, "")),
            (PORTAL, settings.TIME_ZONE),
        ]
    )


def _fill(found: Sequence[Derived], known: Basis) -> None:
    """Work out what the primary contracts say of the profile."""
    managers = _managers(found, known) if known.wants_managers else {}
    for one in found:
        if one.primary is None:
            continue
        for following in known.follows:
            if following.path == MANAGER:
                one.values[MANAGER] = managers.get(one.user.pk)
                continue
            raw = one.primary.contract.value(following.field)
            try:
                one.values[following.path] = parse(following.attribute, raw)
            except ValueError as error:
                one.problems.append(f"{following.attribute.label} does not follow {one.primary.words}: {error}")


def _managers(found: Sequence[Derived], known: Basis) -> dict[int, str | None]:
    """Return the user names of the managers that follow from the primary contracts: two queries."""
    chosen = {one.user.pk: one.primary.contract for one in found if one.primary}
    refs = [_ref(contract) for contract in chosen.values() if contract.manager_ref and not contract.manager_id]
    people = people_of(refs)
    managers = {
        person: manager_of(
            person,
            contract.manager_id or people.get(_ref(contract)),
            contract.department_id,
            known.departments,
            known.parents,
        ).manager
        for person, contract in chosen.items()
    }
    ids = {manager for manager in managers.values() if manager}
    names = dict(User.objects.filter(pk__in=ids).values_list("pk", "username")) if ids else {}
    return {person: names.get(manager or 0) for person, manager in managers.items()}


def _ref(contract: Contract) -> Ref:
    return (contract.account.directory_id if contract.account else None), contract.manager_ref


def people_of(refs: Iterable[Ref]) -> dict[Ref, int]:
    """Return the users whom sources know by these numbers: one query, none without numbers."""
    wanted = set(refs)
    if not wanted:
        return {}
    rows = Account.objects.filter(remote_id__any_of=sorted({ref for _, ref in wanted}), user__isnull=False)
    return {
        (directory, ref): user
        for directory, ref, user in rows.values_list("directory_id", "remote_id", "user_id")
        if (directory, ref) in wanted and user is not None
    }


def _phase(interval: Interval | None, now: dt.datetime) -> Phase:
    if interval is None:
        return Phase.NEVER
    if interval.holds(now):
        return Phase.NOW
    return Phase.AHEAD if interval.start is not None and interval.start > now else Phase.OVER


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
