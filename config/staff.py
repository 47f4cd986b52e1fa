"""The page of those who may sign in to the portal, and how somebody becomes one of them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from config import one_time_links
from config.models import Role, Staff
from config.roles import granting
from config.second_factor import held
from config.signin import policy
from provisioning import services
from provisioning.admin import protection
from provisioning.admin.users import search
from provisioning.models import Grant, User
from provisioning.models.people import fold
from provisioning.roles import ABOUT
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result
from reports.paging import CappedPaginator

SUPERUSER = "superuser"
STATES = {"Active": "success", "No password yet": "warning", "Inactive": "danger", "May not sign in": "danger"}


class NewStaffForm(forms.ModelForm[User]):
    """Who the new member of staff is, and what they may do."""

    role = forms.ChoiceField(label="Role", widget=UnfoldAdminRadioSelectWidget())

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email")
        widgets = {
            "username": UnfoldAdminTextInputWidget(attrs={"autofocus": "", "autocomplete": "off"}),
            "first_name": UnfoldAdminTextInputWidget(),
            "last_name": UnfoldAdminTextInputWidget(),
            "email": UnfoldAdminEmailInputWidget(),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roles = list(Role.objects.all())
        role = self.fields["role"]
        assert isinstance(role, forms.ChoiceField)
        role.choices = [*((str(one.pk), one.name) for one in roles), (SUPERUSER, "Superuser")]
        about = [(one.name, ABOUT.get(one.name, "")) for one in roles]
        about.append(("Superuser", "Everything, also the rights of others."))
        role.help_text = format_html_join(SafeString("<br>"), "{}: {}", [pair for pair in about if pair[1]])

    def clean_username(self) -> str:
        """Refuse a name that somebody has; they are made staff on their own page."""
        username: str = self.cleaned_data["username"]
        if User.objects.filter(username_key=fold(username)).exists():
            raise ValidationError(
                f"{username} is on the roll already. Open their page under Users and switch on May sign in there."
            )
        return username

    @transaction.atomic
    def create(self, actor: str) -> User:
        """Make the person, without a password and without accounts in directories."""
        user: User = self.save(commit=False)
        user.is_staff, user.provisioned = True, False
        user.is_superuser = self.cleaned_data["role"] == SUPERUSER
        user.set_unusable_password()
        services.save_user(user, actor)
        if not user.is_superuser:
            services.set_roles(user, Role.objects.filter(pk=self.cleaned_data["role"]), actor)
        return user


@admin.register(Staff)
class StaffAdmin(ModelAdmin):  # type: ignore[misc]
    """Everybody who may sign in or is a superuser. Their own page is the one under Users."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_display = ("name", "user_name", "role", "superuser", "second_factor", "last_sign_in", "state")
    list_display_links = None
    sortable_by = ("name", "user_name", "last_sign_in")
    list_per_page = 50
    ordering = ("username_key",)
    actions = None
    search_fields = ("username_key",)  # turns the box on; see get_search_results
    search_help_text = search.HELP

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read the staff with their roles; a partial index lists them."""
        return held.marked(Staff.objects.filter(Q(is_staff=True) | Q(is_superuser=True))).prefetch_related(
            Prefetch("grants", Grant.objects.current().select_related("role"), to_attr="held_roles")
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search as the users list does."""
        return search.search(queryset, search_term), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Take no filter from the address: the page has none."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Show it to those who may see roles."""
        return bool(request.user.has_perm("portal.view_role"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The same."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only superusers give rights."""
        return protection.is_superuser(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People are changed on their own page."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The same."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """The list, the form of a new one, and the page with the one-time link."""
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="portal_staff_changelist"),
            path("add/", view(never_cache(self.add_view)), name="portal_staff_add"),
            path("<int:object_id>/link/", view(never_cache(self.link_view)), name="portal_staff_link"),
            path(
                "<int:object_id>/second-factor/",
                view(never_cache(self.second_factor_view)),
                name="portal_staff_second_factor",
            ),
            path("<int:object_id>/roles/", view(never_cache(self.roles_view)), name="portal_staff_roles"),
            path(
                "<int:object_id>/roles/<int:grant_id>/take/",
                view(require_POST(self.role_take_view)),
                name="portal_staff_role_take",
            ),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Call the page by what it shows."""
        response: HttpResponse = super().changelist_view(request, {"title": "Staff", **(extra_context or {})})
        return response

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask who it is, and then show the link for them."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewStaffForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            return self._new_link(request, form.create(request.user.get_username()))
        return self._page(request, "add", title="Add staff member", form=form)

    def link_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Make another link for somebody who has lost it, or has forgotten the password."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        user = get_object_or_404(User, pk=object_id)
        if not policy.may_sign_in(user):
            raise Http404("This person may not sign in.")
        if request.method == "POST":
            return self._new_link(request, user)
        return self._page(request, "link", title="One-time link", person=user)

    def roles_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show which roles somebody has, and give one with an end and a reason."""
        may_give = self.has_add_permission(request)
        if not self.has_view_permission(request) or (request.method == "POST" and not may_give):
            raise PermissionDenied
        user = get_object_or_404(User, pk=object_id)
        form = granting.GrantForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            given = services.give_role(user, actor=request.user.get_username(), **form.given)
            messages.success(request, f"{user} has the role {given}.")
            return HttpResponseRedirect(reverse("admin:portal_staff_roles", args=[user.pk]))
        context = {
            "person": user,
            "rows": granting.of(user),
            "form": form if may_give else None,
            "media": self.media + form.media,
        }
        return self._page(request, "roles", title=f"Roles of {user}", **context)

    def role_take_view(self, request: HttpRequest, object_id: int, grant_id: int) -> HttpResponse:
        """Take one role away that comes from one place."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        grant = get_object_or_404(Grant.objects.select_related("user", "role"), pk=grant_id, user=object_id)
        services.take_role(grant, request.user.get_username())
        messages.success(request, f"{grant.user} has the role {grant} no more.")
        return HttpResponseRedirect(reverse("admin:portal_staff_roles", args=[object_id]))

    def second_factor_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Take the second factors of somebody away who lost theirs; also of people who are not staff."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        user = get_object_or_404(User, pk=object_id)
        if request.method == "POST":
            self._take_away(request, user)
            return HttpResponseRedirect(reverse("admin:portal_staff_changelist"))
        return self._page(request, "second_factor", title="Second factor", person=user, has_one=held.has_one(user))

    def _take_away(self, request: HttpRequest, user: User) -> None:
        actor = request.user.get_username()
        with transaction.atomic():
            number = held.take_away(user)
            words = f"{actor} took the second factor of {user} away, and ended their sessions."
            line = Line(
                identifier=user.username,
                application="",
                direction=Direction.PORTAL,
                operation=Operation.SIGN_IN,
                result=Result.SUCCESS,
                message=words,
                actor=actor,
                user_id=user.pk,
            )
            record(line)
            evidence.changed(f"second factor {user.pk}", {"taken away": number}, words, actor)
        messages.success(request, f"{user} has no second factor now, and is signed out everywhere.")

    def _new_link(self, request: HttpRequest, user: User) -> HttpResponse:
        actor = request.user.get_username()
        with transaction.atomic():
            link = request.build_absolute_uri(one_time_links.make(user, actor))
            message = f"{actor} made a one-time link with which {user} chooses a portal password."
            line = Line(
                identifier=user.username,
                application="",
                direction=Direction.PORTAL,
                operation=Operation.PASSWORD,
                result=Result.SUCCESS,
                message=message,
                actor=actor,
                user_id=user.pk,
            )
            record(line)
        return self._page(request, "link", title="One-time link", person=user, link=link)

    def _page(self, request: HttpRequest, name: str, **context: Any) -> TemplateResponse:
        everywhere = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, f"admin/portal/staff/{name}.html", {**everywhere, **context})

    @display(description="Name", ordering="last_name_key")  # type: ignore[untyped-decorator]
    def name(self, user: Staff) -> SafeString:
        """Return the name, which leads to the person's page."""
        address = reverse("admin:provisioning_user_change", args=[user.pk])
        return format_html('<a class="text-link" href="{}">{}</a>', address, user.get_full_name())

    @display(description="User name", ordering="username_key")  # type: ignore[untyped-decorator]
    def user_name(self, user: Staff) -> str:
        """Return the user name."""
        return user.username

    @display(description="Role")  # type: ignore[untyped-decorator]
    def role(self, user: Any) -> SafeString:
        """Name the roles, each with its end and where it comes from; they lead to the page that gives more."""
        roles = ", ".join(sorted(str(grant) for grant in user.held_roles))
        words = roles or ("Everything" if user.is_superuser else "No role")
        address = reverse("admin:portal_staff_roles", args=[user.pk])
        return format_html('<a class="text-link" href="{}">{}</a>', address, words)

    @display(description="Superuser", label={"Superuser": "danger"})  # type: ignore[untyped-decorator]
    def superuser(self, user: Staff) -> str | None:
        """Mark those who may do everything."""
        return "Superuser" if user.is_superuser else None

    @display(description="Second factor")  # type: ignore[untyped-decorator]
    def second_factor(self, user: Any) -> SafeString:
        """Say whether there is one, with the page on which superusers take it away."""
        address = reverse("admin:portal_staff_second_factor", args=[user.pk])
        return format_html('<a class="text-link" href="{}">{}</a>', address, "Yes" if user.has_second_factor else "No")

    @display(description="Last sign-in", ordering="last_login")  # type: ignore[untyped-decorator]
    def last_sign_in(self, user: Staff) -> str:
        """Return when they were here last."""
        return date_format(timezone.localtime(user.last_login), "DATETIME_FORMAT") if user.last_login else "Never"

    @display(description="State", label=STATES)  # type: ignore[untyped-decorator]
    def state(self, user: Staff) -> str:
        """Return whether they can sign in, and else why not."""
        if not user.is_active:
            return "Inactive"
        if not user.is_staff:
            return "May not sign in"
        return "Active" if user.has_usable_password() else "No password yet"
