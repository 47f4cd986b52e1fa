"""What of Django's middleware is for pages only, and what pages need besides."""

import re
from collections.abc import Awaitable

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import IntegrityError
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


class SecondLook(MiddlewareMixin):
    """Answers a form once more when somebody took a name between its check and its save.

    Nothing of the first time is left, since a save is one transaction, and the check now says what is taken.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Return the second answer; what fails twice is a fault."""
        found = request.resolver_match
        if found is None or found.app_name != "admin" or not isinstance(exception, IntegrityError):
            return None
        answer: HttpResponseBase = found.func(request, *found.args, **found.kwargs)
        return answer
