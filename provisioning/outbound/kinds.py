"""The kinds of outbound work: everything that looks at all of them goes through ``KINDS`` and names no model."""

from dataclasses import dataclass
from typing import Any, cast

from provisioning.models.outbox import QueuedChange
from provisioning.outbound.accounts.delivery import AccountWork
from provisioning.outbound.batch import Work
from provisioning.outbound.groups.delivery import GroupWork
from provisioning.outbound.leases import Leases


@dataclass(frozen=True)
class WorkKind:
    """One kind of outbound work. ``label`` heads its list of operations; ``noun`` is what people call its changes."""

    work: type[Work[Any]]
    label: str
    noun: str
    plural: str

    @property
    def leases(self) -> Leases[Any]:
        """Its leases."""
        return self.work.leases

    @property
    def name(self) -> str:
        """What messages to workers call it."""
        return self.leases.name

    @property
    def change(self) -> type[QueuedChange]:
        """The model of its changes."""
        return cast(type[QueuedChange], self.leases.change)


KINDS = (
    WorkKind(AccountWork, "Users", "change", "changes"),
    WorkKind(GroupWork, "Groups", "group change", "group changes"),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def kind_of(change: type[QueuedChange]) -> WorkKind:
    """Return the kind that a model of changes belongs to."""
    return next(kind for kind in KINDS if kind.change is change)
