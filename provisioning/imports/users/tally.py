"""Counting what a plan takes away while it is made; rows that two claim are taken out of it only later."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from provisioning.guard.losses import BITS, LossKind
from provisioning.imports.users.plan import Planned


@dataclass(slots=True)
class Tally:
    """How many people a plan concerns, by kind of loss, and for how many each attribute gets another value."""

    kinds: Counter[LossKind] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)

    def add(self, planned: Planned) -> None:
        """Count one planned change."""
        if bits := planned.losses:
            for kind in kinds_of(bits):
                self.kinds[kind] += 1
        if changed := planned.changed:
            self.changed.update(changed)

    def losses(self) -> dict[tuple[str, str], int]:
        """Return the numbers as the ledger keeps them."""
        found: dict[tuple[str, str], int] = {(kind, ""): number for kind, number in self.kinds.items()}
        return found | {(LossKind.CHANGED, path): number for path, number in self.changed.items()}


@cache
def kinds_of(bits: int) -> Sequence[LossKind]:
    """Return the kinds of losses that bits stand for."""
    return [kind for kind, bit in BITS.items() if bits & bit]
