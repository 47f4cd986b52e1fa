"""What the report tells of second factors: added, removed, used up, refused."""

from typing import Any

from allauth.account.signals import user_logged_in
from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from django.dispatch import receiver
from django.http import HttpRequest

from config.second_factor import held
from config.signin import events

NAMES = {
    Authenticator.Type.TOTP: "an authenticator app",
    Authenticator.Type.WEBAUTHN: "a passkey",
    Authenticator.Type.RECOVERY_CODES: "recovery codes",
}


@receiver(user_logged_in, dispatch_uid="config.second_factor.signed_in")
def signed_in(request: HttpRequest, user: Any, **_: Any) -> None:
    """Look whether a second factor is needed first."""
    held.look(request, user)


@receiver(signals.authenticator_added, dispatch_uid="config.second_factor.added")
def added(request: HttpRequest, user: Any, authenticator: Authenticator, **_: Any) -> None:
    """Tell it."""
    events.factor(request, user, f"added {_named(authenticator)}")


@receiver(signals.authenticator_removed, dispatch_uid="config.second_factor.removed")
def removed(request: HttpRequest, user: Any, authenticator: Authenticator, **_: Any) -> None:
    """Tell it, and ask for another one where one is needed."""
    events.factor(request, user, f"removed {_named(authenticator)}")
    held.look(request, user)


@receiver(signals.authenticator_reset, dispatch_uid="config.second_factor.reset")
def reset(request: HttpRequest, user: Any, authenticator: Authenticator, **_: Any) -> None:
    """Tell that there are other recovery codes."""
    events.factor(request, user, "made new recovery codes")


@receiver(signals.authenticator_used, dispatch_uid="config.second_factor.used")
def used(request: HttpRequest, user: Any, authenticator: Authenticator, **_: Any) -> None:
    """Tell that a recovery code was used: there is one less, and somebody may have lost their phone."""
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        events.factor(request, user, "used a recovery code")


@receiver(signals.authentication_failed, dispatch_uid="config.second_factor.failed")
def failed(request: HttpRequest, user: Any, **_: Any) -> None:
    """Tell a wrong code."""
    events.wrong_code(request, user)


def _named(authenticator: Authenticator) -> str:
    name = NAMES[authenticator.type]
    return f"{name}, {authenticator}," if authenticator.type == Authenticator.Type.WEBAUTHN else name
