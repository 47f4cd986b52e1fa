"""Leases: which worker has what to itself, written once for every kind of outbound work.

A worker claims what is due by a lease, reads the ids of the changes there are at that moment, and when it is done
deletes exactly those: a change that commits later, even with a lower id, stays and is looked at. Whoever holds no valid
lease any more writes nothing.

All times are the portal's database's: the clocks of workers differ.
"""

import datetime as dt
import random
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, NamedTuple

from django.db import transaction
from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from config.database.prepared import Parameter, Prepared
from directories.models import Directory, Reachable
from provisioning.models.outbox import AnyLeased, Lane, LastResult, Queued
from provisioning.outbound import dispatch
from provisioning.restore import holding

LEASE = 90.0  # seconds after which another worker takes over what a dead one held
LONGEST_LEASE = 3 * 3600.0  # one that ends later than this was not written by a sound worker, and is void
DRAINS = 4  # workers at most on the backlog of one directory
FIRST_PAUSE = 10.0  # seconds for one account or group that is busy; doubled with every failure in a row
LONGEST_PAUSE = 3600.0
LEAVERS_PAUSE = 60.0  # leavers are tried again so often at least
DAY = 86_400.0  # a pause is never longer, whatever a directory asks for; one that is was not written by a sound worker
PAGE = 1000
LOOKS = 4  # pages of changes at most that ``due`` reads, each eight times as long as the one before


@dataclass(frozen=True, slots=True)
class Parked:
    """Why changes wait for someone: a stable name of the cause, and words."""

    code: str
    message: str


class Clock:
    """The database's time, read once and continued by this process."""

    def __init__(self, now: dt.datetime) -> None:
        self._read, self._at = now, time.monotonic()

    def now(self) -> dt.datetime:
        """Return the time."""
        return self._read + dt.timedelta(seconds=time.monotonic() - self._at)

    def after_pause(self, attempts: int, retry_after: float | None, longest: float = LONGEST_PAUSE) -> dt.datetime:
        """Return when something that was busy ``attempts`` times before may be tried again."""
        pause = min(longest, FIRST_PAUSE * 2.0 ** min(attempts, 16)) * random.uniform(0.75, 1.0)  # noqa: S311
        return self.now() + dt.timedelta(seconds=min(DAY, max(pause, retry_after or 0.0)))


class Claimed(NamedTuple):
    """A change that was there at claim time; ``about`` is the account that it is about, where a group's change is."""

    pk: int
    about: int | None
    lane: int
    cleared: bool = False


@dataclass(slots=True)
class Claim:
    """What this worker has to itself until ``until``, with its changes at claim time, oldest first.

    ``skipped`` was due too, but somebody had locked its row just then. ``abandoned`` was claimed before by a worker
    that never said how it ended.
    """

    until: dt.datetime
    clock: Clock
    changes: dict[int, list[Claimed]] = field(default_factory=dict)
    actors: dict[int, str] = field(default_factory=dict)
    skipped: list[int] = field(default_factory=list)
    abandoned: set[int] = field(default_factory=set)

    def actor(self, pk: int) -> str:
        """Return who asked last for what is claimed."""
        return self.actors.get(pk, "")

    def lane(self, pk: int) -> int:
        """Return the first lane of the claimed changes."""
        return min(change.lane for change in self.changes[pk])

    def cleared(self, pk: int) -> bool:
        """Return whether nobody has to be asked about what is lost: one of the changes stands for a decision.

        What was decided about a part of it is no decision about the whole, and of somebody who leaves only what was
        decided about that counts.
        """
        whole = [change for change in self.changes[pk] if change.about is None]
        first = min((change.lane for change in whole), default=None)
        return any(change.cleared for change in whole if change.lane == first)

    def ids(self, pks: Iterable[int]) -> list[int]:
        """Return the ids of the claimed changes of these."""
        return [change.pk for pk in pks for change in self.changes[pk]]


