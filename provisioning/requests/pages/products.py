"""The catalogue, and asking for a product."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods

from provisioning.models import User
from provisioning.models.people import fold
from provisioning.requests import catalogue, rights, services
from provisioning.requests.forms import AskForm
from provisioning.requests.models import Product, ProductRequest, RequestState
from provisioning.requests.pages.common import me, page, person_of


@login_required
@require_GET
def catalogue_page(request: HttpRequest) -> HttpResponse:
    """Show what can be asked for, for oneself or for ``?for=``, as far as ``?q=`` and ``?category=`` go."""
    person = person_of(request, request.GET.get("for", ""))
    every = catalogue.visible(person)
    wanted, category = fold(request.GET.get("q", "")), request.GET.get("category", "")
    products = [
        one
        for one in every
        if (not category or one.rule.category == category) and wanted in fold(f"{one.name} {one.text}")
    ]
    held = set(catalogue.current().filter(user=person).values_list("rule_id", flat=True))
    waiting = ProductRequest.objects.filter(person=person, state=RequestState.WAITING)
    asked = {pk for pk in waiting.values_list("product_id", flat=True) if pk is not None}
    number = catalogue.given(one for one in products if one.most is not None)
    found = {
        "person": person,
        "mine": person.pk == request.user.pk,
        "products": [(one, _state(one, held, asked, number.get(one.pk, 0))) for one in products],
        "any": bool(every),
        "categories": sorted({one.rule.category for one in every if one.rule.category}),
        "category": category,
        "wanted": request.GET.get("q", ""),
        "helps": rights.helps(me(request)),
    }
    title = "Catalogue" if found["mine"] else f"Catalogue for {person}"
    return page(request, "catalogue", title, found)


def _state(product: Product, held: set[int], asked: set[int], number: int) -> str:
    if product.pk in asked:
        return "Asked for"
    if product.pk in held:
        return "You have it"
    return "None left" if product.most is not None and number >= product.most else ""


@login_required
@require_http_methods(["GET", "POST"])
def product(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a product with its form, and ask for it."""
    person = person_of(request, request.POST.get("for", request.GET.get("for", "")))
    one = _seen(person, pk)
    form = AskForm(one.fields, request.POST if request.method == "POST" else None)
    problem = ""
    if request.method == "POST" and form.is_valid():
        made = services.ask(one, [person], me(request), form.answers(), form.cleaned_data["reason"].strip())
        if made.made:
            messages.success(request, f"{one} is asked for. You see here how far it is.")
            return redirect("my:request", pk=made.made[0].pk)
        problem = made.problems[person.pk]
    held = catalogue.current().filter(user=person, rule=one.pk).first()
    waiting = ProductRequest.objects.filter(person=person, product=one, state=RequestState.WAITING).first()
    found = {
        "product": one,
        "person": person,
        "mine": person.pk == request.user.pk,
        "form": form,
        "problem": problem,
        "held": held,
        "waiting": waiting,
        "gives": [str(each) for each in one.rule.entitlements.filter(ended=False).select_related("group", "directory")],
        "steps": one.steps.select_related("person", "group"),
        "cannot": catalogue.problem(one, catalogue.given([one]).get(one.pk, 0)) if held is None else "",
        "may_renew": bool(held and held.until and one.renewable),
    }
    return page(request, "product", one.name, found, status=409 if problem else 422 if form.errors else 200)


@login_required
@require_GET
def picture(request: HttpRequest, pk: int) -> HttpResponse:
    """Send the picture of a product to who sees the product, or looks after it."""
    one = Product.objects.filter(pk=pk).exclude(picture_type="").first()
    looks_after = me(request).is_staff and me(request).has_perm("requests.view_product")
    if one is None or not (looks_after or catalogue.sees(me(request), one) or _has_to_do(me(request), one)):
        raise Http404("There is no such picture.")
    answer = HttpResponse(bytes(one.picture or b""), content_type=one.picture_type)
    answer["Cache-Control"] = "private, max-age=3600"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _has_to_do(user: User, one: Product) -> bool:
    """Return whether somebody asks for a product, decides about it, or has it."""
    return (
        rights.seen_by(user).filter(product=one).exists()
        or catalogue.current().filter(user=user, rule=one.pk).exists()
        or any(catalogue.sees(person, one) for person in rights.team(user)[:20])
    )


def _seen(person: User, pk: int) -> Product:
    one = (
        Product.objects.filter(pk=pk, offered=True, rule__retired=False).select_related("rule").defer("picture").first()
    )
    if one is None or not catalogue.sees(person, one) or not one.steps.exists():
        raise Http404("There is no such product.")
    return one
