"""Pure: what a change would do to a directory's accounts, in numbers, samples and sentences, and what limits say."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from django.utils import timezone

from directories.attributes import Value
from directories.models import ProvisioningSettings
from provisioning.guard.limits import Counted, Limit, Objection, objections
from provisioning.guard.losses import LossKind

FEW = 5  # accounts that a save may reach without being confirmed
SAMPLES = 5  # of each kind of change
NO_SHARE = 100


class Reckoned(Protocol):
    """What a change of settings would do, as the question before a save and a blueprint tell it."""

    @property
    def sentences(self) -> list[str]:
        """What would be done."""

    @property
    def reached(self) -> int:
        """The number that is typed where a limit is passed."""

    @property
    def is_small(self) -> bool:
        """Whether it may be saved without being confirmed."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One account: what would be done to it, and its attributes before and after."""

    key: str
    what: str
    changes: Mapping[str, tuple[Value, Value]]


@dataclass(slots=True)
class Impact:
    """How many accounts would be reached, each counted once: by the strongest of what is done to it.

    ``known`` are the accounts that the directory has. ``losing`` are those that lose a value, by ``blanked`` attribute;
    ``values`` counts those with another value by attribute. ``unclear`` cannot be reckoned: ``trouble`` says why.
    ``left_open`` are accounts of leavers that nothing would close any more. ``scheduled`` deletions would be made of
    people who had left before. Of those that are scheduled already, ``moved`` would be made on another day, and
    ``unscheduled`` not at all; ``first_due`` is when the first is then. ``memberships`` of people
    who have left are taken away. ``final``: why a deletion
    there cannot be undone. ``estimated``: of so many accounts only
    some were looked at. ``imports`` are the changed settings that decide whom an import sees.
    """

    known: int = 0
    changed: int = 0
    opened: int = 0
    disabled: int = 0
    deleted: int = 0
    left_open: int = 0
    scheduled: int = 0
    moved: int = 0
    unscheduled: int = 0
    first_due: dt.datetime | None = None
    losing: int = 0
    unclear: int = 0
    trouble: str = ""
    blanked: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    groups: int = 0
    fewer_groups: int = 0
    memberships: int = 0
    final: str = ""
    estimated: bool = False
    imports: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def closed(self) -> int:
        """Accounts that would be disabled or deleted."""
        return self.disabled + self.deleted

    @property
    def reached(self) -> int:
        """Accounts that something would be done to: the number that is typed where a limit is passed."""
        return self.changed + self.opened + self.closed

    @property
    def is_small(self) -> bool:
        """Whether it may be saved without being confirmed."""
        people = (self.reached, self.left_open, self.unclear, self.scheduled, self.moved, self.unscheduled)
        everything = (*people, self.groups, self.fewer_groups, self.memberships)
        if self.deleted and self.final:
            return False
        return max(everything) <= FEW and not (self.imports and self.known > FEW)

    @property
    def sentence(self) -> str:
        """What would be done, in one sentence."""
        parts = list(self._parts())
        if not parts:
            return "No account would change, as far as the portal knows."
        said = f"This would {', '.join(parts[:-1])}{' and ' if parts[:-1] else ''}{parts[-1]}."
        if self.first_due:
            said += f" The first scheduled deletion is then due on {timezone.localtime(self.first_due):%Y-%m-%d}."
        return said

    @property
    def sentences(self) -> list[str]:
        """What would be done, and what cannot be reckoned, for people who read lines."""
        found = [self.sentence] if list(self._parts()) else []
        if self.deleted and self.final:
            found.append(self.final)
        if self.unclear:
            found.append(f"{accounts(self.unclear)} cannot be reckoned: {self.trouble}")
        if self.imports and self.known:
            found.append(f"{', '.join(self.imports)}: only a preview import shows what that does.")
        return found

    def _parts(self) -> Iterator[str]:
        about = "about " if self.estimated else ""
        for number, verb in (
            (self.changed, "change"),
            (self.opened, "open"),
            (self.disabled, "disable"),
            (self.deleted, "delete"),
        ):
            if number:
                yield f"{verb} {about}{accounts(number)}"
        for name, number in self.blanked.most_common():
            yield f"blank {about}{number:,} {'value' if number == 1 else 'values'} of {name}"
        if self.left_open:
            yield f"leave {accounts(self.left_open)} of people who have left open"
        if self.scheduled:
            yield f"schedule {'1 deletion' if self.scheduled == 1 else f'{self.scheduled:,} deletions'}"
        if self.moved:
            yield f"move {deletions(self.moved)} to another day"
        if self.unscheduled:
            yield f"cancel {deletions(self.unscheduled)}"
        if self.groups:
            yield f"add {groups(self.groups)}"
        if self.fewer_groups:
            yield f"no longer push {groups(self.fewer_groups)}"
        if self.memberships:
            some = "1 membership" if self.memberships == 1 else f"{self.memberships:,} memberships"
            yield f"take {some} of people who have left away"

    def sample(self, key: str, what: str, changes: Mapping[str, tuple[Value, Value]]) -> None:
        """Keep an account as an example, as long as there are few of its kind."""
        if sum(one.what == what for one in self.samples) < SAMPLES:
            self.samples.append(Sample(key, what, changes))

    def objections(self, limits: ProvisioningSettings) -> list[Objection]:
        """Return what is over the directory's limits: the stored ones, not those that are to be saved."""
        return objections(self._counted(limits), {})

    def _counted(self, limits: ProvisioningSettings) -> Collection[Counted]:
        of = self.known
        closed = Limit(limits.max_leavers, limits.max_leavers_percent)
        blanked = Limit(limits.max_blanked, limits.max_blanked_percent)
        changed = Limit(limits.max_changed, limits.max_changed_percent)
        opened = Limit(limits.max_opened, NO_SHARE)
        found = [
            Counted(LossKind.CLOSED, self.closed, of, closed, f"{accounts(self.closed)} would be closed"),
            Counted(LossKind.BLANKED, self.losing, of, blanked, f"{accounts(self.losing)} would lose a value"),
            Counted(LossKind.OPENED, self.opened, of, opened, f"{accounts(self.opened)} would be opened"),
        ]
        for name, number in self.values.most_common(1):
            words = f"{accounts(number)} would get another value of {name}"
            found.append(Counted(LossKind.CHANGED, number, of, changed, words, name))
        return found


def accounts(number: int) -> str:
    """Return a number of accounts in words."""
    return "1 account" if number == 1 else f"{number:,} accounts"


def deletions(number: int) -> str:
    """Return a number of scheduled deletions in words."""
    return "1 scheduled deletion" if number == 1 else f"{number:,} scheduled deletions"


def groups(number: int) -> str:
    """Return a number of groups in words."""
    return "1 group" if number == 1 else f"{number:,} groups"
