"""Who has a second factor, who needs one, and how they are all taken away from somebody who lost theirs."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.dispatch import receiver
from django.http import HttpRequest

from config.signin import policy, sessions
from directories import encryption

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""What is a second factor by itself; recovery codes only stand in for one."""
NEEDED = "signin_second_factor_needed"
SEALED = ("secret", "seed")  # what of an authenticator's data is encrypted


def has_one(user: Any) -> bool:
    """Return whether somebody has an authenticator app or a passkey."""
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS).exists())


def marked(users: QuerySet[Any]) -> QuerySet[Any]:
    """Return the users with ``has_second_factor``."""
    theirs = Authenticator.objects.filter(user_id=OuterRef("pk"), type__in=FACTORS)
    found: QuerySet[Any] = users.annotate(has_second_factor=Exists(theirs))
    return found


def look(request: HttpRequest, user: Any) -> None:
    """Note in the session whether nothing is open to its owner before they have a second factor.

    That is asked of who signed in here, as soon as they are staff. Who came by an identity provider proved there what
    it asks for.
    """
    elsewhere = any(record["method"] == "socialaccount" for record in get_authentication_records(request, user))
    request.session.pop(NEEDED, None)
    if not elsewhere and policy.current().second_factor and not has_one(user):
        request.session[NEEDED] = True


def is_needed(request: HttpRequest) -> bool:
    """Return whether the session's owner has to set up a second factor first; no query."""
    return bool(request.session.get(NEEDED)) and bool(request.user.is_authenticated and request.user.is_staff)


def staff_without() -> list[int]:
    """Return the ids of active staff who have none."""
    staff = get_user_model()._default_manager.filter(is_staff=True, is_active=True)
    return list(marked(staff).filter(has_second_factor=False).values_list("pk", flat=True))


@transaction.atomic
def take_away(user: Any) -> int:
    """Take every factor, recovery code and link to an identity provider away, end the person's sessions.

    Returns how many factors that were.
    """
    theirs = Authenticator.objects.filter(user_id=user.pk)
    number: int = theirs.filter(type__in=FACTORS).count()
    theirs.delete()
    SocialAccount.objects.filter(user_id=user.pk).delete()
    sessions.end_all([user.pk])
    return number


@receiver(encryption.rotated, dispatch_uid="config.second_factor")
def reencrypt(**_: Any) -> None:
    """Bring the secrets of authenticators under the first key, too."""
    for held in Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).order_by("pk").iterator():
        fresh = {name: encryption.rotate(held.data[name]) for name in SEALED if name in held.data}
        if any(fresh.values()):
            held.data |= {name: token for name, token in fresh.items() if token}
            held.save(update_fields=["data"])
