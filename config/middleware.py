"""What of Django's middleware is for pages only."""

import re
from collections.abc import Awaitable

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

SCIM = r"scim/(?:(?P<client>[a-z0-9-]+)/)?v2(?:/|$)"  # where the SCIM service begins, as config.urls matches it


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
