"""The users list: its columns, search, filters and order, at any number of users."""

from typing import Any, cast

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from provisioning import reach
from provisioning.admin.gone import GoneIsNotFound
from provisioning.admin.users import filters, search
from provisioning.models import Account, AttributeDefinition, User
from provisioning.models.accounts import AccountState, LastResult
from reports.paging import CappedPaginator

LISTED = (
    *("id", "username", "username_key", "email", "first_name", "last_name", "display_name", "department", "title"),
    *("is_active", "is_staff", "provisioned"),
)
BLANK = format_html('<span class="rc-blank">{}</span>', "–")  # left out where a narrow screen shows it as a line
COLOURS = {"Active": "success", "Inactive": "danger"}


class UserList(GoneIsNotFound):
    """The list half of the users' admin."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would count the table
    list_per_page = 50
    list_display = ("name", "user_name", "address", "in_department", "job", "state", "in_directories")
    list_display_links = ("name", "user_name")
    sortable_by = ("name", "user_name", "address")
    list_filter_submit = True
    ordering = ("username_key",)
    search_fields = ("username_key",)  # turns the box on; see get_search_results
    search_help_text = search.HELP

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Read whole users, those whom the actor sees: the list and the autocomplete narrow it down themselves."""
        return reach.people(request.user, reach.SEE).order_by("username_key")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Call the page by what it shows."""
        return super().changelist_view(request, {"title": "Users", **(extra_context or {})})

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Take no filter from the address but those of the list: others ask who is a superuser, or for a password."""
        return lookup in {entry.parameter_name for entry in self.get_list_filter(request)} if request else False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Read only what the list shows, and the accounts of the page in one query."""
        changelist: Any = super().get_changelist_instance(request)
        accounts = Account.objects.select_related("directory").only(
            "user_id", "state", "last_result", "directory__name"
        )
        if filters.AccountFilter.parameter_name in request.GET:  # whoever asked for accounts goes on to them
            page = changelist.url_for_result
            changelist.url_for_result = lambda user: f"{page(user)}#accounts"
        shown = changelist.result_list
        if isinstance(shown, QuerySet):
            changelist.result_list = shown.only(*LISTED).prefetch_related(
                Prefetch("accounts", accounts.order_by("directory__name"), to_attr="listed_accounts")
            )
        return changelist

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Search by any part of a name or number; no row comes twice."""
        return search.search(queryset, search_term), False

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Add a filter for each custom profile attribute."""
        fixed = [
            filters.StateFilter,
            filters.DirectoryFilter,
            filters.AccountFilter,
            filters.ContractsFilter,
            filters.DepartmentFilter,
            filters.GroupFilter,
        ]
        if not request.user.has_perm(reach.SEE):  # these two list departments and groups, whoever is in them
            fixed = [one for one in fixed if one not in {filters.DepartmentFilter, filters.GroupFilter}]
        if not hasattr(request, "_attribute_filters"):
            request._attribute_filters = [  # type: ignore[attr-defined]
                filters.attribute_filter(definition) for definition in definitions(request)
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
    def address(self, user: User) -> str | SafeString:
        """Return the address; it sorts in the same way."""
        return user.email or BLANK

    @display(description="Department")  # type: ignore[untyped-decorator]
    def in_department(self, user: User) -> str | SafeString:
        """Return the department."""
        return user.department or BLANK

    @display(description="Title")  # type: ignore[untyped-decorator]
    def job(self, user: User) -> str | SafeString:
        """Return the title."""
        return user.title or BLANK

    @display(description="State", label=COLOURS)  # type: ignore[untyped-decorator]
    def state(self, user: User) -> str:
        """Return active or not."""
        return "Active" if user.is_active else "Inactive"

    @display(description="Directories")  # type: ignore[untyped-decorator]
    def in_directories(self, user: User) -> str | SafeString:
        """Name the directories of the user, with what is wrong there."""
        labels = [_account_label(account, user) for account in cast(Any, user).listed_accounts]
        return format_html("<br>".join(["{}"] * len(labels)), *labels) if labels else BLANK


def definitions(request: HttpRequest) -> list[AttributeDefinition]:
    """Return the custom profile attributes, read once a request."""
    if not hasattr(request, "_attribute_definitions"):
        request._attribute_definitions = list(AttributeDefinition.objects.all())  # type: ignore[attr-defined]
    return request._attribute_definitions  # type: ignore[attr-defined, no-any-return]


def _account_label(account: Account, user: User) -> str | SafeString:
    if account.state == AccountState.ACTIVE and not user.is_active:
        return format_html('<strong class="rc-wrong">{}: still open</strong>', account.directory.name)
    if account.last_result == LastResult.PARKED:
        return format_html('<strong class="rc-wrong">{}: needs attention</strong>', account.directory.name)
    return (
        account.directory.name
        if account.state == AccountState.ACTIVE
        else f"{account.directory.name}: {account.get_state_display().lower()}"
    )
