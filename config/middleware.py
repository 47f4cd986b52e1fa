"""Response headers that Django's own middleware does not send."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

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
