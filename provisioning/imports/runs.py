"""The life of an import run: its lease, its progress and its end.

A run is claimed by one compare-and-swap UPDATE, and every later write is fenced by the lease that the claim gave: a
worker that was taken for dead and wakes up finds its lease gone, and its page is rolled back. While a worker waits for
its directory a thread renews the lease, so that a lease may be short and a dead worker is soon noticed.
"""

import datetime as dt
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from config.database import bulk, commits
from directories.models import Directory
from provisioning.contracts.models import PlannedDepartment
from provisioning.guard.limits import how_many
from provisioning.imports import follows
from provisioning.imports.users.state import ACTIVE
from provisioning.models import ImportRun, PlannedChange, PlannedGroup, PlannedMember
from provisioning.models.imports import ENDED, Action, Door, RunStatus, Trigger
from provisioning.restore import continuity, holding
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, EvidenceKind, Operation, Result

LEASE = dt.timedelta(seconds=30)
RENEW = 8.0  # seconds between two renewals by the thread
SILENCE = dt.timedelta(minutes=2)  # a worker that writes nothing for longer hangs, unless its directory may be as slow
PATIENCE = dt.timedelta(seconds=30)  # how long a queued run may wait before its message counts as lost
FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(minutes=1), dt.timedelta(minutes=30)  # before a failed import is tried again
MOST_WAITED = 86_400.0  # seconds, whatever a directory asks for
MOST_TRIES = 50  # a day; the schedule may have begun anew long before
MAY_GO_ON = Q(preview=True) | holding.free()
WORKING = (RunStatus.QUEUED, RunStatus.CRAWLING, RunStatus.APPLYING)
COUNTERS = (
    "held",
    "seen",
    "unchanged",
    "planned",
    "applied",
    "created",
    "updated",
    "deactivated",
    "left_alone",
    "blocked",
    "errors",
    "departments_changed",
)
GROUP_COUNTERS = ("groups_seen", "groups_changed", "memberships_added", "memberships_removed", "unmatched_members")


REPLACED = "Replaced by a newer import. What waited is planned again."
DOOR = "import"  # of losses, in the ledger
log = logging.getLogger(__name__)


class ImportRefused(Exception):
    """The run cannot be started, approved or cancelled; ``message`` says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def no_longer_waits(run: ImportRun) -> ImportRefused:
    """Return why nobody can decide about the run: what has become of it by now."""
    run.refresh_from_db()
    return ImportRefused(f"This run is no longer waiting: it is {run.get_status_display().lower()}.")


class LeaseLost(Exception):
    """Another worker has taken the run over; this one must stop without writing."""


class Incomplete(Exception):
    """The crawl or the plan cannot be used; the text says why in a helpdesk's words."""


class Cancelled(Exception):
    """Someone asked for the run to be cancelled."""


