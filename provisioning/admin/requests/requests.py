"""Requests as the helpdesk sees them: the list, one with its steps, and ending it; and substitutes."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from provisioning.admin.gone import GoneIsNotFound
from provisioning.admin.kept_by_portal import KeptByPortal
from provisioning.requests import catalogue, progress, services, substitutes
from provisioning.requests.models import ProductRequest, RequestState, StepState, Substitute
from provisioning.rules.models import Holding
from reports.paging import CappedPaginator

INFO = "requests_productrequest"
COLOURS = {
    "Waiting for approval": "warning",
    "Approved": "success",
    "Refused": "danger",
    "Cannot be given any more": "danger",
}


@admin.register(ProductRequest)
class RequestAdmin(GoneIsNotFound, KeptByPortal, ModelAdmin):  # type: ignore[misc]
    """Requests, the newest first; people ask under /my/, also for others."""

    list_display = ("what", "whom", "asker", "shown_state", "waits_for", "asked_at")
    list_filter = ("state", "renews")
    search_fields = ("person__username_key__startswith", "product_name__istartswith")
    search_help_text = "Beginning of the user name or of the product"
    list_per_page = 50
    paginator = CappedPaginator
    show_full_result_count = False
    ordering = ("-pk",)
    when_empty = "Nobody has asked for anything yet. People ask for products under /my/."
    list_before_template = "provisioning/requests/before.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read the steps with each; only those of one product where that is asked."""
        return super().get_queryset(request).prefetch_related("steps")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Lists of one product are linked to."""
        return lookup == "product" or super().lookup_allowed(lookup, value, request)

    def get_urls(self) -> list[URLPattern]:
        """Add ending a request."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/end/", wrap(require_POST(self.end)), name=f"{INFO}_end"),
            *super().get_urls(),
        ]

    def get_actions(self, request: HttpRequest) -> Any:
        """Requests are ended one by one."""
        return {}

    @display(description="Product")  # type: ignore[untyped-decorator]
    def what(self, one: ProductRequest) -> str:
        """Name the product."""
        return one.product_name

    @display(description="For")  # type: ignore[untyped-decorator]
    def whom(self, one: ProductRequest) -> str:
        """Name the person."""
        return one.person_name

    @display(description="Asked for by")  # type: ignore[untyped-decorator]
    def asker(self, one: ProductRequest) -> str:
        """Name who asked."""
        return one.asked_by_name

    @display(description="State", label=COLOURS)  # type: ignore[untyped-decorator]
    def shown_state(self, one: ProductRequest) -> str:
        """Say where it is."""
        return one.get_state_display()

    @display(description="Waits for")  # type: ignore[untyped-decorator]
    def waits_for(self, one: ProductRequest) -> str:
        """Say who is asked."""
        return next((step.said for step in one.steps.all() if step.state == StepState.OPEN), "")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one request."""
        one = self._request(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(one),
            "one": one,
            "steps": one.steps.order_by("position"),
            "progress": progress.words_of([one])[one.pk],
            "may_end": self.has_change_permission(request, one)
            and one.state in (RequestState.WAITING, RequestState.GRANTED),
        }
        return render(request, "provisioning/requests/request.html", context)

    def end(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Withdraw what waits, or give back what was approved."""
        one = self._request(request, str(pk))
        if not self.has_change_permission(request, one):
            raise PermissionDenied
        user: Any = request.user
        try:
            if one.state == RequestState.WAITING:
                services.withdraw(one, user)
                messages.success(request, "The request is withdrawn.")
            elif held := _held(one):
                services.give_back(held, user)
                messages.success(request, "It was given back. What it gave is taken away now.")
        except services.AskRefused as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse(f"admin:{INFO}_change", args=[one.pk]))

    def _request(self, request: HttpRequest, object_id: str) -> ProductRequest:
        rows = ProductRequest.objects.select_related("person", "product__rule").defer("product__picture")
        one = rows.filter(pk=object_id).first() if object_id.isdecimal() else None
        if one is None:
            raise Http404("There is no such request.")
        if not self.has_view_permission(request, one):
            raise PermissionDenied
        return one


def _held(one: ProductRequest) -> Holding | None:
    rows = catalogue.current().filter(rule=one.product_id, user=one.person_id)
    return rows.select_related("user", "rule").first()


@admin.register(Substitute)
class SubstituteAdmin(GoneIsNotFound, ModelAdmin):  # type: ignore[misc]
    """Who decides instead of whom; people name their own under /my/."""

    list_display = ("user", "substitute", "starts", "ends")
    list_select_related = ("user", "substitute")
    autocomplete_fields = ("user", "substitute")
    search_fields = ("user__username_key__startswith", "substitute__username_key__startswith")
    search_help_text = "Beginning of a user name"
    when_empty = "Nobody has named a substitute yet."

    def save_model(self, request: HttpRequest, obj: Substitute, form: Any, change: bool) -> None:
        """Save it, with its lines."""
        substitutes.save(obj, request.user.get_username())

    def delete_model(self, request: HttpRequest, obj: Substitute) -> None:
        """Delete it, with its lines."""
        substitutes.remove(obj, request.user.get_username())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Substitute]) -> None:
        """Delete each."""
        for one in queryset.select_related("user", "substitute"):
            self.delete_model(request, one)
