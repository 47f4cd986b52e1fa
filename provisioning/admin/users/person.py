"""The person page: who this is, how they stand and what mends it, where they have access, and what happened."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from provisioning.admin.panels import loaded_later, viewed
from provisioning.admin.users.password import may_set
from provisioning.history import timeline
from provisioning.models import User
from reports.models import Direction, Event, Operation
from reports.paging import PageCursor
from reports.presentation import report_lines

ONLY = ((timeline.EVERYTHING, "all"), (timeline.CHANGES, "changes"), (timeline.FAILURES, "failures"))


def came_from(user: User) -> str:
    """Return what brought the person to the portal, "" where the report does not tell."""
    brought = Event.objects.filter(user_id=user.pk, operation=Operation.CREATE, direction=Direction.IN)
    return brought.order_by("at", "id").values_list("application", flat=True).first() or ""


class PersonPage(admin.ModelAdmin):  # type: ignore[type-arg]
    """Puts the person before the form of the user page, and adds the address of what happened."""

    change_form_outer_before_template = "provisioning/user/person.html"

    class Media:
        js = ("portal/copy.js", "portal/person.js")

    def get_urls(self) -> list[URLPattern]:
        """Add the address of what happened."""
        view = self.admin_site.admin_view(require_GET(self.happened_view))
        return [path("<path:object_id>/happened/", view, name="provisioning_user_happened"), *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Add the person to the page of a user who is there."""
        user = kwargs.get("obj")
        if isinstance(user, User) and kwargs.get("change"):
            context |= {"person": self._person(request, user), "show_delete": False}  # under More
        return super().render_change_form(request, context, *args, **kwargs)

    def _person(self, request: HttpRequest, user: User) -> dict[str, Any]:
        changes = self.has_change_permission(request, user)
        return {
            "initials": initials(user),
            "came_from": came_from(user),
            "may_change": changes,
            "may_leave": changes and user.pk != request.user.pk,
            "may_delete": self.has_delete_permission(request, user),
            "may_set_password": may_set(request, user),
            "happened": self.happened_panel(user) if request.user.has_perm("reports.view_event") else "",
            "panels": [
                (anchor, title, getattr(self, panel)(user))
                for anchor, title, panel, right in PANELS
                if not right or request.user.has_perm(right)
            ],
        }

    @admin.display(description="What happened")
    def happened_panel(self, user: User) -> SafeString:
        """Load the panel after the page."""
        return loaded_later("provisioning_user_happened", user.pk, "Looking at what happened …")

    def happened_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show a page of what happened, to who may see the user and the report."""
        return happened(
            request, viewed(self, request, object_id, "reports.view_event"), "admin:provisioning_user_happened"
        )


def happened(request: HttpRequest, user: User, address: str) -> HttpResponse:
    """Return a page of what happened to somebody, also to one who is gone; ``address`` is the name of its address."""
    only = request.GET.get("only", "")
    only = only if only in timeline.RESULTS else timeline.EVERYTHING
    older = PageCursor.parse(request.GET.get("older", ""))
    sees_receipts = request.user.has_perm("receipts.view_receipt")
    found = timeline.of_user(user, older=older, only=only, receipts=sees_receipts)
    events = [event for moment in found.moments for event in moment.events]
    lines = {line.event.pk: line for line in report_lines(events, request.user)}
    context = {
        "user": user,
        "address": reverse(address, args=[user.pk]),
        "moments": [(moment, [lines[event.pk] for event in moment.events]) for moment in found.moments],
        "older": found.older,
        "only": only,
        "choices": ONLY,
        "first": older is None,
        "sees_runs": request.user.has_perm("provisioning.view_importrun"),
    }
    return TemplateResponse(request, "provisioning/user/happened.html", context)


PANELS = (
    ("accounts", "Accounts: where they have access", "accounts_panel", ""),
    ("groups", "Groups, and why", "groups_panel", "provisioning.view_group"),
    ("contracts", "Contracts", "contracts_panel", "contracts.view_contract"),
    ("rules", "Rules: what they give", "rules_panel", "rules.view_granted"),
)


def initials(user: User) -> str:
    """Return one or two letters for the circle beside the name."""
    words = [user.first_name, user.last_name] if user.first_name and user.last_name else user.get_full_name().split()
    return "".join(word[0] for word in [*words[:1], *words[1:][-1:]] if word).upper()
