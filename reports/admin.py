"""The provisioning report: what happened, to whom, where and why."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from reports.export import csv_lines
from reports.forms import QUERY_NAMES, ReportForm
from reports.models import Event
from reports.paging import KeysetPage, PageCursor
from reports.presentation import report_lines
from reports.search import Criteria, TooSlow, application_names, page

PAGE_SIZE = 50
NO_LINES: KeysetPage[Event] = KeysetPage(rows=[], newer=None, older=None)
SCOPES = {
    "user_id": "the history of one user",
    "account_id": "the history of one account",
    "run_id": "the lines of one import",
}


@admin.register(Event)
class EventAdmin(ModelAdmin):  # type: ignore[misc]
    """A page to search and read; nobody adds, changes or deletes history."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """History is written by the portal alone."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        """History does not change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        """History stays."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Add the export; there is no page for a single line, because the report shows all of it."""
        return [
            path("", self.admin_site.admin_view(self.changelist_view), name="reports_event_changelist"),
            path("export/", self.admin_site.admin_view(self.export_view), name="reports_event_export"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the search form and a page of lines; without a filter the newest."""
        self._require_view(request)
        form = ReportForm(request.GET, applications=application_names())
        found, slow = NO_LINES, False
        if form.is_valid():
            try:
                found = self._page(request, form.criteria)
            except TooSlow:
                slow = True
        context = {
            **self.admin_site.each_context(request),
            "title": "Provisioning report",
            "opts": self.opts,
            "form": form,
            "lines": report_lines(found.rows, request.user),
            "slow": slow,
            "filtered": any(_filters(request).values()),
            "scopes": [
                (words, _query(request, **{name: ""}), form[name].errors)
                for name, words in SCOPES.items()
                if request.GET.get(name)
            ],
            "newer_url": _query(request, before=str(found.newer)) if found.newer else "",
            "older_url": _query(request, after=str(found.older)) if found.older else "",
            "export_url": f"{reverse('admin:reports_event_export')}{_query(request)}",
            "time_zone": timezone.get_current_timezone_name(),
            "narrowed": any(form[name].errors or form[name].value() for name in form.fields if name != "identifier"),
            "more_open": any(form[name].errors or form[name].value() for name in ("start", "end")),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "reports/report.html", context)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Stream all lines of the search as CSV; a search that is not valid goes back to the page, which says why."""
        self._require_view(request)
        form = ReportForm(request.GET, applications=[])
        if not form.is_valid():
            return HttpResponseRedirect(f"{reverse('admin:reports_event_changelist')}{_query(request)}")
        response = StreamingHttpResponse(csv_lines(form.criteria), content_type="text/csv; charset=utf-8")
        stamp = timezone.localtime().strftime("%Y-%m-%d-%H%M")
        response["Content-Disposition"] = f'attachment; filename="provisioning-report-{stamp}.csv"'
        response["X-Accel-Buffering"] = "no"
        return response

    def _page(self, request: HttpRequest, criteria: Criteria) -> KeysetPage[Event]:
        """Return the page asked for; too near the newest for a full page, the newest page instead."""
        newer = PageCursor.parse(request.GET.get("before", ""))
        older = PageCursor.parse(request.GET.get("after", ""))
        if newer:
            found = page(criteria, PAGE_SIZE, newer=newer)
            if found.newer:
                return found
        return page(criteria, PAGE_SIZE, older=None if newer else older)

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied


def _filters(request: HttpRequest) -> dict[str, str]:
    """Return the filters of the address as it writes them; everything else there is dropped."""
    names = [QUERY_NAMES.get(name, name) for name in ReportForm.base_fields]
    return {name: request.GET[name] for name in names if request.GET.get(name)}


def _query(request: HttpRequest, **extra: str) -> str:
    """Return the query string of the same search with some parameters changed; "" removes one."""
    values = {name: value for name, value in {**_filters(request), **extra}.items() if value}
    return f"?{urlencode(values)}"
