"""The leaver switch: "Disable everywhere now", on the page of a user and for selected users."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from directories.config import record_sources
from directories.readiness import listed
from provisioning import services
from provisioning.admin import protection
from provisioning.models import Account, User
from provisioning.models.accounts import AccountState
from provisioning.receipts.models import Receipt

SHOWN = 20
MOST_LISTED = 100  # receipts that an address can name


class LeaverSwitch(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the page behind the button, and the action."""

    def get_urls(self) -> list[URLPattern]:
        """Add the page's address."""
        view = self.admin_site.admin_view(self.leave_view)
        return [path("<path:object_id>/leave/", view, name="provisioning_user_leave"), *super().get_urls()]

    def leave_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what happens where, and do it when that was seen."""
        user = self.get_object(request, unquote(object_id))
        if user is None:
            raise Http404("There is no such user.")
        if not self.has_change_permission(request, user) or user.pk == request.user.pk:
            raise PermissionDenied
        if request.method == "POST":
            return _disable(request, [user.pk])
        return ask(self, request, [user.pk], action="")

    @admin.action(description="Disable selected users everywhere now …", permissions=["change"])
    def disable_everywhere(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Do the same for those who are selected."""
        left_out = protection.refused(request.user, queryset, leave_out_self=True)
        if left_out:
            messages.warning(request, protection.sentence(left_out))
        allowed = protection.changeable(request.user, queryset, leave_out_self=True)
        ids = list(allowed.order_by().values_list("pk", flat=True))
        if not ids:
            return None
        return _disable(request, ids) if request.POST.get("post") else ask(self, request, ids, "disable_everywhere")


def ask(
    model_admin: Any, request: HttpRequest, ids: list[int], action: str, *, everywhere: bool = True
) -> TemplateResponse:
    """Say what deactivating users does in which directory, and ask; not ``everywhere``: as their settings say."""
    users = User.objects.filter(pk__in=ids).only("username", "display_name", "first_name", "last_name")
    there = Account.objects.filter(user__in=ids).exclude(state=AccountState.ABSENT)
    there = there.exclude(directory__in=record_sources()).order_by("directory__name")
    found = dict(there.values_list("directory_id", "directory__name"))
    names = list(found.values())
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Disable everywhere now" if everywhere else "Deactivate users",
        "opts": model_admin.opts,
        "count": len(ids),
        "shown": list(users.order_by("username_key")[:SHOWN]),
        "more": max(0, len(ids) - SHOWN),
        "directories": listed(names) if names else "",
        "final": final_leaving(ids).values(),
        "everywhere": everywhere,
        "action": action,
        "selected": request.POST.getlist(helpers.ACTION_CHECKBOX_NAME),
        "across": request.POST.get("select_across", "0"),
    }
    return TemplateResponse(request, "provisioning/user/leave.html", context)


def final_leaving(ids: Iterable[int]) -> dict[int, str]:
    """Return, by directory, what deactivating these users does there that cannot be undone."""
    there = Account.objects.filter(user__in=ids, state=AccountState.ACTIVE).order_by()
    directories = set(there.values_list("directory_id", flat=True).distinct())
    return services.final_leaving(directories, services.UserStatus.DEACTIVATED)


def _disable(request: HttpRequest, ids: list[int]) -> HttpResponse:
    """Disable them and lead to what proves it."""
    services.disable_everywhere(ids, request.user.get_username())
    people = "1 user" if len(ids) == 1 else f"{len(ids):,} users"
    newest = Receipt.objects.filter(user_id__in=ids, decision=services.DISABLED_EVERYWHERE).order_by("-pk")
    receipts: list[Any] = list(newest.values_list("pk", flat=True)[: min(len(ids), MOST_LISTED)])
    if len(ids) == 1:
        receipts = list(Receipt.objects.filter(user_id=ids[0]).order_by("-pk").values_list("pk", flat=True)[:1])
    if not receipts:
        messages.success(request, f"{people} deactivated. There was no account in any directory.")
        return HttpResponseRedirect(reverse("admin:provisioning_user_changelist"))
    messages.success(request, f"{people} deactivated. This page follows what the directories show.")
    if not request.user.has_perm("receipts.view_receipt"):
        return HttpResponseRedirect(reverse("admin:provisioning_user_changelist"))
    if len(receipts) == 1:
        return HttpResponseRedirect(reverse("admin:receipts_receipt_change", args=receipts))
    listing = "ids=" + ",".join(map(str, receipts)) if len(ids) <= MOST_LISTED else "state=open"
    return HttpResponseRedirect(f"{reverse('admin:receipts_receipt_changelist')}?{listing}")
