"""Counting what a plan takes away while it is made; rows that two claim are taken out of it only later."""

from collections import Counter
from dataclasses import dataclass, field

from provisioning.guard.losses import BITS, Kind
from provisioning.imports.users.plan import Planned


@dataclass(slots=True)
class Tally:
    """How many people a plan concerns, by kind of loss, and for how many each attribute gets another value."""

    kinds: Counter[Kind] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)

    def add(self, planned: Planned) -> None:
        """Count one planned change."""
        if bits := planned.losses:
            self.kinds.update(kinds_of(bits))
        if changed := planned.changed:
            self.changed.update(changed)

    def losses(self) -> dict[tuple[str, str], int]:
        """Return the numbers as the ledger keeps them."""
        found: dict[tuple[str, str], int] = {(kind, ""): number for kind, number in self.kinds.items()}
        return found | {(Kind.CHANGED, path): number for path, number in self.changed.items()}


def kinds_of(bits: int) -> list[Kind]:
    """Return the kinds of losses that bits stand for."""
    return [kind for kind, bit in BITS.items() if bits & bit]
