"""One claim of outbound work, from probe to results, written once for every kind.

What is done in a directory happens outside any transaction, and results are recorded every few rows: a worker that is
killed loses at most those. Their leases run out, the sweep sends them again, and what is done already is found done.
"""

import logging
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar

from django.db import IntegrityError, transaction
from structlog.contextvars import bound_contextvars

from config.database import bulk
from directories import config as directory_config
from directories import health
from directories.config import DirectoryConfig
from directories.connectors.base import Connector, ConnectorError, Unavailable
from directories.models import Directory, Reachable
from provisioning.models.outbox import HELD, Lane, LastResult
from provisioning.outbound import leases
from provisioning.outbound.leases import Claim, Leases, Parked
from provisioning.restore import continuity
from reports.journal import Line, record_many
from reports.models import Direction, Operation, Result

# What the portal itself found wrong with one account or group: its directory refused nothing.
OURS = frozenset({HELD, "internal", "mapping", "container", "other_account", "other_group"})
UNEXPECTED = Parked("internal", "Something unexpected went wrong in the portal. Its log has the details.")
FLUSH_ITEMS = 100
FLUSH_SECONDS = 1.0
LOOK_SECONDS = 0.25  # after which a batch looks whether somebody became a leaver meanwhile
SHARE_SECONDS = 0.5  # a batch that has gone on for so long gives half of what is left to others who have nothing to do
SHARED = 20  # rows at least that must be left for that
FIELDS = (
    "remote_id",
    "place",
    "state",
    "pushed_digest",
    "last_result",
    "last_message",
    "last_synced_at",
    "not_before",
    "attempts",
    "leased_until",
    "unanswered",
)
UNKNOWN = "unknown"  # the step that a worker died at
log = logging.getLogger(__name__)


class Lost(Exception):
    """The lease ran out and another worker has it."""


@dataclass(slots=True)
class Outcome:
    """How the work on one row ended: its new values are on the row, and these are its report lines.

    ``parked`` is set when someone must see to it. ``waits``: it is tried again later; ``busy``: because of itself and
    not of the whole directory, so its own pause grows.
    """

    row: Any
    lines: list[Line] = field(default_factory=list)
    parked: Parked | None = None
    waits: bool = False
    busy: Unavailable | None = None

    def wait(self, message: str, line: Line) -> Self:
        """Let the row be tried again later; it gets the line only when it begins to wait."""
        if self.row.last_result != LastResult.WAITING:
            self.lines.append(line)
        self.row.last_result, self.row.last_message = LastResult.WAITING, message
        self.waits = True
        return self

    def park(self, cause: Parked, line: Line) -> Self:
        """Let the row wait for someone."""
        self.row.last_result, self.row.last_message, self.row.attempts = LastResult.PARKED, cause.message, 0
        self.lines.append(line)
        self.parked = cause
        return self


AnyOutcome = TypeVar("AnyOutcome", bound=Outcome)


@dataclass(slots=True)
class Delivered:
    """What a delivery leaves to its caller.

    ``again`` got another change meanwhile, and ``skipped`` was locked by somebody for a moment. ``resumed``: the
    directory could be reached again, so what waited for it can go. ``retry_in``: it could not, and is worth a trial
    after so many seconds.
    """

    claimed: int = 0
    again: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    resumed: bool = False
    retry_in: float | None = None


