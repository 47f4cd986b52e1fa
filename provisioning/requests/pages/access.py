"""My access: what the person has, by whom, until when, and how far it is; and giving it back."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from provisioning.models import Account, User
from provisioning.models.outbox import AccountState
from provisioning.requests import catalogue, progress, rights, services
from provisioning.requests.models import AskedApprover, Product, ProductRequest, RequestState
from provisioning.requests.pages.common import me, page, person_of
from provisioning.rules.models import Granted, Holding

STATES = {
    AccountState.PENDING: "is being made",
    AccountState.ACTIVE: "active",
    AccountState.DISABLED: "disabled",
}


@dataclass(frozen=True, slots=True)
class HeldProduct:
    """A product that a person has: the holding, how far it is, and whether it may be asked for longer or given back."""

    holding: Holding
    product: Product
    progress: str
    renewable: bool
    done: bool


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show what a person has: one's own, or that of somebody whom one may ask for."""
    person = person_of(request, request.GET.get("for", ""))
    mine = person.pk == request.user.pk
    found = {
        "person": person,
        "mine": mine,
        "held": held_by(person),
        "others": others_of(person),
        "accounts": _accounts(person),
        "waiting": ProductRequest.objects.filter(person=person, state=RequestState.WAITING).count(),
        "to_decide": AskedApprover.objects.filter(user=person).count() if mine else 0,
    }
    return page(request, "home", "My access" if mine else f"Access of {person}", found)


@login_required
@require_POST
def give_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a product back, for oneself or for whom one may ask."""
    held = Holding.objects.filter(pk=pk, rule__product__isnull=False).select_related("user", "rule").first()
    if held is None or not rights.may_ask_for(me(request), held.user):
        raise Http404("There is nothing of that number that you may give back.")
    services.give_back(held, me(request))
    messages.success(request, f"{held.rule.name} was given back. What it gave is taken away now.")
    return redirect("my:home" if held.user_id == request.user.pk else "my:team")


def held_by(person: User) -> list[HeldProduct]:
    """Return the products that a person has."""
    rows = catalogue.current().filter(user=person, rule__product__isnull=False).select_related("rule__product")
    rows = rows.defer("rule__product__picture").order_by("rule__name")
    held = list(rows)
    delivered = progress.delivery([(one.rule_id, person.pk) for one in held])
    return [
        HeldProduct(
            holding=one,
            product=one.rule.product,
            progress=delivered[one.rule_id, person.pk],
            renewable=bool(one.until and one.rule.product.renewable and one.rule.product.can_be_asked_for),
            done=delivered[one.rule_id, person.pk] == progress.DONE,
        )
        for one in held
    ]


def others_of(person: User) -> list[tuple[str, str]]:
    """Return what rules give a person, each with the names of the rules."""
    rows = Granted.objects.filter(user=person, entitlement__rule__by_request=False)
    rows = rows.select_related("entitlement__rule", "entitlement__group", "entitlement__directory").order_by("pk")
    found: dict[str, list[str]] = defaultdict(list)
    for one in rows:
        if one.entitlement is not None and one.wins:
            found[str(one.entitlement)].append(one.entitlement.rule.name)
    return [(what[:1].upper() + what[1:], " and ".join(rules)) for what, rules in found.items()]


def _accounts(person: User) -> Sequence[tuple[str, str]]:
    """Return the accounts of a person where the portal makes them; sources are no place to work in."""
    rows = Account.objects.filter(user=person, directory__provisioning__create_users=True)
    rows = rows.exclude(state=AccountState.ABSENT).select_related("directory")
    rows = rows.only("state", "directory__name").order_by("directory__name")
    return [(one.directory.name, STATES.get(AccountState(one.state), "")) for one in rows]
