"""Whether what a delivery would take away may be taken without a person's word.

What came of a plan that passed the guard, and what one person decided about one user, is ``cleared`` and not asked
about again. Everything else shares the budget of its directory: a SCIM client, a bulk action, changed settings.
Over it the change is parked as "held", until somebody releases or refuses it.
"""

from collections import Counter
from collections.abc import Collection

from directories.config import DirectoryConfig
from directories.connectors.base import ConnectorError
from provisioning.guard.budget import Budget
from provisioning.guard.limits import Limit
from provisioning.guard.losses import LossKind
from provisioning.models import Account, PushedMember
from provisioning.models.outbox import HELD, AccountState

WORDS = {
    LossKind.CLOSED: "More accounts would be closed in {name}",
    LossKind.BLANKED: "More accounts would lose a value in {name}",
    LossKind.MEMBERS: "More memberships would be lost in {name}",
}
REST = " than may be within 24 hours (the limit is {most:,}{share}). Look at whom it concerns, then release or refuse."


class Allowance:
    """What one batch may take away in its directory. ``cleared`` are the rows that nobody has to be asked about.

    ``used`` is what the row that is worked on has taken; ``undo`` gives it back when the work on it failed.
    """

    def __init__(self, config: DirectoryConfig, cleared: Collection[int]) -> None:
        assert config.id is not None
        features = config.features
        self.name, self.directory_id, self.cleared = config.name, config.id, cleared
        self.limits = {
            LossKind.CLOSED: Limit(features.max_leavers, features.max_leavers_percent),
            LossKind.BLANKED: Limit(features.max_blanked, features.max_blanked_percent),
            LossKind.MEMBERS: Limit(features.max_lost_members, features.max_lost_members_percent),
        }
        self.budget = Budget(config.id, self.limits, self._known)
        self.used: Counter[LossKind] = Counter()

    def begin(self) -> None:
        """Begin with the next row."""
        self.used.clear()

    def must_allow(self, pk: int, kind: LossKind) -> None:
        """Count one loss of a row, once; raise ConnectorError when a person has to be asked."""
        if pk in self.cleared or self.used[kind]:
            return
        if not self.take(kind, 1):
            raise self.held(kind)

    def take(self, kind: LossKind, wanted: int) -> int:
        """Return how many of ``wanted`` may be taken away now, and count them."""
        granted = self.budget.take(kind, wanted)
        self.used[kind] += granted
        return granted

    def give_back(self, kind: LossKind, number: int) -> None:
        """Count less: so many of what the row took were not taken away."""
        self.used[kind] -= number
        self.budget.give_back(kind, number)

    def undo(self) -> None:
        """Give back what the row took: it was not done."""
        for kind, number in self.used.items():
            self.budget.give_back(kind, number)
        self.used.clear()

    def held(self, kind: LossKind) -> ConnectorError:
        """Return why something waits for a person."""
        limit = self.limits[kind]
        share = f", or {limit.percent} %" if limit.percent < 100 else ""
        return ConnectorError((WORDS[kind] + REST).format(name=self.name, most=limit.most, share=share), code=HELD)

    def _known(self, kind: LossKind, enough: int) -> int:
        if kind == LossKind.MEMBERS:
            members = PushedMember.objects.filter(group_account__directory=self.directory_id)
            return members.order_by()[:enough].count()
        there = Account.objects.filter(directory=self.directory_id, state=AccountState.ACTIVE)
        return there.order_by()[:enough].count()
