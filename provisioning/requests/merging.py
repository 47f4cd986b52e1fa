"""What becomes of requests and products when two users become one: the one who stays has them, asks and decides."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from provisioning.models import User
from provisioning.recycle.images import Heir
from provisioning.requests.models import (
    Product,
    ProductRequest,
    ProductStep,
    RequestMail,
    RequestState,
    RequestStep,
    Substitute,
)


def requests_of(user: User, stays: User) -> "QuerySet[ProductRequest]":
    """Return the requests for one user that another gets: where both wait for one product, the other's own goes on."""
    theirs = ProductRequest.objects.filter(person=stays, state=RequestState.WAITING).exclude(product=None)
    waits_already = Q(state=RequestState.WAITING, product__in=theirs.values("product"))
    return ProductRequest.objects.filter(person=user).exclude(waits_already)


def _rows(user: User, other: User) -> "Mapping[str, tuple[QuerySet[Any], str]]":
    """Return by name what names a user, with the field that does; who is asked now is found anew each minute."""
    not_each_other = Substitute.objects.exclude(user=other).exclude(substitute=other)
    return {
        "requests": (requests_of(user, other), "person"),
        "asked": (ProductRequest.objects.filter(asked_by=user), "asked_by"),
        "decided": (RequestStep.objects.filter(decided_by=user), "decided_by"),
        "steps": (RequestStep.objects.filter(person=user), "person"),
        "product_steps": (ProductStep.objects.filter(person=user), "person"),
        "products": (Product.objects.filter(owner=user), "owner"),
        "mails": (RequestMail.objects.filter(to=user, sent_at=None), "to"),
        "substituted": (not_each_other.filter(user=user), "user"),
        "substitute": (not_each_other.filter(substitute=user), "substitute"),
    }


def hand_over(goes: User, stays: User) -> dict[str, list[int]]:
    """Give one user's rows to another; return which those are."""
    found: dict[str, list[int]] = {}
    for name, (rows, field) in _rows(goes, stays).items():
        if ids := list(rows.order_by("pk").values_list("pk", flat=True)):
            rows.model._default_manager.filter(pk__in=ids).update(**{field: stays})
            found[name] = ids
    return found


def take_back(part: Mapping[str, list[int]], stays: User, user: User) -> None:
    """Give them back, as far as they are still the other's."""
    for name, (rows, field) in _rows(stays, user).items():
        if name in part:
            rows.filter(pk__in=part[name]).update(**{field: user})


HEIR = Heir("requests", hand_over, take_back)
