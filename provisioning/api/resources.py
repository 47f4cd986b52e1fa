"""What the resources of the API share: rights by method, lists with a filter, versions, and requests sent twice."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, ClassVar

import orjson
from django.db import IntegrityError, models
from django.db.models import QuerySet
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import APIException, NotFound, ParseError, PermissionDenied, ValidationError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from config.signin.again import SAVES, is_recent
from provisioning import directory_settings, services
from provisioning.api import filters, paging
from provisioning.api.access import BearerToken, Endpoint, PerToken
from provisioning.api.filters import Fields, Inside
from provisioning.api.problems import problem
from provisioning.tokens import answers
from provisioning.tokens.models import ApiToken
from reports.search import TooSlow, limited_time

VERBS = {"GET": "view", "HEAD": "view", "POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}
LIST_PARAMETERS = frozenset({"filter", "cursor", "limit"})
LARGEST = 1024 * 1024  # bytes of a body
DEEPEST = 40  # levels of a body
TOO_DEEP = "The body nests too deeply."
NO_TEXT = "The body holds a character that cannot be kept: NUL, or half of a surrogate pair."
TOO_SLOW = "This takes too long to find. Ask for less with filter, for example by the beginning of a name."
TAKEN = "Somebody took this name at the same moment. Look again, then decide."
ANOTHER = "This Idempotency-Key was used for another request. Send a new one with each new request."
BAD_KEY = "An Idempotency-Key has 1 to 255 visible characters."
PROVE = "Prove once more who you are, at /login/again/, and send it again; or use a token."
CHANGED = "It was changed since it was read. Read it again, then decide."


class PreconditionFailed(APIException):
    """It is not at the version that If-Match names (RFC 9110 section 13.1.1)."""

    status_code = 412
    default_detail = CHANGED


class PreconditionRequired(APIException):
    """It has to name the version that is meant (RFC 6585 section 3)."""

    status_code = 428
    default_detail = "Say with If-Match which version is meant: the ETag of what you read, or * for any."


class NotPossible(APIException):
    """It is as it should not be for this; the text says what to do."""

    status_code = 409


class BodyTooLarge(APIException):
    """A body that is too large."""

    status_code = 413
    default_detail = "The body is larger than 1 MB."


class JsonBody(JSONParser):
    """A body of JSON that can be kept: not too deep, and no text with characters that no database takes."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Return what it holds; raise ParseError."""
        try:
            found = super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError(TOO_DEEP) from None
        here = [found]
        for _ in range(DEEPEST):
            if not all(map(_is_text, here)):
                raise ParseError(NO_TEXT)
            here = [inner for one in here for inner in _inside(one)]
            if not here:
                return found
        raise ParseError(TOO_DEEP)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    return value if isinstance(value, list) else ()


def _is_text(value: Any) -> bool:
    """Return whether a value, if it is a text, can be kept: no NUL, and no half of a pair of UTF-16."""
    return not isinstance(value, str) or not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value)


