"""The groups of one user, on the user page: direct ones, and those that they are in through another group."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from provisioning.admin.panels import loaded_later, viewed
from provisioning.groups.effective_members import groups_of
from provisioning.models import User
from provisioning.rules.models import Granted


class GroupsPanel(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the panel and its address to the user page."""

    @admin.display(description="Groups")
    def groups_panel(self, user: User) -> SafeString:
        """Load the panel after the page."""
        return loaded_later("provisioning_user_groups", user.pk, "Looking for groups …")

    def get_urls(self) -> list[URLPattern]:
        """Add the panel's address."""
        view = self.admin_site.admin_view(require_GET(self.groups_view))
        return [path("<path:object_id>/groups/", view, name="provisioning_user_groups"), *super().get_urls()]

    def groups_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the groups to who may see the user and groups, and by which rule the user is in them."""
        user = viewed(self, request, object_id, "provisioning.view_group")
        given = Granted.objects.filter(user=user, entitlement__group__isnull=False).order_by("pk")
        rules = dict(given.values_list("entitlement__group", "entitlement__rule__name"))
        rows = [(row, rules.get(row.group.pk, "") if row.direct else "") for row in groups_of(user.pk)]
        return TemplateResponse(request, "provisioning/user/groups.html", {"rows": rows})
