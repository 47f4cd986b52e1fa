"""What is decided about the rows of a plan that waits: some are approved, some refused, and the rest goes on waiting.

A refused row stays in the plan with who refused it and why. Nothing of the source is noted as seen, so the next import
plans it again, unless the source says something else by then.
"""

from collections import Counter
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from provisioning.guard.limits import how_many
from provisioning.imports.facets import EVERYTHING, RowCriteria, causes, matching
from provisioning.imports.runs import COUNTED, ImportRefused, applied_now, held, no_longer_waits
from provisioning.imports.users.plan import BLANKED, INACTIVE, LOSES, MISSING, RENAMED
from provisioning.models import Decision, ImportRun, PlannedChange, PlannedGroup, PlannedMember
from provisioning.models.imports import WAITING, Action, GroupAction, PlanPart, Verdict

OVER = (Verdict.REFUSED, Verdict.DONE)
DESTRUCTIVE = (MISSING, INACTIVE, BLANKED, RENAMED, LOSES, "delete", "merge")
NOTHING_TO_DECIDE = (Action.ERROR, Action.LEAVE, Action.LINK, Action.BLOCK)
NAMED = 5  # groups that a decision names
REASON = "Say why: the reason stands in the plan and in the report."
NOBODY = "No row that waits is meant by this. Look at the plan again, then decide."


def to_apply(run: ImportRun) -> "QuerySet[PlannedChange]":
    """Return the planned changes of people that the run applies now, also those that it has applied already."""
    rows = PlannedChange.objects.filter(run=run)
    if run.part == PlanPart.CHOSEN:
        return rows.filter(verdict=Verdict.APPROVED)
    now = applied_now(run)
    rows = rows.exclude(verdict__in=OVER)
    return rows if now is None else rows.filter(held=now)


def groups_to_apply(run: ImportRun) -> "QuerySet[PlannedGroup]":
    """Return the planned groups that the run applies now and has not applied yet."""
    rows = PlannedGroup.objects.filter(run=run, applied_at=None)
    return rows.filter(verdict=Verdict.APPROVED) if run.part == PlanPart.CHOSEN else rows.exclude(verdict__in=OVER)


def undecided(run: ImportRun) -> "QuerySet[PlannedChange]":
    """Return the planned changes that somebody may still approve or refuse."""
    rows = PlannedChange.objects.filter(run=run, verdict="").exclude(action__in=NOTHING_TO_DECIDE)
    return rows.filter(held=True) if run.rest_applied else rows


def undecided_groups(run: ImportRun) -> "QuerySet[PlannedGroup]":
    """Return the planned groups that somebody may still approve or refuse."""
    rows = PlannedGroup.objects.filter(run=run, verdict="").exclude(action=GroupAction.ERROR)
    return rows.filter(held=True) if run.rest_applied else rows.filter(applied_at=None)


def by_cause(run: ImportRun) -> list[tuple[str, str, int]]:
    """Return action, cause and number of what waits: what was counted once, less what was decided since."""
    if run.rest_applied:
        rows = undecided(run).order_by().values_list("action", "cause").annotate(number=Count("pk"))
        return list(rows.order_by("-number"))
    decided = PlannedChange.objects.filter(run=run, verdict__gt="").order_by().values_list("action", "cause")
    over = {(action, cause): number for action, cause, number in decided.annotate(number=Count("pk"))}
    found = [(action, cause, number - over.get((action, cause), 0)) for (action, cause), number in causes(run).items()]
    return [one for one in found if one[2] > 0 and one[0] not in NOTHING_TO_DECIDE]


def waiting(run: ImportRun) -> "Counter[str]":
    """Return how much of each of the run's numbers waits for a decision; what is left of each is done."""
    if run.rest_applied:
        return held(run)
    found: Counter[str] = Counter()
    for action, _, number in by_cause(run):
        found[COUNTED[action]] += number
    sums = undecided_groups(run).aggregate(added=Sum("added", default=0), removed=Sum("removed", default=0))
    return found + Counter(memberships_added=sums["added"], memberships_removed=sums["removed"])


def destructive(run: ImportRun, wanted: RowCriteria = EVERYTHING) -> int:
    """Return how many people lose something by the rows that wait and are meant, and how many memberships are lost."""
    if wanted.groups:
        return _memberships_lost(run, _these_groups(run, wanted))
    number = (undecided(run) & matching(run, wanted)).filter(cause__in=DESTRUCTIVE).count()
    if wanted == EVERYTHING:
        number += _memberships_lost(run, undecided_groups(run))
    return number


def _these_groups(run: ImportRun, wanted: RowCriteria) -> "QuerySet[PlannedGroup]":
    """Return the planned groups that wait and are meant: all of them where none is named."""
    groups = undecided_groups(run)
    return groups.filter(pk__in=wanted.groups) if wanted.groups else groups


def _memberships_lost(run: ImportRun, groups: "QuerySet[PlannedGroup]") -> int:
    if not run.rest_applied:
        lost: int = groups.aggregate(lost=Sum("removed", default=0))["lost"]
        return lost
    members = PlannedMember.objects.filter(planned_group__in=groups.values("pk"), held=True, add=False).count()
    gone = groups.filter(action=GroupAction.DELETE).aggregate(lost=Sum("removed", default=0))["lost"]
    return members + int(gone)


