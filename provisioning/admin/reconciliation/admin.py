"""The pages "Reconciliation": start a comparison, watch it, and act on what is not in step."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from directories.models import Directory, Schedule
from provisioning.admin.imports.admin import LABELS
from provisioning.admin.kept_by_portal import ReadOnly
from provisioning.admin.reconciliation import pages
from provisioning.models.imports import Trigger
from provisioning.reconciliation import actions, pulling, requests
from provisioning.reconciliation.models import Finding, FindingKind, Policy, ReconcileRun, ReconcileSettings
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result
from reports.paging import CappedPaginator

FOLDER = "provisioning/reconciliation"
MOST_SAID = 3  # reasons that a message names
COUNT_FIRST = "Type the number of accounts that this concerns, {number:,}, to go on."
IGNORE_NEEDS = "Say why, who answers for it, and until which day it is left out."
MAY: dict[str, Sequence[FindingKind]] = {Policy.PUSH: actions.AUTOMATIC, Policy.PULL: pulling.AUTOMATIC}
ACTED = {
    "push": "is enqueued: the directory is brought in step now, and the report shows each as it is done.",
    "adopt": "belongs to the user whom it matches now.",
    "close": "is enqueued: the directory is told now, and the report shows each as it is done.",
    "ignore": "is left out until the day that you gave.",
}


class SettingsForm(forms.ModelForm):  # type: ignore[type-arg]
    """When a directory is compared, and what is done by itself about each kind."""

    class Meta:
        model = ReconcileSettings
        fields = ("schedule", "schedule_time", "schedule_weekday")
        widgets = {"schedule_time": forms.TimeInput(attrs={"type": "time"}, format="%H:%M")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for kind in FindingKind:
            choices = [one for one in Policy.choices if kind in MAY.get(one[0], FindingKind)]
            held = self.instance.policies.get(kind.value, Policy.REPORT)
            self.fields[f"policy_{kind.value}"] = forms.ChoiceField(choices=choices, initial=held, label=kind.label)
        for each in self.fields.values():
            each.widget.attrs["class"] = "rc-select"

    def clean(self) -> dict[str, Any]:
        """A daily or weekly comparison has its time."""
        data = super().clean() or {}
        if data.get("schedule") == Schedule.WEEKLY and data.get("schedule_weekday") is None:
            self.add_error("schedule_weekday", "Choose a day of the week.")
        return data

    def save(self, commit: bool = True) -> ReconcileSettings:
        """Keep the policies that are more than a report."""
        held: ReconcileSettings = super().save(commit=False)
        chosen = {kind.value: self.cleaned_data[f"policy_{kind.value}"] for kind in FindingKind}
        held.policies = {kind: policy for kind, policy in chosen.items() if policy != Policy.REPORT}
        held.next_run_at = requests.next_run(held)
        held.save()
        return held


@admin.register(ReconcileRun)
class ReconcileRunAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """The history of comparisons. Runs are started for a directory and never edited or deleted."""

    list_display = ("started", "directory", "state", "message", "started_by")
    list_display_links = ("started",)
    list_filter = ("directory", "status")
    list_select_related = ("directory",)
    list_per_page = 50
    show_add_link = False
    when_empty = "No directory was compared with the portal yet."
    counted_as = "reconciliations"
    paginator = CappedPaginator
    show_full_result_count = False
    list_before_template = f"{FOLDER}/list_before.html"

    def get_urls(self) -> list[URLPattern]:
        """Add what a run's page and a directory's ask for."""
        wrap = self.admin_site.admin_view
        name = "reconciliation_reconcilerun"
        return [
            path("start/<int:directory_id>/", wrap(require_POST(self.start_view)), name=f"{name}_start"),
            path("settings/<int:directory_id>/", wrap(self.settings_view), name=f"{name}_settings"),
            path("<int:run_id>/progress/", wrap(self.progress_view), name=f"{name}_progress"),
            path("<int:run_id>/cancel/", wrap(require_POST(self.cancel_view)), name=f"{name}_cancel"),
            path("<int:run_id>/act/", wrap(require_POST(self.act_view)), name=f"{name}_act"),
            *super().get_urls(),
        ]

    @display(description="Started", ordering="created_at")  # type: ignore[untyped-decorator]
    def started(self, run: ReconcileRun) -> str:
        """When it was asked for."""
        return timezone.localtime(run.created_at).strftime("%Y-%m-%d %H:%M:%S")

    @display(description="Status", ordering="status", label=LABELS)  # type: ignore[untyped-decorator]
    def state(self, run: ReconcileRun) -> str:
        """Where it stands."""
        return str(run.get_status_display())

    @display(description="Started by", ordering="actor")  # type: ignore[untyped-decorator]
    def started_by(self, run: ReconcileRun) -> str:
        """A person, or the schedule."""
        return "Schedule" if run.trigger == Trigger.SCHEDULE else run.actor

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Offer every directory above the list."""
        extra = {
            "directories": list(Directory.objects.order_by("name")),
            "may_start": request.user.has_perm("reconciliation.add_reconcilerun"),
            **(extra_context or {}),
        }
        return super().changelist_view(request, extra)  # type: ignore[no-any-return]

    def start_view(self, request: HttpRequest, directory_id: int) -> HttpResponse:
        """Compare a directory now."""
        self._require(request, "reconciliation.add_reconcilerun")
        directory = get_object_or_404(Directory, pk=directory_id)
        try:
            run = requests.start(directory, actor=request.user.get_username())
        except requests.RequestRefused as refused:
            messages.error(request, refused.message)
            return HttpResponseRedirect(reverse("admin:directories_directory_change", args=[directory_id]))
        return _to(run)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one run: its progress or result, and what is not in step."""
        run = self._run(request, int(object_id) if object_id.isdecimal() and len(object_id) < 19 else 0)
        context = {**self.admin_site.each_context(request), **pages.run_context(request, run)}
        return render(request, f"{FOLDER}/run.html", {**context, "opts": self.opts, "original": run})

    def progress_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """The moving part of a run's page; the whole page is loaded again whenever the run enters another state."""
        run = self._run(request, run_id)
        response = render(request, f"{FOLDER}/progress.html", pages.state_context(request, run))
        if request.GET.get("status") != run.status:
            response["HX-Refresh"] = "true"
        return response

    def cancel_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Cancel the run, at once or at its next page."""
        self._require(request, "reconciliation.add_reconcilerun")
        run = self._run(request, run_id)
        try:
            requests.cancel(run)
        except requests.RequestRefused as refused:
            messages.error(request, refused.message)
        return _to(run)

    def act_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Act on the chosen findings, or on all that a filter shows."""
        self._require(request, "reconciliation.change_finding")
        run = self._run(request, run_id)
        kind = request.POST.get("kind", "")
        chosen = pages.selected(run, kind if kind in FindingKind.values else "")
        if not request.POST.get("all"):
            ids = [pk for pk in request.POST.getlist("finding") if pk.isdecimal() and len(pk) < 19]
            chosen = chosen.filter(pk__in=ids)
        self._act(request, request.POST.get("action", ""), chosen)
        return _to(run, f"?kind={kind}#findings" if kind in FindingKind.values else "#findings")

    def _act(self, request: HttpRequest, action: str, chosen: QuerySet[Finding]) -> None:
        actor = request.user.get_username()
        match action:
            case "push":
                done = actions.push(chosen, actor)
            case "pull":
                done = pulled = pulling.pull(chosen, actor)
                if pulled.run is not None:
                    _say_pulled(request, pulled)
            case "adopt":
                done = actions.adopt(chosen, actor)
            case "close":
                number = chosen.filter(kind=FindingKind.ORPHAN).count()
                if request.POST.get("number", "").replace(",", "").strip() != str(number) or not number:
                    messages.error(request, COUNT_FIRST.format(number=number))
                    return
                done = actions.close(chosen.filter(kind=FindingKind.ORPHAN), actor)
            case "ignore":
                until = _date(request.POST.get("until", ""))
                reason, owner = request.POST.get("reason", "").strip(), request.POST.get("owner", "").strip()
                if not (until and reason and owner) or until < timezone.localdate():
                    messages.error(request, IGNORE_NEEDS)
                    return
                done = actions.ignore(chosen, actor, reason=reason[:500], owner=owner, until=until)
            case _:
                return
        _say_done(request, action, done)

    def settings_view(self, request: HttpRequest, directory_id: int) -> HttpResponse:
        """When a directory is compared, and what is done by itself about each kind."""
        self._require(request, "reconciliation.view_reconcilesettings")
        may_change = request.user.has_perm("reconciliation.change_reconcilesettings")
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        directory = get_object_or_404(Directory, pk=directory_id)
        held = ReconcileSettings.objects.filter(directory=directory).first() or ReconcileSettings(directory=directory)
        form = SettingsForm(request.POST if request.method == "POST" else None, instance=held)
        if request.method == "POST" and form.is_valid():
            with transaction.atomic():
                self._say_saved(request, directory, form.save())
            return HttpResponseRedirect(request.path)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Reconciliation settings of {directory.name}",
            "opts": self.opts,
            "directory": directory,
            "form": form,
            "may_change": may_change,
            "schedule": [form[name] for name in SettingsForm.Meta.fields],
            "policies": [form[f"policy_{kind.value}"] for kind in FindingKind],
        }
        return render(request, f"{FOLDER}/settings.html", context)

    def _say_saved(self, request: HttpRequest, directory: Directory, saved: ReconcileSettings) -> None:
        actor = request.user.get_username()
        words = f"{actor} changed when {directory.name} is reconciled, and what is done about what is found."
        how: dict[str, Any] = {"direction": Direction.PORTAL, "operation": Operation.SETTINGS, "result": Result.SUCCESS}
        record(Line(identifier="", application=directory.name, message=words, actor=actor, **how))
        state = {name: getattr(saved, name) for name in (*SettingsForm.Meta.fields, "policies")}
        evidence.changed(f"reconciliation of directory {directory.pk}", {"name": directory.name, **state}, words, actor)
        messages.success(request, "Saved.")

    def _run(self, request: HttpRequest, run_id: int) -> ReconcileRun:
        self._require(request, "reconciliation.view_reconcilerun")
        return get_object_or_404(ReconcileRun.objects.select_related("directory__provisioning"), pk=run_id)

    def _require(self, request: HttpRequest, permission: str) -> None:
        if not request.user.has_perm(permission):
            raise PermissionDenied


def _say_done(request: HttpRequest, action: str, done: actions.ActionOutcome) -> None:
    """Say how many findings were acted on, and why others were not."""
    if done.number and action in ACTED:
        messages.success(request, f"{done.number:,} of what you chose {ACTED[action]}")
    for why, number in done.refused.most_common(MOST_SAID):
        messages.warning(request, why if number == 1 else f"{why} ({number:,} times)")
    if (rest := len(done.refused) - MOST_SAID) > 0:
        messages.warning(request, f"And {rest:,} more were refused.")
    if not done.number and not done.refused:
        messages.info(request, "Nothing was chosen, or it has been done in the meantime.")


def _say_pulled(request: HttpRequest, pulled: pulling.Pulled) -> None:
    """Say what became of a plan that takes over what a directory holds, with the way to it."""
    assert pulled.run is not None
    url = reverse("admin:provisioning_importrun_change", args=[pulled.run.pk])
    words = format_html('{} <a class="rc-link" href="{}">See its plan</a>', pulled.words, url)
    messages.success(request, words)


def _to(run: ReconcileRun, query: str = "") -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:reconciliation_reconcilerun_change", args=[run.pk]) + query)


def _date(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None
