"""Whom of the roll an identity provider vouches for, and which roles its groups give them."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Group as Role
from django.db import transaction
from django.db.models import Q

from config.sso.models import Given, IdentityProvider, MatchBy
from provisioning import services
from provisioning.models import Grant, User
from provisioning.models.people import fold

GIVES_RIGHTS = Q(
    permissions__content_type__app_label="portal",
    permissions__codename__in=["add_role", "change_role", "delete_role"],
)
"""Roles that could give others rights: no provider gives these."""


class NotVouchedFor(Exception):
    """The provider says nothing by which somebody of the roll is found; the text is for the report."""


def find(provider: IdentityProvider, claims: Mapping[str, Any]) -> User:
    """Return the one active person whom the claims mean; raise NotVouchedFor."""
    value = claims.get(provider.matching_claim)
    if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
        raise NotVouchedFor(f"the claim {provider.matching_claim} is missing")
    text = str(value).strip()
    if provider.match_by == MatchBy.EMAIL:
        vouched_for = claims.get("email_verified") is True and fold(str(claims.get("email"))) == fold(text)
        if not vouched_for:  # Core 5.1: email_verified is about the claim email, and no other one
            raise NotVouchedFor("the e-mail address is not verified")
    wanted = {
        MatchBy.EMAIL: Q(email_key=fold(text)),
        MatchBy.USERNAME: Q(username_key=fold(text)),
        MatchBy.NUMBER: Q(employee_number=text),
    }[MatchBy(provider.match_by)]
    found = list(User.objects.filter(wanted, is_active=True).order_by("pk")[:2])
    if len(found) != 1:
        raise NotVouchedFor("nobody of the roll has it" if not found else "several people of the roll have it")
    return found[0]


def groups_in(claims: Mapping[str, Any], name: str) -> frozenset[str] | None:
    """Return the groups that the claims list; None where the provider says that it left them out (Core 5.6.2)."""
    left_out = claims.get("_claim_names")
    if name not in claims and isinstance(left_out, Mapping) and name in left_out:
        return None
    value = claims.get(name, [])
    listed = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return frozenset(one for one in listed if isinstance(one, str))


def assignable() -> Any:
    """Return the roles that a mapping may give."""
    return Role.objects.exclude(pk__in=Role.objects.filter(GIVES_RIGHTS).values("pk"))


@transaction.atomic
def give_roles(provider: IdentityProvider, user: User, claims: Mapping[str, Any]) -> User:
    """Give the roles of the provider's groups, take back what it gave before, and return the user as they are now.

    Superusers are left alone, and nothing makes one. What was given by hand, or by another provider, stays.
    """
    groups = groups_in(claims, provider.groups_claim)
    if user.is_superuser or groups is None:
        return user
    user = User.objects.select_for_update(no_key=True, of=("self",)).get(pk=user.pk)
    wanted = list(assignable().filter(pk__in=provider.mappings.filter(group__in=groups).values("role")))
    actor = f"the groups of {provider}"
    services.set_roles(user, wanted, actor, source=provider.slug)
    given = Given.objects.filter(provider=provider, user=user)
    elsewhere = Given.objects.filter(user=user).exclude(provider=provider)
    becomes = bool(wanted) and not user.is_staff
    leaves = (
        not wanted
        and given.exists()
        and not elsewhere.exists()
        and not Grant.objects.current().filter(user=user).exists()
    )
    if becomes or leaves:
        user.is_staff = becomes
        services.save_user(user, actor)
    if not wanted:
        if leaves or elsewhere.exists():  # else it is known at a later sign-in who made them staff
            given.delete()
    elif becomes or elsewhere.exists():  # what another provider gave stays as long as one does
        Given.objects.get_or_create(provider=provider, user=user)
    return user
