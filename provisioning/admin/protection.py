"""Who may touch whom: staff accounts belong to superusers, and nobody locks themselves out."""

from collections.abc import Iterable

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from provisioning.models import User

Actor = User | AnonymousUser

# Fields that give rights in the portal. Only a superuser may change them, whoever the user is.
RIGHTS = ("is_staff", "is_superuser", "groups")


def is_superuser(actor: Actor) -> bool:
    """Return whether ``actor`` may change rights and staff accounts."""
    return bool(actor.is_active and actor.is_superuser)


def may_change(actor: Actor, user: User) -> bool:
    """Return whether ``actor`` may change or delete ``user``, permissions apart; staff only by superusers."""
    return is_superuser(actor) or not user.may_sign_in


def changeable(actor: Actor, users: QuerySet[User], *, leave_out_self: bool = False) -> QuerySet[User]:
    """Return those of ``users`` that ``actor`` may change; with ``leave_out_self``, never ``actor``."""
    if not is_superuser(actor):
        users = users.filter(is_staff=False, is_superuser=False)
    return users.exclude(pk=actor.pk or 0) if leave_out_self else users


def refused(actor: Actor, users: QuerySet[User], *, leave_out_self: bool = False) -> list[str]:
    """Return the names (at most 20) of those of ``users`` that ``changeable`` leaves out."""
    left_out = Q(pk=actor.pk or 0 if leave_out_self else 0)
    if not is_superuser(actor):
        left_out |= Q(is_staff=True) | Q(is_superuser=True)
    return list(users.filter(left_out).order_by("username_key").values_list("username", flat=True)[:20])


def sentence(names: Iterable[str]) -> str:
    """Return why ``names`` were left out."""
    return (
        f"Left out: {', '.join(names)}. Accounts that can sign in to this portal are changed by a superuser only, "
        "and nobody deactivates or deletes themselves."
    )
