"""The page "Changes of settings": who changed what of the configuration, when, before and after."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from provisioning.admin.configuration.lines import changed_values
from provisioning.admin.configuration.things import THINGS, Thing, of, seen_by, thing_of
from provisioning.admin.kept_by_portal import ReadOnly
from reports.forms import MomentField
from reports.models import Evidence, EvidenceKind
from reports.presentation import Viewer

PAGE = 50
NOT_A_TIME = {"invalid": "This is not a time. Write it like 2030-01-31 or 2030-01-31T14:30."}


class ChangesForm(forms.Form):
    """Filters of the list: of what, by whom, when, and of one thing alone; ``rows`` is valid after ``is_valid``."""

    what = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    who = forms.CharField(
        required=False,
        max_length=255,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "User name", "autocomplete": "off"}),
    )
    start = MomentField(label="From", error_messages=NOT_A_TIME)
    end = MomentField(label="To", last=True, error_messages=NOT_A_TIME)
    subject = forms.CharField(required=False, max_length=255, widget=forms.HiddenInput)

    def __init__(self, data: Any, things: list[Thing]) -> None:
        super().__init__(data)
        self.things = {thing.begins.strip(): thing for thing in things}
        choices = [("", "Everything"), *((name, thing.title) for name, thing in self.things.items())]
        what = self.fields["what"]
        assert isinstance(what, forms.ChoiceField)
        what.choices = choices

    def rows(self) -> "QuerySet[Evidence]":
        """Return the changes, the newest first; of nothing that the person may not see."""
        values = self.cleaned_data
        found = Evidence.objects.filter(kind=EvidenceKind.CONFIGURATION).order_by("-seq")
        if values["what"]:
            found = found.filter(of([self.things[values["what"]]]))
        elif len(self.things) < len(THINGS):
            found = found.filter(of(self.things.values()))
        if values["subject"]:
            found = found.filter(subject=values["subject"])
        if values["who"].strip():
            found = found.filter(actor=values["who"].strip())
        if values["start"]:
            found = found.filter(at__gte=values["start"])
        if values["end"]:
            found = found.filter(at__lt=values["end"])
        return found


@admin.register(Evidence)
class ChangesAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """A page to search and read; the chain is written by the portal alone."""

    def get_urls(self) -> list[URLPattern]:
        """The list alone: a row has no page."""
        return [path("", self.admin_site.admin_view(self.changelist_view), name="reports_evidence_changelist")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the filters and a page of changes."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = ChangesForm(request.GET, seen_by(request.user))
        rows: list[Evidence] = []
        if form.is_valid():
            before = request.GET.get("before", "")
            found = form.rows()
            if before.isascii() and before.isdecimal() and len(before) < 19:
                found = found.filter(seq__lt=int(before))
            rows = list(found[: PAGE + 1])
        asked = {name: request.GET[name] for name in form.fields if request.GET.get(name)}
        context = {
            **self.admin_site.each_context(request),
            "title": "Changes of settings",
            "opts": self.opts,
            "media": self.media,
            "form": form,
            "lines": [_line(row, request.user) for row in rows[:PAGE]],
            "filtered": bool(asked),
            "everything": f"?{urlencode({key: value for key, value in asked.items() if key != 'subject'})}",
            "older_url": f"?{urlencode({**asked, 'before': rows[PAGE - 1].seq})}" if len(rows) > PAGE else "",
            "zone": timezone.get_current_timezone_name(),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "provisioning/configuration/list.html", context)


def _line(row: Evidence, viewer: Viewer) -> dict[str, Any]:
    thing = thing_of(row.subject)
    return {
        "row": row,
        "what": row.payload["what"],
        "by": row.actor,
        "first": row.payload.get("first", False),
        "values": list(changed_values(row.payload["changes"])),
        "title": thing.title if thing else "",
        "url": thing.url(row.subject) if thing and viewer.has_perm(thing.permission) else "",
        "same": f"?{urlencode({'subject': row.subject})}",
    }
