"""What the templates of the import pages show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils import timezone

from directories.models import Directory, ProvisioningSettings
from provisioning.admin.imports import rights
from provisioning.contracts.models import PlannedDepartment, SourceRecord
from provisioning.imports import decisions, facets, follows
from provisioning.imports.facets import RowCriteria, matching
from provisioning.imports.groups import listing as groups_listing
from provisioning.imports.progress import ACTIVE, progress_of
from provisioning.imports.runs import only_activates, preview_summary
from provisioning.imports.users.listing import CHANGES, FILTERS, listing
from provisioning.models import ImportRun
from provisioning.models.imports import ENDED, WAITING, Action, Door, RunStatus, Trigger

ONLY_SOME = ("deleted", "restored", "blocked")  # what only some runs count
FILTERED_BY = ("action", "q", "department", "attribute", "cause")
DECISIONS = 50  # of the decisions about a plan, as many as a page shows
MOST_GROUPS = 10_000
DEPARTMENTS = 100  # on the page of a run
NEW: Mapping[str, str] = {Action.CREATE: "New people", Action.RESTORE: "Restored"}
REFUSED = "Refused rows stay in the plan with the reason."
MEMBERS = {  # when it is done, and while it is ahead
    "memberships_added": ("Members added", "Members to add"),
    "memberships_removed": ("Members removed", "Members to remove"),
}
ELSEWHERE, THEN = "In other directories", "And then in other directories"
COMES_AGAIN = f"{REFUSED} The next import plans them again, unless the source says something else by then."
COUNTS = (
    ("created", Action.CREATE, "Created", "To create"),
    ("updated", Action.UPDATE, "Updated", "To update"),
    ("deactivated", Action.DEACTIVATE, "Deactivated", "To deactivate"),
    ("deleted", Action.DELETE, "Deleted", "To delete"),
    ("restored", Action.RESTORE, "Restored", "To restore"),
    ("blocked", Action.BLOCK, "Blocked", "Blocked"),
    ("left_alone", Action.LEAVE, "Left alone", "Left alone"),
    ("errors", Action.ERROR, "Errors", "Errors"),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows of a plan that wait for one cause."""

    action: str
    cause: str
    label: str
    number: int
    destructive: bool


@dataclass(frozen=True, slots=True)
class RunNumber:
    """One number of a run, with its word and the address of its rows."""

    number: int
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class RunPart:
    """The numbers of a run that are done, or that are ahead, and what they lead to in other directories."""

    title: str
    counts: Sequence[RunNumber]
    follows: Sequence[follows.Follows]
    follows_title: str


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
            "kept": SourceRecord.objects.filter(source=chosen).exists(),
            "zone": timezone.get_current_timezone_name(),
        }
    return context


def criteria(values: Mapping[str, str]) -> RowCriteria:
    """Return which rows of a plan the filters of its page name."""
    action = values.get("action", "")
    return RowCriteria(
        actions=tuple(one.value for one in FILTERS.get(action, ())),
        search=values.get("q", "")[:255],
        department=values.get("department", "")[:150],
        attribute=values.get("attribute", "")[:200],
        cause=values.get("cause", "")[:16],
    )


def chosen(values: QueryDict) -> RowCriteria | None:
    """Return the rows that a form to approve or refuse names, None for all that wait."""
    if values.get("scope") == "chosen":
        groups = [int(pk) for pk in values.getlist("group") if pk.isdecimal() and len(pk) < 19]
        return RowCriteria(groups=tuple(groups) or (0,))  # nobody chose one: none is meant
    return criteria(values) if values.get("scope") == "some" else None


