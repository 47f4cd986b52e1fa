"""What happened to one person, newest first, merged from everything that remembers it.

A page begins with report lines, over the index on user and time. What else is remembered of the same span is put
between them: receipts, decisions about plans, and what is held back; each over an index of its own.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from provisioning.models import Change, Decision, ImportRun, PlannedChange, User
from provisioning.models.imports import WAITING
from provisioning.models.outbox import HELD
from provisioning.models.people import fold
from provisioning.receipts.models import Receipt, ReceiptStatus
from reports.models import Direction, Event, Operation, Result
from reports.paging import PageCursor, older_than

PAGE = 15  # report lines of one page
TOGETHER = dt.timedelta(minutes=2)  # deliveries of one kind that are so close are one story
MOST = 50  # receipts, held changes and plans that wait

# What can be looked for alone.
EVERYTHING, CHANGES, FAILURES = "", "changes", "failures"
RESULTS = {CHANGES: (Result.SUCCESS, Result.PARTLY), FAILURES: (Result.FAILED, Result.PARTLY, Result.WAITING)}

DELIVERED = {
    Operation.CREATE: "Account opened",
    Operation.UPDATE: "Account updated",
    Operation.ENABLE: "Account enabled",
    Operation.DISABLE: "Account disabled",
    Operation.DELETE: "Account deleted",
    Operation.LINK: "Account linked",
    Operation.PASSWORD: "Password set",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened. ``tone`` is a result of the report; ``events`` are the lines that tell of it.

    ``run_id`` or ``receipt_id`` say where more of it stands.
    """

    at: dt.datetime
    words: str
    tone: str
    actor: str = ""
    events: tuple[Event, ...] = ()
    run_id: int | None = None
    receipt_id: int | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of what happened; ``older`` is where the next one begins, None at the end."""

    moments: list[Moment] = field(default_factory=list)
    older: PageCursor | None = None


def of_user(user: User, *, older: PageCursor | None = None, only: str = EVERYTHING, receipts: bool = True) -> Timeline:
    """Return a page of the person's moments: six queries at the most, however long the history is."""
    lines = Event.objects.filter(user_id=user.pk)
    if only in RESULTS:
        lines = lines.filter(result__in=RESULTS[only])
    if older:
        lines = lines.filter(older_than(older))
    found = list(lines.order_by("-at", "-id")[: PAGE + 1])
    shown, more = found[:PAGE], len(found) > PAGE
    span = _Span(shown[-1].at if more else None, older.at if older else None)
    moments = list(_stories(shown))
    if only == EVERYTHING:
        moments += _decisions(user, shown)
        moments += span.of(_receipts(user)) if receipts else []
    if only != CHANGES:
        moments += span.of([*_held(user), *_waiting_plans(user)])
    moments.sort(key=lambda moment: moment.at, reverse=True)
    last = shown[-1] if shown else None
    return Timeline(moments, PageCursor(last.at, last.pk) if last and more else None)


@dataclass(frozen=True, slots=True)
class _Span:
    """From ``begin`` on, and before ``end``; None is without end."""

    begin: dt.datetime | None
    end: dt.datetime | None

    def of(self, moments: Iterable[Moment]) -> list[Moment]:
        return [
            each
            for each in moments
            if (self.begin is None or each.at >= self.begin) and (self.end is None or each.at < self.end)
        ]


def _stories(lines: Sequence[Event]) -> Iterator[Moment]:
    """Yield the lines; deliveries of one kind that went well one after another are one moment."""
    together: list[Event] = []
    for line in lines:
        if together and not _continues(together, line):
            yield _story(together)
            together = []
        together.append(line)
    if together:
        yield _story(together)


def _continues(together: Sequence[Event], line: Event) -> bool:
    last = together[-1]
    return (
        line.direction == last.direction == Direction.OUT
        and line.result == last.result == Result.SUCCESS
        and line.operation == last.operation in DELIVERED
        and line.group_id is None is last.group_id
        and together[0].at - line.at <= TOGETHER
    )


def _story(lines: Sequence[Event]) -> Moment:
    newest = lines[0]
    words = newest.message
    if len(lines) > 1:
        names = ", ".join(dict.fromkeys(line.application for line in reversed(lines)))
        words = f"{DELIVERED[Operation(newest.operation)]} in {names}."
    return Moment(newest.at, words, newest.result, newest.actor, tuple(lines), run_id=newest.run_id)


def _receipts(user: User) -> Iterator[Moment]:
    for receipt in Receipt.objects.filter(user_id=user.pk).order_by("-pk")[:MOST]:
        words = f"Leaves: {receipt.decision}, learnt from {receipt.origin or 'the portal'}."
        tone = "" if receipt.ended_at else Result.WAITING
        yield Moment(receipt.learnt_at, words, tone, receipt_id=receipt.pk)
        if receipt.ended_at:
            proven = receipt.status == ReceiptStatus.CLOSED
            words = "Proven: no account is left open." if proven else "Returned: nothing more is closed."
            tone = Result.SUCCESS if proven and not receipt.late else Result.WAITING if proven else ""
            yield Moment(receipt.ended_at, words, tone, receipt_id=receipt.pk)


def _decisions(user: User, lines: Iterable[Event]) -> Iterator[Moment]:
    """Yield what people decided about the plans that changed the person."""
    runs = {line.run_id for line in lines if line.run_id is not None}
    if not runs:
        return
    rows = PlannedChange.objects.filter(run__in=runs, key_folded=fold(user.username), decision_id__isnull=False)
    for decision in Decision.objects.filter(pk__in=rows.order_by().values("decision_id")).order_by("pk"):
        why = f": {decision.reason}" if decision.reason else ""
        words = f"Import {decision.run_id}: {decision.get_verdict_display().lower()}{why}"
        yield Moment(decision.at, words.rstrip(".") + ".", "", decision.actor, run_id=decision.run_id)


def _held(user: User) -> Iterator[Moment]:
    """Yield what the guard keeps back from a directory."""
    held = Change.objects.filter(account__user=user, parked_code=HELD, parked__isnull=False)
    for change in held.select_related("directory").order_by("pk")[:MOST]:
        if change.parked:
            words = f"Held back from {change.directory}: {change.parked_message or 'it waits for a decision.'}"
            yield Moment(change.parked, words, Result.WAITING, change.actor)


def _waiting_plans(user: User) -> Iterator[Moment]:
    """Yield the plans that wait for somebody and would change the person."""
    waiting = ImportRun.objects.filter(status__in=WAITING, preview=False).order_by("-pk")
    runs = list(waiting.values_list("pk", flat=True)[:MOST])
    rows = PlannedChange.objects.filter(run__in=runs, key_folded=fold(user.username), verdict="")
    for change in rows.select_related("run__directory").order_by("pk")[:MOST]:
        words = f"Waits for a decision: {change.get_action_display().lower()}, planned by {change.run.source}."
        yield Moment(change.run.created_at, words, Result.WAITING, change.run.actor, run_id=change.run_id)
