"""Gateways: which there are, how their machines do, letting machines in and throwing them out."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Max, Q, QuerySet, TextField
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from provisioning.admin.gone import GoneIsNotFound
from provisioning.admin.states import State
from provisioning.gateway import enrolment, silence
from provisioning.gateway.models import Gateway, Machine

CONNECTED, SILENT, EMPTY = "Connected", "Silent", "No machine yet"
STATES = {CONNECTED: "success", SILENT: "danger", EMPTY: "warning"}
NEEDED = "{names} can only be reached through it. Give them another gateway first, or delete them."


@admin.register(Gateway)
class GatewayAdmin(GoneIsNotFound, ModelAdmin):  # type: ignore[misc]
    """Gateways, and below each its machines. Its name stands in directories, so it stays as it is."""

    list_display = ("name", "state", "machines", "seen", "description")
    list_before_template = "provisioning/gateways/before.html"
    when_empty = "There is no gateway yet. Add one where a directory is that the portal cannot or should not reach."
    counted_as = "gateways"
    change_form_outer_after_template = "provisioning/gateways/machines.html"
    fields = ("name", "description")
    formfield_overrides = {TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})}}
    search_fields = ("name",)
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the name of one that is there."""
        return ("name",) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Gateway]:
        """Count the machines, and find when one was seen last, in the list's own query."""
        enrolled = Q(machines__withdrawn_at=None)
        found: QuerySet[Gateway] = super().get_queryset(request)
        return found.annotate(
            enrolled=Count("machines", filter=enrolled), seen_last=Max("machines__seen_at", filter=enrolled)
        )

    def get_urls(self) -> list[URLPattern]:
        """Add making a code, withdrawing a machine, and the part of the page that draws itself again."""
        wrap = self.admin_site.admin_view
        withdraw = "<int:pk>/machines/<int:machine_pk>/withdraw/"
        return [
            path("<int:pk>/code/", wrap(self.code_view), name="gateway_gateway_code"),
            path("<int:pk>/machines/", wrap(self.machines_view), name="gateway_gateway_machines"),
            path(withdraw, wrap(self.withdraw_view), name="gateway_gateway_withdraw"),
            *super().get_urls(),
        ]

    # --- the list ----------------------------------------------------------------------------------------------------

    @display(description="State", label=STATES)  # type: ignore[untyped-decorator]
    def state(self, gateway: Any) -> str:
        """Whether one of its machines shows a sign of life."""
        if not gateway.enrolled:
            return EMPTY
        late = timezone.now() - silence.SILENT
        return CONNECTED if gateway.seen_last and gateway.seen_last > late else SILENT

    @display(description="Machines")  # type: ignore[untyped-decorator]
    def machines(self, gateway: Any) -> str:
        """How many are enrolled."""
        return f"{gateway.enrolled:,}"

    @display(description="Last seen")  # type: ignore[untyped-decorator]
    def seen(self, gateway: Any) -> str:
        """When one of them was."""
        return timezone.localtime(gateway.seen_last).strftime("%Y-%m-%d %H:%M:%S") if gateway.seen_last else "–"

    # --- one gateway -------------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show its machines and directories."""
        gateway = Gateway.objects.filter(pk=int(object_id) if object_id.isdecimal() else 0).first()
        shown = _shown(request, gateway) if gateway else {}
        answer: HttpResponse = super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})
        return answer

    def save_model(self, request: HttpRequest, obj: Gateway, form: Any, change: bool) -> None:
        """Save it, with a line in the report and in the evidence."""
        super().save_model(request, obj, form, change)
        actor = request.user.get_username()
        words = f"{actor} {'changed' if change else 'added'} the gateway {obj.name}."
        enrolment.record(obj, words, actor)

    def delete_model(self, request: HttpRequest, obj: Gateway) -> None:
        """Delete it, with the same lines."""
        actor = request.user.get_username()
        enrolment.record(obj, f"{actor} deleted the gateway {obj.name}.", actor, gone=True)
        super().delete_model(request, obj)

    def response_add(self, request: HttpRequest, obj: Gateway, post_url_continue: str | None = None) -> HttpResponse:
        """Go on to its page: a machine has to be enrolled."""
        messages.success(request, f"{obj} is saved. Next: enrol its first machine.")
        return HttpResponseRedirect(_page(obj.pk))

    def machines_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Draw the machines again."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        shown = _shown(request, get_object_or_404(Gateway, pk=pk))
        return TemplateResponse(request, "provisioning/gateways/machine_table.html", shown)

    def code_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make a one-time code and show it once."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        gateway = get_object_or_404(Gateway, pk=pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Enrol a machine for {gateway}",
            "opts": self.opts,
            "gateway": gateway,
            "code": enrolment.new_code(gateway, request.user.get_username()),
            "portal": request.build_absolute_uri("/").rstrip("/"),
            "back": _page(gateway.pk),
        }
        return TemplateResponse(request, "provisioning/gateways/code.html", context)

    def withdraw_view(self, request: HttpRequest, pk: int, machine_pk: int) -> HttpResponse:
        """Ask, then withdraw a machine at once."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        enrolled = Machine.objects.select_related("gateway").filter(gateway=pk, withdrawn_at=None)
        machine = get_object_or_404(enrolled, pk=machine_pk)
        if request.method == "POST":
            enrolment.withdraw(machine, request.user.get_username())
            messages.success(request, f"{machine} is withdrawn. Nothing that it sends is believed any more.")
            return HttpResponseRedirect(_page(machine.gateway_id))
        others = machine.gateway.machines.filter(withdrawn_at=None).exclude(pk=machine.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Withdraw {machine}",
            "opts": self.opts,
            "machine": machine,
            "alone": not others.exists(),
            "back": _page(machine.gateway_id),
        }
        return TemplateResponse(request, "provisioning/gateways/withdraw.html", context)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Keep one that a directory needs."""
        gateway = get_object_or_404(Gateway, pk=int(object_id) if object_id.isdecimal() else 0)
        if needed := silence.using(gateway.name):
            names = ", ".join(directory.name for directory in needed[:5])
            messages.error(request, NEEDED.format(names=names))
            return HttpResponseRedirect(_page(gateway.pk))
        answer: HttpResponse = super().delete_view(request, object_id, extra_context)
        return answer


def _shown(request: HttpRequest, gateway: Gateway) -> dict[str, Any]:
    """Return a gateway's machines, those in use first, and the directories that are reached through it."""
    machines = gateway.machines.order_by(F("withdrawn_at").desc(nulls_first=True), "name", "pk")
    return {
        "gateway": gateway,
        "machines": [(machine, _state(machine), sorted(machine.about)) for machine in machines[:100]],
        "directories": silence.using(gateway.name) if request.user.has_perm("directories.view_directory") else [],
        "may_change": request.user.has_perm("gateway.change_gateway"),
    }


def _state(machine: Machine) -> State:
    """Return how a machine does."""
    if machine.withdrawn_at:
        at = timezone.localtime(machine.withdrawn_at).strftime("%Y-%m-%d %H:%M")
        return State("Withdrawn", "default", f"{at}, by {machine.withdrawn_by}")
    if machine.seen_at is None:
        return State("Enrolled, not started yet", "warning")
    return State(SILENT, "danger") if machine.silent else State(CONNECTED, "success")


def _page(pk: int) -> str:
    return reverse("admin:gateway_gateway_change", args=[pk])