def run_context(request: HttpRequest, run: ImportRun) -> dict[str, Any]:
    """Return everything on a run's page."""
    filters = {name: request.GET.get(name, "") for name in FILTERED_BY}
    filters["action"] = filters["action"] if filters["action"] in FILTERS else ""
    wanted = criteria(filters)
    ahead = run.status in WAITING
    page = listing(matching(run, wanted), before=_id(request, "before"), after=_id(request, "after"), ahead=ahead)
    return {
        "title": _title(run),
        "page": page,
        "chosen": filters,
        "narrowed": any(filters.values()),
        "filters": _filters(run, filters),
        "attributes": facets.attributes(run),
        "departments": [name for name, _ in run.facets.get("departments", [])],
        "causes": [
            (one, facets.cause_words(run, one)) for one in dict.fromkeys(c for _, c in facets.causes(run)) if one
        ],
        "export_url": f"{reverse('admin:provisioning_importrun_plan', args=[run.pk])}?{_encoded(filters)}",
        "earlier_url": _query(filters, before=page.before) if page.before else "",
        "later_url": _query(filters, after=page.after) if page.after else "",
        "links": _user_links(request),
        **_department_context(run),
        **_group_context(request, run),
        **state_context(request, run),
        **_decision_context(run),
    }


def _title(run: ImportRun) -> str:
    if run.door != Door.IMPORT:
        return f"{run.get_door_display()}: {run.source}"
    return f"{'Preview of' if run.preview else 'Import from'} {run.source}"


def comes_again(run: ImportRun) -> str:
    """Return what becomes of refused rows: only an import finds them again."""
    return COMES_AGAIN if run.door == Door.IMPORT else REFUSED


def _decision_context(run: ImportRun) -> dict[str, Any]:
    """Return what waits, by cause, and what was decided already."""
    if run.status not in WAITING:
        return {"decided": run.decisions.all()[:DECISIONS]}
    waiting = [
        Waiting(
            action,
            cause,
            facets.cause_words(run, cause) or NEW.get(action, ""),
            number,
            cause in decisions.DESTRUCTIVE,
        )
        for action, cause, number in decisions.by_cause(run)
    ]
    groups = decisions.undecided_groups(run)
    return {
        "decided": run.decisions.all()[:DECISIONS],
        "causes_waiting": waiting,
        "groups_waiting": groups[: MOST_GROUPS + 1].count(),
        "to_type": decisions.destructive(run),
        "comes_again": comes_again(run),
    }


def _department_context(run: ImportRun) -> dict[str, Any]:
    """Return the departments that a run adds or changes, those with a problem first."""
    found = list(PlannedDepartment.objects.filter(run=run).order_by("usable", "-problem", "pk")[: DEPARTMENTS + 1])
    return {"departments_planned": found[:DEPARTMENTS], "more_departments": len(found) > DEPARTMENTS}


def _group_context(request: HttpRequest, run: ImportRun) -> dict[str, Any]:
    """Return the planned groups, and of one that was chosen the members."""
    chosen = _id(request, "group")
    return {
        "groups": groups_listing.groups(run, _id(request, "groups_after")),
        "groups_paged": bool(_id(request, "groups_after")),
        "chosen_group": groups_listing.members(run, chosen, _id(request, "members_after")) if chosen else None,
        "group_links": request.user.has_perm("provisioning.view_group"),
    }


def _numbers(run: ImportRun) -> dict[str, int]:
    """Return what a run counts of changes, those that are done and those that are ahead."""
    names = [*(name for name, *_ in COUNTS), *MEMBERS]
    return {name: getattr(run, name) for name in names}


def _counts(run: ImportRun, numbers: Mapping[str, int], *, ahead: bool) -> list[RunNumber]:
    """Return the numbers with their words, as done or as still ``ahead``."""
    url = reverse("admin:provisioning_importrun_change", args=[run.pk])
    rows = [
        RunNumber(numbers.get(name, 0), planned if ahead else _done_label(run, done), f"{url}?action={action}#changes")
        for name, action, done, planned in COUNTS
        if numbers.get(name) or name not in ONLY_SOME
    ]
    if run.groups_seen:
        for name, words in MEMBERS.items():
            rows.append(RunNumber(numbers.get(name, 0), words[ahead], f"{url}#groups"))
    return rows


def _done_label(run: ImportRun, label: str) -> str:
    return "Activated" if label == "Updated" and only_activates(run) else label


