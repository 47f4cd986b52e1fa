"""The list of overviews, a page of one, its files, and how many licences were bought."""

import datetime as dt
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from config.models import BoughtLicences
from config.overviews import files
from config.overviews.base import AskedOverview, Overview, OverviewRow
from config.overviews.book import OVERVIEWS
from config.overviews.licences import LICENCES
from directories.models import Directory
from reports import evidence
from reports.forms import MomentField
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

SHOWN = 50
USUAL_DAYS = 30
LONGEST = dt.timedelta(days=10 * 366)
FIRST_YEAR = 1970
NOT_A_TIME = {"invalid": "This is not a day. Write it like 2030-01-31."}
CHANGE_LICENCES = "directories.change_directory"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Pages that tell more of the same: title, URL name, permission.
RELATED = (
    ("Provisioning report", "admin:reports_event_changelist", "reports.view_event"),
    ("Leavers with their receipts", "admin:receipts_receipt_changelist", "receipts.view_receipt"),
    ("Who has what by which rule", "admin:rules_businessrule_grid", "rules.view_businessrule"),
    ("People and departments as of a date", "admin:provisioning_user_past", "reports.view_event"),
    ("Reconciliation", "admin:reconciliation_reconcilerun_changelist", "reconciliation.view_reconcilerun"),
)


class OverviewForm(forms.Form):
    """What an overview is to be of. Its ``asked`` is valid only after ``is_valid``."""

    directory = forms.ModelChoiceField(
        Directory.objects.order_by("name"), required=False, empty_label="All", widget=UnfoldAdminSelectWidget
    )
    start = MomentField(label="From", error_messages=NOT_A_TIME)
    end = MomentField(label="To", last=True, error_messages=NOT_A_TIME)

    def __init__(self, data: Any, overview: Overview) -> None:
        super().__init__(data)
        if not overview.by_directory:
            del self.fields["directory"]
        if not overview.dated:
            del self.fields["start"], self.fields["end"]

    def clean(self) -> dict[str, Any]:
        """Refuse a span that ends before it begins, and one of which no picture could be drawn."""
        values = super().clean() or self.cleaned_data
        start, end = values.get("start"), values.get("end")
        if start and end and end <= start:
            self.add_error("end", "The span ends before it begins. Swap From and To.")
        elif end and end.year < FIRST_YEAR:
            self.add_error("end", f"Choose a day from {FIRST_YEAR} on.")
        elif start and (end or timezone.now()) - start > LONGEST:
            self.add_error("start", "The span is longer than ten years. Choose a later From.")
        return values

    @property
    def asked(self) -> AskedOverview:
        """Return what was asked for; the last 30 days where no span was."""
        values = self.cleaned_data
        end = values.get("end") or timezone.now()
        usual = timezone.localtime(end).replace(hour=0, minute=0, second=0, microsecond=0)
        start = values.get("start") or usual - dt.timedelta(days=USUAL_DAYS)
        return AskedOverview(start=start, end=end, directory=values.get("directory"))


class LicencesForm(forms.ModelForm[BoughtLicences]):
    """How many licences were bought, and what one costs."""

    class Meta:
        model = BoughtLicences
        fields = ("number", "cost", "currency")
        widgets = {
            "number": UnfoldAdminIntegerFieldWidget(attrs={"min": "0"}),
            "cost": UnfoldAdminDecimalFieldWidget(attrs={"min": "0", "step": "any"}),
            "currency": UnfoldAdminTextInputWidget(),
        }


def sees(request: HttpRequest, overview: Overview) -> bool:
    """Whether somebody may see an overview."""
    return request.user.has_perms(overview.permissions)


@require_GET
def overviews(request: HttpRequest) -> HttpResponse:
    """List the overviews that somebody may see, and the pages that tell more."""
    shown = [one for one in OVERVIEWS.values() if sees(request, one)]
    if not shown:
        raise PermissionDenied
    related = [(title, reverse(name)) for title, name, permission in RELATED if request.user.has_perm(permission)]
    return _page(request, "list", title="Reports", overviews=shown, related=related)


@require_GET
def overview_page(request: HttpRequest, overview: str) -> HttpResponse:
    """Show the picture and the first rows."""
    found = _overview(request, overview)
    form = OverviewForm(request.GET, found)
    picture, rows = None, list[OverviewRow]()
    if form.is_valid():
        picture = found.picture(form.asked)
        rows = list(islice(found.rows(form.asked, SHOWN + 1), SHOWN + 1))
    linked = found is not LICENCES or request.user.has_perm(CHANGE_LICENCES)
    filters = {name: request.GET[name] for name in form.fields if request.GET.get(name)}
    return _page(
        request,
        "page",
        title=found.title,
        overview=found,
        form=form,
        picture=picture,
        rows=[(row.url if linked else "", list(zip(found.head, row.cells, strict=True))) for row in rows[:SHOWN]],
        more=len(rows) > SHOWN,
        shown=SHOWN,
        filtered=bool(filters),
        query=f"?{urlencode(filters)}" if filters else "",
        zone=timezone.get_current_timezone_name(),
    )


@require_GET
def overview_file(request: HttpRequest, overview: str, kind: str) -> HttpResponseBase:
    """Stream all rows as a file; what is not valid goes back to the page, which says why."""
    found = _overview(request, overview)
    form = OverviewForm(request.GET, found)
    if not form.is_valid():
        return redirect(f"{reverse('overview', args=[overview])}?{request.GET.urlencode()}")
    filename = f"{overview}-{timezone.localtime():%Y-%m-%d-%H%M}.{kind}"
    if kind == "xlsx":
        return FileResponse(files.workbook(found, form.asked), as_attachment=True, filename=filename, content_type=XLSX)
    response = StreamingHttpResponse(files.csv_lines(found, form.asked), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["X-Accel-Buffering"] = "no"
    return response


def edit_licences(request: HttpRequest, directory_id: int) -> HttpResponse:
    """Change how many licences were bought for a directory."""
    if not (sees(request, LICENCES) and request.user.has_perm(CHANGE_LICENCES)):
        raise PermissionDenied
    directory = get_object_or_404(Directory, pk=directory_id)
    mine = BoughtLicences.objects.filter(directory=directory).first() or BoughtLicences(directory=directory)
    form = LicencesForm(request.POST or None, instance=mine)
    if request.method == "POST" and form.is_valid():
        _save(form, directory, request.user.get_username())
        messages.success(request, f"Saved the licences of {directory}.")
        return redirect("overview", LICENCES.name)
    return _page(request, "licences", title=f"Licences of {directory}", form=form, directory=directory)


@transaction.atomic
def _save(form: LicencesForm, directory: Directory, actor: str) -> None:
    """Save it with a line of the report and a row of evidence."""
    saved = form.save()
    words = f"{actor} noted the licences of {directory}: {saved}."
    line = Line("", directory.name, Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, words, actor=actor)
    record(line)
    evidence.changed(f"licences {directory.pk}", {"licences": str(saved)}, words, actor)


def _overview(request: HttpRequest, name: str) -> Overview:
    overview = OVERVIEWS.get(name)
    if overview is None:
        raise Http404("There is no such report.")
    if not sees(request, overview):
        raise PermissionDenied
    return overview


def _page(request: HttpRequest, name: str, **context: Any) -> TemplateResponse:
    return TemplateResponse(request, f"portal/overviews/{name}.html", {**admin.site.each_context(request), **context})
