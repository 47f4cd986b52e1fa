"""What can be done to selected users: through the services, set-based, never one query a user."""

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from directories.models import Directory, OnLeave
from provisioning import services
from provisioning.admin import protection
from provisioning.admin.receipts.switch import ask, final_leaving
from provisioning.models import Account, User
from provisioning.models.accounts import AccountState
from provisioning.models.imports import RunStatus
from provisioning.services import UserStatus

SHOWN = 20
LEAVES = {
    OnLeave.DELETE: "The account is deleted.",
    OnLeave.DISABLE: "The account is disabled.",
    OnLeave.LEAVE: "The account stays as it is.",
}
SWITCHED_OFF = "Nothing: this is switched off for the directory."


class UserActions(admin.ModelAdmin):  # type: ignore[type-arg]
    """Activate, deactivate, delete and sync."""

    actions = ("activate", "deactivate", "disable_everywhere", "sync_now", "delete_selected")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer our own deletion instead of Django's, which would list every row that hangs on a user."""
        actions: dict[str, Any] = super().get_actions(request)
        if "delete_selected" in actions:
            function = type(self).delete_users
            actions["delete_selected"] = (function, "delete_selected", "Delete selected users …")
        return actions

    @admin.action(description="Activate selected users", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Let them in again, everywhere."""
        self._set_active(request, queryset, True)

    @admin.action(description="Deactivate selected users", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Switch them off, everywhere; ask first where that does something which cannot be undone."""
        if not request.POST.get("post"):
            ids = list(protection.changeable(request.user, queryset, leave_out_self=True).values_list("pk", flat=True))
            if final_leaving(ids):
                return ask(self, request, ids, "deactivate", everywhere=False)
        self._set_active(request, queryset, False)
        return None

    def _set_active(self, request: HttpRequest, users: QuerySet[User], active: bool) -> None:
        ids = self._allowed(request, users, leave_out_self=not active)
        if ids:
            result = services.switch_by_plan(ids, active, request.user.get_username())
            verb = "activated" if active else "deactivated"
            say_result(request, result, f"{_people(len(ids))} {verb}. Directories follow in the background.")
            if not active and not result.waits:
                say_left_open(request, services.left_open(ids))

    @admin.action(description="Sync selected users now", permissions=["sync"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Enqueue their accounts for reconciliation."""
        ids = list(queryset.order_by().values_list("pk", flat=True))
        services.provision_many(ids, "asked for", actor=request.user.get_username())
        messages.success(request, f"{_people(len(ids))} will be compared with every directory now.")

    def has_sync_permission(self, request: HttpRequest) -> bool:
        """Return whether the actor may push users to directories."""
        return bool(request.user.has_perm("provisioning.change_change"))

    @admin.action(description="Delete selected users …", permissions=["delete"])
    def delete_users(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Ask first, saying what happens in which directory; then delete."""
        if not self.has_delete_permission(request):
            raise PermissionDenied
        ids = self._allowed(request, queryset, leave_out_self=True)
        if not ids:
            return None
        if request.POST.get("post"):
            left = list(services.left_open(ids, deleted=True))
            result = services.delete_by_plan(ids, request.user.get_username())
            say_result(request, result, f"{_people(len(ids))} deleted. Directories follow in the background.")
            if not result.waits:
                say_left_open(request, left)
            return None
        return self._confirm(request, ids, action="delete_selected")

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Delete one user in the same way."""
        user = self.get_object(request, unquote(object_id))
        if user is None:
            raise Http404("There is no such user.")
        if not self.has_delete_permission(request, user):
            raise PermissionDenied
        if request.method == "POST":
            left = list(services.left_open([user.pk], deleted=True))
            try:
                services.delete_users([user.pk], request.user.get_username(), by_person=True)
            except services.LastAdministrator as refused:
                messages.error(request, str(refused))
                return HttpResponseRedirect(reverse("admin:provisioning_user_change", args=[user.pk]))
            messages.success(request, f"{user.get_full_name()} was deleted. Directories follow in the background.")
            say_left_open(request, left)
            return HttpResponseRedirect(reverse("admin:provisioning_user_changelist"))
        return self._confirm(request, [user.pk], action="")

    def _allowed(self, request: HttpRequest, users: QuerySet[User], *, leave_out_self: bool) -> list[int]:
        left_out = protection.refused(request.user, users, leave_out_self=leave_out_self)
        if left_out:
            messages.warning(request, protection.sentence(left_out))
        allowed = protection.changeable(request.user, users, leave_out_self=leave_out_self)
        return list(allowed.order_by().values_list("pk", flat=True))

    def _confirm(self, request: HttpRequest, ids: list[int], action: str) -> TemplateResponse:
        users = User.objects.filter(pk__in=ids).only("username", "display_name", "first_name", "last_name")
        context = {
            **self.admin_site.each_context(request),
            "title": "Delete users" if action else "Delete user",
            "opts": self.opts,
            "count": len(ids),
            "shown": list(users.order_by("username_key")[:SHOWN]),
            "more": max(0, len(ids) - SHOWN),
            "consequences": consequences(ids),
            "recycle_days": settings.RECYCLE_DAYS,
            "action": action,
            "selected": request.POST.getlist(helpers.ACTION_CHECKBOX_NAME),
            "across": request.POST.get("select_across", "0"),
        }
        return TemplateResponse(request, "provisioning/user/delete.html", context)


def say_result(request: HttpRequest, result: services.AppliedNow, done: str) -> None:
    """Say what became of a bulk action, with the way to its run: to look at it, to approve it, or to undo it."""
    run = result.run
    url = reverse("admin:provisioning_importrun_change", args=[run.pk])
    link = format_html(
        '<a class="text-link" href="{}">{}</a>', url, "Open the list" if result.waits else "Show or undo"
    )
    if result.waits:
        messages.warning(request, format_html("{} {}.", result.words, link))
    elif run.status == RunStatus.FINISHED and not run.errors and not run.left_alone:
        messages.success(request, format_html("{} {}.", done, link))
    else:
        messages.warning(request, format_html("{} {}.", result.words, link))


def say_provisioned(request: HttpRequest, user: User) -> None:
    """Say what becomes of the directories' accounts of somebody who may sign in from now on."""
    if not user.provisioned:
        message = (
            f"{user} may sign in, so directories get no account for them. Switch that on under Details if need be."
        )
        messages.info(request, message)
        return
    there = user.accounts.filter(state__in=[AccountState.ACTIVE, AccountState.DISABLED]).order_by("directory__name")
    if names := ", ".join(there.values_list("directory__name", flat=True)):
        message = (
            f"{user} may sign in, and still has accounts in directories ({names}). Imports do not change them any more."
        )
        messages.info(request, message)


def say_left_open(request: HttpRequest, left: Iterable[services.LeftOpen]) -> None:
    """Warn of accounts that stay open though their users were deactivated or deleted."""
    for each in left:
        accounts = "1 account stays" if each.number == 1 else f"{each.number:,} accounts stay"
        messages.error(request, f"{accounts} open in {each.directory}. {each.reason}")


def consequences(ids: Iterable[int]) -> list[dict[str, Any]]:
    """Return, for each directory where the users have accounts, how many and what will happen to them."""
    accounts = Account.objects.filter(user__in=ids).exclude(state=AccountState.ABSENT)
    counts = dict(accounts.order_by().values_list("directory").annotate(Count("pk")))
    directories = Directory.objects.filter(pk__in=counts).select_related("provisioning")
    final = services.final_leaving(set(counts), UserStatus.DELETED)
    return [
        {
            "directory": directory.name,
            "count": counts[directory.pk],
            "words": _on_delete(directory),
            "final": final.get(directory.pk, ""),
        }
        for directory in directories
    ]


def _on_delete(directory: Directory) -> str:
    settings = getattr(directory, "provisioning", None)
    if settings is None:
        return SWITCHED_OFF
    policy = OnLeave(settings.on_delete)
    allowed: dict[OnLeave, Callable[[], bool]] = {
        OnLeave.DELETE: lambda: settings.delete_users,
        OnLeave.DISABLE: lambda: settings.deactivate_users,
        OnLeave.LEAVE: lambda: True,
    }
    message = LEAVES[policy] if allowed[policy]() else SWITCHED_OFF
    if message == LEAVES[OnLeave.DELETE] and settings.delete_after_days:
        days = settings.delete_after_days
        message = f"The account is disabled now, and deleted after {days} {'day' if days == 1 else 'days'}."
    return message if directory.enabled else f"{message} It waits until the directory is switched on."


def _people(count: int) -> str:
    return "1 user" if count == 1 else f"{count:,} users"
