"""Pure: who manages a person: the contract's own manager, else the head of its department, else that of the parent.

Nobody is their own manager: the head of a department is managed by the head of the department above. Whether managers
manage each other in a circle does not matter here, since no chain of them is followed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from provisioning.contracts.tree import upwards


@dataclass(frozen=True, slots=True)
class DepartmentHead:
    """What of a department decides: its name and the id of its head."""

    name: str
    head: int | None = None


@dataclass(frozen=True, slots=True)
class FoundManager:
    """The id of the manager, None for nobody, and where that comes from."""

    manager: int | None
    how: str


def manager_of(
    person: int,
    of_contract: int | None,
    department: int | None,
    departments: Mapping[int, DepartmentHead],
    parents: Mapping[int, int | None],
) -> FoundManager:
    """Return who manages a person by a contract; ``parents`` are those of the departments."""
    if of_contract is not None and of_contract != person:
        return FoundManager(of_contract, "the contract names them")
    for key in upwards(department, parents) if department is not None else ():
        head = departments[key].head
        if head is not None and head != person:
            return FoundManager(head, f"head of {departments[key].name}")
    return FoundManager(None, "neither the contract nor a department names anybody")
