"""The pages "Import users" and "Import history": start a run, watch it, look through its plan, approve or cancel it."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from directories.models import Directory
from provisioning import services
from provisioning.admin.imports import pages, rights
from provisioning.imports import decisions, plan_export
from provisioning.imports.facets import EVERYTHING
from provisioning.models import ImportRun
from provisioning.models.imports import Door, RunStatus
from reports.paging import CappedPaginator

COLOURS = {
    RunStatus.QUEUED: "info",
    RunStatus.CRAWLING: "info",
    RunStatus.APPLYING: "info",
    RunStatus.PLANNED: "primary",
    RunStatus.APPROVAL: "warning",
    RunStatus.FINISHED: "success",
    RunStatus.FAILED: "danger",
}
LABELS = {status.label: colour for status, colour in COLOURS.items()}


@admin.register(ImportRun)
class ImportRunAdmin(ModelAdmin):  # type: ignore[misc]
    """The history of imports. Runs are started on "Import users" and are never edited or deleted."""

    list_display = ("started", "source", "what", "state", "outcome", "started_by")
    list_display_links = ("started", "what")
    list_filter = ("directory", "door", "status", "preview")
    list_select_related = ("directory",)
    list_per_page = 50
    show_add_link = False  # the list has its own "Import users"
    when_empty = "Nothing was imported yet."
    counted_as = "imports"
    paginator = CappedPaginator
    show_full_result_count = False
    list_before_template = "provisioning/imports/list_before.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the start page and what a run's page asks for."""
        wrap = self.admin_site.admin_view
        return [
            path("start/", wrap(self.start_view), name="provisioning_importrun_start"),
            path("<int:run_id>/progress/", wrap(self.progress_view), name="provisioning_importrun_progress"),
            path("<int:run_id>/cancel/", wrap(require_POST(self.cancel_view)), name="provisioning_importrun_cancel"),
            path("<int:run_id>/approve/", wrap(require_POST(self.approve_view)), name="provisioning_importrun_approve"),
            path("<int:run_id>/refuse/", wrap(require_POST(self.refuse_view)), name="provisioning_importrun_refuse"),
            path("<int:run_id>/undo/", wrap(self.undo_view), name="provisioning_importrun_undo"),
            path("<int:run_id>/plan.csv", wrap(self.export_view), name="provisioning_importrun_plan"),
            *super().get_urls(),
        ]

    def has_change_permission(self, request: HttpRequest, obj: ImportRun | None = None) -> bool:
        """History does not change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ImportRun | None = None) -> bool:
        """History stays."""
        return False

    @display(description="Started", ordering="created_at")  # type: ignore[untyped-decorator]
    def started(self, run: ImportRun) -> str:
        """When it was asked for."""
        return timezone.localtime(run.created_at).strftime("%Y-%m-%d %H:%M:%S")

    @display(description="From", ordering="directory")  # type: ignore[untyped-decorator]
    def source(self, run: ImportRun) -> str:
        """The directory, or what a run of another door is about."""
        return run.source

    @display(description="What", ordering="preview")  # type: ignore[untyped-decorator]
    def what(self, run: ImportRun) -> str:
        """Import or preview, or another door."""
        if run.door != Door.IMPORT:
            return str(run.get_door_display())
        return "Preview" if run.preview else "Import"

    @display(description="Status", ordering="status", label=LABELS)  # type: ignore[untyped-decorator]
    def state(self, run: ImportRun) -> str:
        """Where it stands."""
        return str(run.get_status_display())

    @display(description="Result")  # type: ignore[untyped-decorator]
    def outcome(self, run: ImportRun) -> str:
        """How it ended, or what it is at."""
        return pages.outcome(run)

    @display(description="Started by", ordering="actor")  # type: ignore[untyped-decorator]
    def started_by(self, run: ImportRun) -> str:
        """A person, or the schedule."""
        return pages.started_by(run)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A run is added by starting it."""
        return HttpResponseRedirect(reverse("admin:provisioning_importrun_start"))

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Choose a directory and import it, or preview that."""
        self._require(request, "provisioning.add_importrun")
        if request.method == "POST":
            return self._start(request)
        context = {**self.admin_site.each_context(request), **pages.start_context(request)}
        return render(request, "provisioning/imports/start.html", context)

    def _start(self, request: HttpRequest) -> HttpResponse:
        directory = get_object_or_404(Directory, pk=_number(request.POST.get("directory")) or 0)
        action, actor = request.POST.get("action"), request.user.get_username()
        try:
            if action == "again":
                run = services.plan_again(directory, actor=actor)
            else:
                run = services.start_import(directory, preview=action == "preview", actor=actor)
        except services.ImportRefused as refused:
            messages.error(request, refused.message)
            return HttpResponseRedirect(f"{reverse('admin:provisioning_importrun_start')}?directory={directory.pk}")
        return _to(run)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one run: its progress or result, and its planned changes."""
        run = self._run(request, _number(object_id) or 0)
        context = {**self.admin_site.each_context(request), **pages.run_context(request, run)}
        return render(request, "provisioning/imports/run.html", {**context, "opts": self.opts, "original": run})

    def progress_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """The moving part of a run's page; the whole page is loaded again whenever the run enters another state."""
        run = self._run(request, run_id)
        response = render(request, "provisioning/imports/progress.html", pages.state_context(request, run))
        if request.GET.get("status") != run.status:
            response["HX-Refresh"] = "true"
        return response

    def cancel_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Cancel the run, at once or at its next page."""
        self._require(request, "provisioning.add_importrun")
        run = self._run(request, run_id)
        try:
            services.cancel_import(run, request.user.get_username())
        except services.ImportRefused as refused:
            messages.error(request, refused.message)
        return _to(run)

    def approve_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Apply the plan as it is, or those of its rows that the form names."""
        self._require(request, "provisioning.add_importrun")
        run = self._run(request, run_id)
        self._require(request, *rights.to_apply(run))
        wanted = pages.chosen(request.POST)
        try:
            decisions.must_type(run, request.POST.get("number", ""), wanted or EVERYTHING)
            seen = request.POST.get("plan_hash", "")
            services.approve_import(run, request.user.get_username(), plan_hash=seen, wanted=wanted)
        except services.ImportRefused as refused:
            messages.error(request, refused.message)
        return _to(run)

    def refuse_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Refuse some rows of the plan, with a reason."""
        self._require(request, "provisioning.add_importrun")
        run = self._run(request, run_id)
        groups = request.POST.get("scope") == "groups"
        reason = request.POST.get("reason", "")[:1000]
        try:
            wanted = pages.chosen(request.POST) or EVERYTHING
            number = services.refuse_changes(run, request.user.get_username(), wanted, reason, groups=groups)
            messages.success(request, f"{number:,} refused. {pages.comes_again(run)}")
        except services.ImportRefused as refused:
            messages.error(request, refused.message)
        return _to(run)

    def undo_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Say what cannot be brought back, then plan the inverse, which is looked at and approved like any plan."""
        self._require(request, "provisioning.add_importrun")
        run = self._run(request, run_id)
        if request.method == "POST":
            delete = request.POST.get("created") == "delete"
            self._require(request, *rights.to_undo(run, delete_created=delete))
            try:
                return _to(services.undo(run, request.user.get_username(), delete_created=delete))
            except services.ImportRefused as refused:
                messages.error(request, refused.message)
                return _to(run)
        context = {**self.admin_site.each_context(request), "run": run, "losses": services.losses_of(run)}
        context["may_delete"] = request.user.has_perm(rights.DELETE)
        context |= {"title": f"Undo: {run.source}", "opts": self.opts, "original": run}
        return render(request, "provisioning/imports/undo.html", context)

    def export_view(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        """Stream the plan, as far as the filters say, as a CSV file."""
        run = self._run(request, run_id)
        response = StreamingHttpResponse(plan_export.csv_lines(run, pages.criteria(request.GET)), "text/csv")
        response["Content-Disposition"] = f'attachment; filename="plan-{run.pk}.csv"'
        return response

    def _run(self, request: HttpRequest, run_id: int) -> ImportRun:
        self._require(request, "provisioning.view_importrun")
        return get_object_or_404(ImportRun.objects.select_related("directory"), pk=run_id)

    def _require(self, request: HttpRequest, *permissions: str) -> None:
        if not request.user.has_perms(permissions):
            raise PermissionDenied


def _to(run: ImportRun) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:provisioning_importrun_change", args=[run.pk]))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 19 else None
