"""What the templates of the reconciliation pages show."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from directories.models import Directory, OnLeave, ProvisioningSettings
from directories.readiness import moment
from provisioning import services
from provisioning.models.imports import RunStatus, Trigger
from provisioning.reconciliation import actions, engine, pulling
from provisioning.reconciliation.models import Finding, FindingKind, FindingState, ReconcileRun

PAGE = 50
DANGEROUS = (FindingKind.ENABLED, FindingKind.ORPHAN)
ACTIVE = (RunStatus.QUEUED, RunStatus.CRAWLING)
IGNORED, DONE = "ignored", "done"


def last_line(directory: Directory) -> tuple[ReconcileRun, str] | None:
    """Return the newest run of a directory and what the directory's page says of it, None without any."""
    run = ReconcileRun.objects.filter(directory=directory).first()
    if run is None:
        return None
    if run.status in ACTIVE:
        return run, "Being compared with the portal now."
    when = moment(run.finished_at or run.created_at, timezone.localtime())
    return run, f"Last reconciled {when}: {run.message}"


def selected(run: ReconcileRun, kind: str) -> QuerySet[Finding]:
    """Return the findings that a filter shows."""
    rows = Finding.objects.filter(run=run)
    if kind == IGNORED:
        return rows.filter(state=FindingState.IGNORED).exclude(actions.open_now())
    if kind == DONE:
        return rows.filter(state=FindingState.DONE)
    rows = rows.filter(actions.open_now())
    return rows.filter(kind=kind) if kind in FindingKind.values else rows


def run_context(request: HttpRequest, run: ReconcileRun) -> dict[str, Any]:
    """Return everything on a run's page."""
    kind = request.GET.get("kind", "")
    after = request.GET.get("after", "")
    rows = selected(run, kind).order_by("pk")
    if after.isdecimal() and len(after) < 19:
        rows = rows.filter(pk__gt=int(after))
    found = list(rows[: PAGE + 1])
    shown = found[:PAGE]
    more = shown[-1].pk if len(found) > PAGE else None
    settings = getattr(run.directory, "provisioning", None) or ProvisioningSettings()
    return {
        "title": f"Reconciliation of {run.directory.name}",
        "rows": shown,
        "kind": kind,
        "chips": _chips(run, kind),
        "next_url": _query(kind, after=more) if more else "",
        "first_url": _query(kind) if after else "",
        "may_act": request.user.has_perm("reconciliation.change_finding") and run.status not in ACTIVE,
        "buttons": _buttons(kind, settings),
        "final": _final(run, kind),
        "links": request.user.has_perm("provisioning.view_user"),
        "today": timezone.localdate().isoformat(),
        **state_context(request, run),
    }


def state_context(request: HttpRequest, run: ReconcileRun) -> dict[str, Any]:
    """Return what the moving part of a run's page shows."""
    percent = min(100, run.seen * 100 // run.expected) if run.expected else None
    started_by = "the schedule" if run.trigger == Trigger.SCHEDULE else run.actor
    return {
        "run": run,
        "active": run.status in ACTIVE,
        "percent": percent,
        "started_by": started_by,
        "may_start": request.user.has_perm("reconciliation.add_reconcilerun"),
        "run_url": reverse("admin:reconciliation_reconcilerun_change", args=[run.pk]),
    }


def _chips(run: ReconcileRun, chosen: str) -> list[tuple[str, str, bool, bool]]:
    """Return address, label, whether it is chosen and whether it is dangerous."""
    counts = run.counts or (engine.counted(run) if run.status not in ACTIVE else {})
    chips = [(_query(""), "All that is open", not chosen, False)]
    for kind in FindingKind:
        if number := counts.get(kind.value):
            label = f"{kind.label} {number:,}"
            chips.append((_query(kind.value), label, chosen == kind.value, kind in DANGEROUS))
    chips.append((_query(IGNORED), "Ignored", chosen == IGNORED, False))
    chips.append((_query(DONE), "Acted on", chosen == DONE, False))
    return chips


def _final(run: ReconcileRun, kind: str) -> str:
    """Return why closing orphans cannot be undone, "" when it can or none is shown."""
    if kind not in ("", FindingKind.ORPHAN):
        return ""
    return services.final_leaving({run.directory_id}, services.UserStatus.DELETED).get(run.directory_id, "")


def _buttons(kind: str, settings: ProvisioningSettings) -> list[tuple[str, str, bool]]:
    """Return the value, the label and the danger of what may be done about findings of a kind."""
    on_delete, days = settings.on_delete, settings.delete_after_days
    closes = {OnLeave.DELETE: "Delete in the directory", OnLeave.DISABLE: "Disable in the directory"}
    if days:
        closes[OnLeave.DELETE] = f"Disable in the directory, delete after {days} {'day' if days == 1 else 'days'}"
    found: list[tuple[str, str, bool]] = []
    if kind in (IGNORED, DONE):
        return found
    if kind in ("", *actions.PUSHABLE):
        found.append(("push", "Push the portal's state", False))
    if kind in ("", *pulling.PULLABLE):
        found.append(("pull", "Take over what is there", False))
    if kind in ("", FindingKind.ORPHAN):
        found.append(("adopt", "Adopt", False))
        if on_delete in closes:
            found.append(("close", closes[OnLeave(on_delete)], True))
    return found


def _query(kind: str, after: int | None = None) -> str:
    values = {"kind": kind, "after": after}
    return f"?{urlencode({name: value for name, value in values.items() if value})}#findings"