class Work(ABC, Generic[AnyOutcome]):
    """One kind of outbound work, for the rows of one directory, or of what else ``leases.home`` is.

    A kind says how rows are read (``load``), how the system is opened (``connect``), how one row is brought in sync
    (``one``) and what is written with its result (``store``). ``asked`` is whether the system has answered yet.
    """

    leases: ClassVar[Leases[Any]]
    fields: ClassVar[tuple[str, ...]] = FIELDS
    one_by_one: ClassVar[bool] = False  # whether each result is recorded before the next row is begun

    def __init__(self, directory_id: int, name: str) -> None:
        self.directory_id, self.name = directory_id, name
        self.asked = False

    @abstractmethod
    def load(self, ids: Collection[int]) -> Sequence[Any]:
        """Return the rows."""

    @abstractmethod
    def connect(self, stack: ExitStack, batch: "Batch") -> None:
        """Open what rows are sent to until ``stack`` closes it, and read what they share; raise ConnectorError."""

    @classmethod
    def answers(cls, home: Any) -> bool:
        """Try a system that nothing waits for any more, so that it is not called unreachable for ever."""
        return False

    def begin(self, rows: Sequence[Any]) -> set[int]:
        """Do at once what can be done at once for the first of the rows; return as many of the first as that was.

        ``one`` then says how each ended. Raise ConnectorError.
        """
        return set()

    def is_done(self, row: Any) -> bool:
        """Return whether a row that was begun is done, so that ``one`` does not ask the directory any more."""
        return False

    @abstractmethod
    def one(self, row: Any, actor: str) -> AnyOutcome:
        """Bring one row in sync; raise ConnectorError, or Lost."""

    @abstractmethod
    def wait(self, row: Any, message: str, actor: str) -> AnyOutcome:
        """Return the outcome of a row that is tried again later."""

    @abstractmethod
    def park(self, row: Any, cause: Parked, actor: str) -> AnyOutcome:
        """Return the outcome of a row that someone must see to."""

    def refuse(self, row: Any, error: ConnectorError, actor: str) -> AnyOutcome:
        """Return the outcome of a row that the directory refused."""
        return self.park(row, Parked(error.code, error.message), actor)

    @abstractmethod
    def taken(self, row: Any, actor: str) -> AnyOutcome:
        """Return the outcome of a row whose remote id is another one's: it is not linked, and parked."""

    def finish(self, held: Claim, outcomes: Sequence[AnyOutcome]) -> None:
        """End the claimed changes of rows that are in sync now."""
        self.leases.finish(held, [outcome.row.pk for outcome in outcomes])

    def close(self) -> None:
        """Give back what the batch took and did not need."""
        return

    @abstractmethod
    def store(self, outcomes: Sequence[AnyOutcome]) -> None:
        """Write what goes with the results, in their transaction."""


class DirectoryWork(Work[AnyOutcome]):
    """Work in a directory, through its connector."""

    @abstractmethod
    def open(self, config: DirectoryConfig, connector: Connector, batch: "Batch") -> None:
        """Read what all rows of the batch share; raise ConnectorError."""

    def connect(self, stack: ExitStack, batch: "Batch") -> None:
        """Open the connector."""
        config = directory_config.load(self.directory_id)
        connector = stack.enter_context(directory_config.open_connector(config))
        batch.lease = lease_for(connector.patience)
        self.open(config, connector, batch)

    @classmethod
    def answers(cls, home: Directory) -> bool:
        """Test the connection; return whether the directory is open again by that."""
        try:
            with directory_config.open_connector(directory_config.load(home.pk)) as connector:
                failed = next((step.message for step in connector.test().steps if step.ok is False), None)
            error = Unavailable(failed) if failed is not None else None
        except ConnectorError as refused:
            error = Unavailable(refused.message)
        if error is None:
            return opened(Directory, home.pk, home.name, quarantined=home.quarantined)
        health.record_failure(home.pk, error, probe=True)
        return False


def deliver(kind: type[Work[Any]], directory_id: int, ids: Sequence[int], limit: int | None = None) -> Delivered:
    """Bring those of the ids in sync that are due and that no other worker has."""
    continuity.look()
    columns = ("name", "answered_at", "unreachable_since", "last_error", "quarantined", "refusals")
    home = kind.leases.home
    directory = kind.leases.homes().filter(pk=directory_id).only(*columns).first()
    if directory is None:
        return Delivered()  # switched off, kept back or gone: changes wait
    work = kind(directory_id, directory.name)
    probing = directory.unreachable_since is not None
    if probing and not health.start_probe(directory_id, home):
        _wait_for(work, ids, directory.last_error)
        return Delivered()
    held = work.leases.claim(ids, 1 if probing else limit)
    result = Delivered(claimed=len(held.changes), skipped=held.skipped)
    if held.changes:
        batch = Batch(work, held, result, probing=probing, quarantined=directory.quarantined)
        with bound_contextvars(**{"directory" if home is Directory else "receiver": directory.name}):
            batch.run()
        batch.count_refusals(directory.refusals)
        result.again = work.leases.left_over(held.changes)
        if work.asked and directory.answered_at is None:
            health.note_answer(directory_id, home)
    elif probing:
        result.resumed = kind.answers(directory)
    return result