@dataclass(frozen=True)
class Leases(Generic[AnyLeased]):
    """The leases of one kind of work.

    ``name`` is what messages to workers call it, and ``chunk`` how many go into one. ``link`` names the foreign key of
    ``change`` to ``target``, and ``about`` the column for a part of the target, if a change can be about one. ``home``
    is the model of where it goes, and ``homed_by`` names the foreign key of target and change to that. ``drains`` is
    how many workers at most are on the backlog of one home. Without ``by_id`` no message names what waits: workers look
    for what is due. Without ``lanes`` all changes are usual ones.
    """

    name: str
    chunk: int
    target: type[AnyLeased]
    change: type[Queued]
    link: str
    about: str = ""
    home: type[Reachable] = Directory
    homed_by: str = "directory"
    drains: int = DRAINS
    by_id: bool = True
    lanes: bool = True

    # --- What is due -------------------------------------------------------------------------------------------------

    def due(self, directory_id: int, limit: int, *, leavers: bool = False) -> list[int]:
        """Return what waits in a directory and is free, at most ``limit``: leavers, and then the oldest change first.

        With ``leavers`` only those. At least one is found if there is any; not all are where thousands of changes are
        about the same thing.
        """
        waiting = self._changes(parked=None, **{self.homed_by: directory_id}).filter(_due(f"{self.link}__"))
        found = self._first(waiting.filter(lane=Lane.LEAVERS), limit) if self.lanes else {}
        if not leavers and len(found) < limit:
            found |= self._first(waiting, limit)
        return list(found)[:limit]

    def _first(self, waiting: QuerySet[Any], limit: int) -> dict[int, None]:
        """Return what the first changes are about, in their order."""
        found: dict[int, None] = {}
        last, size = 0, 2 * limit
        for _ in range(LOOKS):
            page = list(waiting.filter(pk__gt=last).order_by("pk").values_list("pk", f"{self.link}_id")[:size])
            found |= dict.fromkeys(target for _, target in page)
            if len(found) >= limit or len(page) < size:
                break
            last, size = page[-1][0], 8 * size
        return found

    def backlog(self) -> list[tuple[int, int]]:
        """Return the directories that can be tried and have due changes, and how many workers each is worth."""
        found = []
        for directory_id, since in self._waiting_for().values_list("pk", "unreachable_since"):
            number = len(self.due(directory_id, self.chunk * (self.drains - 1) + 1))
            if number:
                found.append((directory_id, 1 if since else -(-number // self.chunk)))
        return found

    def waiting_leavers(self) -> list[int]:
        """Return the directories that can be tried and have due changes of leavers."""
        waiting = self._waiting_for(lane=Lane.LEAVERS).values_list("pk", flat=True)
        return [directory_id for directory_id in waiting if self.due(directory_id, 1, leavers=True)]

    def homes(self) -> QuerySet[Any]:
        """Return where may be sent to: what is switched on, and what nobody keeps back after a restored backup."""
        if self.home is Directory:
            return Directory.objects.filter(enabled=True, held=None)
        return self.home._default_manager.filter(~holding.any_held(), enabled=True)

    def _waiting_for(self, **conditions: Any) -> QuerySet[Any]:
        """Return the directories that can be tried and have such changes, due or not."""
        changes = self._changes(parked=None, **{self.homed_by: OuterRef("pk")}, **conditions)
        reachable = Q(retry_at=None) | Q(retry_at__lte=Now())
        return self.homes().filter(reachable, Exists(changes)).order_by("pk")

    def oldest_due(self, directory_ids: Collection[int]) -> dt.datetime | None:
        """Return since when the oldest change waits that could be delivered to one of the directories now."""
        there = {f"{self.homed_by}__in": directory_ids}
        waiting = self._changes(parked=None, **there).filter(_rested(f"{self.link}__"))
        found: dt.datetime | None = waiting.order_by("created_at").values_list("created_at", flat=True).first()
        return found

    def workers_on(self, home_id: int) -> int:
        """Return how many workers hold something of one home now: each claim ends at a moment of its own."""
        held = self._targets(leased_until__gt=Now(), **{self.homed_by: home_id})
        return held.order_by().values("leased_until").distinct().count()

    def claimable(self, ids: Collection[int]) -> QuerySet[AnyLeased]:
        """Return those that are due and free at this moment, in directories that nobody keeps back."""
        waiting = Exists(self._changes(parked=None, **{self.link: OuterRef("pk")}))
        kept_back = holding.free() if self.home is Directory else ~holding.any_held()
        return self._targets(pk__any_id=ids).filter(_due(), waiting, kept_back)

    # --- Holding -----------------------------------------------------------------------------------------------------

    def claim(self, ids: Sequence[int], limit: int | None = None, seconds: float = LEASE) -> Claim:
        """Take what is due and what nobody else has, at most ``limit``, in the order of ``ids``.

        Rows that another worker is claiming are skipped, never waited for, so overlapping batches cannot deadlock; the
        UPDATE with ``Exists`` checks lease and changes on the locked rows.
        """
        locked: list[int] = []
        abandoned: set[int] = set()
        now = dt.datetime.min.replace(tzinfo=dt.UTC)
        won = 0
        with transaction.atomic():
            for page in dispatch.chunks(ids, limit or len(ids) or 1):
                rows = self.claimable(page).order_by("pk").select_for_update(skip_locked=True, no_key=True)
                for pk, lease, now in rows.values_list("pk", "leased_until", Now()):  # noqa: B007
                    locked.append(pk)
                    if lease is not None:
                        abandoned.add(pk)
                if limit and len(locked) >= limit:
                    break
            locked = locked[:limit]
            until = _end(now, seconds)
            if locked:
                won = self.claimable(locked).update(leased_until=until)
        result = Claim(until, Clock(now), abandoned=abandoned)
        if won:
            self._read_changes(result, locked)
        if len(locked) < len(ids) and (limit is None or len(locked) < limit):
            result.skipped = list(self.claimable(ids).order_by("pk").values_list("pk", flat=True))
        return result

    def renew(self, held: Claim, ids: Collection[int], seconds: float = LEASE) -> set[int]:
        """Give the lease on ``ids`` more time; return those of them that are still ours."""
        with transaction.atomic():
            rows = self._ours(held, ids).values_list("pk", Now())
            kept = dict(rows)
            until = _end(max(kept.values(), default=held.until), seconds)
            self._targets(pk__any_id=kept).update(leased_until=until)
        held.until = until
        return set(kept)

    def lock(self, held: Claim, ids: Collection[int]) -> set[int]:
        """Lock what is still ours until the transaction ends; only its results may be written."""
        return set(self._ours(held, ids).values_list("pk", flat=True))

    def release(self, held: Claim, ids: Collection[int]) -> None:
        """Give back untouched; the changes wait."""
        if ids:
            self._targets(pk__any_id=ids, leased_until=held.until).update(leased_until=None)

    def left_over(self, ids: Collection[int]) -> list[int]:
        """Return what got another change while it was claimed: the message about that one found it taken."""
        return list(self.claimable(ids).order_by("pk").values_list("pk", flat=True))

    # --- Ending: in the transaction that called ``lock``; the caller writes the rows with ``leased_until=None`` ------

    def delete(self, change_ids: Sequence[int]) -> None:
        """Delete changes, a page a statement."""
        for page in dispatch.chunks(change_ids, PAGE):
            self._changes(pk__any_id=page).delete()

    def finish(self, held: Claim, ids: Collection[int]) -> None:
        """Delete the claimed changes and whatever was parked before: all of it is in sync now."""
        self.delete(held.ids(ids))
        if ids:
            self._of(ids).filter(parked__isnull=False).delete()

    def park(self, held: Claim, causes: Mapping[int, Parked]) -> None:
        """Keep one change of each for someone to see to, about the whole of it, and delete the others."""
        if not causes:
            return
        kept = {change: pk for pk, change in self._last_changes(held, causes).items()}
        self.delete([change for change in held.ids(causes) if change not in kept])
        self._of(causes).filter(parked__isnull=False).exclude(pk__any_id=kept).delete()
        by_cause: dict[tuple[Parked, int, bool], list[int]] = defaultdict(list)
        for change, pk in kept.items():
            by_cause[causes[pk], held.lane(pk), held.cleared(pk)].append(change)
        whole = {self.about: None} if self.about else {}
        for (cause, lane, cleared), changes in by_cause.items():
            words = {"parked_code": cause.code[:32], "parked_message": cause.message}
            self._changes(pk__any_id=changes).update(parked=Now(), lane=lane, cleared=cleared, **words, **whole)

    def _last_changes(self, held: Claim, ids: Collection[int]) -> dict[int, int]:
        """Return the last claimed change of each that is still there, or a new one: its parts may be done already."""
        columns = (f"{self.link}_id", "pk")
        found: dict[int, int] = {}
        for page in dispatch.chunks(sorted(held.ids(ids)), PAGE):
            found |= dict(self._changes(pk__any_id=page).order_by("pk").values_list(*columns))
        home = f"{self.homed_by}_id"
        without = self._targets(pk__any_id=set(ids) - set(found)).order_by("pk").values_list("pk", home)
        for pk, directory_id in without if len(found) < len(ids) else ():
            values = {columns[0]: pk, home: directory_id, "reason": "refused", "actor": held.actor(pk)}
            found[pk] = self.change._default_manager.create(**values).pk
        return found

    # --- Retrying ----------------------------------------------------------------------------------------------------

    def retry(self, changes: QuerySet[Any], actor: str = "", *, cleared: bool = False) -> int:
        """Make the changes due now, parked or paused, a page a transaction; ``cleared``: whatever they take away.

        Changes that are about the same thing are tried together; return how many things that were.
        """
        columns = ("pk", f"{self.link}_id", f"{self.homed_by}_id", "lane")
        number, last = 0, 0
        while True:
            with transaction.atomic():
                page = list(changes.filter(pk__gt=last).order_by("pk").values_list(*columns)[:PAGE])
                if not page:
                    return number
                last = page[-1][0]
                kept = self._still(changes, {pk: target for pk, target, *_ in page})
                by_directory: dict[tuple[int, Lane], set[int]] = defaultdict(set)
                for pk, target, directory_id, lane in page:
                    if pk in kept:
                        by_directory[directory_id, Lane(lane)].add(target)
                targets = set(kept.values())
                self._targets(pk__any_id=targets).update(not_before=Now(), attempts=0)
                again = self._changes(pk__any_id=kept) if self.about else self._of(targets)
                again.update(parked=None, parked_code="", parked_message="", reason="retry", actor=actor[:255])
                if cleared:
                    again.update(cleared=True)
                for (directory_id, lane), ids in by_directory.items():
                    self.wake(directory_id, ids, lane)
            number += len(kept) if self.about else len(targets)

    def drop(self, changes: QuerySet[Any], message: str) -> int:
        """Delete parked changes and leave open what they are about, a page a transaction; return how many they were."""
        number, last = 0, 0
        while True:
            with transaction.atomic():
                page = list(changes.filter(pk__gt=last).order_by("pk").values_list("pk", f"{self.link}_id")[:PAGE])
                if not page:
                    return number
                last = page[-1][0]
                kept = self._still(changes, dict(page))
                self._changes(pk__any_id=kept).delete()
                left = self._targets(pk__any_id=set(kept.values()), last_result=LastResult.PARKED)
                left.update(last_result=LastResult.OPEN, last_message=message)
            number += len(kept)

    def _still(self, changes: QuerySet[Any], page: Mapping[int, int]) -> dict[int, int]:
        """Lock what a page of changes is about, and return those that are still to be found now, with their targets.

        Somebody else may have decided about one of them, or a worker delivered it, after the page was read.
        """
        targets = self._targets(pk__any_id=set(page.values())).order_by("pk")
        list(targets.select_for_update(no_key=True).values_list("pk"))
        kept = set(changes.filter(pk__any_id=list(page)).order_by().values_list("pk", flat=True))
        return {pk: target for pk, target in page.items() if pk in kept}

    # --- Messages ----------------------------------------------------------------------------------------------------

    def wake(self, directory_id: int, ids: Iterable[int], lane: int = Lane.USUAL) -> None:
        """Send what has new changes in a directory to the workers, once the transaction is committed."""
        queue = dispatch.LEAVERS if lane == Lane.LEAVERS else None
        if self.by_id and (found := list(ids)):
            dispatch.deliver_on_commit(dispatch.Delivery(directory_id, found, self.name, queue, self.chunk))

    def hurry(self, ids: Collection[int]) -> None:
        """End the pauses of leavers: what kept them waiting was about something else. Needs a transaction.

        It is done again after the commit, and a worker looks for leavers again after it has written a pause
        (``hurry_leavers``): whichever of the two commits last sees what the other one wrote.
        """
        self._end_pauses(ids)
        transaction.on_commit(lambda: self._end_pauses(ids), robust=True)

    def hurry_leavers(self, ids: Collection[int]) -> None:
        """End the pauses of those that are leavers by now."""
        if leavers := self.leavers_among(ids):
            self._end_pauses(leavers)

    def _end_pauses(self, ids: Collection[int]) -> None:
        if len(ids) == 1 and not self._paused.rows(pk=next(iter(ids))):
            return
        with transaction.atomic(savepoint=False):
            paused = self._targets(pk__any_id=ids, not_before__gt=Now()).order_by("pk").select_for_update(no_key=True)
            if late := list(paused.values_list("pk", flat=True)):
                self._targets(pk__any_id=late).update(not_before=Now(), attempts=0)

    @cached_property
    def _paused(self) -> Prepared[AnyLeased]:
        """Whether one of them pauses, which hardly any does: what each leaver asks, and holds no lock for."""
        pk = Parameter("pk", BigIntegerField())
        return Prepared(lambda: self._targets(pk=pk, not_before__gt=Now()).order_by().values_list("pk"))

    def leavers_among(self, ids: Collection[int]) -> set[int]:
        """Return those that have a change in the lane of leavers, to be made by somebody."""
        if not ids or not self.lanes:
            return set()
        found = self._of(ids).filter(parked=None, lane=Lane.LEAVERS)
        return set(found.values_list(f"{self.link}_id", flat=True))

    # --- Queries -----------------------------------------------------------------------------------------------------

    def _targets(self, **conditions: Any) -> QuerySet[AnyLeased]:
        return self.target._default_manager.filter(**conditions)

    def _changes(self, **conditions: Any) -> QuerySet[Any]:
        return self.change._default_manager.filter(**conditions)

    def _of(self, ids: Collection[int]) -> QuerySet[Any]:
        return self._changes(**{f"{self.link}__pk__any_id": ids})

    def _read_changes(self, held: Claim, ids: Collection[int]) -> None:
        about = self.about or self.link
        mine = self._of(ids).filter(**{f"{self.link}__leased_until": held.until}, parked=None).order_by("pk")
        rows = mine.values_list(f"{self.link}_id", "pk", f"{about}_id", "lane", "cleared", "actor")
        for target, pk, part, lane, cleared, actor in rows.iterator(chunk_size=5000):
            held.changes.setdefault(target, []).append(Claimed(pk, part if self.about else None, lane, cleared))
            held.actors[target] = actor or held.actors.get(target, "")

    def _ours(self, held: Claim, ids: Collection[int]) -> QuerySet[AnyLeased]:
        return self._targets(pk__any_id=ids, leased_until=held.until).order_by("pk").select_for_update(no_key=True)


def _due(prefix: str = "") -> Q:
    """Return the condition that nobody holds it and that its pause is over; times that nobody sound wrote are void."""
    free = (
        Q(**{f"{prefix}leased_until": None})
        | Q(**{f"{prefix}leased_until__lt": Now()})
        | Q(**{f"{prefix}leased_until__gt": Now() + dt.timedelta(seconds=LONGEST_LEASE)})
    )
    return free & _rested(prefix)


def _rested(prefix: str = "") -> Q:
    """Return the condition that the pause is over."""
    void = Q(**{f"{prefix}not_before__gt": Now() + dt.timedelta(seconds=DAY)})
    return Q(**{f"{prefix}not_before__lte": Now()}) | void


def _end(now: dt.datetime, seconds: float) -> dt.datetime:
    """Return the end of a lease; the fraction is random so that two claims of one instant differ."""
    return now + dt.timedelta(seconds=min(seconds, LONGEST_LEASE - 10), microseconds=random.randrange(10_000_000))  # noqa: S311
