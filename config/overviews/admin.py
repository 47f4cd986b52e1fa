"""The page "Reports by mail": which report goes to whom, how often, and whether the last one was sent."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from config.models import ScheduledReport
from config.overviews.book import OVERVIEWS
from config.overviews.mails import may_get, next_moment
from provisioning.admin.gone import GoneIsNotFound
from provisioning.models import User
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result


class ScheduledReportForm(forms.ModelForm[ScheduledReport]):
    """Which report, how often and to whom."""

    actor: Any = None
    overview = forms.ChoiceField(label="Report", widget=UnfoldAdminSelectWidget())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "overview" in self.fields:  # it is only shown to those who may not change it
            seen = [(one.name, one.title) for one in OVERVIEWS.values() if self.actor.has_perms(one.permissions)]
            self.fields["overview"].choices = seen  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Refuse recipients who may not see it, and a directory that the report does not know."""
        values = super().clean() or self.cleaned_data
        overview = OVERVIEWS.get(values.get("overview", ""))
        if overview and values.get("directory") and not overview.by_directory:
            self.add_error("directory", "This report is always of all directories. Leave it blank.")
        people: Iterable[User] = values.get("recipients") or ()
        if overview and (others := [str(one) for one in people if not may_get(one, overview)]):
            words = "These may not see the report, or have no e-mail address: {}. Take them off, or give them a role."
            self.add_error("recipients", ValidationError(words.format(", ".join(others))))
        return values


@admin.register(ScheduledReport)
class ScheduledReportAdmin(GoneIsNotFound, ModelAdmin):  # type: ignore[misc]
    """Whoever may add one chooses among the reports that they see themselves."""

    form = ScheduledReportForm
    list_display = ("report", "directory", "rhythm", "next_at", "last_sent", "state")
    list_select_related = ("directory",)
    sortable_by = ()
    fields = ("overview", "directory", "rhythm", "recipients", "problem")
    readonly_fields = ("problem",)
    autocomplete_fields = ("recipients",)
    actions = ("send_now",)
    when_empty = "No report is mailed yet."

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Tell the form who asks."""
        made: Any = super().get_form(request, obj, change=change, **kwargs)
        made.actor = request.user
        return made

    def save_model(self, request: HttpRequest, obj: ScheduledReport, form: Any, change: bool) -> None:
        """Save it, due at its next moment."""
        obj.next_at = next_moment(obj.rhythm, timezone.now())
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save its recipients, and tell of all of it."""
        super().save_related(request, form, formsets, change)
        _tell(request, form.instance, "changed" if change else "added")

    def delete_model(self, request: HttpRequest, obj: ScheduledReport) -> None:
        """Delete it."""
        _tell(request, obj, "deleted")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ScheduledReport]) -> None:
        """Delete them."""
        for one in queryset:
            _tell(request, one, "deleted")
        super().delete_queryset(request, queryset)

    @admin.action(description="Send now", permissions=["change"])
    def send_now(self, request: HttpRequest, queryset: QuerySet[ScheduledReport]) -> None:
        """Let the worker send the chosen ones with its next look."""
        number = queryset.update(next_at=timezone.now())
        messages.success(request, f"{number} {'report is' if number == 1 else 'reports are'} sent within a minute.")

    @display(description="Report")  # type: ignore[untyped-decorator]
    def report(self, one: ScheduledReport) -> str:
        """Name the report."""
        overview = OVERVIEWS.get(one.overview)
        return overview.title if overview else one.overview

    @display(description="Last sent", ordering="sent_at", empty_value="Not yet")  # type: ignore[untyped-decorator]
    def last_sent(self, one: ScheduledReport) -> Any:
        """Say when."""
        return one.sent_at

    @display(description="State", label={"Not sent": "danger", "In order": "success"})  # type: ignore[untyped-decorator]
    def state(self, one: ScheduledReport) -> str:
        """Say whether the last one was sent."""
        return "Not sent" if one.problem else "In order"


def _tell(request: HttpRequest, one: ScheduledReport, verb: str) -> None:
    actor = request.user.get_username()
    words = f"{actor} {verb} the report by mail {one}."
    record(Line("", "", Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, words, actor=actor))
    state = {
        "report": one.overview,
        "directory": one.directory.name if one.directory else "",
        "rhythm": one.rhythm,
        "recipients": list(one.recipients.order_by("username_key").values_list("username", flat=True)),
    }
    evidence.changed(f"report by mail {one.pk}", None if verb == "deleted" else state, words, actor)
