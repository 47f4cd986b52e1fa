"""The page "Recycle bin": who was deleted, and bringing them back."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from provisioning import services
from provisioning.admin.gone import GoneIsNotFound
from provisioning.admin.kept_by_portal import ReadOnly
from provisioning.admin.users.actions import say_result
from provisioning.models.imports import Action
from provisioning.models.people import fold
from provisioning.recycle.models import DeletedUser
from reports.paging import CappedPaginator

MOST = 200  # people whose names may be typed on one page
RIGHTS = "Portal passwords, and the rights and roles of staff, do not come back."


@admin.register(DeletedUser)
class DeletedUserAdmin(ReadOnly, GoneIsNotFound, ModelAdmin):  # type: ignore[misc]
    """Deleted users, newest first. They are restored, or forgotten in time; nothing here is edited."""

    list_display = ("username", "full_name", "department", "deleted", "deleted_by", "kept_until")
    list_before_template = "provisioning/recycle/before.html"
    change_form_before_template = "provisioning/recycle/restore_one.html"
    list_per_page = 50
    counted_as = "deleted users"
    when_empty = "The recycle bin is empty. Whoever is deleted is kept here for a time, and can be brought back."
    search_fields = ("username_key__startswith",)
    search_help_text = "Beginning of the user name"
    paginator = CappedPaginator
    show_full_result_count = False
    actions = ("restore",)
    fields = readonly_fields = (
        *("username", "full_name", "department", "deleted", "deleted_by", "kept_until", "groups", "accounts"),
    )

    def get_urls(self) -> list[URLPattern]:
        """Add restoring one from their own page."""
        view = self.admin_site.admin_view(self.restore_one)
        return [path("<int:row_id>/restore/", view, name="recycle_deleteduser_restore"), *super().get_urls()]

    def restore_one(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Restore one user, as the list does."""
        row = get_object_or_404(self.get_queryset(request), pk=row_id)
        back = HttpResponseRedirect(reverse("admin:recycle_deleteduser_changelist"))
        return self.restore(request, DeletedUser.objects.filter(pk=row.pk)) or back

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Offer to restore the user to whoever may."""
        may = {"may_restore": self.has_restore_permission(request), "title": "Deleted user"}
        answer: HttpResponse = super().change_view(request, object_id, form_url, {**may, **(extra_context or {})})
        return answer

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Call the list what the sidebar calls it."""
        answer: HttpResponse = super().changelist_view(request, {"title": "Recycle bin", **(extra_context or {})})
        return answer

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeletedUser]:
        """Leave out who came back."""
        return super().get_queryset(request).filter(restored_at=None)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Search by the beginning of the folded name, which an index answers."""
        term = fold(search_term)
        return (queryset.filter(username_key__startswith=term) if term else queryset), False

    def has_restore_permission(self, request: HttpRequest) -> bool:
        """Return whether the actor may bring people back."""
        return bool(request.user.has_perms(["recycle.change_deleteduser", "provisioning.add_user"]))

    @display(description="Deleted", ordering="deleted_at")  # type: ignore[untyped-decorator]
    def deleted(self, row: DeletedUser) -> str:
        """When."""
        return timezone.localtime(row.deleted_at).strftime("%Y-%m-%d %H:%M:%S")

    @display(description="Kept until")  # type: ignore[untyped-decorator]
    def kept_until(self, row: DeletedUser) -> str:
        """When it is forgotten."""
        over = row.deleted_at + dt.timedelta(days=settings.RECYCLE_DAYS)
        return timezone.localtime(over).strftime("%Y-%m-%d")

    @display(description="Groups")  # type: ignore[untyped-decorator]
    def groups(self, row: DeletedUser) -> str:
        """The groups that the person was in."""
        return ", ".join(name for _, name in row.image["memberships"]) or "None"

    @display(description="Accounts")  # type: ignore[untyped-decorator]
    def accounts(self, row: DeletedUser) -> str:
        """How many accounts the person had."""
        return f"{len(row.image['accounts']):,}"

    @admin.action(description="Restore selected users …", permissions=["restore"])
    def restore(self, request: HttpRequest, queryset: QuerySet[DeletedUser]) -> HttpResponse | None:
        """Ask under which names, then restore."""
        if not self.has_restore_permission(request):
            raise PermissionDenied
        rows = list(queryset.order_by("pk")[: MOST + 1])
        if len(rows) > MOST:
            messages.error(request, f"Restore at most {MOST} people at once. Search, or select fewer.")
            return None
        names = {row.pk: request.POST.get(f"name_{row.pk}", "")[:255] for row in rows}
        if not request.POST.get("post"):
            return self._ask(request, rows, {}, names)
        result = services.restore_by_plan(names, request.user.get_username())
        changes = {change.row["deleted"]: change for change in result.run.planned_changes.all()}
        problems = {pk: one.message for pk, one in changes.items() if one.action == Action.ERROR}
        number = result.run.restored
        words = "1 user restored." if number == 1 else f"{number:,} users restored."
        if number or result.waits:
            say_result(request, result, f"{words} Directories follow in the background.")
        for one in changes.values():
            if one.action == Action.RESTORE and one.message:
                messages.warning(request, f"{one.key}: {one.message}")
        if problems and not result.waits:
            return self._ask(request, [row for row in rows if row.pk in problems], problems, names)
        return HttpResponseRedirect(reverse("admin:recycle_deleteduser_changelist"))

    def _ask(
        self, request: HttpRequest, rows: list[DeletedUser], problems: dict[int, str], names: dict[int, str]
    ) -> HttpResponse:
        shown = [
            {"row": row, "problem": problems.get(row.pk, ""), "name": names.get(row.pk) or row.username} for row in rows
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Restore users",
            "opts": self.opts,
            "shown": shown,
            "rights": RIGHTS,
            "checkbox": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "provisioning/recycle/restore.html", context)
