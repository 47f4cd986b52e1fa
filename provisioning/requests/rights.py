"""Who may ask for whom, and who may see and end which request."""

from django.db.models import Q, QuerySet

from provisioning.models import User
from provisioning.requests.models import ProductRequest, RequestStep

VIEW, ADD, CHANGE = (f"requests.{action}_productrequest" for action in ("view", "add", "change"))


def helps(user: User) -> bool:
    """Return whether somebody asks on behalf of everybody, as the helpdesk does."""
    return user.is_staff and user.has_perm(ADD)


def may_ask_for(user: User, person: User) -> bool:
    """Return whether somebody may ask for a person: themselves, whom they manage, or everybody."""
    return user.pk in (person.pk, person.manager_id) or helps(user)


def team(user: User) -> "QuerySet[User]":
    """Return whom somebody manages."""
    return User.objects.filter(manager=user, is_active=True).order_by("username_key")


def seen_by(user: User) -> "QuerySet[ProductRequest]":
    """Return the requests that somebody may look at: theirs, their team's, and what they decide or decided."""
    if user.is_staff and user.has_perm(VIEW):
        return ProductRequest.objects.all()
    decides = RequestStep.objects.filter(Q(asked__user=user) | Q(decided_by=user)).values("request")
    mine = Q(person=user) | Q(asked_by=user) | Q(person__manager=user)
    return ProductRequest.objects.filter(mine | Q(pk__in=decides))


def may_end(user: User, request: ProductRequest) -> bool:
    """Return whether somebody may withdraw a request, or give back what it gave."""
    if user.pk in (request.person_id, request.asked_by_id):
        return True
    manages = request.person is not None and request.person.manager_id == user.pk
    return manages or (user.is_staff and user.has_perm(CHANGE))
