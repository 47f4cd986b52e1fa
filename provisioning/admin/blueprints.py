"""The page "Blueprints": which were applied, and taking one back after looking at what that changes."""

import hashlib
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from directories.described.document import DocumentError
from provisioning.admin.kept_by_portal import KeptByPortal
from provisioning.blueprints import undo
from provisioning.blueprints.undo import Undone
from provisioning.models import AppliedBlueprint

CHANGED = "Something was changed meanwhile. Look again at what would be taken back."
NUMBER = "This reaches {number:,}. Type {number} into the box."


@admin.register(AppliedBlueprint)
class AppliedBlueprintAdmin(KeptByPortal, ModelAdmin):  # type: ignore[misc]
    """Blueprints are applied by ``manage.py blueprint``; people look at the last ones and take them back."""

    def get_urls(self) -> list[URLPattern]:
        """The list, and what taking one back would change."""
        wrap, name = self.admin_site.admin_view, "provisioning_appliedblueprint"
        return [
            path("", wrap(self.changelist_view), name=f"{name}_changelist"),
            path("<int:number>/undo/", wrap(self.undo_view), name=f"{name}_undo"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show those that are remembered, with who took back which."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = list(AppliedBlueprint.objects.defer("items"))
        undone = {row.undoes: row for row in reversed(rows) if row.undoes}
        context = {
            **self.admin_site.each_context(request),
            "title": "Blueprints",
            "opts": self.opts,
            "rows": [(row, undone.get(row.pk)) for row in rows],
            "may_undo": self.has_change_permission(request),
        }
        return render(request, "provisioning/blueprints/list.html", context)

    def undo_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Show what would be taken back, and do it when that was confirmed."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        one = get_object_or_404(AppliedBlueprint, pk=number)
        if not request.user.has_perms(undo.rights(one)):
            raise PermissionDenied
        back = HttpResponseRedirect(reverse("admin:provisioning_appliedblueprint_changelist"))
        actor = request.user.get_username()
        try:
            found = undo.undo(number, actor=actor, check=True)
        except DocumentError as error:
            messages.error(request, " ".join(problem.message for problem in error.problems))
            return back
        if request.method == "POST" and self._take_back(request, number, found):
            return back
        context = {
            **self.admin_site.each_context(request),
            "title": f"Undo {one}",
            "opts": self.opts,
            "one": one,
            "found": found,
            "token": _token(found),
        }
        return render(request, "provisioning/blueprints/undo.html", context)

    def _take_back(self, request: HttpRequest, number: int, found: Undone) -> bool:
        """Take back what was shown; False where that is something else by now, or the number is wrong."""
        if request.POST.get("confirmed") != _token(found):
            messages.error(request, CHANGED)
            return False
        if found.over and request.POST.get("number", "").replace(",", "").strip() != str(found.reached):
            messages.error(request, NUMBER.format(number=found.reached))
            return False
        try:
            done = undo.undo(number, actor=request.user.get_username(), reached=found.reached)
        except DocumentError:
            messages.error(request, CHANGED)
            return False
        count = len(done.differences)
        messages.success(request, f"Taken back: {count} difference{'' if count == 1 else 's'}.")
        for warning in done.warnings:
            messages.warning(request, warning)
        return True


def _token(found: Undone) -> str:
    """Return what stands for what was shown."""
    shown = ([str(one) for one in found.differences], found.kept, found.impacts, found.over)
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
