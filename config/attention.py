"""What needs someone's attention, counted cheaply: each count reads an index and stops at a hundred."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest

from directories.models import Directory
from provisioning import heartbeat
from provisioning.events.models import Subscription
from provisioning.gateway import silence as gateways
from provisioning.models import Account, ImportRun
from provisioning.models.accounts import LEFT_OPEN
from provisioning.models.imports import RunStatus
from provisioning.notices.glance import glance
from provisioning.outbound.kinds import KINDS, WorkKind
from provisioning.requests.models import AskedApprover, RequestStep, StepState
from provisioning.rules.notices import STOPPED
from scim.upkeep import health

CAP = 99
CAUSES_CAP = 10_000
REQUESTS = "_requests"  # kept with the page's request, so that they are counted once
WORKER_STALE = dt.timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Badge:
    """A number beside an entry of the sidebar, in one of unfold's colours."""

    text: str
    variant: str = "danger"


def capped(rows: QuerySet[Any], cap: int = CAP) -> int:
    """Return the number of rows, at most ``cap`` + 1."""
    return rows.order_by()[: cap + 1].count()


def capped_text(number: int, cap: int = CAP) -> str:
    """Return the number as text, "99+" past the cap."""
    return f"{cap:,}+" if number > cap else f"{number:,}"


def _badge(rows: QuerySet[Any], variant: str) -> Badge | None:
    number = capped(rows)
    return Badge(capped_text(number), variant) if number else None


def notices_badge(request: HttpRequest) -> Badge | None:
    """Notices that are open."""
    number = min(glance(request).notices, CAP + 1)
    return Badge(capped_text(number), "danger") if number else None


def rules_badge(request: HttpRequest) -> Badge | None:
    """Published rules that cannot be used any more."""
    number = min(glance(request).causes.get(STOPPED.name, 0), CAP + 1)
    return Badge(capped_text(number), "danger") if number else None


def unreachable_badge(request: HttpRequest) -> Badge | None:
    """Directories that cannot be reached."""
    return _badge(unreachable(), "danger")


def gateway_badge(request: HttpRequest) -> Badge | None:
    """Gateways that directories need and that show no sign of life."""
    number = len(gateways.silent())
    return Badge(capped_text(number), "danger") if number else None


def approval_badge(request: HttpRequest) -> Badge | None:
    """Imports that wait for an approval."""
    return _badge(approvals(), "warning")


def parked_badge(request: HttpRequest) -> Badge | None:
    """Changes of users and of groups that a directory refused."""
    number = parked(KINDS)
    return Badge(capped_text(number), "danger") if number else None


def parked(kinds: Iterable[WorkKind]) -> int:
    """Count the changes of these kinds that a directory refused; each kind's no further than the cap."""
    return sum(capped(_parked(kind)) for kind in kinds)


def scim_badge(request: HttpRequest) -> Badge | None:
    """SCIM applications whose token has ended or ends soon, or whose requests fail."""
    found = health.troubles(CAP)
    danger = any(trouble.level == "danger" for _, trouble in found)
    return Badge(str(len(found)), "danger" if danger else "warning") if found else None


def troubled_receivers() -> QuerySet[Subscription]:
    """Return the receivers of events that take nothing, or that the portal switched off."""
    failing = Q(enabled=True, failing_since__isnull=False) | Q(enabled=True, unreachable_since__isnull=False)
    return Subscription.objects.filter(failing | Q(enabled=False) & ~Q(stopped_because="")).order_by("name")


def requests_badge(request: HttpRequest) -> Badge | None:
    """Requests that wait for the decision of who looks, and those that nobody can decide."""
    number = sum(requests_waiting(request))
    return Badge(capped_text(number), "warning") if number else None


def requests_waiting(request: HttpRequest) -> tuple[int, int]:
    """Return how many requests wait for who looks, and how many although nobody can decide them; counted once."""
    held: tuple[int, int] | None = getattr(request, REQUESTS, None)
    if held is None:
        mine = capped(AskedApprover.objects.filter(user=request.user.pk))
        held = mine, capped(RequestStep.objects.filter(state=StepState.OPEN, asked=None))
        setattr(request, REQUESTS, held)
    return held


def unreachable() -> QuerySet[Directory]:
    """Return the directories in use that cannot be reached, the longest first."""
    return Directory.objects.filter(enabled=True, unreachable_since__isnull=False).order_by("unreachable_since")


def approvals() -> QuerySet[ImportRun]:
    """Return the runs that wait for an approval."""
    return ImportRun.objects.filter(status=RunStatus.APPROVAL).select_related("directory")


def troubled_imports(limit: int) -> Sequence[ImportRun]:
    """Return each directory's newest ended run where that one failed, and its newest whole one that left errors."""
    ended = ImportRun.objects.filter(directory=OuterRef("pk"), status__in=[RunStatus.FINISHED, RunStatus.FAILED])
    ended = ended.order_by("-created_at")
    directories = Directory.objects.order_by()
    newest = directories.values_list(Subquery(ended.values("pk")[:1]), flat=True)
    newest_whole = directories.values_list(Subquery(ended.filter(incremental=False).values("pk")[:1]), flat=True)
    failed = Q(pk__in=newest, status=RunStatus.FAILED)
    with_errors = Q(pk__in=newest_whole, status=RunStatus.FINISHED, errors__gt=0)
    return list(ImportRun.objects.filter(failed | with_errors).select_related("directory")[:limit])


@dataclass(frozen=True, slots=True)
class ParkedCause:
    """Why changes of one kind are parked in one directory, and how many are; ``message`` is of one of them."""

    kind: WorkKind
    directory_id: int
    directory: str
    code: str
    number: int
    message: str


def parked_causes(limit: int) -> Sequence[ParkedCause]:
    """Return the causes of parked changes, the most frequent first.

    Looks at ``CAUSES_CAP`` changes of a kind: who has more of them starts with the most frequent cause anyway.
    """
    columns = ("directory_id", "directory__name", "parked_code")
    found = []
    for kind in KINDS:
        some = _parked(kind).order_by("-parked").values("pk")[:CAUSES_CAP]
        causes = kind.change._default_manager.filter(pk__in=some).values_list(*columns)
        counted = causes.annotate(number=Count("pk"), message=Max("parked_message")).order_by("-number")
        found += [ParkedCause(kind, *row) for row in counted[:limit]]
    return sorted(found, key=lambda cause: -cause.number)[:limit]


def _parked(kind: WorkKind) -> QuerySet[Any]:
    return kind.change._default_manager.filter(parked__isnull=False)


def left_open(limit: int) -> Sequence[dict[str, Any]]:
    """Return directory, number and an example's words of leavers' accounts that can still be used, most first."""
    some = Account.objects.filter(LEFT_OPEN).order_by().values("pk")[:CAUSES_CAP]
    return list(
        Account.objects.filter(pk__in=some)
        .values("directory_id", "directory__name")
        .annotate(number=Count("pk"), message=Max("last_message"), example=Max("key"))
        .order_by("-number")[:limit]
    )


def left_open_badge(request: HttpRequest) -> Badge | None:
    """Leavers' accounts that can still be used."""
    return _badge(Account.objects.filter(LEFT_OPEN), "danger")


def worker_silence() -> dt.timedelta | None:
    """Return for how long no worker has shown a sign of life: zero while all is well, None when there never was one."""
    age = heartbeat.age()
    if age is None:
        return None
    silence = dt.timedelta(seconds=age)
    return silence if silence > WORKER_STALE else dt.timedelta()
