"""What django-allauth asks the portal about people who come by an identity provider; ``SOCIALACCOUNT_ADAPTER``."""

import logging
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError
from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse

from config.signin import events
from config.sso import people, tokens
from config.sso.models import IdentityProvider
from config.sso.provider import as_app
from provisioning.models import User

PROVED = "proved"
"""In the state of a sign-in: when the provider asked who it is."""
CANCELLED = "You did not sign in there."
FAILED = "Signing in through {} did not work. Try again. If it fails again, tell an administrator."
UNKNOWN_HERE = "{} knows you, but this portal does not let you in by it. Ask an administrator of this portal."

log = logging.getLogger(__name__)


class SsoAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Nobody is added, and nobody is found by what is not proven."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Nobody adds themselves."""
        return False

    def get_requests_session(self) -> Any:
        """Let django-allauth open nothing by itself."""
        raise RuntimeError("Identity providers are asked through config.sso.service.")

    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """Return the providers of the admin's list."""
        rows = IdentityProvider.objects.filter(enabled=True)
        return [as_app(row) for row in (rows.filter(slug=provider) if provider else rows)]

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find the person, link them, and bring their roles up to date; refuse everybody else."""
        row, claims = sociallogin.provider.app.row, sociallogin.claims
        try:
            user = self._person(sociallogin, row)
        except people.NotVouchedFor as error:
            events.not_vouched_for(request, row.name, str(error))
            raise self._refused(request, UNKNOWN_HERE.format(row.name)) from None
        if user.is_active:
            user = people.give_roles(row, user, claims)
        if not sociallogin.account.pk:
            SocialAccount.objects.get_or_create(
                provider=row.slug, uid=sociallogin.account.uid, defaults={"user": user, "extra_data": {}}
            )
        sociallogin.user = sociallogin.account.user = user
        sociallogin.token = None  # nothing is asked of the provider later on
        sociallogin.state[PROVED] = tokens.proved_at(claims)

    def serialize_instance(self, instance: Any) -> Any:
        """Keep of a person no more than who it is, while a second factor is asked for."""
        return {"id": instance.pk} if isinstance(instance, User) else super().serialize_instance(instance)

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> None:
        """Lead back to the sign-in, in plain words; the log and the report have the reason."""
        if error == AuthError.CANCELLED:
            raise self._refused(request, CANCELLED)
        events.not_vouched_for(request, provider.name, str(exception or "the answer was not of this sign-in"))
        raise self._refused(request, FAILED.format(provider.name))

    def _person(self, sociallogin: SocialLogin, row: IdentityProvider) -> User:
        """Return who it is: by the link of an earlier sign-in, else by the attribute of the settings."""
        if sociallogin.is_existing:
            user: User = sociallogin.user
        else:
            user = people.find(row, sociallogin.claims)
            if SocialAccount.objects.filter(provider=row.slug, user=user).exists():
                raise people.NotVouchedFor(f"{user.username} is linked with another account there")
        if user.is_superuser and not row.superusers:
            raise people.NotVouchedFor(f"{user.username} is a superuser, and they sign in by their password here")
        return user

    def _refused(self, request: HttpRequest, words: str) -> ImmediateHttpResponse:
        messages.error(request, words)
        return ImmediateHttpResponse(HttpResponseRedirect(reverse("account_login")))
