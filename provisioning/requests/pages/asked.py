"""My requests: the list, one with its steps, and withdrawing it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from provisioning.requests import progress, rights, services
from provisioning.requests.models import ProductRequest, RequestState
from provisioning.requests.pages.common import me, page, part


@login_required
@require_GET
def requests(request: HttpRequest) -> HttpResponse:
    """Show what one asked for, and what was asked for oneself."""
    mine = ProductRequest.objects.filter(Q(person=me(request)) | Q(asked_by=me(request))).order_by("-pk")
    shown = part(mine, request)
    words = progress.words_of(list(shown.object_list))
    rows = [(one, words[one.pk]) for one in shown.object_list]
    return page(request, "requests", "Requests", {"rows": rows, "page": shown})


@login_required
@require_GET
def request(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one request with its steps to who may see it."""
    one = _seen(request, pk)
    mine = me(request)
    steps = list(one.steps.order_by("position"))
    found = {
        "one": one,
        "steps": steps,
        "progress": progress.words_of([one])[one.pk],
        "may_withdraw": one.state == RequestState.WAITING and rights.may_end(mine, one),
        "decides": one.steps.filter(asked__user=mine).values_list("pk", flat=True).first(),
    }
    return page(request, "request", str(one), found)


@login_required
@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw a request that waits."""
    one = _seen(request, pk)
    if not rights.may_end(me(request), one):
        raise Http404("There is no such request.")
    try:
        services.withdraw(one, me(request))
        messages.success(request, "The request is withdrawn.")
    except services.AskRefused as error:
        messages.error(request, str(error))
    return redirect("my:request", pk=one.pk)


def _seen(request: HttpRequest, pk: int) -> ProductRequest:
    rows = rights.seen_by(me(request)).filter(pk=pk).select_related("person", "product__rule")
    one = rows.defer("product__picture").first()
    if one is None:
        raise Http404("There is no such request.")
    return one
