"""The groups of one user, on the user page: direct ones, and those that they are in through another group."""

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from provisioning.groups.effective_members import groups_of
from provisioning.models import User


class GroupsPanel(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the panel and its address to the user page."""

    @admin.display(description="Groups")
    def groups_panel(self, user: User) -> SafeString:
        """Load the panel after the page."""
        return format_html(
            '<div hx-get="{}" hx-trigger="load" hx-swap="outerHTML">Looking for groups …</div>',
            reverse("admin:provisioning_user_groups", args=[user.pk]),
        )

    def get_urls(self) -> list[URLPattern]:
        """Add the panel's address."""
        view = self.admin_site.admin_view(require_GET(self.groups_view))
        return [path("<path:object_id>/groups/", view, name="provisioning_user_groups"), *super().get_urls()]

    def groups_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the groups to who may see the user and groups."""
        user = self.get_object(request, unquote(object_id))
        if user is None:
            raise Http404("There is no such user.")
        if not self.has_view_permission(request, user) or not request.user.has_perm("provisioning.view_group"):
            raise PermissionDenied
        return TemplateResponse(request, "provisioning/user/groups.html", {"rows": groups_of(user.pk)})
