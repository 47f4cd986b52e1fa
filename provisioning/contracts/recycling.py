"""Contracts that the portal keeps, and whom a user manages by them, as a part of the image of one who is deleted.

Contracts of a source hang on its account, which comes back by itself.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db.models import Model

from provisioning.contracts import due, services
from provisioning.contracts.models import Contract, Department, Location
from provisioning.contracts.services import ContractOwner, ContractRow
from provisioning.models import User
from provisioning.recycle.images import Keeper, plain

FIELDS = [field for field in Contract._meta.concrete_fields if field.name in services.FIELDS]
NAMED: dict[str, type[Model]] = {"department": Department, "location": Location, "manager": User}
Part = dict[str, list[Any]]


def take(user_ids: Collection[int]) -> dict[int, Part]:
    """Return the contracts of these users, and the ids of contracts and departments that name them as the manager."""
    found: dict[int, Part] = {}

    def of(user_id: int | None) -> Part:
        return found.setdefault(user_id or 0, {"contracts": [], "manages": [], "heads": []})

    for contract in Contract.objects.filter(user__in=user_ids).order_by("pk"):
        values = {field.attname: plain(getattr(contract, field.attname)) for field in FIELDS}
        of(contract.user_id)["contracts"].append([contract.external_id, values])
    for name, model in (("manages", Contract), ("heads", Department)):
        rows = model._default_manager.filter(manager__in=user_ids).order_by("pk")
        for pk, manager in rows.values_list("pk", "manager_id"):
            of(manager)[name].append(pk)
    return found


def give(parts: Mapping[int, Part]) -> dict[int, list[str]]:
    """Write the contracts again, and put the users back where nobody else manages; return what is gone by now."""
    held = [(user_id, number, values) for user_id, part in parts.items() for number, values in part["contracts"]]
    there = {name: _there(model, (values[f"{name}_id"] for *_, values in held)) for name, model in NAMED.items()}
    missing: dict[int, list[str]] = {}
    rows = []
    for user_id, number, values in held:
        kept = {field.attname: field.to_python(values.get(field.attname)) for field in FIELDS}
        for name, ids in there.items():
            if kept[f"{name}_id"] is not None and kept[f"{name}_id"] not in ids:
                kept[f"{name}_id"] = None
                missing.setdefault(user_id, []).append(f"the {name} of contract {number} was deleted")
        rows.append(ContractRow(ContractOwner(user=user_id), number, kept))
    services.write_contracts(rows)
    _put_back(parts)
    return missing


def hand_over(goes: User, stays: User) -> list[list[Any]]:
    """Let one user have the contracts of another that the portal keeps, and manage whom the other manages.

    Return the contracts by id with the numbers that they had. Call it once an image was taken.
    """
    taken = set(Contract.objects.filter(user=stays).values_list("external_id", flat=True))
    moved: list[list[Any]] = []
    for contract in Contract.objects.filter(user=goes).order_by("pk").select_for_update(no_key=True):
        moved.append([contract.pk, contract.external_id])
        if contract.external_id in taken:
            contract.external_id = f"{contract.external_id[:64]} of {goes.username}"[:128]
        contract.user = stays
        contract.save(update_fields=["user", "external_id"])
    _manage_instead(goes, stays)
    if moved:
        due.mark([stays.pk])
    return moved


def take_back(part: Part, moved: Collection[list[Any]], stays: User, user: User) -> list[str]:
    """Take contracts back that were handed over, as they are now; return in words which are gone.

    What ``part``, of the user's image, has of them is taken out of it; whom the user managed is left to nobody.
    """
    here = Contract.objects.filter(pk__in=[pk for pk, _ in moved], user=stays).select_for_update(no_key=True).in_bulk()
    missing = []
    for pk, number in moved:
        if contract := here.get(pk):
            contract.user, contract.external_id = user, number
            contract.save(update_fields=["user", "external_id"])
        else:
            missing.append(f"contract {number} was deleted")
    part["contracts"] = []
    for name, model in (("manages", Contract), ("heads", Department)):
        model._default_manager.filter(pk__in=part[name], manager=stays).update(manager=None)
    due.mark([user.pk] if here else [])
    return missing


def _manage_instead(goes: User, stays: User) -> None:
    contracts = list(Contract.objects.filter(manager=goes).order_by("pk"))
    Contract.objects.filter(manager=goes).update(manager=stays)
    due.again(services.owners(contracts))
    departments = list(Department.objects.filter(manager=goes).values_list("pk", flat=True))
    Department.objects.filter(manager=goes).update(manager=stays)
    if departments:
        due.below(departments)


def _there(model: type[Model], ids: Iterable[int | None]) -> set[int]:
    wanted = {pk for pk in ids if pk is not None}
    return set(model._default_manager.filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()


def _put_back(parts: Mapping[int, Part]) -> None:
    """Let the users manage again whom they managed, unless somebody else does by now; mark those people."""
    for name, model in (("manages", Contract), ("heads", Department)):
        managers = {pk: user_id for user_id, part in parts.items() for pk in part[name]}
        if not managers:
            continue
        free = model._default_manager.filter(pk__in=managers, manager=None).order_by("pk")
        rows: list[Any] = list(free.select_for_update(no_key=True))
        for row in rows:
            row.manager_id = managers[row.pk]
        model._default_manager.bulk_update(rows, ["manager"])
        if model is Contract:
            due.again(services.owners(rows))
        else:
            due.below([row.pk for row in rows])


KEEPER = Keeper("contracts", take, give)
