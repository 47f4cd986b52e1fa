"""Products: the list, the page of one with the builder of who sees it, and the question before it is removed."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from provisioning.admin.gone import GoneIsNotFound
from provisioning.admin.requests import form
from provisioning.admin.rules import builder, giving
from provisioning.requests import catalogue, products, services
from provisioning.requests.forms import KINDS
from provisioning.requests.models import ApproverKind, Audience, Product
from provisioning.rules import fields

INFO = "requests_product"
FEW = 200  # people who lose something while somebody waits for a page; more of them within a minute
SAVED = "Saved. Whoever has it gets what changed within a minute."


@admin.register(Product)
class ProductAdmin(GoneIsNotFound, ModelAdmin):  # type: ignore[misc]
    """Products, by their category and name."""

    list_display = ("product", "category", "state", "gives", "decided_by")
    list_filter = ("offered", "rule__category")
    search_fields = ("rule__name__icontains", "rule__category__icontains")
    search_help_text = "Part of the name or the category"
    list_select_related = ("rule",)
    list_per_page = 100
    when_empty = "No product yet. A product is what people can ask for under /my/: accounts, groups and values."

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read what each gives, and who decides, with it."""
        held = super().get_queryset(request).defer("picture")
        return held.prefetch_related("rule__entitlements__directory", "rule__entitlements__group", "steps")

    def get_urls(self) -> list[URLPattern]:
        """Add the builder's fragment and the question before removing."""
        wrap = self.admin_site.admin_view
        return [
            path("fragment/", wrap(require_POST(self.fragment)), name=f"{INFO}_fragment"),
            path("<path:object_id>/remove/", wrap(self.remove), name=f"{INFO}_remove"),
            *super().get_urls(),
        ]

    def get_actions(self, request: HttpRequest) -> Any:
        """Products are removed one by one: it asks."""
        return {}

    @display(description="Product")  # type: ignore[untyped-decorator]
    def product(self, product: Product) -> str:
        """Name it."""
        return product.name

    @display(description="Category")  # type: ignore[untyped-decorator]
    def category(self, product: Product) -> str:
        """Say its category."""
        return product.rule.category

    @display(  # type: ignore[untyped-decorator]
        description="State", label={"Offered": "success", "Not offered": "default", "Being removed": "warning"}
    )
    def state(self, product: Product) -> str:
        """Say whether it can be asked for."""
        return state_of(product)

    @display(description="Gives")  # type: ignore[untyped-decorator]
    def gives(self, product: Product) -> str:
        """Say what it gives."""
        return ", ".join(str(one) for one in product.rule.entitlements.all() if not one.ended) or "Nothing"

    @display(description="Decided by")  # type: ignore[untyped-decorator]
    def decided_by(self, product: Product) -> str:
        """Say who decides, step by step."""
        return ", then ".join(one.get_kind_display() for one in product.steps.all())

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Ask first what is to become of what it gave."""
        product = self._product(request, object_id)
        if not self.has_delete_permission(request, product):
            raise PermissionDenied
        return HttpResponseRedirect(reverse(f"admin:{INFO}_remove", args=[product.pk]))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show an empty product, or write it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._page(request, None, may_change=True)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one product, or write it."""
        product = self._product(request, object_id)
        may_change = self.has_change_permission(request, product) and not product.rule.retired
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        return self._page(request, product, may_change=may_change)

    def fragment(self, request: HttpRequest) -> HttpResponse:
        """Show the builder, or only its result, as a form has it now; nothing is written."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return builder.answer(request, reverse(f"admin:{INFO}_fragment"))

    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask what is to become of what the product gave, and remove it."""
        product = self._product(request, object_id)
        if not self.has_delete_permission(request, product):
            raise PermissionDenied
        people = product.rule.people()
        how = request.POST.get("how")
        if request.method == "POST" and how in ("keep", "revoke"):
            actor = request.user.get_username()
            holders = list(product.rule.holdings.values_list("user_id", flat=True))
            products.remove(product, actor, keep=how == "keep")
            messages.success(request, f"{product.name} is removed. Requests for it that wait are ended.")
            if holders and len(holders) <= FEW:
                services.fulfil(holders, actor)
            return HttpResponseRedirect(reverse(f"admin:{INFO}_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Remove {product.name}",
            "product": product,
            "people": people,
        }
        return render(request, "provisioning/requests/remove.html", context)

    def _product(self, request: HttpRequest, object_id: str) -> Product:
        rows = Product.objects.select_related("rule", "owner").defer("picture")
        product = rows.filter(pk=int(object_id)).first() if object_id.isdecimal() else None
        if product is None:
            raise Http404("There is no such product.")
        if not self.has_view_permission(request, product):
            raise PermissionDenied
        return product

    def _page(self, request: HttpRequest, product: Product | None, *, may_change: bool) -> HttpResponse:
        known = fields.known()
        errors: list[str] = []
        if request.method == "POST":
            rows = builder.posted(request.POST)
            wanted, errors = form.draft(request, product, rows, known)
            if not errors:
                saved = products.save(product, wanted, request.user.get_username())
                messages.success(request, SAVED if product else "Saved. People see it in their catalogue now.")
                return HttpResponseRedirect(reverse(f"admin:{INFO}_change", args=[saved.pk]))
            values = form.typed(request.POST)
        else:
            node, values = form.stored(product, known)
            rows = builder.rows_of(node, known)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": product.name if product else "Add a product",
            "product": product,
            "state": state_of(product) if product else "",
            "has_it": catalogue.given([product]).get(product.pk, 0) if product else 0,
            "may_change": may_change,
            "may_delete": product is not None and self.has_delete_permission(request) and not product.rule.retired,
            "errors": errors,
            "audiences": Audience.choices,
            "approvers": ApproverKind.choices,
            "field_kinds": KINDS.items(),
            "categories": giving.categories(by_request=True),
            **builder.built(rows, known, reverse(f"admin:{INFO}_fragment")),
            **giving.offered(values, known),
        }
        return render(request, "provisioning/requests/product.html", context, status=422 if errors else 200)


def state_of(product: Product) -> str:
    """Say whether a product can be asked for."""
    if product.rule.retired:
        return "Being removed"
    return "Offered" if product.offered else "Not offered"
