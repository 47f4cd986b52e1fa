"""Groups of people: the list, and the page of one group."""

from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelectMultiple, RelatedFieldWidgetWrapper
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.datasets import BaseDataset
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from directories.models import Directory, PushGroups
from provisioning import services
from provisioning.admin import protection
from provisioning.admin.gone import GoneIsNotFound
from provisioning.admin.groups.members import Members, people
from provisioning.admin.groups.panel import GroupPanel
from provisioning.groups.pasted_names import MOST_NAMES, PastedNames, find_pasted
from provisioning.models import Group, Membership, Nesting, User
from provisioning.models.people import fold
from reports.paging import CappedPaginator


class GroupForm(forms.ModelForm[Group]):
    """A group, names and groups to add to it, and where it goes."""

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
    add_groups = forms.ModelMultipleChoiceField(
        required=False,
        label="Add groups",
        queryset=Group.objects.all(),
        widget=AutocompleteSelectMultiple(
            cast(Any, Nesting._meta.get_field("child")), admin.site, attrs={"class": "unfold-admin-autocomplete"}
        ),
        help_text="Everybody in these groups is then in this one too, now and later.",
    )

    class Meta:
        model = Group
        fields: ClassVar[list[str]] = ["name", "description", "directories"]
        widgets: ClassVar[dict[str, Any]] = {
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            "directories": UnfoldAdminCheckboxSelectMultipleWidget,
        }
        help_texts: ClassVar[dict[str, str]] = {
            "directories": "The group and its members are kept there as they are here, as far as the members have an "
            "account there. Listed are the directories that take the groups chosen for them."
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "directories" in self.fields:
            field = cast("forms.ModelMultipleChoiceField[Directory]", self.fields["directories"])
            if isinstance(field.widget, RelatedFieldWidgetWrapper):
                field.widget = field.widget.widget  # without its menu: directories are added on their own page
            field.queryset = takers()
            field.label = "Push to directories"

    def clean_name(self) -> str:
        """Refuse a name that another group has, however it is written."""
        name: str = self.cleaned_data["name"].strip()
        taken = Group.objects.filter(name_key=fold(name)).exclude(pk=self.instance.pk).first()
        if taken:
            raise ValidationError(f"There is a group {taken.name} already.")
        return name

    def clean_add_people(self) -> PastedNames:
        """Look everybody up; a name that nobody has is an error, so that no one is left out unseen."""
        text: str = self.cleaned_data["add_people"]
        if len(text) > 300 * MOST_NAMES:
            raise ValidationError("These are too many names at once.")
        found = find_pasted(text)
        if found.unknown:
            names = ", ".join(found.unknown[:20]) + (" …" if len(found.unknown) > 20 else "")
            raise ValidationError(f"Nobody on the roll is called: {names}. Take them out or correct them.")
        return found

    def clean_add_groups(self) -> list[Group]:
        """Refuse the group itself."""
        found = list(self.cleaned_data["add_groups"])
        if any(group.pk == self.instance.pk for group in found):
            raise ValidationError("A group cannot be in itself.")
        return found


@admin.register(Group)
class GroupAdmin(GoneIsNotFound, GroupPanel, ModelAdmin):  # type: ignore[misc]
    """Groups of people; those that a directory or an application keeps are shown and not edited."""

    form = GroupForm
    list_display = ("name", "description", "comes_from", "special")
    search_fields = ("name_key",)
    search_help_text = "Beginning of a name"
    when_empty = "No group yet. Groups come from directories and SCIM applications, or are added here."
    ordering = ("name_key",)
    list_select_related = ("owner",)
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    warn_unsaved_form = True
    actions = ("mark_privileged", "unmark_privileged")

    @admin.action(description="Mark as privileged", permissions=["rights"])
    def mark_privileged(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        """Let the guard look after who gets into them, and keep their last members."""
        self._mark(request, queryset, True)

    @admin.action(description="Mark as not privileged", permissions=["rights"])
    def unmark_privileged(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        """Treat them like any other group."""
        self._mark(request, queryset, False)

    def _mark(self, request: HttpRequest, groups: QuerySet[Group], privileged: bool) -> None:
        ids = list(groups.order_by().values_list("pk", flat=True))
        number = services.mark_privileged(ids, privileged, request.user.get_username())
        word = "privileged" if privileged else "not privileged"
        messages.success(request, f"{number:,} {'group is' if number == 1 else 'groups are'} {word} now.")

    def has_rights_permission(self, request: HttpRequest) -> bool:
        """Return whether the actor decides about special rights."""
        return protection.is_superuser(request.user)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Group], search_term: str
    ) -> tuple[QuerySet[Group], bool]:
        """Search by the beginning of the name."""
        return queryset.filter(name_key__startswith=fold(search_term)) if search_term.strip() else queryset, False

    @display(description="Comes from", label={"This portal": "info"})  # type: ignore[untyped-decorator]
    def comes_from(self, group: Group) -> str:
        """Return whose group it is."""
        return source(group)

    @display(description="Rights", label={"Privileged": "warning"})  # type: ignore[untyped-decorator]
    def special(self, group: Group) -> str:
        """Return whether its members have special rights."""
        return "Privileged" if group.privileged else ""

    @admin.display(description="Comes from")
    def whose(self, group: Group) -> SafeString | str:
        """Return whose group it is, and where it is changed."""
        if group.owner_id:
            message = "{}. Change the group there: the next import brings it here, and would undo a change made here."
        elif group.pushed_by:
            message = "{}. Change the group there: the application keeps it up to date here."
        else:
            return source(group)
        return format_html(message, source(group))

    def get_changeform_datasets(self, request: HttpRequest) -> list[type[BaseDataset]]:
        """Show the members of an existing group."""
        exists = request.resolver_match and "object_id" in request.resolver_match.kwargs
        return [Members] if exists else []

    def get_fieldsets(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """Offer names to add, and directories, where that may be done and there are any."""
        fields = ["name", "description", *(["whose"] if obj else [])]
        if self.has_change_permission(request, obj):
            fields += ["add_members", "add_people", "add_groups", *(["directories"] if takers().exists() else [])]
        return [(None, {"fields": [*fields, *(["panel"] if obj else [])]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> list[str]:
        """Show whose it is, and what is around it."""
        return ["whose", "panel"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave groups alone that somebody else keeps: their next word would undo it."""
        return super().has_change_permission(request, obj) and (not isinstance(obj, Group) or obj.is_ours)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The same for deleting."""
        return super().has_delete_permission(request, obj) and (not isinstance(obj, Group) or obj.is_ours)

    def save_model(self, request: HttpRequest, obj: Group, form: forms.ModelForm[Group], change: bool) -> None:
        """Save the group, where it goes, and add the names and groups."""
        actor, given = request.user.get_username(), form.cleaned_data
        services.save_group(obj, actor, self._directories(obj, given))
        chosen = {user.pk for user in given.get("add_members", ())}
        pasted = given.get("add_people")
        wanted = chosen | set(pasted.ids if pasted else ())
        if wanted:
            count = services.add_members(obj, wanted, actor)
            already = len(wanted) - count
            rest = f", {already:,} {'was a member' if already == 1 else 'were members'} already" if already else ""
            messages.info(request, f"{people(count)} added to {obj.name}{rest}.")
        for group in given.get("add_groups", ()):
            if services.nest_group(obj, group, actor):
                messages.info(request, f"The group {group.name} was added to {obj.name}.")

    def _directories(self, obj: Group, given: dict[str, Any]) -> list[int] | None:
        """Return what the form says, and the directories that it does not list as they were."""
        if "directories" not in given:
            return None
        return [*(directory.pk for directory in given["directories"]), *kept_besides(obj)]

    def save_related(self, request: HttpRequest, form: forms.ModelForm[Group], formsets: Any, change: bool) -> None:
        """Nothing is left to save: the directories went with the group."""

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        """Delete the group and let directories know."""
        services.delete_groups([obj.pk], request.user.get_username())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        """Delete the groups of a list and let directories know."""
        services.delete_groups(queryset.values_list("pk", flat=True), request.user.get_username())

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Say how many members a group has instead of listing them; nobody is deleted with it."""
        lines, protected = [], []
        for group in objs:
            lines.append(f"{group.name}, with {people(group.memberships.count())}. The users stay.")
            if not group.is_ours:
                protected.append(f"{group.name} belongs to {source(group)}")
        allowed = self.has_delete_permission(request)
        return lines, {"groups": len(lines)}, set() if allowed else {"group"}, protected


def source(group: Group) -> str:
    """Return where a group comes from."""
    return group.owner.name if group.owner else group.pushed_by or "This portal"


def kept_besides(group: Group) -> list[int]:
    """Return the directories that the group is chosen for and that are not among those to choose from now."""
    return list(group.directories.exclude(pk__in=takers()).values_list("pk", flat=True)) if group.pk else []


def takers() -> QuerySet[Directory]:
    """Return the directories that get the groups chosen for them."""
    return Directory.objects.filter(
        provisioning__sync_groups=True, provisioning__push_groups=PushGroups.CHOSEN
    ).order_by("name")