@dataclass(slots=True)
class Lease:
    """A claimed run: ``until`` is both the end of the lease and the token that proves it.

    ``runs`` is the kind of run. ``wrote`` is when the worker itself last wrote (``time.monotonic``), and ``silence``
    how long it may write nothing.
    """

    run_id: int
    until: dt.datetime
    runs: type[Any] = ImportRun
    silence: dt.timedelta = SILENCE
    wrote: float = field(default_factory=time.monotonic)
    _writing: "threading.RLock" = field(default_factory=threading.RLock)  # held while ``until`` changes

    def write(self, **values: Any) -> None:
        """Write to the run and renew the lease, in the caller's transaction; raise LeaseLost when it is gone."""
        with self._writing:
            if not self._renewed(**values):
                raise LeaseLost
            self.wrote = time.monotonic()

    def renew(self) -> None:
        """Renew the lease for a worker that waits, unless it waits too long or is writing just now."""
        if time.monotonic() - self.wrote >= self.silence.total_seconds() or not self._writing.acquire(blocking=False):
            return
        try:
            self._renewed()
        finally:
            self._writing.release()

    def _renewed(self, **values: Any) -> bool:
        renewed = max(timezone.now() + LEASE, self.until + dt.timedelta(microseconds=1))
        held = self.runs.objects.filter(pk=self.run_id, leased_until=self.until)
        if not held.update(leased_until=renewed, **values):
            return False
        self.until = renewed
        return True

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the lease now and then, in a thread, while the block runs."""
        ended = threading.Event()
        thread = threading.Thread(target=self._keep, args=(ended,), name=f"lease-{self.run_id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _keep(self, ended: threading.Event) -> None:
        while not ended.wait(RENEW):
            try:
                self.renew()
            except DatabaseError as error:
                name = self.runs._meta.verbose_name
                log.warning("%s while the lease of %s %s was renewed.", type(error).__name__, name, self.run_id)
            finally:
                connection.close()

    @contextmanager
    def page(self, *, durable: bool = True) -> Iterator[dict[str, Any]]:
        """One page in one transaction: put what the run's counters gain into the dictionary that this gives.

        Raises Cancelled, before anything is written, when the run is to be cancelled, and LeaseLost when another worker
        has it. The run is locked meanwhile, so that nobody takes it over however long the page takes.

        A page of a plan need not be ``durable``: whatever ends the run before its plan is complete, it is made anew.
        """
        with self._writing:
            before = self.until
            try:
                with transaction.atomic():
                    if not durable:
                        commits.need_not_wait()
                    self._lock()
                    gains: dict[str, Any] = {}
                    yield gains
                    self.write(**{name: F(name) + gain for name, gain in gains.items() if gain})
            except BaseException:
                self.until = before
                raise

    def go_on(self) -> None:
        """Raise Cancelled when the run is to be cancelled: asked while its directory keeps it waiting."""
        if self.runs.objects.filter(pk=self.run_id, cancel_requested=True).exists():
            raise Cancelled

    def _lock(self) -> None:
        held = self.runs.objects.filter(may_go_on(self.runs), pk=self.run_id, leased_until=self.until)
        locked = held.select_for_update(no_key=True)
        found = list(locked.values_list("cancel_requested", flat=True))
        if not found:
            raise LeaseLost
        if found[0]:
            raise Cancelled

    def end(self, status: RunStatus, message: str, **values: Any) -> None:
        """Let go of the run in its final or waiting state."""
        now = timezone.now()
        if status in ENDED or status == RunStatus.PLANNED:
            values["finished_at"] = now
        with self._writing:
            held = self.runs.objects.filter(pk=self.run_id, leased_until=self.until)
            ended = held.update(leased_until=None, status=status, message=message, cancel_requested=False, **values)
        if not ended:
            raise LeaseLost


def may_go_on(runs: type[Any]) -> Q:
    """Return the condition for runs of this kind to be worked on; a comparison writes nothing by itself."""
    return MAY_GO_ON if runs is ImportRun else Q()


def claim(run_id: int, runs: type[Any] = ImportRun) -> Lease | None:
    """Take a run that is waiting for a worker or whose worker is dead; None when there is nothing to take.

    Of a directory that is kept back only previews are taken, and what only compares.
    """
    continuity.look()
    now = timezone.now()
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    lease = Lease(run_id, now + LEASE, runs)
    waiting = runs.objects.filter(free, may_go_on(runs), pk=run_id, status__in=WORKING)
    won = waiting.update(leased_until=lease.until)
    return lease if won else None


def retry_moment(now: dt.datetime, tries: int, retry_after: float | None) -> dt.datetime | None:
    """Return when an import that failed is tried again, after ``tries`` before it; None once that was often enough.

    ``retry_after`` is what the directory itself asks for, in seconds.
    """
    if tries >= MOST_TRIES:
        return None
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * int(2 ** min(tries, 16)))
    return now + max(pause, dt.timedelta(seconds=min(retry_after or 0.0, MOST_WAITED)))


def must_be_on(directory: Directory, *, preview: bool = False) -> None:
    """Raise ImportRefused when the directory is not to be imported."""
    if not directory.enabled:
        raise ImportRefused(f"{directory.name} is switched off. Switch it on first, on its page under Directories.")
    provisioning = getattr(directory, "provisioning", None)
    if provisioning is None or not provisioning.import_users:
        raise ImportRefused(
            f'Import is switched off for {directory.name}. Switch on "Import users" in its provisioning features.'
        )
    if not preview and holding.is_held(directory.pk):
        raise ImportRefused(holding.REFUSED.format(name=directory.name))


def create(
    directory: Directory,
    *,
    preview: bool,
    actor: str,
    trigger: Trigger,
    incremental: bool = False,
    from_records: bool = False,
    tries: int = 0,
) -> ImportRun:
    """Queue a run; raise ImportRefused when the directory already has one, or is not to be imported."""
    must_be_on(directory, preview=preview)
    try:
        with transaction.atomic():
            if trigger in (Trigger.SCHEDULE, Trigger.LISTENER) and not incremental:
                _replace_waiting(directory)
            return ImportRun.objects.create(
                directory=directory,
                preview=preview,
                actor=actor,
                trigger=trigger,
                incremental=incremental or from_records,
                from_records=from_records,
                tries=tries,
            )
    except IntegrityError:
        raise ImportRefused(_already(directory)) from None


def _replace_waiting(directory: Directory) -> None:
    """End a run of which only what is held is left: the new one plans that again, as it is by then."""
    waiting = ImportRun.objects.filter(directory=directory, status=RunStatus.APPROVAL)
    for run in waiting.select_for_update(no_key=True, of=("self",)):
        values = {"status": RunStatus.CANCELLED, "message": REPLACED, "finished_at": timezone.now()}
        ImportRun.objects.filter(pk=run.pk).update(**values)
        leave_out_held(run)
        forget_passwords(run.pk)


def held(run: ImportRun) -> "Counter[str]":
    """Return how much of each of a run's numbers is held and nobody has decided about; what was refused is out."""
    found: Counter[str] = Counter()
    waiting = PlannedChange.objects.filter(run=run, held=True, verdict="")
    for action, number in waiting.order_by().values_list("action").annotate(Count("pk")):
        found[COUNTED[action]] += number
    members = PlannedMember.objects.filter(planned_group__run=run, planned_group__verdict="", held=True)
    for add, number in members.order_by().values_list("add").annotate(Count("pk")):
        found["memberships_added" if add else "memberships_removed"] += number
    return found