def _parts(run: ImportRun) -> list[RunPart]:
    """Return what a run counts: of one that waits with a part of it applied, what is done and what waits by itself."""
    numbers, elsewhere = _numbers(run), follows.load(run)
    unchanged = RunNumber(run.unchanged, "Unchanged", "")
    if not _partly_applied(run):
        return [RunPart("", [*_counts(run, numbers, ahead=True), unchanged], elsewhere, THEN)]
    waits = decisions.waiting(run)
    done = {name: max(0, number - waits[name]) for name, number in numbers.items()}
    later = follows.count(run, decisions.undecided(run)) if elsewhere else []
    return [
        RunPart("Done", [*_counts(run, done, ahead=False), unchanged], follows.less(elsewhere, later), ELSEWHERE),
        RunPart("Waits for a decision", [one for one in _counts(run, waits, ahead=True) if one.number], later, THEN),
    ]


def _partly_applied(run: ImportRun) -> bool:
    return run.status in WAITING and bool(run.applied)


def state_context(request: HttpRequest, run: ImportRun) -> dict[str, Any]:
    """Return what the moving part of a run's page shows."""
    ready = run.status in WAITING
    changed = run.created + run.updated + run.deactivated + run.deleted + run.restored
    return {
        "run": run,
        "active": run.status in ACTIVE,
        "waiting": ready,
        "needs_approval": run.status == RunStatus.APPROVAL or bool(run.status == RunStatus.PLANNED and run.message),
        "outdated": ready and run.directory_id is not None and _newer(run),
        "progress": progress_of(run, timezone.now()),
        "started_by": started_by(run),
        "parts": _parts(run) if ready or run.status in ACTIVE else [],
        "changed": changed,
        "follows": follows.load(run),
        "can_undo": (
            run.status in ENDED
            and bool(run.applied or run.departments_changed)
            and request.user.has_perms(rights.to_undo(run))
            and not _undone(run)
        ),
        "clean": run.status == RunStatus.FINISHED and not run.errors,
        "may_act": request.user.has_perm("provisioning.add_importrun"),
        "may_apply": ready and request.user.has_perms(rights.to_apply(run)),
        "run_url": reverse("admin:provisioning_importrun_change", args=[run.pk]),
        "report_url": f"{reverse('admin:reports_event_changelist')}?run_id={run.pk}",
    }


def _undone(run: ImportRun) -> bool:
    undoing = ImportRun.objects.filter(undoes=run.pk).exclude(status__in=[RunStatus.CANCELLED, RunStatus.FAILED])
    return undoing.exists()


def _newer(run: ImportRun) -> bool:
    return ImportRun.objects.filter(directory=run.directory_id, pk__gt=run.pk).exists()


def _filters(run: ImportRun, filters: Mapping[str, str]) -> list[tuple[str, str, bool]]:
    """Return address, label and whether it is chosen; numbers only once they stand still."""
    ahead = run.status in ACTIVE or run.status in WAITING
    mixed = _partly_applied(run)
    changed = run.created + run.updated + run.deactivated + run.deleted + run.restored
    labels = [("", "All rows", None), (CHANGES, "Changes", changed)]
    labels += [
        (action.value, action.label if mixed else planned if ahead else done, getattr(run, name))
        for name, action, done, planned in COUNTS
        if getattr(run, name) or name not in ONLY_SOME
    ]
    labels.append((Action.LINK.value, "Linked only", None))
    still = run.status not in ACTIVE
    return [
        (
            _query({**filters, "action": value}),
            label if number is None or not still else f"{label} {number:,}",
            value == filters["action"],
        )
        for value, label, number in labels
    ]


def _query(filters: Mapping[str, str], **place: int | None) -> str:
    return f"?{_encoded({**filters, **place})}#changes"


def _encoded(values: Mapping[str, Any]) -> str:
    return urlencode({name: value for name, value in values.items() if value})


def _id(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _user_links(request: HttpRequest) -> bool:
    return request.user.has_perm("provisioning.view_user")
