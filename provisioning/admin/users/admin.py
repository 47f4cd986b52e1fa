"""The users list and the user page."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from provisioning import reach, services
from provisioning.admin import protection
from provisioning.admin.fields import PREFIX, shown
from provisioning.admin.receipts.switch import LeaverSwitch
from provisioning.admin.users.accounts import AccountsPanel
from provisioning.admin.users.actions import UserActions, say_left_open, say_provisioned
from provisioning.admin.users.contracts import ContractsPanel
from provisioning.admin.users.duplicates import UserDuplicates
from provisioning.admin.users.files import UserFiles
from provisioning.admin.users.form import UserForm, form_for, roles_of
from provisioning.admin.users.gone import GonePage
from provisioning.admin.users.groups import GroupsPanel
from provisioning.admin.users.history import UserHistory
from provisioning.admin.users.list import UserList, definitions
from provisioning.admin.users.password import UserPassword
from provisioning.admin.users.person import PersonPage
from provisioning.admin.users.rename import UserRename
from provisioning.admin.users.rules import RulesPanel
from provisioning.admin.users.sources import SourcesPanel
from provisioning.models import User

Fieldsets = list[tuple[str, Any]]
TAB, FOLDED = {"classes": ["tab"]}, {"classes": ["collapse"]}


@admin.register(User)
class UserAdmin(
    UserList,
    UserFiles,
    UserDuplicates,
    UserActions,
    LeaverSwitch,
    GonePage,
    PersonPage,
    AccountsPanel,
    ContractsPanel,
    RulesPanel,
    SourcesPanel,
    GroupsPanel,
    UserPassword,
    UserRename,
    UserHistory,
    DjangoUserAdmin,  # type: ignore[type-arg]
    ModelAdmin,  # type: ignore[misc]
):
    """Everybody in the portal."""

    form = add_form = UserForm
    fieldsets = None
    add_form_template = None
    autocomplete_fields = ("manager",)
    filter_horizontal = ()
    warn_unsaved_form = True

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> User | None:
        """Give the user its custom profile attributes by the names of their form fields, for the read-only page.

        Raise PermissionDenied for whoever sees nobody at all; to all others, whom they do not see is not there.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        user: User | None = super().get_object(request, object_id, from_field)
        for definition in definitions(request) if user else ():
            setattr(user, PREFIX + definition.name, shown(user.custom_profile.get(definition.name)))  # type: ignore[union-attr]
        return user

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Add the fields of the custom profile attributes."""
        kwargs["form"] = form_for(definitions(request), gives_roles=protection.is_superuser(request.user))
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Put what a new user needs first, the rest on tabs; of a user who is there, all are parts of one page."""
        custom = definitions(request)
        attributes = [PREFIX + definition.name for definition in custom if obj or not definition.required]
        needed = [PREFIX + definition.name for definition in custom if not obj and definition.required]
        tabs: Fieldsets = [
            ("Profile", {"fields": self._profile(obj, needed, self.has_change_permission(request, obj))}),
            ("Work", {"fields": self._work(obj, reach.hidden(request.user))}),
            ("Address", {"fields": ["street_address", ("postal_code", "locality"), ("region", "country")]}),
            ("Attributes", {"fields": [*attributes, "custom_attributes"]}),
        ]
        tabs[2][1]["fields"] += [("locale", "time_zone")]
        if obj:
            tabs.append(("Where values come from", {"fields": ["sources_panel"]}))
        if obj or protection.is_superuser(request.user):
            password = "portal_password" if protection.is_superuser(request.user) else "has_password"
            gives = protection.is_superuser(request.user)
            known = ["roles_panel" if gives else "roles_held", password, "last_login"] if obj else []
            rights = ["is_staff", "is_superuser", *(["groups"] if gives else []), *known]
            tabs.append(("Sign-in & roles", {"fields": rights}))
        if obj:
            return [tabs[0], *((title, {**options, **FOLDED}) for title, options in tabs[1:])]
        return [(title, {**options, **TAB}) for title, options in tabs]

    def _profile(self, obj: User | None, needed: list[str], may_change: bool) -> list[Any]:
        if obj is None:
            return [
                *("username", ("first_name", "last_name"), "email", ("department", "title"), "manager"),
                *(*needed, "display_name", ("phone", "mobile"), "is_active", "provisioned"),
            ]
        names = [("first_name", "last_name"), "display_name", "email", ("phone", "mobile")]
        state = [("is_active", "provisioned"), ("created_at", "updated_at")]
        return ["renaming" if may_change else "username", *names, *state]

    def _work(self, obj: User | None, hidden: frozenset[str]) -> list[Any]:
        manager = [] if "manager" in hidden else ["manager"]
        rest = ["division", "organization", "cost_center", ("employee_number", "employee_type")]
        return ["title", "department", *rest, *manager] if obj else rest

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Never let a user name change, nor rights by anyone but a superuser."""
        fields = [
            "sources_panel",
            "renaming",
            "portal_password",
            "has_password",
            "roles_panel",
            "roles_held",
            "last_login",
            "created_at",
            "updated_at",
        ]
        if obj:
            fields.append("username")  # it has a page of its own
        if not protection.is_superuser(request.user):
            fields += protection.RIGHTS
        elif obj and obj.pk == request.user.pk:
            fields += ["is_active", "is_staff", "is_superuser"]  # nobody locks themselves out
        return fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Show the page to whoever sees anybody, and each person to whoever sees them."""
        if not isinstance(obj, User):
            return reach.has_anywhere(request.user, reach.SEE) or super().has_view_permission(request, obj)
        return reach.extends_to(request.user, reach.SEE, obj) or super().has_view_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Show staff accounts read-only to everyone but superusers; without a person, ask for all of them."""
        if not isinstance(obj, User):
            return super().has_change_permission(request, obj)
        return reach.extends_to(request.user, reach.CHANGE, obj) and protection.may_change(request.user, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Protect staff accounts, and everyone from deleting themselves."""
        return super().has_delete_permission(request, obj) and (
            not isinstance(obj, User) or (protection.may_change(request.user, obj) and obj.pk != request.user.pk)
        )

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Lead to the report, which tells what happened to the user; Django's own log knows only this admin."""
        user = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, user):
            raise PermissionDenied
        return HttpResponseRedirect(f"{reverse('admin:reports_event_changelist')}?user_id={user.pk if user else 0}")

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:
        """Save through the services, so that the report knows who did it; a new user has no portal password."""
        if not change:
            obj.set_unusable_password()
        services.save_user(obj, request.user.get_username())
        if getattr(form, "followed", False):
            messages.info(request, f"The display name followed: {obj.display_name}.")
        if change and "is_active" in form.changed_data and not obj.is_active:
            say_left_open(request, services.left_open([obj.pk]))
        given = {"is_staff", "is_superuser"} & {*form.changed_data}
        if given and obj.may_sign_in:
            say_provisioned(request, obj)
        if given and obj.is_staff and obj.is_active and not obj.has_usable_password():
            address = reverse("admin:portal_staff_link", args=[obj.pk])
            message = '{} may sign in now, but has no portal password. <a class="text-link" href="{}">{}</a>.'
            messages.warning(request, format_html(message, obj, address, "Make a link with which they choose one"))

    def save_related(self, request: HttpRequest, form: ModelForm[User], formsets: Any, change: bool) -> None:
        """Save the roles, which only a superuser's form has."""
        if "groups" in form.cleaned_data and protection.is_superuser(request.user):
            services.set_roles(form.instance, roles_of(form), request.user.get_username())

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: str | None = None) -> HttpResponse:
        """Go where the pressed button says; Django's own user page goes on to its second form, which is not needed."""
        return super(DjangoUserAdmin, self).response_add(request, obj, post_url_continue)

    @admin.display(description="Portal password")
    def has_password(self, user: User) -> str:
        """Say whether the user could sign in."""
        return "There is one" if user.has_usable_password() else "None yet"
