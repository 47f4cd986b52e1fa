"""The page "Guard limits": how much may be done through other doors than imports without a question."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import display

from provisioning import second_person
from provisioning.admin import awaited
from provisioning.admin.kept_by_portal import KeptByPortal
from provisioning.guard import door_limits
from provisioning.guard.models import DoorLimits
from provisioning.models import Membership, User


class OnePage(str):
    """The row as the heading of its page takes it: no step below the list, which is the page itself."""

    __slots__ = ()
    pk = door_limits.ONE


@admin.register(DoorLimits)
class DoorLimitsAdmin(KeptByPortal, ModelAdmin):  # type: ignore[misc]
    """One row, which is there from its first save on. It cannot be deleted: there are always limits."""

    readonly_fields = ("now",)
    fieldsets = (
        (None, {"fields": ("now",)}),
        *((kind.label, {"fields": [pair]}) for kind, pair in door_limits.FIELDS.items()),
    )
    warn_unsaved_form = True
    change_form_outer_before_template = "provisioning/guard/awaited.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the word of a second person."""
        view = self.admin_site.admin_view(self.decide)
        return [path("second-person/", view, name="guard_doorlimits_second_person"), *super().get_urls()]

    def decide(self, request: HttpRequest) -> HttpResponse:
        """Agree to limits that somebody else asked for, or refuse them."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        awaited.decide(None, request)
        return HttpResponseRedirect(reverse("admin:guard_doorlimits_changelist"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the one page that there is."""
        DoorLimits.objects.get_or_create(pk=door_limits.ONE)
        extra = {
            "title": "Guard limits",
            "subtitle": None,
            "original": OnePage("Guard limits"),
            **(extra_context or {}),
        }
        return self.changeform_view(request, str(door_limits.ONE), "", extra)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show what waits for a second person."""
        box = awaited.context(None, request)
        box |= {"awaited_address": reverse("admin:guard_doorlimits_second_person")}
        box |= {"may_change": self.has_change_permission(request)}
        answer: HttpResponse = super().changeform_view(request, object_id, form_url, {**box, **(extra_context or {})})
        return answer

    @display(description="What they mean today")  # type: ignore[untyped-decorator]
    def now(self, held: DoorLimits) -> str:
        """Say it with the numbers of today."""
        people = User.objects.filter(is_active=True).count()
        lines = door_limits.meaning(people, Membership.objects.count())
        return format_html_join("", "<div>{}</div>", ((line,) for line in lines))

    def save_model(self, request: HttpRequest, obj: DoorLimits, form: Any, change: bool) -> None:
        """Keep them, with a line in the report and in the evidence, but for what a second person has to agree to."""
        if words := second_person.save_doors(obj, request.user.get_username()):
            messages.warning(request, second_person.WAITS.format(words=words))
        else:
            messages.success(request, "Saved. The limits hold from now on.")

    def response_change(self, request: HttpRequest, obj: DoorLimits) -> HttpResponse:
        """Show what they mean now."""
        return HttpResponseRedirect(reverse("admin:guard_doorlimits_changelist"))
