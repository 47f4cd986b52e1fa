"""Groups of people and their members."""

from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.datasets import BaseDataset
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from provisioning import members
from provisioning.models import Group, Membership, User
from provisioning.models.people import fold
from reports.paging import CappedPaginator

MEMBER_SEARCH = ("username_key", "email_key", "first_name_key", "last_name_key")


class GroupForm(forms.ModelForm[Group]):
    """A group, and names to add to it."""

    add_members = forms.ModelMultipleChoiceField(
        required=False,
        label="Add members",
        queryset=User.objects.all(),
        widget=AutocompleteSelectMultiple(
            cast(Any, Membership._meta.get_field("user")), admin.site, attrs={"class": "unfold-admin-autocomplete"}
        ),
        help_text="Type how a name begins. Saving adds them.",
    )
    add_people = forms.CharField(
        required=False,
        label="Add many members",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "placeholder": "anna.berg\nben@example.com"}),
        help_text="User names or e-mail addresses, one a line or separated by commas.",
    )

    class Meta:
        model = Group
        fields: ClassVar[list[str]] = ["name", "description"]
        widgets: ClassVar[dict[str, forms.Widget]] = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 2})}

    def clean_name(self) -> str:
        """Refuse a name that another group has, however it is written."""
        name: str = self.cleaned_data["name"].strip()
        taken = Group.objects.filter(name_key=fold(name)).exclude(pk=self.instance.pk).first()
        if taken:
            raise ValidationError(f"There is a group {taken.name} already.")
        return name

    def clean_add_people(self) -> members.Found:
        """Look everybody up; a name that nobody has is an error, so that no one is left out unseen."""
        text: str = self.cleaned_data["add_people"]
        if len(text) > 300 * members.MOST_NAMES:
            raise ValidationError("These are too many names at once.")
        found = members.find(text)
        if found.unknown:
            names = ", ".join(found.unknown[:20]) + (" …" if len(found.unknown) > 20 else "")
            raise ValidationError(f"Nobody on the roll is called: {names}. Take them out or correct them.")
        return found


class MembershipAdmin(ModelAdmin):  # type: ignore[misc]
    """The members of one group, inside its page."""

    list_display = ("person", "username", "email", "state")
    list_display_links = None
    sortable_by = ()
    ordering = ("user__username_key",)
    search_fields = ("user__username_key",)
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
        if group is None or group.owner_id or not request.user.has_perm("provisioning.change_group"):
            return {}
        return {"remove_members": (type(self).remove_members, "remove_members", "Remove from the group")}

    def remove_members(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        """Take the selected people out."""
        group = Group.objects.get(pk=self.extra_context["object"])
        ids = list(queryset.order_by().values_list("user_id", flat=True))
        count = members.remove(group, ids, request.user.get_username())
        messages.success(request, f"{_people(count)} removed from {group.name}.")

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
    title = "Members"


@admin.register(Group)
class GroupAdmin(ModelAdmin):  # type: ignore[misc]
    """Groups of people; those that a directory owns are shown and not edited."""

    form = GroupForm
    list_display = ("name", "description", "comes_from")
    search_fields = ("name_key",)
    search_help_text = "Finds how a name begins."
    ordering = ("name_key",)
    list_select_related = ("owner",)
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    warn_unsaved_form = True

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Group], search_term: str
    ) -> tuple[QuerySet[Group], bool]:
        """Search by the beginning of the name."""
        return queryset.filter(name_key__startswith=fold(search_term)) if search_term.strip() else queryset, False

    @display(description="Comes from", label={"This portal": "info"})  # type: ignore[untyped-decorator]
    def comes_from(self, group: Group) -> str:
        """Return whose group it is."""
        return group.owner.name if group.owner else "This portal"

    def get_changeform_datasets(self, request: HttpRequest) -> list[type[BaseDataset]]:
        """Show the members of an existing group."""
        exists = request.resolver_match and "object_id" in request.resolver_match.kwargs
        return [Members] if exists else []

    def get_fieldsets(self, request: HttpRequest, obj: Group | None = None) -> list[tuple[None, dict[str, Any]]]:
        """Offer names to add where they may be added."""
        fields = ["name", "description", *(["comes_from"] if obj else [])]
        if self.has_change_permission(request, obj):
            fields += ["add_members", "add_people"]
        return [(None, {"fields": fields})]

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> list[str]:
        """Show the owner."""
        return ["comes_from"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave groups alone that a directory owns: the next import would undo it."""
        return super().has_change_permission(request, obj) and not (isinstance(obj, Group) and obj.owner_id)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The same for deleting."""
        return super().has_delete_permission(request, obj) and not (isinstance(obj, Group) and obj.owner_id)

    def save_model(self, request: HttpRequest, obj: Group, form: forms.ModelForm[Group], change: bool) -> None:
        """Save the group and add the names."""
        super().save_model(request, obj, form, change)
        chosen = {user.pk for user in form.cleaned_data.get("add_members", ())}
        pasted = form.cleaned_data.get("add_people")
        wanted = chosen | set(pasted.ids if pasted else ())
        if wanted:
            count = members.add(obj, wanted, request.user.get_username())
            already = len(wanted) - count
            rest = f", {already:,} {'was a member' if already == 1 else 'were members'} already" if already else ""
            messages.info(request, f"{_people(count)} added to {obj.name}{rest}.")

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Say how many members a group has instead of listing them; nobody is deleted with it."""
        lines, protected = [], []
        for group in objs:
            lines.append(f"{group.name}, with {_people(group.memberships.count())}. The users stay.")
            if group.owner_id:
                protected.append(f"{group.name} belongs to a directory")
        allowed = self.has_delete_permission(request)
        return lines, {"groups": len(lines)}, set() if allowed else {"group"}, protected


def _people(count: int) -> str:
    return "1 user" if count == 1 else f"{count:,} users"
