"""What a request gets that cannot be answered: every kind of client in its own terms, a program never a page."""

import logging
import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import get_template
from django.views import defaults

from config.database import outage
from directories.encryption import SecretLost
from provisioning.api import problems
from scim.errors import ScimError
from scim.responses import respond

UNEXPECTED = "Something unexpected went wrong in the portal. Its log has the details."
NOT_HERE = "The request is not addressed to this portal."

log = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer what Django refuses before any view, such as a foreign Host header."""
    if request.path.startswith("/scim/"):
        return respond(ScimError(400, NOT_HERE).to_dict(), 400)
    if request.path.startswith("/api/"):
        return JsonResponse(problems.body(400, NOT_HERE), status=400, content_type=problems.TYPE)
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer 503 while the database is away, and 500 with what is to be done, or to what nobody foresaw.

    It also answers for what stands before any view.
    """
    error = sys.exc_info()[1]  # Django calls this while it handles the exception, and does not pass it on
    if isinstance(error, SecretLost):
        log.error("A stored secret cannot be decrypted: ENCRYPTION_KEYS lacks the key that it was written with.")
        return _answer(request, 500, error.message)
    if isinstance(error, outage.ERRORS):
        log.warning("A request failed because the database is away (%s).", type(error).__name__)
        response = _answer(request, 503, outage.WORDS)
        response["Retry-After"] = str(outage.RETRY_AFTER)
        return response
    return _answer(request, 500, UNEXPECTED)


def _answer(request: HttpRequest, status: int, message: str) -> HttpResponse:
    if request.path.startswith("/scim/"):
        return respond(ScimError(status, message).to_dict(), status)
    if request.path.startswith("/api/"):
        return JsonResponse(problems.body(status, message), status=status, content_type=problems.TYPE)
    page = get_template(f"{status}.html")
    return HttpResponse(
        page.render({"remedy": "" if message == UNEXPECTED else message}), status=status
    )  # without the request: what fills pages asks the database