def leave_out_held(run: ImportRun) -> None:
    """Take what was held, and is not applied any more, out of a run's numbers."""
    less = {name: Greatest(F(name) - number, 0) for name, number in held(run).items()}
    ImportRun.objects.filter(pk=run.pk).update(**less)


def _already(directory: Directory) -> str:
    waiting = directory.import_runs.filter(status=RunStatus.APPROVAL).exists()
    if waiting:
        return f"An import of {directory.name} is waiting for approval. Approve or cancel it first."
    return f"An import of {directory.name} is already running. Wait until it has finished, or cancel it first."


def is_first(run: ImportRun) -> bool:
    """Return whether the directory has not been imported yet, so that everybody in it is new."""
    done = ImportRun.objects.filter(directory=run.directory_id, status=RunStatus.FINISHED, preview=False)
    return not done.exists()


def applied_now(run: ImportRun) -> bool | None:
    """Return which rows of a plan are applied: those that are held, those that are not, or (None) all of them."""
    if run.rest_applied:
        return True
    return None if run.approved else False


def prune_previews(run: ImportRun) -> None:
    """End older previews of the directory that nobody applied, and drop their plans: this run replaces them."""
    older = ImportRun.objects.filter(directory=run.directory_id, status=RunStatus.PLANNED).exclude(pk=run.pk)
    ids = list(older.values_list("pk", flat=True))
    if ids:
        older.update(status=RunStatus.CANCELLED, message="Replaced by a newer run.")
        drop_plans(ids)


def drop_plans(run_ids: list[int]) -> None:
    """Delete the planned changes of these runs, without loading them."""
    bulk.delete(PlannedChange.objects.filter(run__in=run_ids))
    bulk.delete(PlannedMember.objects.filter(planned_group__run__in=run_ids))
    bulk.delete(PlannedGroup.objects.filter(run__in=run_ids))
    bulk.delete(PlannedDepartment.objects.filter(run__in=run_ids))


def forget_passwords(run_id: int) -> None:
    """Take the encrypted passwords out of a plan that ended: they are kept only until they are applied."""
    holding = PlannedChange.objects.filter(run=run_id, row__has_any_keys=["password", "send"]).only("row")
    while rows := list(holding[:1000]):
        for change in rows:
            change.row.pop("password", None)
            change.row.pop("send", None)
        PlannedChange.objects.bulk_update(rows, ["row"])


def cancelled_message(run: ImportRun) -> str:
    """Return what a cancelled run leaves behind."""
    if run.applied:
        return f"Cancelled after {run.applied:,} of {how_many(run.planned, 'change')}; what is done is kept."
    return "Cancelled before anything was changed."


def caused_by(run: ImportRun) -> str:
    """Return who or what is behind the changes of people: the directory, not whoever happened to start the import.

    In a run of another door it is the person who asked for it.
    """
    if run.directory is None:
        return run.actor
    how = f"import started by {run.actor}" if run.actor else "scheduled import"
    return f"{run.source} ({'import' if run.trigger == Trigger.LISTENER else how})"


def report(run: ImportRun, result: Result, message: str, actor: str | None = None) -> None:
    """Record a line about the run itself in the provisioning report."""
    record(
        Line(
            identifier="",
            application=run.directory.name if run.directory else "",
            direction=Direction.IN if run.directory else Direction.PORTAL,
            operation=Operation.IMPORT,
            result=result,
            message=message,
            actor=run.actor if actor is None else actor,
            run_id=run.pk,
        )
    )


def decided(run: ImportRun, decision: str, actor: str) -> None:
    """Append what a person decided about a plan to the chain of evidence, in the same transaction."""
    counted = ("planned", "switched_off", "switched_on", "blanked", "renamed", "held", "applied")
    plan = {name: getattr(run, name) for name in counted} | {"why it waited": run.message, "preview": run.preview}
    subject = {
        "import": run.pk,
        "directory": run.source,
        "door": run.door,
        "plan hash": run.plan_hash,
        "decision": decision,
        "by": actor,
    }
    evidence.append(EvidenceKind.APPROVAL, {**subject, "plan": plan})


