"""The one door by which contracts, departments and locations are written: set-based, whoever asks.

What follows from them is not done here: everybody concerned is marked, and ``imports.doors.contracts`` settles it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from provisioning.contracts import due, tree
from provisioning.contracts.models import Contract, Department, Location, PrimaryOrder, ProfileSource
from provisioning.models import Account, User

CYCLE = (
    "Department {name} ({number}) would be below itself: {way}. It keeps its place. Correct its parent in the source."
)
FIELDS = tuple(
    each.name for each in Contract._meta.concrete_fields if each.name not in ("id", "account", "user", "external_id")
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a contract is: a source's ``account``, or a ``user`` for one that the portal keeps."""

    account: int | None = None
    user: int | None = None


@dataclass(frozen=True, slots=True)
class ContractRow:
    """One contract as somebody says it: its number, and its fields by their names in the model (ids as ``..._id``).

    What is left out becomes blank: a row is the whole contract.
    """

    owner: Owner
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
    people = _users([*rows, *gone])
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
    due.mark(people)
    return people


@transaction.atomic
def save_contract(contract: Contract) -> None:
    """Write one contract that somebody edits, and mark the person."""
    contract.full_clean(validate_unique=False, validate_constraints=False)
    contract.save()
    due.mark(owners([contract]))


@transaction.atomic
def delete_contracts(contracts: Iterable[Contract]) -> set[int]:
    """Remove contracts, and mark the people."""
    held = list(contracts)
    people = owners(held)
    Contract.objects.filter(pk__in=[one.pk for one in held]).delete()
    due.mark(people)
    return people


def owners(contracts: Sequence[Contract]) -> set[int]:
    """Return the users whose contracts these are."""
    return _users([ContractRow(Owner(one.account_id, one.user_id), one.external_id) for one in contracts])


@transaction.atomic
def write_departments(source_id: int, rows: Sequence[DepartmentRow]) -> list[str]:
    """Write a source's departments; return in words which would hang below themselves, and keep their place.

    Those that are not named stay: contracts may still be in them. Six statements at the most.
    """
    unique = {row.number: row for row in rows}
    before = dict(Department.objects.filter(source=source_id).values_list("external_id", "parent__external_id"))
    wanted = {**before, **{number: row.parent or None for number, row in unique.items()}}
    problems = []
    while found := tree.cycles(wanted):
        for ring in found:
            for number in ring:
                if number in unique and wanted[number] != before.get(number):
                    way = " below ".join([*ring[ring.index(number) :], *ring[: ring.index(number) + 1]])
                    problems.append(CYCLE.format(name=unique[number].name, number=number, way=way))
                    wanted[number] = before.get(number)
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
    _mark_below([held[number].pk for number in unique])
    return problems


@transaction.atomic
def save_department(department: Department) -> None:
    """Write one department that somebody edits; raises ValueError with words when it would hang below itself."""
    parents = dict(Department.objects.values_list("pk", "parent_id"))
    if department.pk and (way := tree.would_be_cycle(department.pk, department.parent_id, parents)):
        names = dict(Department.objects.filter(pk__in=way).values_list("pk", "name"))
        raise ValueError(
            f"{department.name} would be below itself: {' is below '.join(names[pk] for pk in way)}. "
            "Choose another parent."
        )
    department.save()
    _mark_below([department.pk])


@transaction.atomic
def delete_departments(ids: Collection[int]) -> None:
    """Remove departments; those below and contracts in them are left without one, and their people are marked."""
    _mark_below(ids)
    Department.objects.filter(pk__in=ids).delete()


@transaction.atomic
def save_location(location: Location) -> None:
    """Write one location; its time zone decides when contracts there begin and end, so their people are marked."""
    location.save()
    _mark_at(location)


@transaction.atomic
def delete_location(location: Location) -> None:
    """Remove a location; contracts there go by the person's zone."""
    _mark_at(location)
    location.delete()


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


def _mark_below(ids: Collection[int]) -> None:
    """Mark everybody in these departments and below them: the head of one may manage whoever is below."""
    parents = dict(Department.objects.values_list("pk", "parent_id"))
    due.in_departments(tree.subtree(ids, parents))


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