def must_type(run: ImportRun, typed: str, wanted: RowCriteria = EVERYTHING) -> None:
    """Raise ImportRefused unless the number of what is destructive was typed, where anything is."""
    number = destructive(run, wanted)
    if number and typed.replace(",", "").replace(" ", "").strip() != str(number):
        raise ImportRefused(f"Type {number:,}: so many people or memberships lose something by this.")


def choose(run: ImportRun, wanted: RowCriteria, actor: str) -> Decision:
    """Mark the rows that are meant as approved, in the caller's transaction."""
    if wanted.groups:
        decision, groups = _decide_groups(run, wanted, Verdict.APPROVED, actor, "")
        groups.update(applied_at=None)  # what was not held of them is applied already
        return decision
    return _decide(run, wanted, Verdict.APPROVED, actor, "")


def all_left(run: ImportRun, actor: str) -> Decision:
    """Note that somebody approved all that is left, in the caller's transaction; the rows stay as they are."""
    rows = sum(number for *_, number in by_cause(run))
    return _noted(run, Verdict.APPROVED, actor, "", scope=EVERYTHING.words, rows=rows)


def refuse(run: ImportRun, wanted: RowCriteria, actor: str, reason: str, *, groups: bool = False) -> Decision:
    """Refuse the rows that are meant, or all planned groups; raise ImportRefused without a reason or a row."""
    if not reason.strip():
        raise ImportRefused(REASON)
    with transaction.atomic():
        locked = ImportRun.objects.select_for_update(no_key=True).get(pk=run.pk)
        if locked.status not in WAITING:
            raise no_longer_waits(locked)
        if groups or wanted.groups:
            return _refuse_groups(locked, wanted, actor, reason.strip())
        return _decide(locked, wanted, Verdict.REFUSED, actor, reason.strip())


def close_chosen(run: ImportRun) -> None:
    """Mark what was approved by name as applied."""
    PlannedChange.objects.filter(run=run, verdict=Verdict.APPROVED).update(verdict=Verdict.DONE)
    PlannedGroup.objects.filter(run=run, verdict=Verdict.APPROVED).update(verdict=Verdict.DONE)


def left(run: ImportRun) -> bool:
    """Return whether anything waits."""
    return undecided(run).exists() or undecided_groups(run).exists()


def words_left(run: ImportRun) -> str:
    """Say how much waits still."""
    people, groups = undecided(run).count(), undecided_groups(run).count()
    parts = [how_many(number, what) for number, what in ((people, "change"), (groups, "group")) if number]
    return f"{' and '.join(parts)} still {'waits' if people + groups == 1 else 'wait'} for a decision."


def _decide(run: ImportRun, wanted: RowCriteria, verdict: Verdict, actor: str, reason: str) -> Decision:
    rows = (undecided(run) & matching(run, wanted)).order_by()
    counts = dict(rows.values_list("action").annotate(Count("pk")))
    if not counts:
        raise ImportRefused(NOBODY)
    decision = _noted(run, verdict, actor, reason, scope=wanted.words, rows=sum(counts.values()))
    rows.update(verdict=verdict, decision_id=decision.pk)
    if verdict == Verdict.REFUSED:
        _uncount(run, ((COUNTED[action], number) for action, number in counts.items()))
    return decision


def _refuse_groups(run: ImportRun, wanted: RowCriteria, actor: str, reason: str) -> Decision:
    decision, rows = _decide_groups(run, wanted, Verdict.REFUSED, actor, reason)
    sums = rows.aggregate(added=Sum("added", default=0), removed=Sum("removed", default=0))
    lost = [("memberships_added", sums["added"]), ("memberships_removed", sums["removed"])]
    _uncount(run, [("groups_changed", decision.rows), *lost])
    return decision


def _decide_groups(
    run: ImportRun, wanted: RowCriteria, verdict: Verdict, actor: str, reason: str
) -> "tuple[Decision, QuerySet[PlannedGroup]]":
    """Decide about planned groups with their members, and return them."""
    rows = dict(_these_groups(run, wanted).order_by("name", "pk").values_list("pk", "name"))
    if not rows:
        raise ImportRefused(NOBODY)
    names = list(rows.values())
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    scope = f"groups {', '.join(names[:NAMED])}{more}" if wanted.groups else "groups"
    decision = _noted(run, verdict, actor, reason, scope=scope, rows=len(names))
    groups = PlannedGroup.objects.filter(pk__any_id=list(rows))
    groups.update(verdict=verdict, decision_id=decision.pk)
    return decision, groups


def _noted(run: ImportRun, verdict: Verdict, actor: str, reason: str, *, scope: str, rows: int) -> Decision:
    return Decision.objects.create(
        run=run,
        scope=scope[:255],
        rows=rows,
        verdict=verdict,
        actor=actor[:255],
        reason=reason,
        plan_hash=run.plan_hash,
        at=timezone.now(),
    )


def _uncount(run: ImportRun, numbers: Iterable[tuple[str, int]]) -> None:
    """Take refused rows out of what the run counts as done, or to be done."""
    values = {"refused": run.refused}
    for name, number in numbers:
        values[name] = max(0, values.get(name, getattr(run, name)) - number)
        if name not in ("memberships_added", "memberships_removed"):
            values["refused"] += number
    ImportRun.objects.filter(pk=run.pk).update(**values)