class Batch:
    """What one worker has claimed of one directory."""

    def __init__(
        self, work: Work[Any], held: Claim, result: Delivered, *, probing: bool, quarantined: bool = False
    ) -> None:
        self.work, self.held, self.result, self.probing, self.quarantined = work, held, result, probing, quarantined
        self.home: type[Reachable] = work.leases.home
        self.refused, self.refusal, self.did = 0, "", False
        # Leavers, and then in the order in which the changes came, so that what catches up does so as it happened.
        rows = work.load(list(held.changes))
        for row in rows:
            if row.pk in held.abandoned:
                row.unanswered = row.unanswered or UNKNOWN
        self.todo = sorted(rows, key=lambda row: (held.lane(row.pk), held.changes[row.pk][0].pk))
        self.outcomes: list[Outcome] = []
        self.flushed = self.renewed = self.shared = self.looked = time.monotonic()
        self.lease = self.granted = leases.LEASE
        self.begun: set[int] = set()

    def run(self) -> None:
        """Work through the rows; what is left when the portal itself fails is claimed again after the lease."""
        directory_id = self.work.directory_id
        with ExitStack() as stack:
            stack.callback(self.work.close)
            try:
                self.work.connect(stack, self)
            except Unavailable as error:
                self._unreachable(error)
            except ConnectorError as error:
                self._park_all(Parked(error.code, error.message))
            except Exception as error:
                log_unexpected(error, f"opening directory {directory_id}")
                self._park_all(UNEXPECTED)
            else:
                self._work()
        self._flush()

    def keep_lease(self) -> None:
        """At least half of the lease must be left before a call; raise Lost when the first row is not ours any more."""
        if self.granted - (time.monotonic() - self.renewed) >= self.lease / 2:
            return
        self._flush()
        kept = self.work.leases.renew(self.held, [row.pk for row in self.todo], self.lease)
        self.renewed, self.granted = time.monotonic(), self.lease
        first, *others = self.todo
        self.todo = [first, *(row for row in others if row.pk in kept)]
        if first.pk not in kept:
            raise Lost

    def _work(self) -> None:
        while self.todo:
            row = self.todo[0]
            try:
                self.keep_lease()
                self._begin(row)
                self.keep_lease()
                self.outcomes.append(self._one(row))
            except Lost:
                pass  # whoever has it now works on it
            except Unavailable as error:
                self._end_begun()
                self._unreachable(error)
                return
            del self.todo[0]
            if self.probing and self.work.asked:
                self._probed()
            now = time.monotonic()
            if now - self.looked >= LOOK_SECONDS:
                self.looked = now
                self._make_way()
            late = now - self.flushed >= FLUSH_SECONDS
            if late or self.work.one_by_one or len(self.outcomes) >= FLUSH_ITEMS:
                self._flush()
        if self.probing:
            health.retry_now(self.work.directory_id, self.home)  # nobody had to be asked about, so nothing was tried

    def _begin(self, row: Any) -> None:
        """Begin rows together, from this one on; what goes wrong with that, each of them will say itself."""
        if row.pk in self.begun:
            return
        try:
            self.begun = self.work.begin(self.todo)
        except ConnectorError as error:
            if isinstance(error, Unavailable) and error.whole_directory:
                raise
            self.begun = set()
        except Exception as error:
            log_unexpected(error, f"working on directory {self.work.directory_id}")
            self.begun = set()

    def _end_begun(self) -> None:
        """Note how rows ended that were begun together with one that cannot be done now."""
        done = [row for row in self.todo[1:] if self.work.is_done(row)]
        self.outcomes += [self._one(row) for row in done]
        self.todo = [row for row in self.todo if row not in done]

    def _make_way(self) -> None:
        """Give back what another worker is quicker with.

        That is whoever became a leaver since they were claimed; of those who are done already the results are written,
        which lets them go. And it is half of what is left where others have nothing to do: a directory that is slow or
        far away serves several workers at once.
        """
        kind, home_id = self.work.leases, self.work.directory_id
        done = {outcome.row.pk for outcome in self.outcomes}
        kept = self.begun | self.held.abandoned  # that a worker died at these, only this one knows
        waiting = {row.pk: self.held.lane(row.pk) for row in self.todo if row.pk not in kept}
        usual = [pk for pk in (*done, *waiting) if self.held.lane(pk) != Lane.LEAVERS]
        leavers = kind.leavers_among(usual)
        if leavers & done:
            self._flush()
        back = [pk for pk in waiting if pk in leavers]
        waiting |= dict.fromkeys(back, Lane.LEAVERS)
        rest = [pk for pk in waiting if pk not in leavers]
        if len(rest) >= SHARED and self.looked - self.shared >= SHARE_SECONDS:
            self.shared = self.looked
            if not kind.due(home_id, 1):
                back += rest[len(rest) // 2 :]
        self.todo = [row for row in self.todo if row.pk not in back]
        kind.release(self.held, back)
        for lane in Lane:
            kind.wake(home_id, [pk for pk in back if waiting[pk] == lane], lane)
        for pk in back:
            del self.held.changes[pk]

    def _one(self, row: Any) -> Outcome:
        """Return how the work on a row ended; raise Lost, or Unavailable when the whole directory cannot be reached.

        The log knows it by its newest change.
        """
        with bound_contextvars(operation_id=self.held.changes[row.pk][-1].pk):
            outcome = self._tried(row)
            result = "parked" if outcome.parked else "waiting" if outcome.waits else "done"
            log.info("%s %s: %s", self.work.leases.target.__name__, row.pk, result)
            return outcome

    def _tried(self, row: Any) -> Outcome:
        work, actor = self.work, self.held.actor(row.pk)
        outcome: Outcome
        try:
            outcome = work.one(row, actor)
        except Lost:
            raise
        except Unavailable as error:
            if error.whole_directory:
                raise
            outcome = work.wait(row, error.message, actor)
            outcome.busy = error
        except ConnectorError as error:
            work.asked = True
            outcome = work.refuse(row, error, actor)
        except IntegrityError:
            outcome = work.taken(row, actor)
        except Exception as error:
            log_unexpected(error, f"delivering {work.leases.target.__name__} {row.pk}")
            outcome = work.park(row, UNEXPECTED, actor)
        return outcome

    def _probed(self) -> None:
        """Note how the trial of a closed directory ended. Only success ends a quarantine."""
        outcome = self.outcomes[-1] if self.outcomes else None
        if self.quarantined and outcome is not None and outcome.parked and outcome.parked.code in OURS:
            return  # the directory was asked for nothing
        if self.quarantined and outcome is not None and (outcome.parked or outcome.waits):
            self.probing = False
            health.stay_in_quarantine(self.work.directory_id, outcome.row.last_message, self.home)
            return
        self._reached()

    def still_closed(self, message: str) -> None:
        """Note that the trial of a closed system found it as it was, though it answered: it waits for longer."""
        self.probing = False
        error = Unavailable(message)
        self.result.retry_in = health.record_failure(self.work.directory_id, error, probe=True, of=self.home)

    def _reached(self) -> None:
        self.probing = False
        self.result.resumed = opened(self.home, self.work.directory_id, self.work.name, quarantined=self.quarantined)

    def count_refusals(self, before: int) -> None:
        """Tell a directory that only refuses from one that refuses something; ``before``: it refused some already."""
        directory_id, name = self.work.directory_id, self.work.name
        if self.did and before:
            health.forget_refusals(directory_id, self.home)
        elif (
            self.refused
            and not self.did
            and health.record_refusals(directory_id, self.refused, self.refusal, self.home)
        ):
            words = f"refuses everything and is in quarantine: one change at a time is tried now. {self.refusal}"
            record_many([notice(name, Result.FAILED, words)])

    def _unreachable(self, error: Unavailable) -> None:
        """Let every row that is left wait, without trying the directory again."""
        self.result.retry_in = health.record_failure(self.work.directory_id, error, probe=self.probing, of=self.home)
        self.outcomes += [self.work.wait(row, error.message, self.held.actor(row.pk)) for row in self.todo]
        self.todo = []

    def _park_all(self, cause: Parked) -> None:
        if self.probing and self.quarantined:
            self.probing = False
            health.stay_in_quarantine(self.work.directory_id, cause.message, self.home)
        elif self.probing:
            self._reached()
        if cause.code in OURS:  # but settings that cannot be used let nobody through
            self.refused, self.refusal = self.refused + len(self.todo), cause.message
        self.outcomes += [self.work.park(row, cause, self.held.actor(row.pk)) for row in self.todo]
        self.todo = []

    def _flush(self) -> None:
        """Write the outcomes; singly when the database refuses one, so that no row holds up the others of its batch."""
        outcomes, self.outcomes, self.flushed = self.outcomes, [], time.monotonic()
        if not outcomes:
            return
        refusals = [outcome.parked for outcome in outcomes if outcome.parked and outcome.parked.code not in OURS]
        self.refused, self.refusal = self.refused + len(refusals), refusals[-1].message if refusals else self.refusal
        self.did = self.did or any(line.result == Result.SUCCESS for outcome in outcomes for line in outcome.lines)
        try:
            self._write(outcomes)
            return
        except IntegrityError:
            log.warning("%s results are recorded one by one: two of them have one remote id.", len(outcomes))
        for outcome in outcomes:
            try:
                self._write([outcome])
            except IntegrityError:
                self._write([self.work.taken(outcome.row, self.held.actor(outcome.row.pk))])

    def _write(self, outcomes: Sequence[Outcome]) -> None:
        """Write the results of rows that are still leased to us, their report lines and the end of their changes."""
        work, held = self.work, self.held
        with transaction.atomic():
            ours = work.leases.lock(held, [outcome.row.pk for outcome in outcomes])
            kept = [outcome for outcome in outcomes if outcome.row.pk in ours]
            # Also those who became leavers during the call.
            leavers = work.leases.leavers_among([outcome.row.pk for outcome in kept if outcome.busy])
            for outcome in kept:
                row = outcome.row
                row.leased_until = None
                if outcome.busy:
                    longest = leases.LEAVERS_PAUSE if row.pk in leavers else leases.LONGEST_PAUSE
                    row.not_before = held.clock.after_pause(row.attempts, outcome.busy.retry_after, longest)
                    row.attempts += 1
            bulk.update([outcome.row for outcome in kept], work.fields)
            work.finish(held, [outcome for outcome in kept if not outcome.parked and not outcome.waits])
            work.leases.park(held, {outcome.row.pk: outcome.parked for outcome in kept if outcome.parked})
            record_many(line for outcome in kept for line in outcome.lines)
            work.store(kept)
        work.leases.hurry_leavers({outcome.row.pk for outcome in kept if outcome.busy} - leavers)
        if self.todo:  # else ``deliver`` looks for everything that got another change
            # The message about somebody who became a leaver while this worker had them found them taken.
            new = [one.row.pk for one in kept if not one.waits or held.lane(one.row.pk) != Lane.LEAVERS]
            work.leases.wake(work.directory_id, work.leases.leavers_among(new), Lane.LEAVERS)


def notice(directory: str, result: Result, words: str) -> Line:
    """Return a line of the report about a directory as a whole."""
    return Line("", directory, Direction.PORTAL, Operation.SETTINGS, result, f"{directory} {words}")


def lease_for(patience: float) -> float:
    """Return the seconds of a lease. Half of it outlasts a time-out of the directory, which ends the batch."""
    return max(leases.LEASE, 2.0 * patience)


def opened(home: type[Reachable], directory_id: int, name: str, *, quarantined: bool) -> bool:
    """Open a directory again and return whether it was closed; the report says when that ends a quarantine."""
    resumed = health.record_success(directory_id, home)
    if quarantined and resumed:
        record_many([notice(name, Result.SUCCESS, "takes changes again and has left quarantine.")])
    return resumed


def log_unexpected(error: Exception, doing: str) -> None:
    """Log an exception by type and place: its text may hold values of a statement."""
    log.error("%s while %s:\n%s", type(error).__name__, doing, "".join(traceback.format_tb(error.__traceback__)))


def _wait_for(work: Work[Any], ids: Collection[int], message: str) -> None:
    """Mark rows as waiting for a directory that is known to be unreachable, once an outage."""
    with transaction.atomic():
        waiting = work.leases.claimable(ids).exclude(last_result=LastResult.WAITING).order_by("pk")
        rows = list(waiting.select_for_update(skip_locked=True, no_key=True))
        lines = [line for row in rows for line in work.wait(row, message, "").lines]
        work.leases.target._default_manager.filter(pk__in=[row.pk for row in rows]).update(
            last_result=LastResult.WAITING, last_message=message
        )
        record_many(lines)
