"""How django-allauth signs in here: no sign-up, no mails of its own, the portal's limits, and lines in the report."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.stagekit import clear_login
from allauth.core import context
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from config.signin import again, events, policy
from config.signin.addresses import client_address
from config.signin.backend import TooManySignIns

NOT_ALLOWED = "You may not sign in to this portal. Ask an administrator of it."
WAYS = {
    "reauthenticate": "Use your password",
    "mfa_reauthenticate": "Use your authenticator app or a recovery code",
    "mfa_reauthenticate:webauthn": "Use a passkey",
}
WRONG = "User name and password do not fit together, or this account may not sign in here. Capitals matter."


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    """What allauth asks the portal; ``ACCOUNT_ADAPTER``."""

    error_messages = {**DefaultAccountAdapter.error_messages, "username_password_mismatch": WRONG}

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody adds themselves."""
        return False

    def is_safe_url(self, url: str) -> bool:
        """Lead only to pages of this portal; allauth would take every name of ``ALLOWED_HOSTS``.

        Who is signed in already is led to no page that is not for them, from which they would be sent here again.
        """
        request = context.request
        if not url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure()):
            return False
        return not request.user.is_authenticated or policy.destination(request.user, url) == url

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Lead to the start page of whoever signed in."""
        return policy.destination(request.user, None)

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address by the portal's own rule for proxies, and one that is nobody's where there is none."""
        return client_address(request) or "0.0.0.0"  # noqa: S104 - the column of sessions takes no blank

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Ask by the portal's own rule (``again``)."""
        request = context.request
        return not again.is_recent(request, again.OPENS if request.method == "GET" else again.SAVES)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Say in the form that too many were wrong."""
        try:
            found: AbstractBaseUser | None = super().authenticate(request, **credentials)
        except TooManySignIns as error:
            raise ValidationError(str(error), code="too_many_login_attempts") from None
        return found

    def pre_login(self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> HttpResponse | None:
        """Refuse who may not sign in, whatever they proved; every way to sign in begins here."""
        if policy.may_sign_in(user):
            return None
        clear_login(request)
        events.not_allowed(request, user)
        messages.error(request, NOT_ALLOWED)
        return HttpResponseRedirect(reverse("account_login"))

    def post_login(
        self, request: HttpRequest, user: AbstractBaseUser, *, redirect_url: str | None = None, **kwargs: Any
    ) -> HttpResponse:
        """Record it, and lead to a page for them; every way to sign in ends here."""
        events.signed_in(request, user)
        where = policy.destination(user, redirect_url)
        response: HttpResponse = super().post_login(request, user, redirect_url=where, **kwargs)
        return response

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Add the identity provider by which this session began."""
        found: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        records = get_authentication_records(context.request, user)
        through = [record["provider"] for record in records if record.get("method") == "socialaccount"]
        for method in found:
            method["description"] = WAYS.get(method["id"], method["description"])
        if through:
            address = f"{reverse('oidc_login', args=[through[-1]])}?again=1"
            found.append({"id": "provider", "description": "Sign in with the identity provider again", "url": address})
        return found

    def logout(self, request: HttpRequest) -> None:
        """Record it."""
        if isinstance(request.user, AbstractBaseUser):
            events.signed_out(request, request.user)
        super().logout(request)
