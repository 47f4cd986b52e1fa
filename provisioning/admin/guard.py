"""The page "Guard limits": how much may be done through other doors than imports without a question."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import display

from provisioning.guard import door_limits
from provisioning.guard.models import DoorLimits
from provisioning.models import Membership, User


@admin.register(DoorLimits)
class DoorLimitsAdmin(ModelAdmin):  # type: ignore[misc]
    """One row, which is there from its first save on. It cannot be deleted: there are always limits."""

    readonly_fields = ("now",)
    fieldsets = (
        (None, {"fields": ("now",)}),
        *((kind.label, {"fields": [pair]}) for kind, pair in door_limits.FIELDS.items()),
    )
    warn_unsaved_form = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The guard is never off."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the one page that there is."""
        DoorLimits.objects.get_or_create(pk=door_limits.ONE)
        extra = {"title": "Guard limits", "subtitle": None, **(extra_context or {})}
        return self.changeform_view(request, str(door_limits.ONE), "", extra)  # type: ignore[no-any-return]

    @display(description="What they mean today")  # type: ignore[untyped-decorator]
    def now(self, held: DoorLimits) -> str:
        """Say it with the numbers of today."""
        people = User.objects.filter(is_active=True).count()
        lines = door_limits.meaning(people, Membership.objects.count())
        return format_html_join("", "<div>{}</div>", ((line,) for line in lines))

    def save_model(self, request: HttpRequest, obj: DoorLimits, form: Any, change: bool) -> None:
        """Keep them, with a line in the report and in the evidence."""
        door_limits.save(obj, request.user.get_username())

    def response_change(self, request: HttpRequest, obj: DoorLimits) -> HttpResponse:
        """Show what they mean now."""
        messages.success(request, "Saved. The limits hold from now on.")
        return HttpResponseRedirect(reverse("admin:guard_doorlimits_changelist"))
