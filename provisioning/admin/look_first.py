"""The page "Look first": what letting each directory go would change, and letting it go."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from provisioning import services
from provisioning.admin.kept_by_portal import KeptByPortal
from provisioning.outbound import outlook
from provisioning.outbound.outlook import STAYS_OFF, UNKNOWN
from provisioning.restore import holding
from provisioning.restore.models import HeldDirectory

LABELS = {
    "create": "To be created",
    "delete": "To be deleted",
    "disable": "To be disabled",
    "enable": "To be enabled",
    "update": "To be updated",
    "link": "To be taken over",
    UNKNOWN: "There, and unknown to the portal: they stay as they are",
    STAYS_OFF: "Disabled there, active in the portal: they stay disabled",
}


@admin.register(HeldDirectory)
class HeldDirectoryAdmin(KeptByPortal, ModelAdmin):  # type: ignore[misc]
    """Directories are kept back by the portal or by a command; people look, and let them go."""

    def get_urls(self) -> list[URLPattern]:
        """The page and its buttons."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name="restore_helddirectory_changelist"),
            *(
                path(f"<int:held_id>/{name}/", wrap(require_POST(view)), name=f"restore_helddirectory_{name}")
                for name, view in (
                    ("look", self.look_view),
                    ("release", self.release_view),
                    ("refuse", self.refuse_view),
                )
            ),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show every directory that is kept back, with what was found there."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        held = list(HeldDirectory.objects.select_related("directory__provisioning").order_by("directory__name"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Look first",
            "opts": self.opts,
            "rows": [_row(one) for one in held],
            "looking": any(one.asked_at for one in held),
            "may_act": self.has_change_permission(request),
            "may_preview": request.user.has_perm("provisioning.add_importrun"),
            **(extra_context or {}),
        }
        return render(request, "provisioning/look_first/list.html", context)

    def look_view(self, request: HttpRequest, held_id: int) -> HttpResponse:
        """Let a worker look, with or without reading the directory."""
        held = self._held(request, held_id)
        services.ask_for_outlook(held, read=bool(request.POST.get("read")))
        return _back()

    def release_view(self, request: HttpRequest, held_id: int) -> HttpResponse:
        """Let the directory go."""
        self._require(request)
        number = request.POST.get("number", "").replace(",", "").strip()
        try:
            directory = services.let_directory_go(
                held_id, int(number) if number.isdecimal() and len(number) < 19 else None, request.user.get_username()
            )
        except services.LetGoRefused as refused:
            messages.error(request, refused.message)
        else:
            messages.success(
                request, f"{directory.name} is brought in line now. The provisioning report shows how it goes."
            )
        return _back()

    def refuse_view(self, request: HttpRequest, held_id: int) -> HttpResponse:
        """Keep the directory back, and say why."""
        held = self._held(request, held_id)
        reason = request.POST.get("reason", "").strip()[:500]
        if reason:
            holding.refuse(held, reason, request.user.get_username())
            messages.info(request, f"{held.directory.name} stays kept back. The report says why.")
        else:
            messages.warning(request, "Say in a few words why it stays kept back.")
        return _back()

    def _held(self, request: HttpRequest, held_id: int) -> HeldDirectory:
        self._require(request)
        return get_object_or_404(HeldDirectory.objects.select_related("directory"), pk=held_id)

    def _require(self, request: HttpRequest) -> None:
        if not self.has_change_permission(request):
            raise PermissionDenied


def _row(held: HeldDirectory) -> dict[str, Any]:
    counts, samples = held.outlook.get("counts", {}), held.outlook.get("samples", {})
    shown = [(label, counts[what], samples.get(what, [])) for what, label in LABELS.items() if counts.get(what)]
    changes, group_changes = outlook.waiting(held.directory)
    settings = getattr(held.directory, "provisioning", None)
    return {
        "held": held,
        "shown": shown,
        "more": [(label, number - len(names)) for label, number, names in shown if number > len(names)],
        "grave": outlook.grave(held),
        "changes": changes,
        "group_changes": group_changes,
        "imports": bool(settings and settings.import_users),
    }


def _back() -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:restore_helddirectory_changelist"))