def summary(run: ImportRun) -> str:
    """Return the final message of a run."""
    if run.door != Door.IMPORT:
        return _portal_summary(run)
    changed = run.created + run.updated + run.deactivated
    errors = how_many(run.errors, "error")
    alone = f"{run.left_alone:,} left alone, " if run.left_alone else ""
    alone += f"{run.blocked:,} blocked, " if run.blocked else ""
    if not changed:
        seen = f"Read {how_many(run.seen, 'user')} from {run.source}{_fewer(run)}"
        return f"{seen}: {run.unchanged:,} unchanged, {alone}{errors}{departments_summary(run)}{groups_summary(run)}"
    return (
        f"Imported {how_many(changed, 'user')} from {run.source}{_fewer(run)}: "
        f"{run.created:,} created, {run.updated:,} updated, {run.deactivated:,} deactivated, "
        f"{alone}{errors}{departments_summary(run)}{groups_summary(run)}"
    )


def _fewer(run: ImportRun) -> str:
    """Say when a little less was read than the directory counted before."""
    fewer = 0 if run.incremental else (run.expected or 0) - run.seen
    return f" ({fewer:,} fewer than it counted)" if fewer > 0 else ""


def _portal_summary(run: ImportRun) -> str:
    """Return the final message of a run of the portal's own, "Deactivate 3 users: 3 deactivated"."""
    updated = "activated" if only_activates(run) else "updated"
    words = {"created": "created", "updated": updated, "deactivated": "deactivated", "deleted": "deleted"}
    words |= {"restored": "restored", "left_alone": "left alone"}
    parts = [f"{number:,} {word}" for name, word in words.items() if (number := getattr(run, name))]
    if run.errors:
        parts.append(how_many(run.errors, "error"))
    if run.departments_changed:
        parts.append(f"{how_many(run.departments_changed, 'department')} changed")
    members = [(run.memberships_added, "added"), (run.memberships_removed, "removed")]
    parts += [f"{how_many(number, 'membership')} {what}" for number, what in members if number]
    return f"{run.get_door_display()}: {run.subject}: {', '.join(parts) or 'nothing changed'}"


def only_activates(run: ImportRun) -> bool:
    """Return whether all that a run updates of people is that they are active again."""
    updates = [names for action, _, names, _ in run.facets.get("kinds", []) if action == Action.UPDATE]
    return set(updates) == {f"|{ACTIVE}|"}


def departments_summary(run: ImportRun) -> str:
    """Return what a run does to departments, to follow its other words; "" for nothing."""
    return f"; {how_many(run.departments_changed, 'department')} changed" if run.departments_changed else ""


def groups_summary(run: ImportRun) -> str:
    """Return what a run does to groups, to follow its other words; "" when it read none."""
    if not run.groups_seen and not run.groups_changed:
        return ""
    return (
        f"; {how_many(run.groups_changed, 'group')} changed, "
        f"{how_many(run.memberships_added, 'membership')} added, "
        f"{run.memberships_removed:,} removed{_unmatched(run)}"
    )


def _unmatched(run: ImportRun) -> str:
    """Return how many members of groups nobody here is, "" for none."""
    if not run.unmatched_members:
        return ""
    number = how_many(run.unmatched_members, "member")
    names = ", ".join(name for name, _ in run.unmatched_in)
    more = " and others" if sum(number for _, number in run.unmatched_in) < run.unmatched_members else ""
    return f"; {number} of {names}{more} {'has' if run.unmatched_members == 1 else 'have'} no account here"


def preview_summary(run: ImportRun) -> str:
    """Return what a plan would do."""
    alone = f", {how_many(run.left_alone, 'is', 'are')} left alone" if run.left_alone else ""
    alone += f", {how_many(run.blocked, 'is', 'are')} blocked" if run.blocked else ""
    return (
        f"An import from {run.source} would create {run.created:,}, update {run.updated:,} and deactivate "
        f"{how_many(run.deactivated, 'user')}; {how_many(run.unchanged, 'is', 'are')} unchanged{alone} and "
        f"{how_many(run.errors, 'has an error', 'have errors')}"
        f"{departments_summary(run)}{groups_summary(run)}.{_elsewhere(run)}"
    )


def _elsewhere(run: ImportRun) -> str:
    parts = [one.words for one in follows.load(run)]
    return f" And then in other directories: {'; '.join(parts)}." if parts else ""


COUNTED: Mapping[str, str] = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.DEACTIVATE: "deactivated",
    Action.LINK: "unchanged",
    Action.LEAVE: "left_alone",
    Action.ERROR: "errors",
    Action.DELETE: "deleted",
    Action.MERGE: "deleted",
    Action.RESTORE: "restored",
    Action.BLOCK: "blocked",
}
