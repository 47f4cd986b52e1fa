"""A run of planned changes that reads no directory: planned at once, guarded, and applied or kept waiting."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from provisioning.guard import ledger
from provisioning.guard.limits import Counted, Limit, memberships, objections, people
from provisioning.guard.losses import LossKind
from provisioning.imports import plan_hash
from provisioning.imports.users.plan import ACTIVE_AGAIN, BLANKED, CHANGED, INACTIVE, MISSING, RENAMED, Planned
from provisioning.imports.users.store import store
from provisioning.models import ImportRun, Membership, PlannedChange, User
from provisioning.models.imports import Door, RunStatus
from provisioning.outbound import dispatch

RUN = "provisioning.tasks.run_import"
AT_ONCE = 1000  # rows that are applied while somebody waits for the page
WAITS = "Check the list, then approve or cancel."
# What one door may do within 24 hours without a second look: a number, and a share of the active people.
LIMITS: dict[LossKind, tuple[Limit, str, tuple[str, ...]]] = {
    LossKind.OFF: (Limit(50, 10), "would be deactivated or deleted", (INACTIVE, MISSING, "delete")),
    LossKind.ON: (Limit(50, 10), "would be activated again or restored", (ACTIVE_AGAIN, "restore")),
    LossKind.BLANKED: (Limit(100, 10), "would lose a value", (BLANKED,)),
    LossKind.RENAMED: (Limit(50, 10), "would get another user name", (RENAMED,)),
}


# What follows from contracts is nobody's decision, so that many other values are a question too.
OF_CONTRACTS = {LossKind.CHANGED: (Limit(500, 20), "would get other values", (CHANGED,))}
MEMBERS = Limit(500, 20)


def limits_of(door: str) -> dict[LossKind, tuple[Limit, str, tuple[str, ...]]]:
    """Return what one door may do: a limit for each kind, what is done in words, and by which causes it is counted."""
    return LIMITS | OF_CONTRACTS if door == Door.CONTRACTS else LIMITS


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
) -> ImportRun:
    """Write a plan and let the guard look at it; the run is then to be applied, or waits.

    ``run`` is one that was started before, with its groups planned. ``look``: it waits for somebody in any case.
    Whoever calls this applies the run with ``engine.execute`` once it is committed; of one with more than ``AT_ONCE``
    rows a worker is told.
    """
    with transaction.atomic():
        run = run or start(door, subject, actor)
        gains: dict[str, Any] = {}
        for page in pages:
            store(run.pk, page, gains)
        for name, number in gains.items():
            setattr(run, name, getattr(run, name) + number)
        waits = _objections(run)
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


def _objections(run: ImportRun) -> list[str]:
    """Ask the guard about a plan."""
    rows = PlannedChange.objects.filter(run=run)
    active = 0
    counted = []
    for kind, (limit, words, causes) in limits_of(run.door).items():
        number = rows.filter(cause__in=causes).count()
        if number:
            active = active or User.objects.filter(is_active=True).count()
            counted.append(
                Counted(
                    kind, number, active, limit, f"{people(number)} of {active:,} {words}", gone=kind == LossKind.OFF
                )
            )
    if run.memberships_removed:
        known = Membership.objects.count()
        words = f"{memberships(run.memberships_removed)} of {known:,} would be lost"
        counted.append(Counted(LossKind.MEMBERS, run.memberships_removed, known, MEMBERS, words, gone=True))
    found = [one.words for one in objections(counted, ledger.before(run.door, None))]
    return found + _last_superuser(run)


def _last_superuser(run: ImportRun) -> list[str]:
    """Refuse to take away everybody who may administer the portal."""
    taken = PlannedChange.objects.filter(run=run, user_id=OuterRef("pk"), cause__in=(INACTIVE, MISSING, "delete"))
    able = User.objects.filter(is_superuser=True, is_active=True)
    if able.exists() and not able.exclude(Exists(taken)).exists():
        return ["Nobody would be left who may administer the portal."]
    return []


def record_losses(run: ImportRun) -> None:
    """Write what the run took away into the ledger, once it is applied."""
    rows = PlannedChange.objects.filter(run=run)
    counts: dict[tuple[str, str], int] = {
        (kind, ""): rows.filter(cause__in=causes).count() for kind, (_, _, causes) in limits_of(run.door).items()
    }
    counts[LossKind.MEMBERS, ""] = run.memberships_removed
    ledger.record(run.door, None, counts, agreed=run.approved)
