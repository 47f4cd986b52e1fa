"""What every endpoint shares: methods, bodies and their limits, and conditional requests."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views import View as DjangoView
from django.views.decorators.csrf import csrf_exempt
from django_scim.views import SCIMView

from config.database import outage
from provisioning.outbound.batch import log_unexpected
from scim import bodies
from scim.errors import ScimError
from scim.models import Client
from scim.responses import respond

MEGABYTE = 1024 * 1024


class _Quiet(DjangoView):
    """Stands below django-scim2's dispatch, which would log an exception with its text: that may hold people's data."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer errors; log what is unexpected by type and place. A busy or absent database is worth another try."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except ScimError as error:
            return refusal(error)
        except outage.ERRORS as error:
            log_unexpected(error, f"answering a SCIM {request.method}")
            return refusal(ScimError(503, outage.WORDS))
        except Exception as error:
            log_unexpected(error, f"answering a SCIM {request.method}")
            message = "Something unexpected went wrong in the portal. Its log has the details."
            return refusal(ScimError(500, message))


def refusal(error: ScimError) -> HttpResponse:
    """Return an error as it is sent."""
    return respond(error.to_dict(), error.status)


class View(SCIMView, _Quiet):  # type: ignore[misc]
    """A view of django-scim2, whose dispatch asks ``authentication.ClientAuthentication``. Nothing else knows of it."""

    max_body = MEGABYTE
    request: HttpRequest

    @method_decorator(csrf_exempt)  # clients bring a token, and no cookie
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Say when to come back where that helps (RFC 9110 section 10.2.3)."""
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        if response.status_code == 503:
            response["Retry-After"] = str(outage.RETRY_AFTER)
        return response

    @property
    def client(self) -> Client:
        """The client that asks."""
        found: Client = self.request.scim_client  # type: ignore[attr-defined]
        return found

    def document(self) -> dict[str, Any]:
        """Return the request's body; raise ScimError when it is none, or too large or deep."""
        return bodies.read(self.request, self.max_body)

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer 405 with what is allowed."""
        response = refusal(ScimError(405, f"{request.method} is not possible here."))
        response["Allow"] = ", ".join(self._allowed_methods())
        return response

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer what is allowed."""
        response = respond(None, 204)
        response["Allow"] = ", ".join(self._allowed_methods())
        return response

    def head(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer as GET does, without the body; what would be streamed is not read for it."""
        if not hasattr(self, "get"):
            return self.http_method_not_allowed(request, *args, **kwargs)
        response: Any = self.get(request, *args, **kwargs)
        if response.streaming:
            response.streaming_content = ()
            return response  # type: ignore[no-any-return]
        size = len(response.content)
        response.content = b""
        response["Content-Length"] = str(size)
        return response  # type: ignore[no-any-return]


class Nowhere(View):
    """Every other address below the service."""

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer 404 to any method."""
        raise ScimError(404, "There is nothing at this address.")

    options = head = http_method_not_allowed


def unchanged(request: HttpRequest, version: str) -> bool:
    """Return whether the client has this version already (If-None-Match)."""
    return _matches(request.headers.get("If-None-Match", ""), version)


def check_version(request: HttpRequest, version: str) -> None:
    """Raise ScimError 412 when the client changes another version than it means (If-Match)."""
    wanted = request.headers.get("If-Match", "")
    if wanted and not _matches(wanted, version):
        raise ScimError(412, "The resource has changed since it was read. Read it again.")
    if request.headers.get("If-None-Match") and unchanged(request, version):
        raise ScimError(412, "The resource is still at the version that must not be changed.")


def _matches(header: str, version: str) -> bool:
    """Compare weakly: a version that went through a proxy may have lost its mark (RFC 7232 section 2.3.2)."""
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in tags or version.removeprefix("W/") in tags
