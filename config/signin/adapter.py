"""How django-allauth signs in here: no sign-up, no mails, the portal's own limits, and lines in the report."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from config.signin import events
from config.signin.addresses import client_address
from config.signin.backend import TooManySignIns

WRONG = "User name and password do not fit together, or this account may not sign in here. Capitals matter."


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    """What allauth asks the portal; ``ACCOUNT_ADAPTER``."""

    error_messages = {**DefaultAccountAdapter.error_messages, "username_password_mismatch": WRONG}

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody adds themselves."""
        return False

    def is_safe_url(self, url: str) -> bool:
        """Lead only to pages of this portal; allauth would take every name of ``ALLOWED_HOSTS``."""
        request = context.request
        return url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address by the portal's own rule for proxies."""
        return client_address(request)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Say in the form that too many were wrong."""
        try:
            found: AbstractBaseUser | None = super().authenticate(request, **credentials)
        except TooManySignIns as error:
            raise ValidationError(str(error), code="too_many_login_attempts") from None
        return found

    def post_login(self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> HttpResponse:
        """Record it; every way to sign in ends here."""
        events.signed_in(request, user)
        response: HttpResponse = super().post_login(request, user, **kwargs)
        return response

    def logout(self, request: HttpRequest) -> None:
        """Record it."""
        if isinstance(request.user, AbstractBaseUser):
            events.signed_out(request, request.user)
        super().logout(request)
