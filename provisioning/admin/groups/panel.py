"""What is around a group, on its page: the groups in it and above it, who is in it in effect, and its directories."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from provisioning import services
from provisioning.admin.panels import loaded_later, viewed
from provisioning.groups.effective_members import members_page
from provisioning.models import Group, GroupAccount, GroupChange
from provisioning.models.accounts import AccountState, LastResult

PAGE = 25
LISTED = 200
COLOURS = {AccountState.ACTIVE: "success", AccountState.DISABLED: "danger", AccountState.PENDING: "info"}


@dataclass(frozen=True, slots=True)
class Place:
    """One directory that the group is in, or is to be in; ``left``: a deleted group left one of that name there."""

    account: GroupAccount
    colour: str
    waiting: bool
    left: bool = False


class GroupPanel(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the panel and its address to the group page."""

    @admin.display(description="Groups and directories")
    def panel(self, group: Group) -> SafeString:
        """Load the panel after the page."""
        return loaded_later("provisioning_group_panel", group.pk, "Looking …")

    def get_urls(self) -> list[URLPattern]:
        """Add the panel's address."""
        view = self.admin_site.admin_view(self.panel_view)
        return [path("<path:object_id>/panel/", view, name="provisioning_group_panel"), *super().get_urls()]

    def panel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the panel; a POST takes a group out of this one, or a directory's group over."""
        if request.method not in {"GET", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        group = viewed(self, request, object_id)
        may_change = self.has_change_permission(request, group)
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            self._apply(group, request)
        return TemplateResponse(request, "provisioning/group/panel.html", _context(request, group, may_change))

    def _apply(self, group: Group, request: HttpRequest) -> None:
        actor = request.user.get_username()
        if child := group.nestings.filter(child=_number(request, "child")).first():
            services.unnest_group(group, child.child, actor)
        if account := group.accounts.filter(pk=_number(request, "left")).first():
            services.adopt_group(account.pk, actor)


def _context(request: HttpRequest, group: Group, may_change: bool) -> dict[str, Any]:
    inside = list(Group.objects.filter(nested_in__parent=group).select_related("owner")[:LISTED])
    after = request.GET.get("after", "")[:255]
    found = members_page(group, after, PAGE + 1) if inside else []
    return {
        "group": group,
        "may_change": may_change,
        "inside": inside,
        "above": Group.objects.filter(nestings__child=group).select_related("owner")[:LISTED],
        "members": found[:PAGE],
        "after": found[PAGE - 1].user.username_key if len(found) > PAGE else "",
        "later": bool(after),
        "places": _places(group),
        "may_see_users": request.user.has_perm("provisioning.view_user"),
    }


def _places(group: Group) -> list[Place]:
    accounts = GroupAccount.objects.filter(group=group).select_related("directory").order_by("directory__name")
    waiting = GroupChange.objects.filter(group_account__group=group, parked=None)
    queued = set(waiting.order_by().values_list("group_account_id", flat=True).distinct())
    return [
        Place(
            account=account,
            colour=COLOURS.get(AccountState(account.state), ""),
            waiting=account.pk in queued,
            left=account.last_result == LastResult.PARKED and services.can_adopt_group(account),
        )
        for account in accounts
    ]


def _number(request: HttpRequest, name: str) -> int:
    """Return a number that was sent, 0 for none."""
    given = request.POST.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 19 else 0
