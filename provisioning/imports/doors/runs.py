"""A run of planned changes that reads no directory: planned at once, guarded, and applied or kept waiting."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from provisioning.guard import door_limits, ledger
from provisioning.guard.limits import Counted, memberships, objections, people
from provisioning.guard.losses import LossKind
from provisioning.imports import plan_hash
from provisioning.imports.users.labels import Labels
from provisioning.imports.users.plan import ACTIVE_AGAIN, BLANKED, INACTIVE, MISSING, RENAMED, Planned
from provisioning.imports.users.store import store
from provisioning.imports.users.tally import Tally
from provisioning.models import ImportRun, Membership, PlannedChange, User
from provisioning.models.imports import Door, RunStatus
from provisioning.outbound import dispatch
from provisioning.profile.person import catalogue

RUN = "provisioning.tasks.run_import"
AT_ONCE = 1000  # rows that are applied while somebody waits for the page
WAITS = "Check the list, then approve or cancel."
CAUSES: dict[LossKind, tuple[str, tuple[str, ...]]] = {  # what the guard counts, and by which causes of planned changes
    LossKind.OFF: ("would be deactivated or deleted", (INACTIVE, MISSING, "delete", "merge")),
    LossKind.ON: ("would be activated again or restored", (ACTIVE_AGAIN, "restore")),
    LossKind.BLANKED: ("would lose a value", (BLANKED,)),
    LossKind.RENAMED: ("would get another user name", (RENAMED,)),
}


def start(door: Door, subject: str, actor: str, *, undoes: int | None = None) -> ImportRun:
    """Return a new run that is being planned, in the caller's transaction."""
    return ImportRun.objects.create(
        door=door,
        subject=subject[:255],
        actor=actor,
        undoes=undoes,
        started_at=timezone.now(),
        status=RunStatus.PLANNED,
    )


def plan(
    door: Door,
    subject: str,
    actor: str,
    pages: Iterable[Sequence[Planned]],
    *,
    run: ImportRun | None = None,
    look: bool = False,
    also: Callable[[int], Iterable[Counted]] | None = None,
) -> ImportRun:
    """Write a plan and let the guard look at it; the run is then to be applied, or waits.

    ``run`` is one that was started before, with its groups planned. ``look``: it waits for somebody in any case.
    ``also`` says, once all pages are written, what else the guard counts, given the number of active people.
    Whoever calls this applies the run with ``engine.execute`` once it is committed; of one with more than ``AT_ONCE``
    rows a worker is told.
    """
    with transaction.atomic():
        run = run or start(door, subject, actor)
        gains: dict[str, Any] = {}
        tally = Tally()
        for page in pages:
            store(run.pk, page, gains)
            for one in page:
                tally.add(one)
        for name, number in gains.items():
            setattr(run, name, getattr(run, name) + number)
        waits = _objections(run, tally, also)
        sealed = plan_hash.sealed(run)
        run.plan_hash, run.facets = sealed["plan_hash"], sealed["facets"]
        if look and not waits:
            run.status, run.preview = RunStatus.PLANNED, True
        elif waits:
            run.status, run.message = RunStatus.APPROVAL, " ".join([*waits, WAITS])
        else:
            run.status, run.apply_started_at = RunStatus.APPLYING, timezone.now()
        run.save()
        if run.status == RunStatus.APPLYING and run.planned > AT_ONCE:
            dispatch.send_on_commit(RUN, run.pk)
    return run


def _objections(run: ImportRun, tally: Tally, also: Callable[[int], Iterable[Counted]] | None) -> list[str]:
    """Ask the guard about a plan."""
    rows = PlannedChange.objects.filter(run=run)
    active = User.objects.filter(is_active=True).count() if run.planned else 0
    counted = []
    allowed = door_limits.limits()
    for kind, (words, causes) in CAUSES.items():
        number = rows.filter(cause__in=causes).count()
        if number:
            told = f"{people(number)} of {active:,} {words}"
            counted.append(Counted(kind, number, active, allowed[kind], told, gone=kind == LossKind.OFF))
    labels = Labels(catalogue())
    for name, number in sorted(tally.changed.items()):
        told = f"{labels[name]} would be another for {people(number)} of {active:,}"
        counted.append(Counted(LossKind.CHANGED, number, active, allowed[LossKind.CHANGED], told, scope=name))
    if run.memberships_removed:
        known = Membership.objects.count()
        words = f"{memberships(run.memberships_removed)} of {known:,} would be lost"
        counted.append(
            Counted(LossKind.MEMBERS, run.memberships_removed, known, allowed[LossKind.MEMBERS], words, gone=True)
        )
    counted += also(active) if also else ()
    found = [one.words for one in objections(counted, ledger.before(run.door, None))]
    return found + _last_superuser(run)


def _last_superuser(run: ImportRun) -> list[str]:
    """Refuse to take away everybody who may administer the portal."""
    taken = PlannedChange.objects.filter(run=run, user_id=OuterRef("pk"), cause__in=(INACTIVE, MISSING, "delete"))
    able = User.objects.filter(is_superuser=True, is_active=True)
    if able.exists() and not able.exclude(Exists(taken)).exists():
        return ["Nobody would be left who may administer the portal."]
    return []


def record_losses(run: ImportRun, done: Iterable[Planned] = (), memberships: int = 0) -> None:
    """Write what one page took away into the ledger, in the page's transaction: a run may be cancelled after it."""
    by_cause: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    for change in done:
        by_cause[change.cause] += 1
        changed.update(change.changed)
    counts: dict[tuple[str, str], int] = {(LossKind.CHANGED, name): number for name, number in changed.items()}
    counts |= {(kind, ""): sum(by_cause[cause] for cause in causes) for kind, (_, causes) in CAUSES.items()}
    counts[LossKind.MEMBERS, ""] = memberships
    ledger.record(run.door, None, counts, agreed=run.approved)
