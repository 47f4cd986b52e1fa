"""POST /Bulk: each operation goes to the view that it would have gone to on its own."""

from typing import Any
from urllib.parse import unquote

import orjson
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase

from config.database import outage
from provisioning.outbound.batch import log_unexpected
from scim import bulk
from scim.errors import ScimError, not_found
from scim.responses import CONTENT_TYPE, respond
from scim.views.base import View
from scim.views.groups import GroupsView, GroupView
from scim.views.users import UsersView, UserView

_VIEWS: dict[str, tuple[type[View], type[View]]] = {"users": (UsersView, UserView), "groups": (GroupsView, GroupView)}
_OWN = ("HTTP_IF_", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING")  # headers that speak of the whole request


class BulkView(View):
    """Several operations in one request (RFC 7644 section 3.7)."""

    http_method_names = ["post", "options"]
    max_body = bulk.MAX_BYTES

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Carry the operations out and say what came of each."""
        return respond(bulk.Job(self.document(), self.send).run())

    def send(self, operation: bulk.BulkOperation) -> bulk.OperationResult:
        """Carry one operation out. What nobody foresaw fails this operation alone, as it would fail a request."""
        path, _, query = operation.path.partition("?")
        name, _, key = path.strip("/").partition("/")
        if name.casefold() not in _VIEWS or "/" in key:
            raise not_found()
        view = _VIEWS[name.casefold()][bool(key)]()
        request = self._request(operation, query)
        arguments = {"uuid": unquote(key)} if key else {}
        view.setup(request, **arguments)
        allowed = operation.method.lower() in view.http_method_names
        handler = getattr(view, operation.method.lower(), None) if allowed else None
        if handler is None:
            raise ScimError(405, f"{operation.method} is not possible at {operation.path}.")
        try:
            response = handler(request, **arguments)
        except ScimError:
            raise
        except outage.ERRORS as error:
            log_unexpected(error, f"answering a SCIM {operation.method} in a bulk request")
            raise ScimError(503, outage.WORDS) from None
        except Exception as error:
            log_unexpected(error, f"answering a SCIM {operation.method} in a bulk request")
            raise ScimError(500, "The operation failed. The portal's log says why.") from None
        return self._answer(response, f"/{name}/{key}" if key else "")

    def _request(self, operation: bulk.BulkOperation, query: str) -> HttpRequest:
        """Return the operation as a request of its own."""
        request = HttpRequest()
        request.method = operation.method
        request.GET = QueryDict(query)
        request.META = {name: value for name, value in self.request.META.items() if not name.startswith(_OWN)}
        request.content_type = CONTENT_TYPE
        request.scim_client = self.client  # type: ignore[attr-defined]
        request.scim_done = self.request.scim_done  # type: ignore[attr-defined]
        request._body = b"" if operation.data is None else orjson.dumps(operation.data)
        request.META["CONTENT_LENGTH"] = str(len(request._body))
        if operation.version:
            request.META["HTTP_IF_MATCH"] = operation.version
        return request

    def _answer(self, response: HttpResponseBase, path: str) -> bulk.OperationResult:
        location = response.get("Location") or response.get("Content-Location") or ""
        if not location and path:
            location = f"{self.client.base_url}{path}"
        body = orjson.loads(response.content) if response.status_code >= 400 else None  # type: ignore[attr-defined]
        key = location.rpartition("/")[2]
        return bulk.OperationResult(response.status_code, location, response.get("ETag", ""), body, key)
