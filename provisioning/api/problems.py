"""Errors of the API as problem details (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

TYPE = "application/problem+json"


def body(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """Return what an error says: its status, and in words what is wrong and what to do."""
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}


def problem(status: int, detail: str, **more: Any) -> Response:
    """Return an error as a response."""
    return Response(body(status, detail, **more), status=status, content_type=TYPE)


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what REST framework raises into problem details; None leaves an unexpected error to ``config.errors``."""
    found = exception_handler(error, context)
    if found is None:
        return None
    if isinstance(error, ValidationError):
        answer = problem(found.status_code, "The request cannot be used.", errors=found.data)
    else:
        detail = str(getattr(error, "detail", "")) or HTTPStatus(found.status_code).phrase
        answer = problem(found.status_code, detail, **getattr(error, "more", {}))
    for name, value in found.items():
        if name.lower() != "content-type":
            answer[name] = value
    return answer


@csrf_exempt
def nothing(_: HttpRequest) -> JsonResponse:
    """Say to everybody that the API has no such address, where pages would lead to the sign-in."""
    status = HTTPStatus.NOT_FOUND
    answer = body(status, "The API has nothing at this address. Its addresses are listed at /api/v1/docs/.")
    return JsonResponse(answer, status=status, content_type=TYPE)
