"""What the pages of one's own sign-in share."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from config.signin import again


@method_decorator([login_required, never_cache], name="dispatch")
class OwnPage:
    """Mixed into a page for whoever is signed in: it is never kept by a browser, and has the frame of the others."""

    title = ""
    here = ""  # the URL name of the entry in the frame that is lit
    request: HttpRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer."""
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what the frame shows."""
        more: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return {**admin.site.each_context(self.request), **more, "title": self.title, "here": self.here}


@method_decorator(again.required, name="dispatch")
class ProvenPage(OwnPage):
    """An own page that asks for a recent proof of who it is."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer."""
        return super().dispatch(request, *args, **kwargs)
