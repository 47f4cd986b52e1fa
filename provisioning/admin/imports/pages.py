"""What the templates of the import pages show."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from directories.models import Directory, ProvisioningSettings
from provisioning.imports import follows
from provisioning.imports.groups import listing as groups_listing
from provisioning.imports.progress import ACTIVE, progress_of
from provisioning.imports.runs import preview_summary
from provisioning.imports.users.listing import CHANGES, FILTERS, listing
from provisioning.models import ImportRun
from provisioning.models.imports import Action, RunStatus, Trigger

WAITING = (RunStatus.APPROVAL, RunStatus.PLANNED)
COUNTS = (
    ("created", Action.CREATE, "Created", "To create"),
    ("updated", Action.UPDATE, "Updated", "To update"),
    ("deactivated", Action.DEACTIVATE, "Deactivated", "To deactivate"),
    ("left_alone", Action.LEAVE, "Left alone", "Left alone"),
    ("errors", Action.ERROR, "Errors", "Errors"),
)


def outcome(run: ImportRun) -> str:
    """Return a run in one line for lists."""
    if run.status == RunStatus.PLANNED:
        return preview_summary(run)
    if run.status in ACTIVE:
        progress = progress_of(run, timezone.now())
        return f"{progress.phase}, {progress.percent} %" if progress.percent is not None else progress.phase
    return run.message


def started_by(run: ImportRun) -> str:
    """Return who or what started a run."""
    if run.trigger in (Trigger.SCHEDULE, Trigger.LISTENER):
        return "Schedule" if run.trigger == Trigger.SCHEDULE else "Directory"
    return f"{run.actor} (command line)" if run.trigger == Trigger.COMMAND else run.actor


def start_context(request: HttpRequest) -> dict[str, Any]:
    """Return the choice of directories and what is known of the chosen one."""
    directories = list(Directory.objects.order_by("-is_default", "name"))
    asked = request.GET.get("directory", "")
    chosen = next((one for one in directories if str(one.pk) == asked), directories[0] if directories else None)
    context: dict[str, Any] = {"title": "Import users", "directories": directories, "chosen": chosen}
    if chosen is not None:
        settings = ProvisioningSettings.objects.filter(directory=chosen).first()
        runs = ImportRun.objects.filter(directory=chosen)
        on = settings is not None and settings.import_users
        context |= {
            "settings": settings,
            "import_on": on,
            "may_change": request.user.has_perm("directories.change_directory"),
            "last": runs.filter(preview=False).exclude(status__in=(*ACTIVE, RunStatus.APPROVAL)).first(),
            "open": runs.filter(Q(status__in=ACTIVE) | Q(status=RunStatus.APPROVAL)).first(),
            "ready": chosen.enabled and on,
            "zone": timezone.get_current_timezone_name(),
        }
    return context


def run_context(request: HttpRequest, run: ImportRun) -> dict[str, Any]:
    """Return everything on a run's page."""
    action = request.GET.get("action", "")
    action = action if action in FILTERS else ""
    search = request.GET.get("q", "")[:255]
    page = listing(run, action, search, before=_id(request, "before"), after=_id(request, "after"))
    return {
        "title": f"{'Preview of' if run.preview else 'Import from'} {run.directory.name}",
        "page": page,
        "action": action,
        "search": search,
        "filters": _filters(run, action, search),
        "earlier_url": _query(action, search, before=page.before) if page.before else "",
        "later_url": _query(action, search, after=page.after) if page.after else "",
        "links": _user_links(request),
        **_group_context(request, run),
        **state_context(request, run),
    }


def _group_context(request: HttpRequest, run: ImportRun) -> dict[str, Any]:
    """Return the planned groups, and of one that was chosen the members."""
    chosen = _id(request, "group")
    return {
        "groups": groups_listing.groups(run, _id(request, "groups_after")),
        "groups_paged": bool(_id(request, "groups_after")),
        "chosen_group": groups_listing.members(run, chosen, _id(request, "members_after")) if chosen else None,
        "group_links": request.user.has_perm("provisioning.view_group"),
    }


def state_context(request: HttpRequest, run: ImportRun) -> dict[str, Any]:
    """Return what the moving part of a run's page shows."""
    ready = run.status in WAITING
    counts = [
        (getattr(run, name), action.value, planned if ready or run.status in ACTIVE else done)
        for name, action, done, planned in COUNTS
    ]
    changed = run.created + run.updated + run.deactivated
    return {
        "run": run,
        "active": run.status in ACTIVE,
        "waiting": ready,
        "needs_approval": run.status == RunStatus.APPROVAL or bool(run.status == RunStatus.PLANNED and run.message),
        "outdated": ready and ImportRun.objects.filter(directory=run.directory_id, pk__gt=run.pk).exists(),
        "progress": progress_of(run, timezone.now()),
        "started_by": started_by(run),
        "counts": counts,
        "changed": changed,
        "follows": follows.load(run),
        "clean": run.status == RunStatus.FINISHED and not run.errors,
        "may_act": request.user.has_perm("provisioning.add_importrun"),
        "run_url": reverse("admin:provisioning_importrun_change", args=[run.pk]),
        "report_url": f"{reverse('admin:reports_event_changelist')}?run_id={run.pk}",
    }


def _filters(run: ImportRun, chosen: str, search: str) -> list[tuple[str, str, bool]]:
    """Return address, label and whether it is chosen; numbers only once they stand still."""
    ahead = run.status in ACTIVE or run.status in WAITING
    changed = run.created + run.updated + run.deactivated
    labels = [("", "All rows", None), (CHANGES, "Changes", changed)]
    labels += [(action.value, planned if ahead else done, getattr(run, name)) for name, action, done, planned in COUNTS]
    labels.append((Action.LINK.value, "Linked only", None))
    still = run.status not in ACTIVE
    return [
        (_query(value, search), label if number is None or not still else f"{label} {number:,}", value == chosen)
        for value, label, number in labels
    ]


def _query(action: str, search: str, **place: int | None) -> str:
    values = {"action": action, "q": search, **place}
    return f"?{urlencode({name: value for name, value in values.items() if value})}#changes"


def _id(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _user_links(request: HttpRequest) -> bool:
    return request.user.has_perm("provisioning.view_user")
