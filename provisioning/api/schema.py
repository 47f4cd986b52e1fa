"""The API's description (OpenAPI 3): what its operations take and answer, and the pages that show it."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from provisioning.api import problems
from provisioning.api.access import BearerToken, Endpoint, NameAndPassword, PerToken

Decorator = Callable[[Any], Any]
FILTER = OpenApiParameter(
    "filter",
    description='Which rows, in SCIM\'s filter language (RFC 7644 section 3.4.2.2): `department eq "Care"`.',
)
CURSOR = OpenApiParameter("cursor", description="Where the page begins: follow `next` of the page before.")
LIMIT = OpenApiParameter("limit", int, description="How many rows a page has: 1 to 500, else 100.")
ETAG = OpenApiParameter("ETag", response=[200, 201], location="header", description="The version of what is sent.")
IF_MATCH = OpenApiParameter(
    "If-Match", location="header", description="Only if it is at this version, which an answer had as its ETag."
)
VERSION = OpenApiParameter(
    "If-Match",
    location="header",
    required=True,
    description="The version that is meant, which an answer had as its ETag; * for any. Without it this is 428.",
)
NUMBER = OpenApiParameter(
    "number", int, description="How many the change reaches, as the refusal said that asks for it."
)
KEEP = OpenApiParameter(
    "keep",
    bool,
    required=True,
    description="Whether what was given stays with those who have it; else it is taken away.",
)
IF_NONE_MATCH = OpenApiParameter("If-None-Match", location="header", description="Only if it is not at this version.")
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    location="header",
    description="A text of your own. The same request with the same key is done once, and answered alike for a day.",
)
RESPOND_ASYNC = OpenApiParameter(
    "Prefer", location="header", description="`respond-async`: what is sent is always the address to ask at."
)
PROBLEM = "Problem"


def listing(operation: str, serializer: Any) -> Decorator:
    """Describe the list of what a serializer sends; ``operation`` names it, also in generated clients."""
    page = inline_serializer(
        f"{serializer.__name__.removesuffix('Serializer')}Page",
        {"items": serializer(many=True), "next": serializers.URLField(allow_null=True)},
    )
    found: Decorator = extend_schema(
        operation_id=operation, parameters=[FILTER, CURSOR, LIMIT], responses={200: page}, filters=False
    )
    return found


def reading(operation: str, serializer: Any) -> Decorator:
    """Describe reading one row."""
    unchanged = {304: None}
    found: Decorator = extend_schema(
        operation_id=operation, parameters=[IF_NONE_MATCH, ETAG], responses={200: serializer, **unchanged}
    )
    return found


def writing(
    operation: str,
    serializer: Any,
    *,
    body: Any = None,
    status: int = 200,
    versioned: bool = False,
    parameters: Sequence[OpenApiParameter] = (),
) -> Decorator:
    """Describe adding or changing; what is sent is described by ``body``, or by the same serializer."""
    changes = [] if status == HTTPStatus.CREATED else [VERSION if versioned else IF_MATCH]
    found: Decorator = extend_schema(
        operation_id=operation,
        parameters=[IDEMPOTENCY_KEY, ETAG, *changes, *parameters],
        request=body or serializer,
        responses={status: serializer},
    )
    return found


def acting(
    operation: str, serializer: Any, *, body: Any = None, status: int = 200, versioned: bool = False
) -> Decorator:
    """Describe something that is done, and what it is answered."""
    asynchronous = [RESPOND_ASYNC] if status == HTTPStatus.ACCEPTED else []
    found: Decorator = extend_schema(
        operation_id=operation,
        parameters=[IDEMPOTENCY_KEY, *asynchronous, *([VERSION] if versioned else [])],
        request=body,
        responses={status: serializer},
    )
    return found


def deleting(operation: str, *, versioned: bool = False, parameters: Sequence[OpenApiParameter] = ()) -> Decorator:
    """Describe deleting."""
    version = VERSION if versioned else IF_MATCH
    found: Decorator = extend_schema(
        operation_id=operation, parameters=[IDEMPOTENCY_KEY, version, *parameters], request=None, responses={204: None}
    )
    return found


class NameAndPasswordScheme(OpenApiAuthenticationExtension):
    """How a name and a password are sent."""

    target_class = NameAndPassword
    name = "password"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Say it in OpenAPI's words."""
        return {"type": "http", "scheme": "basic"}


class BearerTokenScheme(OpenApiAuthenticationExtension):
    """How a token is sent."""

    target_class = BearerToken
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Say it in OpenAPI's words."""
        return {"type": "http", "scheme": "bearer"}


def with_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add what every operation may answer when it refuses: problem details (RFC 9457)."""
    result.setdefault("components", {}).setdefault("schemas", {})[PROBLEM] = _problem()
    for address, operations in result["paths"].items():
        for method, operation in operations.items():
            if not isinstance(operation, Mapping) or "responses" not in operation:
                continue
            named = [one for one in operation.get("parameters", ()) if one["name"] == "If-Match"]
            needed = [428] if any(one.get("required") for one in named) else []
            for status in (*_refusals(method, address), *needed):
                operation["responses"].setdefault(str(status), _refusal(status))
    return result


def _refusals(method: str, address: str) -> list[int]:
    found = [400, 401, 403, 406, 429]
    if "{" in address:
        found.append(404)
    if method != "get":
        found += [409, 412, 413, 415, 422]
    return sorted(found)


def _refusal(status: int) -> dict[str, Any]:
    content = {problems.TYPE: {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _problem() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "What is wrong and what to do (RFC 9457).",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "errors": {"description": "What is wrong with which field."},
        },
        "required": ["type", "title", "status", "detail"],
    }


class IsStaff(BasePermission):
    """Lets everybody in who may sign in to the portal's pages: the description tells nothing of anybody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Ask for that."""
        return bool(request.user and request.user.is_active and request.user.is_staff)


class Described(Endpoint):
    """Who may read the description."""

    authentication_classes = (BearerToken, SessionAuthentication)
    permission_classes = (IsStaff,)
    throttle_classes = (PerToken,)
    schema = None

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Send what is refused as JSON, whatever else this would be."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        if answer.exception:
            answer.accepted_renderer, answer.accepted_media_type = JSONRenderer(), problems.TYPE
        return answer


class ApiSchema(Described, SpectacularAPIView):
    """The API's description."""


class ApiDocs(Described, SpectacularSwaggerSplitView):
    """The page that shows it and sends requests."""

    template_name = "provisioning/api/docs.html"
    url_name = "api-schema"
    title = "Rollcall API"
