"""The provisioning report: what happened, to whom, where and why."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.forms import ChoiceField
from django.http import (
    HttpRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from reports.export import FORMATS
from reports.filters import slow_parts
from reports.forms import QUERY_NAMES, ReportForm, SavedFilterForm
from reports.models import Event, SavedFilter
from reports.paging import KeysetPage, PageCursor
from reports.presentation import links, report_lines, steps
from reports.search import EventCriteria, TooSlow, actor_names, application_names, page

PAGE_SIZE = 50
MOST_SAVED = 50  # filters a person keeps
MOST_SHOWN = 200  # with those that others share
NO_LINES: KeysetPage[Event] = KeysetPage(rows=[], newer=None, older=None)
SCOPES = {
    "user_id": "the history of one user",
    "account_id": "the history of one account",
    "group_id": "the history of one group",
}
ON_TOP = ("identifier", "application", "span")
NARROWEST = ("filter", "start", "end", "span", "run_id", "actor", "direction", "operation", "result", "application")
"""Which filter is left out first where nothing is found."""


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
        """Add the export and the saved filters; a line has no page, but a part that is loaded where it is opened."""
        return [
            path("", self.admin_site.admin_view(self.changelist_view), name="reports_event_changelist"),
            path("<int:pk>/", self.admin_site.admin_view(self.line_view), name="reports_event_line"),
            path("export/", self.admin_site.admin_view(self.export_view), name="reports_event_export"),
            path("filters/save/", self.admin_site.admin_view(self.save_filter_view), name="reports_filter_save"),
            path("filters/<int:pk>/", self.admin_site.admin_view(self.filter_view), name="reports_filter"),
            path(
                "filters/<int:pk>/change/",
                self.admin_site.admin_view(self.change_filter_view),
                name="reports_filter_change",
            ),
            path(
                "filters/<int:pk>/delete/",
                self.admin_site.admin_view(self.delete_filter_view),
                name="reports_filter_delete",
            ),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the search form and a page of lines; without a filter the newest."""
        self._require_view(request)
        actors = actor_names()
        form = ReportForm(request.GET, applications=application_names(), actors=actors)
        found, slow = NO_LINES, ""
        if form.is_valid():
            try:
                found = self._page(request, form.criteria)
            except TooSlow:
                slow = _too_slow(form.criteria)
        filters = _filters(request)
        roles = _roles()
        saved = [_shown(kept, filters, request, roles) for kept in _seen(request)[:MOST_SHOWN]]
        context = {
            **self.admin_site.each_context(request),
            "title": "Provisioning report",
            "opts": self.opts,
            "form": form,
            "lines": report_lines(found.rows, request.user),
            "slow": slow,
            "filtered": bool(filters),
            "saved": saved,
            "name_form": SavedFilterForm(roles=roles, auto_id="id_new_filter_%s"),
            "may_save": filters and form.is_valid() and not any(one["chosen"] for one in saved),
            "search": _query(request),
            "save_url": f"{reverse('admin:reports_filter_save')}{_query(request)}",
            "scopes": [
                (words, _query(request, **{name: ""}), form[name].errors)
                for name, words in SCOPES.items()
                if request.GET.get(name)
            ],
            "newer_url": _query(request, before=str(found.newer)) if found.newer else "",
            "older_url": _query(request, after=str(found.older)) if found.older else "",
            "exports": [
                (kind.words, f"{reverse('admin:reports_event_export')}{_query(request, format=name)}")
                for name, kind in FORMATS.items()
            ],
            "time_zone": timezone.get_current_timezone_name(),
            "actors": actors,
            "looser": _looser(request, form) if filters and not (found.rows or slow) else [],
            "narrowed": any(form[name].errors or form[name].value() for name in form.fields if name != "identifier"),
            "more_open": any(
                field.errors or field.value() for field in form.visible_fields() if field.name not in ON_TOP
            ),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "reports/report.html", context)

    def line_view(self, request: HttpRequest, pk: int) -> TemplateResponse:
        """Show how one line came about, and what it is about: what is put under it when it is opened."""
        self._require_view(request)
        event = get_object_or_404(Event, pk=pk)
        recorded = steps([event], request.user)[pk]
        context = {
            "steps": [
                (step, step.link if step.link and request.user.has_perm(step.link.right) else None) for step in recorded
            ],
            "links": links(event, request.user),
        }
        return TemplateResponse(request, "reports/opened.html", context)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Stream all lines of the search as a file; one that is not valid goes back to the page, which says why."""
        self._require_view(request)
        form, kind = ReportForm(request.GET), FORMATS.get(request.GET.get("format", "csv"))
        if kind is None or not form.is_valid():
            return HttpResponseRedirect(_address(_filters(request)))
        response = StreamingHttpResponse(kind.make(form.criteria, request.user), content_type=kind.content_type)
        stamp = timezone.localtime().strftime("%Y-%m-%d-%H%M")
        response["Content-Disposition"] = f'attachment; filename="provisioning-report-{stamp}.{kind.ending}"'
        response["X-Accel-Buffering"] = "no"
        return response

    def save_filter_view(self, request: HttpRequest) -> HttpResponseBase:
        """Keep the search of the address under a name; one that has it already is replaced."""
        self._require_view(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        filters, named = _filters(request), SavedFilterForm(request.POST, roles=_roles())
        if not named.is_valid():
            messages.error(request, _first_error(named))
        elif not filters or not ReportForm(request.GET).is_valid():
            messages.error(request, "Nothing was saved. Search with a filter first, and then save it.")
        elif not _keep(request, named, filters):
            messages.error(request, f"You keep {MOST_SAVED} filters. Delete one of them first.")
        else:
            messages.success(request, f"Saved the filter {named.cleaned_data['name']}.")
        return HttpResponseRedirect(_address(filters))

    def filter_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Lead to the search that a filter means now: an address that stays when the filter is changed."""
        self._require_view(request)
        return HttpResponseRedirect(_address(get_object_or_404(_seen(request), pk=pk).filters))

    def change_filter_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Give one of the person's own filters another name, or share it with others."""
        self._require_view(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        kept = get_object_or_404(_saved(request), pk=pk)
        named = SavedFilterForm(request.POST, roles=_roles())
        if not named.is_valid():
            messages.error(request, _first_error(named))
        elif _saved(request).filter(name=named.cleaned_data["name"]).exclude(pk=pk).exists():
            messages.error(request, "You have another filter of this name. Choose a name that is free.")
        else:
            _saved(request).filter(pk=pk).update(name=named.cleaned_data["name"], **named.sharing)
            messages.success(request, f"Changed the filter {kept.name}.")
        return HttpResponseRedirect(_address(_filters(request)))

    def delete_filter_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Delete one of the person's own saved filters; a superuser deletes what others share, too."""
        self._require_view(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        kept = get_object_or_404(_seen(request) if request.user.is_superuser else _saved(request), pk=pk)
        kept.delete()
        messages.success(request, f"Deleted the filter {kept.name}.")
        return HttpResponseRedirect(_address(_filters(request)))

    def _page(self, request: HttpRequest, criteria: EventCriteria) -> KeysetPage[Event]:
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


def _too_slow(criteria: EventCriteria) -> str:
    """Return what to do about a search that took too long."""
    parts = slow_parts(criteria.alternatives)
    if not parts:
        return (
            "This search takes too long. Write more of the user name, or choose an application or a shorter time span."
        )
    return (
        f"This search takes too long: no index answers “{'”, “'.join(parts)}”. Leave it out, or choose an application, "
        "an end user or a shorter time span as well."
    )


def _looser(request: HttpRequest, form: ReportForm) -> list[tuple[str, str]]:
    """Return each filter in words and the address of the search without it, the one that narrows most first."""
    filters = _filters(request)
    names = [*NARROWEST, *(name for name in form.fields if name not in NARROWEST)]
    found = []
    for name in names:
        key = form.add_prefix(name)
        if key not in filters:
            continue
        field = form.fields[name]
        value = filters[key]
        if isinstance(field, ChoiceField):
            value = next((str(label) for chosen, label in field.widget.choices if chosen == value), value)
        words = SCOPES[name] if name in SCOPES else f"{field.label or form[name].label}: {value}"
        found.append((words, _query(request, **{key: ""})))
    return found


def _saved(request: HttpRequest) -> "QuerySet[SavedFilter]":
    """Return the filters that the person keeps."""
    return SavedFilter.objects.filter(user=request.user.pk)


def _seen(request: HttpRequest) -> "QuerySet[SavedFilter]":
    """Return the filters that the person keeps, and those that others share with them; a superuser sees all shared."""
    held: Any = request.user
    shared = Q(everybody=True) | Q(role__in=held.roles.values("pk"))
    if request.user.is_superuser:
        shared = Q(everybody=True) | Q(role__isnull=False)
    return SavedFilter.objects.filter(Q(user=request.user.pk) | shared).select_related("user")


def _shown(
    kept: SavedFilter, filters: Mapping[str, str], request: HttpRequest, roles: Sequence[tuple[int, str]]
) -> dict[str, Any]:
    """Return what the page shows of a filter; one's own with the form that changes it."""
    own = kept.user_id == request.user.pk
    values = {"name": kept.name, "shared": SavedFilterForm.shared_of(kept)}
    return {
        "kept": kept,
        "address": _address(kept.filters),
        "chosen": kept.filters == filters,
        "own": own,
        "form": SavedFilterForm(initial=values, roles=roles, auto_id=f"id_filter_{kept.pk}_%s") if own else None,
        "shared": bool(values["shared"]),
        "may_delete": own or request.user.is_superuser,
    }


def _roles() -> list[tuple[int, str]]:
    return list(Group.objects.order_by("name").values_list("pk", "name"))


def _first_error(form: SavedFilterForm) -> str:
    return str(next(iter(form.errors.values()))[0])


def _keep(request: HttpRequest, named: SavedFilterForm, filters: Mapping[str, str]) -> bool:
    """Save a filter under its name, and leave one of that name shared as it is; False if the person keeps too many."""
    kept, name = _saved(request), named.cleaned_data["name"]
    if not kept.filter(name=name).exists() and kept.count() >= MOST_SAVED:
        return False
    values = {"filters": filters, **(named.sharing if named.cleaned_data["shared"] else {})}
    SavedFilter.objects.update_or_create(user_id=request.user.pk, name=name, defaults=values)
    return True


def _address(filters: Mapping[str, str]) -> str:
    """Return the address of the page with a search."""
    return f"{reverse('admin:reports_event_changelist')}?{urlencode(filters)}"


def _query(request: HttpRequest, **extra: str) -> str:
    """Return the query string of the same search with some parameters changed; "" removes one."""
    values = {name: value for name, value in {**_filters(request), **extra}.items() if value}
    return f"?{urlencode(values)}"
