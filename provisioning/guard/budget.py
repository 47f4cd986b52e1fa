"""What deliveries may take away in one directory within 24 hours without a person's word.

A batch takes some of it at a time, under a lock that is held for a moment and by nobody who holds another one, and
gives back what it did not need. A worker that is killed leaves what it took as lost: that errs on the safe side.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from django.db import transaction

from directories.models import ProvisioningSettings
from provisioning.guard import ledger
from provisioning.guard.limits import Limit, most_allowed
from provisioning.guard.losses import LossKind

DOOR = "delivery"
BLOCK = 10  # how much is taken at once
Known = Callable[[LossKind, int], int]  # of how many a kind of loss is, counted up to a number


class Budget:
    """The budget of one directory, as one batch uses it. ``limits`` are by kind, and ``known`` counts what there is."""

    def __init__(self, directory_id: int, limits: Mapping[LossKind, Limit], known: Known) -> None:
        self.directory_id, self.limits, self.known = directory_id, limits, known
        self._left: Counter[LossKind] = Counter()

    def take(self, kind: LossKind, wanted: int) -> int:
        """Return how many of ``wanted`` may be taken away now."""
        missing = wanted - self._left[kind]
        if missing > 0:
            self._left[kind] += self._reserve(kind, max(missing, BLOCK))
        granted = min(wanted, self._left[kind])
        self._left[kind] -= granted
        return granted

    def give_back(self, kind: LossKind, number: int) -> None:
        """Take nothing after all."""
        self._left[kind] += number

    def close(self) -> None:
        """Give back what was reserved and not needed."""
        ledger.record(DOOR, self.directory_id, {(kind, ""): -number for kind, number in self._left.items()})
        self._left.clear()

    @transaction.atomic
    def _reserve(self, kind: LossKind, number: int) -> int:
        """Count as much of ``number`` as the limit leaves as lost, and return it."""
        settings = ProvisioningSettings.objects.filter(directory=self.directory_id).order_by("pk")
        list(settings.select_for_update(no_key=True).values_list("pk"))
        before = ledger.before(DOOR, self.directory_id).get((kind, ""), 0)
        granted = max(0, min(number, self._most(kind, before) - before))
        ledger.record(DOOR, self.directory_id, {(kind, ""): granted})
        return granted

    def _most(self, kind: LossKind, before: int) -> int:
        """Return the limit as a number; what is known is only counted where a share of it decides."""
        limit = self.limits[kind]
        if limit.percent in (0, 100):
            return most_allowed(limit, 0)
        enough = -(-limit.most * 100 // limit.percent)  # of so many the share is the number
        known = self.known(kind, enough) + (0 if kind == LossKind.BLANKED else before)  # what is gone was there before
        return most_allowed(limit, known)
