"""The direct members of one group, inside its page."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.datasets import BaseDataset
from unfold.decorators import display

from provisioning import services
from provisioning.models import Group, Membership
from provisioning.models.people import fold
from reports.paging import CappedPaginator

MEMBER_SEARCH = ("username_key", "email_key", "first_name_key", "last_name_key")


class MembershipAdmin(ModelAdmin):  # type: ignore[misc]
    """The members of one group, inside its page."""

    list_display = ("person", "username", "email", "state")
    list_display_links = None
    sortable_by = ()
    ordering = ("user__username_key",)
    search_fields = ("user__username_key",)
    search_help_text = "Beginning of a name"
    when_empty = "Nobody is in this group directly."
    actions = ("remove_members",)
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 25

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Read the members of the group that the page is about."""
        return Membership.objects.filter(group_id=self.extra_context["object"]).select_related("user")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Membership], search_term: str
    ) -> tuple[QuerySet[Membership], bool]:
        """Search by the beginnings of names, as the users list does."""
        for word in search_term.split():
            condition = Q()
            for field in MEMBER_SEARCH:
                condition |= Q(**{f"user__{field}__startswith": fold(word)})
            queryset = queryset.filter(condition)
        return queryset, False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer removing where the group may be changed, and nothing else."""
        group = Group.objects.filter(pk=self.extra_context["object"]).first()
        if group is None or not group.is_ours or not request.user.has_perm("provisioning.change_group"):
            return {}
        return {"remove_members": (type(self).remove_members, "remove_members", "Remove from the group")}

    def remove_members(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        """Take the selected people out."""
        group = Group.objects.get(pk=self.extra_context["object"])
        ids = list(queryset.order_by().values_list("user_id", flat=True))
        count = services.remove_members(group, ids, request.user.get_username())
        messages.success(request, f"{people(count)} removed from {group.name}.")

    @admin.display(description="Name")
    def person(self, membership: Membership) -> str:
        """Return the member's name."""
        return membership.user.get_full_name()

    @admin.display(description="User name")
    def username(self, membership: Membership) -> str:
        """Return the member's user name."""
        return membership.user.username

    @admin.display(description="E-mail")
    def email(self, membership: Membership) -> str:
        """Return the member's address."""
        return membership.user.email

    @display(description="State", label={"Active": "success", "Inactive": "danger"})  # type: ignore[untyped-decorator]
    def state(self, membership: Membership) -> str:
        """Return whether the member is active."""
        return "Active" if membership.user.is_active else "Inactive"


class Members(BaseDataset):  # type: ignore[misc]
    """The list of members below the group."""

    model = Membership
    model_admin = MembershipAdmin
    title = "Direct members"


def people(count: int) -> str:
    """Return a number of users in words."""
    return "1 user" if count == 1 else f"{count:,} users"
