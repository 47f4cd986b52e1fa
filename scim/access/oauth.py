"""OAuth 2 client credentials (RFC 6749 section 4.4): Authlib speaks the protocol, applications and tokens are ours.

The client id is the application's short name, the client secret any of its valid tokens. An access token works for an
hour and is kept as a keyed digest only.
"""

from typing import Any

from authlib.common.security import generate_token
from authlib.integrations.django_oauth2 import AuthorizationServer
from authlib.integrations.django_oauth2.requests import DjangoOAuth2Payload, DjangoOAuth2Request
from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from config.signin.limits import duration
from scim.access import strangers, tokens
from scim.authentication import PREFIX, digests
from scim.models import SLUG, Client, Token, TokenKind


class _Confidential(ClientMixin):  # type: ignore[misc]
    """One application as Authlib asks about it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.client_id = client.slug

    def get_client_id(self) -> str:
        return self.client_id

    def check_client_secret(self, client_secret: str) -> bool:
        found = Token.objects.filter(
            client=self.client, kind=TokenKind.BEARER, digest__in=digests(client_secret)
        ).first()
        return bool(found and found.valid)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"

    def get_allowed_scope(self, scope: str) -> str:
        return ""


class _Request(DjangoOAuth2Request):  # type: ignore[misc]
    """A request of whose transport the portal's own settings decide (``HTTPS``), not Authlib by what it sees of it."""

    def __init__(self, request: HttpRequest) -> None:
        uri = f"https://{request.get_host()}{request.get_full_path()}"
        OAuth2Request.__init__(self, request.method, uri, headers=request.headers)
        self.payload, self._request = DjangoOAuth2Payload(request), request


class _Grant(ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


def _access_token(*_: Any, **__: Any) -> str:
    return f"{PREFIX}{generate_token(42)}"


class _TokenServer(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server on the portal's applications."""

    def __init__(self) -> None:
        super().__init__(Client, Token)
        self.register_grant(_Grant)

    def load_config(self, config: Any) -> None:
        """Say how long access tokens work."""
        seconds = {ClientCredentialsGrant.GRANT_TYPE: tokens.ACCESS_SECONDS}
        super().load_config({"access_token_generator": _access_token, "token_expires_in": seconds})

    def create_oauth2_request(self, request: HttpRequest) -> _Request:
        return _Request(request)

    def query_client(self, client_id: str) -> _Confidential | None:
        if not SLUG.match(client_id):
            return None
        client = Client.objects.filter(slug=client_id, enabled=True, allow_oauth=True).first()
        return _Confidential(client) if client else None

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        tokens.keep_access(request.client.client, token["access_token"])


@csrf_exempt
@require_POST
@sensitive_post_parameters("client_secret")
def token_endpoint(request: HttpRequest) -> HttpResponse:
    """Exchange an application's id and secret for an access token."""
    response: HttpResponse = _TokenServer().create_token_response(request)
    if b'"invalid_client"' in response.content and (left := strangers.count(request)):
        message = f"Too many wrong secrets. Try again in {duration(left)}."
        response = JsonResponse({"error": "invalid_client", "error_description": message}, status=429)
        response["Retry-After"] = str(max(1, round(left.total_seconds())))
    return response
