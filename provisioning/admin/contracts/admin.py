"""The pages of contracts that were entered by hand, departments as a tree, locations, and the settings."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from directories.attributes import PROFILE_ATTRIBUTES
from provisioning import services
from provisioning.admin.contracts import departments
from provisioning.admin.contracts.settings import settings_page
from provisioning.admin.fields import ParsedField, offer_stored, time_zone_widget
from provisioning.admin.gone import GoneIsNotFound
from provisioning.admin.kept_by_portal import KeptByPortal
from provisioning.contracts import services as contracts
from provisioning.contracts.models import Contract, Department, Location, PrimaryOrder
from reports.paging import CappedPaginator

TIME_ZONE = next(one for one in PROFILE_ATTRIBUTES if one.name == "time_zone")
OF_SOURCE = "This comes from {source}, which decides what is in it."


def settle(request: HttpRequest, people: set[int]) -> None:
    """After the transaction: bring what follows from the contracts of these people up to date, and say what did."""

    def now() -> None:
        for done in services.settle_contracts(request.user.get_username(), only=people):
            address = reverse("admin:provisioning_importrun_change", args=[done.run.pk])
            words = '{} <a class="text-link" href="{}">What was changed</a>.'
            messages.info(request, format_html(words, done.words, address))

    transaction.on_commit(now)


class ContractForm(forms.ModelForm[Contract]):
    """One contract that the portal keeps."""

    class Meta:
        model = Contract
        fields = "__all__"  # noqa: DJ007 - the page lists its fields

    def clean(self) -> dict[str, Any]:
        """Refuse a contract that ends before it begins, and a person who would manage themselves."""
        data = super().clean() or self.cleaned_data
        starts, ends = data.get("starts"), data.get("ends")
        if starts and ends and ends < starts:
            self.add_error("ends", "The last day is before the first. Correct one of them.")
        if data.get("manager") and data.get("manager") == (data.get("user") or self.instance.user):
            self.add_error("manager", "Nobody is their own manager.")
        return data


@admin.register(Contract)
class ContractAdmin(GoneIsNotFound, ModelAdmin):  # type: ignore[misc]
    """Contracts. Those of a source are only looked at; the user page has all of a person."""

    form = ContractForm
    list_display = ("external_id", "who", "source", "starts", "ends", "title", "department")
    list_select_related = ("account__user", "account__directory", "user", "department")
    list_per_page = 50
    ordering = ("pk",)
    paginator = CappedPaginator
    show_full_result_count = False
    search_fields = ("external_id__startswith",)
    search_help_text = "Beginning of the contract's number"
    autocomplete_fields = ("user", "department", "location", "manager")
    when_empty = "No contract yet. They come from a source, or are added on the page of a user."
    fields = (
        "user",
        "external_id",
        ("starts", "ends"),
        ("title", "department"),
        ("fte", "hours"),
        ("percentage", "sequence"),
        ("type", "employer"),
        ("team", "location"),
        ("cost_centre", "division"),
        "manager",
    )
    warn_unsaved_form = True

    @display(description="User")  # type: ignore[untyped-decorator]
    def who(self, contract: Contract) -> str:
        """Whose it is."""
        return str(contract.user or (contract.account.user if contract.account else "") or "Nobody")

    @display(description="Source")  # type: ignore[untyped-decorator]
    def source(self, contract: Contract) -> str:
        """Who decides about it."""
        return contract.account.directory.name if contract.account else "The portal"

    def get_readonly_fields(self, request: HttpRequest, obj: Contract | None = None) -> list[str]:
        """Keep whose it is."""
        return ["user"] if obj else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only what was entered by hand is changed by hand."""
        mine = not isinstance(obj, Contract) or obj.account_id is None
        return bool(super().has_change_permission(request, obj) and mine)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only what was entered by hand is deleted by hand."""
        mine = not isinstance(obj, Contract) or obj.account_id is None
        return bool(super().has_delete_permission(request, obj) and mine)

    def get_actions(self, request: HttpRequest) -> Any:
        """Contracts are deleted one by one: each says what follows."""
        return {}

    def save_model(self, request: HttpRequest, obj: Contract, form: Any, change: bool) -> None:
        """Write it, and act on what follows."""
        settle(request, contracts.save_contract(obj, request.user.get_username()))

    def delete_model(self, request: HttpRequest, obj: Contract) -> None:
        """Take it away, and act on what follows: it counts as one that ended."""
        settle(request, contracts.delete_contracts([obj], request.user.get_username()))

    def response_post_save_add(self, request: HttpRequest, obj: Contract) -> HttpResponseRedirect:
        """Go back to the user."""
        return _to_user(obj)

    def response_post_save_change(self, request: HttpRequest, obj: Contract) -> HttpResponseRedirect:
        """Go back to the user."""
        return _to_user(obj)


class DepartmentForm(forms.ModelForm[Department]):
    """One department of the portal."""

    class Meta:
        model = Department
        fields: ClassVar[list[str]] = ["external_id", "name", "code", "parent", "manager"]
        help_texts: ClassVar[dict[str, str]] = {
            "manager": "Manages everybody whose contract is here or below and names no manager.",
        }

    def clean(self) -> dict[str, Any]:
        """Refuse a department that would be below itself, by name."""
        data = super().clean() or self.cleaned_data
        parent = data.get("parent")
        problem = contracts.problem_of_place(self.instance, parent.pk if parent else None)
        if problem:
            self.add_error("parent", ValidationError(problem))
        return data


@admin.register(Department)
class DepartmentAdmin(GoneIsNotFound, ModelAdmin):  # type: ignore[misc]
    """Departments as a tree. Of those of a source only the head can be chosen here."""

    form = DepartmentForm
    fields = ("external_id", "name", "code", "parent", "manager", "manager_ref")
    search_fields = ("name__icontains", "external_id__startswith")
    autocomplete_fields = ("parent", "manager")
    warn_unsaved_form = True

    def get_readonly_fields(self, request: HttpRequest, obj: Department | None = None) -> list[str]:
        """Let the source decide what comes from there."""
        return ["external_id", "name", "code", "parent", "manager_ref"] if obj and obj.source_id else ["manager_ref"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Those of a source come again."""
        mine = not isinstance(obj, Department) or obj.source_id is None
        return bool(super().has_delete_permission(request, obj) and mine)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the tree, or what a search finds, each with its way from the top."""
        if request.GET.get("_popup") or request.GET.get("_to_field"):
            return super().changelist_view(request, extra_context)
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Departments",
            "opts": self.opts,
            "may_add": self.has_add_permission(request),
            **departments.page(request.GET),
        }
        return render(request, "provisioning/contracts/departments.html", context)

    def save_model(self, request: HttpRequest, obj: Department, form: Any, change: bool) -> None:
        """Write it; who is below follows within a minute."""
        contracts.save_department(obj, request.user.get_username())

    def delete_model(self, request: HttpRequest, obj: Department) -> None:
        """Remove it."""
        contracts.remove_department(obj, request.user.get_username())

    def get_actions(self, request: HttpRequest) -> Any:
        """The tree is no list to choose from."""
        return {}


class LocationForm(forms.ModelForm[Location]):
    """One location."""

    time_zone = ParsedField(TIME_ZONE, required=False, widget=time_zone_widget())

    class Meta:
        model = Location
        fields: ClassVar[list[str]] = ["source", "external_id", "name", "time_zone"]
        help_texts: ClassVar[dict[str, str]] = {
            "external_id": "Left blank, it counts for all contracts of the source that name no location.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("time_zone")
        if isinstance(field, ParsedField):
            offer_stored(field, self.instance.time_zone)

    def clean_time_zone(self) -> str:
        """Keep a blank as a text."""
        return self.cleaned_data["time_zone"] or ""


@admin.register(Location)
class LocationAdmin(GoneIsNotFound, ModelAdmin):  # type: ignore[misc]
    """Places of work, whose time zones decide when contracts begin and end."""

    form = LocationForm
    list_display = ("name", "external_id", "source", "time_zone")
    list_select_related = ("source",)
    search_fields = ("name__icontains", "external_id__startswith")
    fields = ("source", "external_id", "name", "time_zone")
    when_empty = "No location yet. Without one the time zone of the user decides, and else that of the portal."

    def save_model(self, request: HttpRequest, obj: Location, form: Any, change: bool) -> None:
        """Write it; whose contracts are there follow within a minute."""
        contracts.save_location(obj, request.user.get_username())

    def delete_model(self, request: HttpRequest, obj: Location) -> None:
        """Remove it."""
        contracts.delete_location(obj, request.user.get_username())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Location]) -> None:
        """Remove each."""
        for location in queryset:
            contracts.delete_location(location, request.user.get_username())


@admin.register(PrimaryOrder)
class SettingsAdmin(KeptByPortal, ModelAdmin):  # type: ignore[misc]
    """The one page of the order of contracts and of what follows the primary one."""

    def get_actions(self, request: HttpRequest) -> Any:
        """The page is no list."""
        return {}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the settings; a POST saves them, or shows what they would come to."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        may_change = self.has_change_permission(request)
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        return settings_page(request, self.admin_site.each_context(request), may_change)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """Lead to the page: a step has none of its own."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:contracts_primaryorder_changelist"))


def _to_user(contract: Contract) -> HttpResponseRedirect:
    address = reverse("admin:provisioning_user_change", args=[contract.user_id])
    return HttpResponseRedirect(f"{address}#contracts")
