"""OpenID Connect on django-allauth: the code flow with PKCE, a nonce, and a signature that is always looked at.

django-allauth keeps the state, the verifier and where to go on; what it would fetch or believe by itself is done here:
every request goes through ``service``, every ID token through ``tokens``. django-allauth finds this module by its name.
"""

import secrets
import time
from functools import cached_property
from typing import Any, cast

from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Client, OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from allauth.utils import build_absolute_uri
from django.http import HttpRequest
from django.urls import reverse

from config.sso import tokens
from config.sso.models import IdentityProvider
from config.sso.service import ProviderFailed, ProviderService

ID = "oidc"
AGAIN = "again"
"""In the address of a sign-in: the provider has to ask anew who it is."""


class NotSignedIn(OAuth2Error):  # type: ignore[misc]
    """The provider vouches for nobody; the text is for the log."""


class CodeClient(OAuth2Client):  # type: ignore[misc]
    """Changes a code into tokens."""

    adapter: "OidcAdapter"

    def get_access_token(self, code: str, pkce_code_verifier: str = "", extra_data: Any = None) -> dict[str, Any]:
        """Return the provider's answer."""
        fields = {"code": code, "redirect_uri": self.callback_url, "code_verifier": pkce_code_verifier}
        found = self.adapter.ask("tokens", fields)
        if not found.get("id_token") or not found.get("access_token"):
            raise NotSignedIn("It gave no ID token.")
        return dict(found)


class OidcAdapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """Asks one provider during one request."""

    client_class = CodeClient

    def __init__(self, request: HttpRequest, row: IdentityProvider) -> None:
        super().__init__(request, row.slug)
        self.row = row
        self.state: dict[str, Any] = {}

    @cached_property
    def openid_config(self) -> dict[str, Any]:
        """Return the provider's description of itself."""
        try:
            with ProviderService(self.row) as service:
                return dict(service.configuration())
        except ProviderFailed as error:
            raise NotSignedIn(str(error)) from None

    def ask(self, what: str, *more: Any) -> dict[str, Any]:
        """Ask the provider for something; raise NotSignedIn."""
        configuration = self.openid_config
        try:
            with ProviderService(self.row) as service:
                return dict(getattr(service, what)(configuration, *more))
        except ProviderFailed as error:
            raise NotSignedIn(str(error)) from None

    def get_provider(self) -> "OidcProvider":
        """Return the provider as django-allauth knows it."""
        return OidcProvider(self.request, app=as_app(self.row))

    def get_client(self, request: HttpRequest, app: SocialApp) -> CodeClient:
        """Return what changes codes into tokens."""
        callback = self.get_callback_url(request, app)
        client = CodeClient(request, app.client_id, "", "POST", "", callback)
        client.adapter = self
        return client

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """Return where the provider sends people back to."""
        return cast(str, build_absolute_uri(request, callback_path(self.row)))

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, *, response: dict[str, Any]
    ) -> SocialLogin:
        """Return who signed in, once the ID token is good."""
        keys = self.ask("keys")
        try:
            claims = tokens.verified(
                response["id_token"],
                keys,
                issuer=self.row.issuer,
                client_id=self.row.client_id,
                nonce=self.state.get("nonce") or "",
                since=self.state.get("since"),
            )
        except tokens.TokenRefused as error:
            raise NotSignedIn(f"The ID token was refused. {error}") from None
        told = self.ask("userinfo", response["access_token"])
        if told and told.get("sub") != claims["sub"]:  # Core 5.3.2
            raise NotSignedIn("It tells of somebody else at its userinfo endpoint.")
        claims = {**told, **claims}
        login: SocialLogin = self.get_provider().sociallogin_from_response(request, claims)
        login.claims = claims
        return login


class OidcProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """A provider of the admin's list."""

    id = ID
    package = "config.sso"
    pkce_enabled_default = True

    def get_scope(self) -> list[str]:
        """Return what is asked for: always ``openid``."""
        return list(dict.fromkeys(["openid", *self.app.row.scopes.split()]))

    def get_oauth2_adapter(self, request: HttpRequest) -> OidcAdapter:
        """Return what asks it."""
        return OidcAdapter(request, self.app.row)

    def get_login_url(self, request: HttpRequest, **kwargs: Any) -> str:
        """Return where a sign-in through it begins."""
        return reverse("oidc_login", args=[self.app.row.slug])

    def get_callback_url(self) -> str:
        """Return where it sends people back to."""
        return callback_path(self.app.row)

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """Take nothing from the address but where to go on, and whether it has to ask anew."""
        following = super().get_redirect_from_request_kwargs(request).get("next_url")
        nonce = secrets.token_urlsafe(32)
        sent = {"nonce": nonce}
        kept: dict[str, Any] = {"nonce": nonce}
        if AGAIN in request.GET:
            sent |= {"prompt": "login", "max_age": "0"}
            kept["since"] = time.time()
        return {"process": AuthProcess.LOGIN, "next_url": following, "auth_params": sent, **kept}

    def serialize(self) -> dict[str, Any]:
        """Return what it is found by again, after a second step of the sign-in."""
        return {"id": self.app.provider_id}

    def extract_uid(self, data: dict[str, Any]) -> str:
        """Return the provider's own lasting name of the person."""
        return str(data["sub"])

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """Keep nothing of what the provider tells."""
        return {}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[Any]:
        """Return none: whose address it is says ``people.find``."""
        return []

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return nothing: people come by the roll's own ways."""
        return {}


def as_app(row: IdentityProvider) -> SocialApp:
    """Return a provider as django-allauth wants to see it; never stored, and without its secret."""
    app = SocialApp(provider=ID, provider_id=row.slug, name=row.name, client_id=row.client_id, settings={})
    app.row = row
    return app


def callback_path(row: IdentityProvider) -> str:
    """Return the path that the provider sends people back to."""
    return reverse("oidc_callback", args=[row.slug])


provider_classes = [OidcProvider]
