"""The one door by which contracts, departments and locations are written: set-based, whoever asks.

What follows from them is not done here: everybody concerned is marked, and ``imports.doors.contracts`` settles it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Subquery

from provisioning.contracts import due, tree
from provisioning.contracts.fields import CUSTOM, MANAGER, NAMES, label
from provisioning.contracts.models import Contract, Department, Location, PrimaryOrder, ProfileSource
from provisioning.models import Account, User
from reports import evidence
from reports.journal import Line, record, record_many
from reports.models import Direction, Operation, Result

CYCLE = (
    "Department {name} ({number}) would be below itself: {way}. It keeps its place. Correct its parent in the source."
)
FIELDS = tuple(
    each.name for each in Contract._meta.concrete_fields if each.name not in ("id", "account", "user", "external_id")
)


@dataclass(frozen=True, slots=True)
class ContractOwner:
    """Whose a contract is: a source's ``account``, or a ``user`` for one that the portal keeps."""

    account: int | None = None
    user: int | None = None


@dataclass(frozen=True, slots=True)
class ContractRow:
    """One contract as somebody says it: its number, and its fields by their names in the model (ids as ``..._id``).

    What is left out becomes blank: a row is the whole contract.
    """

    owner: ContractOwner
    number: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DepartmentRow:
    """One department as a source says it; ``parent`` and ``head`` are numbers there, "" for none."""

    number: str
    name: str
    code: str = ""
    parent: str = ""
    head: str = ""


@transaction.atomic
def write_contracts(rows: Sequence[ContractRow], gone: Sequence[ContractRow] = ()) -> set[int]:
    """Write these contracts and remove ``gone``; return the users concerned, who are marked.

    Five statements at the most for contracts of sources, whatever their number.
    """
    concerned = _users([*rows, *gone])
    for owner in ("account", "user"):
        mine = [row for row in rows if getattr(row.owner, owner) is not None]
        if mine:
            Contract.objects.bulk_create(
                [
                    Contract(account_id=row.owner.account, user_id=row.owner.user, external_id=row.number, **row.values)
                    for row in mine
                ],
                batch_size=1000,
                update_conflicts=True,
                unique_fields=[owner, "external_id"],
                update_fields=FIELDS,
            )
        if lost := [row for row in gone if getattr(row.owner, owner) is not None]:
            _remove(owner, lost)
    due.mark(concerned)
    return concerned


@transaction.atomic
def save_contract(contract: Contract, actor: str) -> set[int]:
    """Write one contract that somebody edits, record it, and mark the person, whose id is returned."""
    stored = _read([contract.pk]).get(contract.pk) if contract.pk else None
    contract.save()
    _record([(contract, _said(stored), _said(_read([contract.pk])[contract.pk]))], actor)
    people = owners([contract])
    due.mark(people)
    return people


@transaction.atomic
def delete_contracts(contracts: Iterable[Contract], actor: str) -> set[int]:
    """Remove contracts, record it, and mark the people, whose ids are returned."""
    held = list(_read([one.pk for one in contracts]).values())
    people = owners(held)
    _record([(one, _said(one), {}) for one in held], actor)
    Contract.objects.filter(pk__in=[one.pk for one in held]).delete()
    due.mark(people)
    return people


def owners(contracts: Sequence[Contract]) -> set[int]:
    """Return the users whose contracts these are."""
    return _users([ContractRow(ContractOwner(one.account_id, one.user_id), one.external_id) for one in contracts])


@transaction.atomic
def write_departments(source_id: int, rows: Sequence[DepartmentRow]) -> list[str]:
    """Write a source's departments; return in words which would hang below themselves, and keep their place.

    Those that are not named stay: contracts may still be in them. Six statements at the most.
    """
    unique = {row.number: row for row in rows}
    before = dict(Department.objects.filter(source=source_id).values_list("external_id", "parent__external_id"))
    wanted, problems = places(unique, before)
    Department.objects.bulk_create(
        [
            Department(
                source_id=source_id,
                external_id=row.number,
                name=row.name,
                code=row.code,
                manager_ref=row.head,
            )
            for row in unique.values()
        ],
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["source", "external_id"],
        update_fields=["name", "code", "manager_ref"],
    )
    held = {one.external_id: one for one in Department.objects.filter(source=source_id)}
    moved = []
    for number in unique:
        parent = held.get(wanted[number] or "")
        one = held[number]
        if one.parent_id != (parent.pk if parent else None):
            one.parent = parent
            moved.append(one)
    Department.objects.bulk_update(moved, ["parent"], batch_size=1000)
    _adopt(source_id)
    due.below([held[number].pk for number in unique])
    return list(problems.values())


