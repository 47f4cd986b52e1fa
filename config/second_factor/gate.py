"""Nothing is open to staff who need a second factor and have none, but the pages on which they set one up."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

from config.second_factor import held

OPEN = ("my/account/", "my/password/", "my/second-factor/", "my/sessions/", "login/", "logout/", "jsi18n/")
OPEN_NAMES = frozenset({"healthz", "readyz"})


class SecondFactorFirst(MiddlewareMixin):
    """Leads to the page of second factors."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        """Return the way there where it is needed; costs no query."""
        found = request.resolver_match
        if found is None or found.route.startswith(OPEN) or found.url_name in OPEN_NAMES:
            return None
        if not hasattr(request, "session") or not held.is_needed(request):
            return None
        return HttpResponseRedirect(reverse("my_second_factor"))
