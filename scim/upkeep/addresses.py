"""Where the SCIM service is found from outside."""

from urllib.parse import urljoin

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from scim.models import Client


def base_url(client: Client, request: HttpRequest | None = None) -> str:
    """Return the application's SCIM base URL, without a slash at its end, as identity providers want it."""
    return urljoin(token_url(request), f"{client.slug}/v2")


def token_url(request: HttpRequest | None = None) -> str:
    """Return the address at which access tokens are fetched (OAuth 2)."""
    return urljoin(_portal(request), reverse("scim_token"))


def _portal(request: HttpRequest | None) -> str:
    return request.build_absolute_uri("/") if request else f"{settings.PORTAL_URL}/"
