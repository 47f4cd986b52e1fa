"""What a user has by business rules, on the user page: by which rule, because of which contract, and since when."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from provisioning.admin.panels import loaded_later, viewed
from provisioning.models import User
from provisioning.rules.models import Granted, Look

MOST = 200


class RulesPanel(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the panel and its address to the user page."""

    @admin.display(description="Rules")
    def rules_panel(self, user: User) -> SafeString:
        """Load the panel after the page."""
        return loaded_later("provisioning_user_rules", user.pk, "Looking for rules …")

    def get_urls(self) -> list[URLPattern]:
        """Add the panel's address."""
        view = self.admin_site.admin_view(require_GET(self.rules_view))
        return [path("<path:object_id>/rules/", view, name="provisioning_user_rules"), *super().get_urls()]

    def rules_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show it to who may see the user and what rules give: three queries."""
        user = viewed(self, request, object_id, "rules.view_granted")
        related = ("entitlement__rule", "entitlement__group", "entitlement__directory", "directory", "contract")
        rows = Granted.objects.filter(user=user).select_related(*related)
        next_at = Look.objects.filter(user=user).values_list("next_at", flat=True).first()
        context = {
            "rows": rows.order_by("entitlement__rule__position", "pk")[:MOST],
            "next_at": timezone.localtime(next_at) if next_at else None,
            "may_open": request.user.has_perm("rules.view_businessrule"),
        }
        return TemplateResponse(request, "provisioning/user/rules.html", context)
