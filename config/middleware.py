"""Response headers that Django's own middleware does not send, and what of Django's middleware is for pages only."""

import re
from collections.abc import Awaitable, Callable

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

SCIM = r"scim/(?:(?P<client>[a-z0-9-]+)/)?v2(?:/|$)"  # where the SCIM service begins, as config.urls matches it

# Scripts come from this portal only and none stands in a page. Alpine, which the admin's theme is built on, evaluates
# its attributes ('unsafe-eval'); htmx and the theme write style attributes ('unsafe-inline' for styles).
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


class ContentSecurityPolicy:
    """Tell browsers that pages take nothing from elsewhere, send nothing elsewhere and are never framed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the header, unless a view set its own."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class _ForPages(MiddlewareMixin):
    """Stands before middleware that the SCIM service has no use for: its clients bring a token and no session."""

    _service = re.compile(f"/{SCIM}")

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Pass requests to the service on."""
        if self._service.match(request.path_info):
            return self.get_response(request)
        return super().__call__(request)


class Sessions(_ForPages, SessionMiddleware):
    """Sessions of pages."""


class Authentication(_ForPages, AuthenticationMiddleware):
    """``request.user`` of pages."""


class Messages(_ForPages, MessageMiddleware):
    """Messages of pages."""
