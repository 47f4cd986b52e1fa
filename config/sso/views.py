"""Where a sign-in through an identity provider begins, and where it comes back."""

from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from config.signin import counting, limits
from config.signin.addresses import client_address, network_of
from config.signin.views import SignIn
from config.sso.models import IdentityProvider
from config.sso.provider import OidcAdapter


class SignInWithProviders(SignIn):
    """The sign-in page, with the identity providers that there are."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add them."""
        rows = IdentityProvider.objects.filter(enabled=True).only("name", "slug")
        return super().get_context_data(providers=rows, **kwargs)


@never_cache
@require_GET
def begin(request: HttpRequest, slug: str) -> HttpResponse:
    """Send somebody to the provider. The portal asks it something first, so no address does this without end."""
    row = get_object_or_404(IdentityProvider, slug=slug, enabled=True)
    try:
        counting.count({counting.key("provider", network_of(client_address(request))): limits.PROVIDER})
    except counting.TooManyTries as error:
        messages.error(request, f"Too many sign-ins. {error}")
        return HttpResponseRedirect(reverse("account_login"))
    adapter = OidcAdapter(request, row)
    provider = adapter.get_provider()
    try:
        answer: HttpResponse = provider.redirect_from_request(request)
    except OAuth2Error as error:
        return _failed(request, provider, error)
    return answer


@never_cache
@require_GET
def come_back(request: HttpRequest, slug: str) -> HttpResponse:
    """Look at what the provider says, and sign the person in."""
    row = get_object_or_404(IdentityProvider, slug=slug, enabled=True)
    answer: HttpResponse = _ComingBack.adapter_view(OidcAdapter(request, row))(request)
    return answer


class _ComingBack(OAuth2CallbackView):  # type: ignore[misc]
    """Lets the adapter know what was kept when the sign-in began."""

    def _get_state(self, request: HttpRequest, provider: Any) -> Any:
        state, answer = super()._get_state(request, provider)
        self.adapter.state = state or {}
        return state, answer


def _failed(request: HttpRequest, provider: Any, error: Exception) -> HttpResponse:
    try:
        get_adapter().on_authentication_error(request, provider, exception=error)
    except ImmediateHttpResponse as refused:
        answer: HttpResponse = refused.response
        return answer
    raise error