class ApiResource(Endpoint):
    """A resource of one model: whoever may see, add, change or delete it in the admin may do so here."""

    authentication_classes = (BearerToken, SessionAuthentication)
    throttle_classes = (PerToken,)
    parser_classes = (JsonBody,)
    metadata_class = None
    model: ClassVar[type[models.Model]]
    serializer_class: ClassVar[Any]
    rights: ClassVar[Mapping[str, str]] = {}
    """Rights of methods that need another one than that of the model."""
    parameters: ClassVar[Collection[str]] = frozenset()
    versioned: ClassVar[bool] = False
    """Whether changing and deleting have to name the version that is meant."""
    not_versioned: ClassVar[Collection[str]] = frozenset()
    """Fields that the portal writes by itself, such as how a directory answers: no other version because of them."""
    asks_again: ClassVar[Collection[str]] = frozenset()
    """Methods before which the admin asks who it is: a session has to have proved it lately. A token has been given
    its scope after such a proof."""

    def right(self, request: Request) -> str:
        """Return the right that the method needs."""
        method = request.method or ""
        meta = self.model._meta
        return self.rights.get(method) or f"{meta.app_label}.{VERBS.get(method, 'change')}_{meta.model_name}"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse parameters that nobody knows and large bodies, once it is clear that the request may be made."""
        super().initial(request, *args, **kwargs)
        if (
            request.method in self.asks_again
            and not isinstance(request.auth, ApiToken)
            and not is_recent(request, SAVES)
        ):
            raise PermissionDenied(PROVE)
        if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST:
            raise BodyTooLarge
        if unknown := sorted(set(request.query_params) - set(self.parameters)):
            raise ValidationError({name: ["There is no such parameter."] for name in unknown})

    def rows(self) -> "QuerySet[Any]":
        """Return all rows that there are, with what showing them needs."""
        return self.model._default_manager.all()

    def context(self) -> dict[str, Any]:
        """Return what showing rows needs besides them."""
        return {}

    def answer(self, row: Any, status: int = 200, **headers: str) -> Response:
        """Return a row with its version."""
        found = dict(self.serializer_class(row, context=self.context()).data)
        return Response(found, status=status, headers={"ETag": version(found, self.not_versioned), **headers})

    def handle_exception(self, exc: Exception) -> Response:
        """Say what is refused elsewhere."""
        if isinstance(exc, services.ImportRefused):
            exc = NotPossible(exc.message)
        elif isinstance(exc, services.LastAdministrator | directory_settings.RemovalRefused):
            exc = NotPossible(str(exc))
        elif isinstance(exc, IntegrityError):
            exc = NotPossible(TAKEN)
        elif isinstance(exc, TooSlow):
            exc = ValidationError({"filter": [TOO_SLOW]})
        return super().handle_exception(exc)


class ApiList(ApiResource):
    """The list of a model, a page at a time."""

    parameters = LIST_PARAMETERS
    fields: ClassVar[Fields] = {}
    newest_first: ClassVar[bool] = False

    def inside(self) -> Inside:
        """Return the fields with parts that can be filtered by."""
        return {}

    def get(self, request: Request, **within: Any) -> Response:
        """List them, in the order of their ids."""
        rows = self.rows()
        text = request.query_params.get("filter", "")
        if not text.strip():
            return self._page(request, rows)
        try:
            wanted = filters.to_q(text, self.fields, self.inside())
        except ValueError as error:
            raise ValidationError({"filter": [str(error)]}) from None
        with limited_time():
            return self._page(request, rows.filter(wanted))

    def _page(self, request: Request, rows: "QuerySet[Any]") -> Response:
        page = paging.by_id(rows, request.query_params.dict(), newest_first=self.newest_first)
        return Response(paging.shown(request, page, self.show))

    def show(self, rows: Sequence[Any]) -> list[Any]:
        """Return rows as they are sent."""
        return list(self.serializer_class(rows, many=True, context=self.context()).data)


class ApiRow(ApiResource):
    """Something about one row of a model."""

    def find(self, pk: int) -> Any:
        """Return the row; raise NotFound."""
        found = self.rows().filter(pk=pk).first()
        if found is None:
            raise NotFound(f"There is no such {self.model._meta.verbose_name}.")
        return found

    def locked(self, request: Request, pk: int) -> Any:
        """Return the row, locked, at the version that the request means; raise NotFound, PreconditionFailed."""
        held = self.model._default_manager.filter(pk=pk).select_for_update(no_key=True).values_list("pk", flat=True)
        if not list(held):
            raise NotFound(f"There is no such {self.model._meta.verbose_name}.")
        found = self.find(pk)
        wanted = request.headers.get("If-Match", "").strip()
        if self.versioned and not wanted:
            raise PreconditionRequired
        if wanted and wanted != "*" and self.answer(found)["ETag"] not in _listed(wanted):
            raise PreconditionFailed
        return found


class ApiSingle(ApiRow):
    """One row of a model."""

    def get(self, request: Request, pk: int) -> Response:
        """Show it; nothing but its version when whoever asks has that."""
        answer = self.answer(self.find(pk))
        if answer["ETag"] in _listed(request.headers.get("If-None-Match", "")):
            return Response(status=304, headers={"ETag": answer["ETag"]})
        return answer


def version(shown: Mapping[str, Any], without: Collection[str] = ()) -> str:
    """Return the entity tag of what is sent (RFC 9110 section 8.8.3): another one as soon as anything else differs."""
    shown = {name: value for name, value in shown.items() if name not in without}
    return f'"{answers.digest(orjson.dumps(shown, default=str, option=orjson.OPT_SORT_KEYS))[:32]}"'


def _listed(header: str) -> list[str]:
    return [one.strip() for one in header.split(",")]


Handler = Callable[..., Response]


def repeatable(handler: Handler) -> Handler:
    """Let a request with an Idempotency-Key be sent again: it is done once, and answered in the same way for a day."""

    @wraps(handler)
    def answered(self: ApiResource, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return handler(self, request, *args, **kwargs)
        if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
            raise ValidationError({"Idempotency-Key": [BAD_KEY]})
        who = f"token {request.auth.pk}" if isinstance(request.auth, ApiToken) else f"user {request.user.pk}"
        asked = answers.sealed(str(request.method).encode(), request.get_full_path().encode(), request.body)
        made: list[Response] = []

        def do() -> tuple[int, dict[str, str], Any]:
            response = handler(self, request, *args, **kwargs)
            made.append(response)
            return response.status_code, dict(response.headers), response.data

        try:
            kept, again = answers.once(answers.digest(who.encode(), key.encode()), asked, do)
        except answers.AnotherRequest:
            return problem(422, ANOTHER)
        if not again:
            return made[0]
        return Response(kept.body, status=kept.status, headers={**kept.headers, "Idempotency-Replayed": "true"})

    return answered