def places(
    rows: Mapping[str, DepartmentRow], before: Mapping[str, str | None]
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the parent of each department by number, and in words which would hang below themselves.

    Those keep their place, which is the one of ``before``.
    """
    wanted = {**before, **{number: row.parent or None for number, row in rows.items()}}
    problems: dict[str, str] = {}
    while found := tree.cycles(wanted):
        for ring in found:
            for number in ring:
                if number in rows and wanted[number] != before.get(number):
                    way = " below ".join([*ring[ring.index(number) :], *ring[: ring.index(number) + 1]])
                    problems[number] = CYCLE.format(name=rows[number].name, number=number, way=way)
                    wanted[number] = before.get(number)
    return wanted, problems


def _adopt(source_id: int) -> None:
    """Put contracts into the departments of their source that they name, and that were not there when they came."""
    named = Department.objects.filter(source=source_id, external_id=OuterRef("department_ref"))
    homeless = Contract.objects.filter(account__directory=source_id, department=None).exclude(department_ref="")
    homeless.filter(Exists(named)).update(department=Subquery(named.values("pk")[:1]))


@transaction.atomic
def write_places(source_id: int, contracts: Iterable[Mapping[str, Any]]) -> None:
    """Make the locations of planned contracts, and the departments that they give a name, or name them anew.

    A department without a name is one that the source gives apart. Two queries where nothing is new.
    """
    departments: dict[str, dict[str, str]] = {}
    locations: dict[str, dict[str, str]] = {}
    for one in contracts:
        if "department_name" in one:
            departments[one["department"]] = {"name": one["department_name"]}
        if "location" in one:
            zone = {"time_zone": one["time_zone"]} if "time_zone" in one else {}
            name = {"name": one["location_name"]} if "location_name" in one else {}
            locations[one["location"]] = {**zone, **name}
    if departments:
        held = {
            one.external_id: one for one in Department.objects.filter(source=source_id, external_id__in=departments)
        }
        due.in_departments([one.pk for one in _write_all(Department, source_id, departments, held)])
        if departments.keys() - held.keys():
            _adopt(source_id)
    if locations:
        there = {one.external_id: one for one in Location.objects.filter(source=source_id, external_id__in=locations)}
        for one in _write_all(Location, source_id, locations, there):
            _mark_at(one)


def _write_all(
    model: type[Any], source_id: int, wanted: Mapping[str, Mapping[str, str]], held: Mapping[str, Any]
) -> list[Any]:
    """Add what is not there, and change what has other values; return what was changed."""
    new = [
        model(source_id=source_id, external_id=number, **{"name": number[:150], **values})
        for number, values in wanted.items()
        if number not in held
    ]
    model.objects.bulk_create(new, ignore_conflicts=True)
    changed = []
    for number, values in wanted.items():
        one = held.get(number)
        if one is not None and any(getattr(one, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(one, name, value)
            changed.append(one)
    model.objects.bulk_update(changed, sorted({name for values in wanted.values() for name in values}) or ["name"])
    return changed


@transaction.atomic
def save_department(department: Department, actor: str) -> None:
    """Write one department that somebody edits; raises ValueError with words when it would hang below itself."""
    if problem := problem_of_place(department, department.parent_id):
        raise ValueError(problem)
    verb = "changed" if department.pk else "added"
    department.save()
    due.below([department.pk])
    parts = {"code": department.code, "parent": department.parent, "head": department.manager}
    _keep(department, parts, verb, actor)


def problem_of_place(department: Department, parent_id: int | None) -> str:
    """Return why a department cannot be below another one, "" when it can."""
    parents = dict(Department.objects.values_list("pk", "parent_id")) if department.pk and parent_id else {}
    way = tree.would_be_cycle(department.pk, parent_id, parents)
    if not way:
        return ""
    names = dict(Department.objects.filter(pk__in=way).values_list("pk", "name"))
    ring = " is below ".join(names[pk] for pk in way)
    return f"{department.name} would be below itself: {ring}. Choose another parent."


@transaction.atomic
def delete_departments(ids: Collection[int]) -> None:
    """Remove departments; those below and contracts in them are left without one, and their people are marked."""
    due.below(ids)
    Department.objects.filter(pk__in=ids).delete()


@transaction.atomic
def remove_department(department: Department, actor: str) -> None:
    """Remove one department that somebody deletes."""
    _keep(department, None, "deleted", actor)
    delete_departments([department.pk])


@transaction.atomic
def save_location(location: Location, actor: str) -> None:
    """Write one location; its time zone decides when contracts there begin and end, so their people are marked."""
    verb = "changed" if location.pk else "added"
    location.save()
    _mark_at(location)
    _keep(location, {"source": location.source, "time_zone": location.time_zone}, verb, actor)


@transaction.atomic
def delete_location(location: Location, actor: str) -> None:
    """Remove a location; contracts there go by the person's zone."""
    _mark_at(location)
    _keep(location, None, "deleted", actor)
    location.delete()


def _keep(one: Department | Location, parts: Mapping[str, Any] | None, verb: str, actor: str) -> None:
    """Write a line of the report about a department or location that somebody edits, and a row of the evidence."""
    what, words = one._meta.verbose_name, f"{actor} {verb} the {one._meta.verbose_name} {one}."
    record(Line("", "", Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, words, actor=actor))
    state = None if parts is None else {"name": one.name, "external_id": one.external_id}
    if state is not None and parts is not None:
        state |= {name: str(value or "") for name, value in parts.items()}
    evidence.changed(f"{what} {one.pk}", state, words, actor)


@transaction.atomic
def arrange(order: Sequence[tuple[str, bool]], follows: Mapping[str, str]) -> None:
    """Replace the order of the primary contract (field, highest first) and what follows it (attribute: field)."""
    PrimaryOrder.objects.all().delete()
    PrimaryOrder.objects.bulk_create(
        PrimaryOrder(position=place, field=name, descending=descending)
        for place, (name, descending) in enumerate(order)
    )
    ProfileSource.objects.all().delete()
    ProfileSource.objects.bulk_create(
        ProfileSource(attribute=attribute, field=name) for attribute, name in sorted(follows.items())
    )
    due.everybody()


def _read(ids: Collection[int]) -> dict[int, Contract]:
    rows = Contract.objects.filter(pk__in=ids).select_related(
        "department", "location", "manager", "user", "account__user"
    )
    return {one.pk: one for one in rows}


def _said(contract: Contract | None) -> dict[str, str]:
    """Return what a contract says, by label, as the report keeps it; what is blank is left out."""
    if contract is None:
        return {}
    found = {name: getattr(contract, name) if name == MANAGER else contract.value(name) for name in NAMES}
    found |= {f"{CUSTOM}{name}": value for name, value in contract.custom.items()}
    return {label(name): str(value) for name, value in found.items() if value not in (None, "")}


def _record(changed: Iterable[tuple[Contract, dict[str, str], dict[str, str]]], actor: str) -> None:
    lines = []
    for contract, before, after in changed:
        user = contract.user or (contract.account.user if contract.account else None)
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        if user is None or not names:
            continue
        what = "taken away" if not after else "changed" if before else "added"
        lines.append(
            Line(
                identifier=user.username,
                application="",
                direction=Direction.PORTAL,
                operation=Operation.UPDATE,
                result=Result.SUCCESS,
                message=f"{contract} of {user} was {what}.",
                changes={f"{contract}: {name}": (before.get(name), after.get(name)) for name in names},
                actor=actor,
                user_id=user.pk,
            )
        )
    record_many(lines)


def _users(rows: Iterable[ContractRow]) -> set[int]:
    """Return the users whose contracts these are: one query for those of sources."""
    people, accounts = set(), set()
    for row in rows:
        if row.owner.user is not None:
            people.add(row.owner.user)
        elif row.owner.account is not None:
            accounts.add(row.owner.account)
    if accounts:
        found = Account.objects.filter(pk__in=accounts, user__isnull=False).values_list("user_id", flat=True)
        people.update(pk for pk in found if pk is not None)
    return people


def _remove(owner: str, rows: Sequence[ContractRow]) -> None:
    wanted = {(getattr(row.owner, owner), row.number) for row in rows}
    there = Contract.objects.filter(**{f"{owner}__in": {pk for pk, _ in wanted}})
    found = there.values_list("pk", owner, "external_id")
    Contract.objects.filter(pk__in=[pk for pk, whose, number in found if (whose, number) in wanted]).delete()


def _mark_at(location: Location) -> None:
    if location.external_id or location.source_id is None:
        users = User.objects.filter(contracts__location=location).values("pk")
        through = Account.objects.filter(contracts__location=location, user__isnull=False).values("user_id")
    else:
        users = User.objects.none().values("pk")
        through = Account.objects.filter(
            directory=location.source_id, contracts__isnull=False, user__isnull=False
        ).values("user_id")
    due.of(users, through)
