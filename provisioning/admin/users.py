"""The users list and the user page."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm

from provisioning import roll
from provisioning.admin import protection, user_filters, user_search
from provisioning.admin.fields import PREFIX
from provisioning.admin.user_accounts import AccountsPanel
from provisioning.admin.user_actions import UserActions
from provisioning.admin.user_files import UserFiles
from provisioning.admin.user_form import UserForm, form_for
from provisioning.models import Account, AttributeDefinition, User
from provisioning.models.accounts import AccountState, LastResult
from reports.paging import CappedPaginator

Fieldsets = list[tuple[str, Any]]
TAB = {"classes": ["tab"]}
LISTED = (
    *("id", "username", "username_key", "email", "first_name", "last_name", "display_name", "department", "title"),
    *("is_active", "is_staff", "provisioned"),
)
COLOURS = {"Active": "success", "Inactive": "danger"}


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[misc]
    """Sets a portal password; only superusers get to see it."""


@admin.register(User)
class UserAdmin(UserFiles, UserActions, AccountsPanel, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    """Everybody on the roll."""

    form = add_form = UserForm
    change_password_form = PasswordForm
    add_form_template = None
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would count the table
    list_per_page = 50
    list_display = ("name", "user_name", "address", "department", "title", "state", "in_directories")
    list_display_links = ("name", "user_name")
    sortable_by = ("name", "user_name", "address")
    list_filter_submit = True
    ordering = ("username_key",)
    search_fields = ("username_key",)  # turns the box on; see get_search_results
    search_help_text = user_search.HELP
    autocomplete_fields = ("manager",)
    filter_horizontal = ()
    warn_unsaved_form = True

    # --- the list ----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Read whole users: the list and the autocomplete narrow it down themselves."""
        return User.objects.order_by("username_key")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Call the page by what it shows."""
        return super().changelist_view(request, {"title": "Users", **(extra_context or {})})

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Read only what the list shows, and the accounts of the page in one query."""
        changelist = super().get_changelist_instance(request)
        accounts = Account.objects.select_related("directory").only(
            "user_id", "state", "last_result", "directory__name"
        )
        shown = changelist.result_list
        if isinstance(shown, QuerySet):
            changelist.result_list = shown.only(*LISTED).prefetch_related(
                Prefetch("accounts", accounts.order_by("directory__name"), to_attr="listed_accounts")
            )
        return changelist

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Search by beginnings; no row comes twice."""
        return user_search.search(queryset, search_term), False

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Add a filter for each custom profile attribute."""
        fixed = [
            user_filters.StateFilter,
            user_filters.DirectoryFilter,
            user_filters.AccountFilter,
            user_filters.DepartmentFilter,
            user_filters.GroupFilter,
        ]
        if not hasattr(request, "_attribute_filters"):
            request._attribute_filters = [  # type: ignore[attr-defined]
                user_filters.attribute_filter(definition) for definition in _definitions(request)
            ]
        return [*fixed, *request._attribute_filters]  # type: ignore[attr-defined]

    @display(description="Name", ordering="last_name_key")  # type: ignore[untyped-decorator]
    def name(self, user: User) -> str:
        """Return the name as people say it."""
        return user.get_full_name()

    @display(description="User name", ordering="username_key")  # type: ignore[untyped-decorator]
    def user_name(self, user: User) -> str:
        """Return the user name; it sorts by its folded copy, which is indexed."""
        return user.username

    @display(description="E-mail", ordering="email_key")  # type: ignore[untyped-decorator]
    def address(self, user: User) -> str:
        """Return the address; it sorts in the same way."""
        return user.email

    @display(description="State", label=COLOURS)  # type: ignore[untyped-decorator]
    def state(self, user: User) -> str:
        """Return active or not."""
        return "Active" if user.is_active else "Inactive"

    @display(description="Directories")  # type: ignore[untyped-decorator]
    def in_directories(self, user: User) -> str | SafeString:
        """Name the directories of the user, with what is wrong there."""
        words = [_account_words(account) for account in cast(Any, user).listed_accounts]
        return format_html("<br>".join(["{}"] * len(words)), *words) if words else "–"

    # --- the page ----------------------------------------------------------------------------------------------------

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Add the fields of the custom profile attributes."""
        kwargs["form"] = form_for(_definitions(request))
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Put what a new user needs first; everything else has its tab."""
        definitions = _definitions(request)
        attributes = [PREFIX + definition.name for definition in definitions if obj or not definition.required]
        needed = [PREFIX + definition.name for definition in definitions if not obj and definition.required]
        tabs: Fieldsets = [
            ("Profile", {"fields": self._profile(obj, needed)}),
            ("Work", {"fields": self._work(obj)}),
            ("Address", {"fields": ["street_address", ("postal_code", "locality"), ("region", "country")]}),
            ("Attributes", {"fields": [*attributes, "custom_attributes"]}),
        ]
        tabs[2][1]["fields"] += [("locale", "time_zone")]
        if obj:
            tabs.append(("Accounts", {"fields": ["provisioned", "accounts_panel"]}))
        if obj or protection.is_superuser(request.user):
            rights = ["is_staff", "is_superuser", "groups"] + (["portal_password", "last_login"] if obj else [])
            tabs.append(("Sign-in & roles", {"fields": rights}))
        return [(title, {**options, **TAB}) for title, options in tabs]

    def _profile(self, obj: User | None, needed: list[str]) -> list[Any]:
        if obj is None:
            return [
                *("username", ("first_name", "last_name"), "email", ("department", "title"), "manager"),
                *(*needed, "display_name", ("phone", "mobile"), "is_active", "provisioned"),
            ]
        names = ["username", ("first_name", "last_name"), "display_name", "email", ("phone", "mobile"), "is_active"]
        return [*names, ("created_at", "updated_at")]

    def _work(self, obj: User | None) -> list[Any]:
        rest = ["division", "organization", "cost_center", ("employee_number", "employee_type")]
        return ["title", "department", *rest, "manager"] if obj else rest

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Never let a user name change, nor rights by anyone but a superuser."""
        fields = ["accounts_panel", "portal_password", "last_login", "created_at", "updated_at"]
        if obj:
            fields.append("username")
        if not protection.is_superuser(request.user):
            fields += protection.RIGHTS
        elif obj and obj.pk == request.user.pk:
            fields += ["is_active", "is_staff", "is_superuser"]  # nobody locks themselves out
        return fields

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Show staff accounts read-only to everyone but superusers."""
        return super().has_change_permission(request, obj) and (
            not isinstance(obj, User) or protection.may_change(request.user, obj)
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Protect staff accounts, and everyone from deleting themselves."""
        return super().has_delete_permission(request, obj) and (
            not isinstance(obj, User) or (protection.may_change(request.user, obj) and obj.pk != request.user.pk)
        )

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:
        """Save through the roll, so that the report knows who did it; a new user has no portal password."""
        if not change:
            obj.set_unusable_password()
        roll.save_user(obj, request.user.get_username())

    def save_related(self, request: HttpRequest, form: ModelForm[User], formsets: Any, change: bool) -> None:
        """Save the roles, which only a superuser's form has."""
        if "groups" in form.cleaned_data and protection.is_superuser(request.user):
            roll.set_roles(form.instance, form.cleaned_data["groups"], request.user.get_username())

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: str | None = None) -> HttpResponse:
        """Go where the pressed button says; Django's own user page goes on to its second form, which is not needed."""
        return super(DjangoUserAdmin, self).response_add(request, obj, post_url_continue)

    @admin.display(description="Portal password")
    def portal_password(self, user: User) -> str | SafeString:
        """Say whether the user can sign in, with the link that only superusers can follow."""
        words = "Set" if user.has_usable_password() else "None: this person cannot sign in to the portal"
        return format_html('{} · <a class="text-link" href="../password/">Set a password</a> (superusers)', words)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Let only superusers set passwords: a password set today is a way in once its owner becomes staff."""
        if not protection.is_superuser(request.user):
            raise PermissionDenied
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            user = self.get_object(request, unquote(id))
            if user:
                roll.password_set(user, request.user.get_username())
        return response


def _definitions(request: HttpRequest) -> list[AttributeDefinition]:
    """Return the custom profile attributes, read once a request."""
    if not hasattr(request, "_attribute_definitions"):
        request._attribute_definitions = list(AttributeDefinition.objects.all())  # type: ignore[attr-defined]
    return request._attribute_definitions  # type: ignore[attr-defined, no-any-return]


def _account_words(account: Account) -> str:
    if account.last_result == LastResult.PARKED:
        return f"{account.directory.name}: needs attention"
    return (
        account.directory.name
        if account.state == AccountState.ACTIVE
        else f"{account.directory.name}: {account.get_state_display().lower()}"
    )
