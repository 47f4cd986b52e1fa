"""Accounts that nobody owns, as each directory's newest reconciliation found them."""

from collections.abc import Iterator, Sequence

from django.db.models import OuterRef, QuerySet, Subquery
from django.urls import reverse
from django.utils import timezone

from config.overviews.base import AskedOverview, Overview, OverviewRow
from directories.models import Directory
from provisioning.models.imports import RunStatus
from provisioning.reconciliation.models import Finding, FindingKind, FindingState, ReconcileRun
from reports import charts
from reports.charts import Picture, Series


def _runs(asked: AskedOverview) -> Sequence[ReconcileRun]:
    """Return the newest run of each directory that has ended well."""
    ended = ReconcileRun.objects.filter(directory=OuterRef("pk"), status=RunStatus.FINISHED).order_by("-created_at")
    directories = Directory.objects.filter(pk=asked.directory.pk) if asked.directory else Directory.objects.all()
    newest = directories.order_by().values(newest=Subquery(ended.values("pk")[:1]))
    return list(ReconcileRun.objects.filter(pk__in=newest).select_related("directory").order_by("directory__name"))


def _open(run: ReconcileRun) -> "QuerySet[Finding]":
    return Finding.objects.filter(run=run, kind=FindingKind.ORPHAN, state=FindingState.OPEN)


def _rows(asked: AskedOverview, size: int) -> Iterator[OverviewRow]:
    for run in _runs(asked):
        url = f"{reverse('admin:reconciliation_reconcilerun_change', args=[run.pk])}?kind={FindingKind.ORPHAN}#findings"
        seen = f"{timezone.localtime(run.finished_at or run.created_at):%Y-%m-%d %H:%M}"
        last = 0
        while page := list(_open(run).filter(pk__gt=last).order_by("pk")[:size]):
            last = page[-1].pk
            yield from (OverviewRow((one.key, run.directory.name, _state(one), one.message, seen), url) for one in page)


def _state(finding: Finding) -> str:
    return {True: "Can be used", False: "Disabled", None: "Not told"}[finding.usable]


def _picture(asked: AskedOverview) -> Picture | None:
    """Draw how many each run found; what was decided about since then is among them."""
    numbers = {run.directory.name: int(run.counts.get(FindingKind.ORPHAN, 0)) for run in _runs(asked)}
    names = sorted((name for name in numbers if numbers[name]), key=lambda name: -numbers[name])[:15]
    if not names:
        return None
    words = "Accounts that nobody owns, by directory: " + ", ".join(f"{name} {numbers[name]:,}" for name in names)
    series = Series("Found", [numbers[name] for name in names], charts.ORANGE)
    return charts.bars(names, [series], words, height=60 + 26 * len(names), lying=True)


ORPHANS = Overview(
    name="orphans",
    title="Accounts that nobody owns",
    about="What the newest reconciliation of each directory found and nobody has decided about yet.",
    icon="no_accounts",
    permissions=("reconciliation.view_reconcilerun", "reconciliation.view_finding"),
    head=("Account", "Directory", "State", "Found", "Compared at"),
    rows=_rows,
    picture=_picture,
    by_directory=True,
    note="A directory that was never reconciled is not in it. Start that under Reconciliation.",
)
