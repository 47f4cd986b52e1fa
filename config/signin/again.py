"""That somebody proved lately who they are: what is dangerous asks for it again, signed in or not.

A proof is a password, a second factor or a passkey, or that an identity provider asked anew. Signing in is one too.
"""

import datetime as dt
import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY, suspend_request
from allauth.account.signals import authentication_step_completed
from django.contrib import messages
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

KEPT = "signin_proved"
OPENS = dt.timedelta(minutes=15)
"""So long after a proof a dangerous page opens."""
SAVES = dt.timedelta(minutes=60)
"""And so long what was opened in time can be saved."""
LOST = "Nothing was saved: the page was open for too long. Do it once more."
PROOFS = {"password", "mfa"}


@receiver(authentication_step_completed, dispatch_uid="config.signin.again")
def step_completed(request: HttpRequest, method: str, user: Any, **_: Any) -> None:
    """Note a step of a sign-in that proves who somebody is; what a provider says is looked at by ``note`` alone."""
    if method in PROOFS:
        note(request, user)


def note(request: HttpRequest, user: Any) -> None:
    """Note that the user proved who they are."""
    request.session[KEPT] = [user.pk, time.time()]


def is_recent(request: HttpRequest, within: dt.timedelta = OPENS) -> bool:
    """Return whether the one who is signed in proved it within that time."""
    who, at = request.session.get(KEPT) or (None, 0.0)
    return bool(request.user.is_authenticated and who == request.user.pk and time.time() - at < within.total_seconds())


def missing(request: HttpRequest, *, keep: bool = True) -> HttpResponse | None:
    """Return the way to a new proof where one is needed, else None.

    ``keep``: what was sent is kept in the session meanwhile, and done after the proof. Not for what holds secrets.
    """
    sent = request.method not in {"GET", "HEAD"}
    if is_recent(request, SAVES if sent else OPENS):
        return None
    request.session.pop(STATE_SESSION_KEY, None)  # what was sent before, and never proved, is not done by this proof
    if request.headers.get("HX-Request"):  # a part of a page: the whole page goes, and comes back
        page = urlsplit(request.headers.get("HX-Current-URL", "")).path
        return HttpResponse(headers={"HX-Redirect": f"{reverse('prove_again')}?{urlencode({'next': page})}"})
    if keep:
        suspended: HttpResponse = suspend_request(request, reverse("prove_again"))
        return suspended
    if sent:
        messages.warning(request, LOST)
    return HttpResponseRedirect(f"{reverse('prove_again')}?{urlencode({'next': request.path})}")


def required(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Ask for a recent proof before a page of one's own."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return missing(request, keep=False) or view(request, *args, **kwargs)

    return guarded


def start(request: HttpRequest) -> HttpResponse:
    """Lead to the first way in which the one who is signed in can prove who they are."""
    wanted = urlencode({"next": request.GET.get("next", "")})
    if not request.user.is_authenticated:
        return HttpResponseRedirect(f"{reverse('account_login')}?{wanted}")
    methods = get_adapter().get_reauthentication_methods(request.user)
    if methods:
        address = methods[0]["url"]
        return HttpResponseRedirect(f"{address}{'&' if '?' in address else '?'}{wanted}")
    # Nothing to prove it with: they sign in once more, which is one.
    get_adapter().logout(request)
    return HttpResponseRedirect(f"{reverse('account_login')}?{wanted}")
