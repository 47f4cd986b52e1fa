"""POST /.search, at the root and for each type, and GET on the root (RFC 7644 sections 3.4.2.1 and 3.4.3)."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from scim.lists import search
from scim.views.base import View


class SearchView(View):
    """A query in a body: its filter names people, whom no log of addresses should keep."""

    http_method_names = ["post", "options"]
    kinds: Sequence[search.ResourceKind] = search.EVERYTHING

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return a page of what the body asks for."""
        return search.listed(self.client, self.kinds, search.Query.read_body(self.document()))


class RootView(View):
    """Everything that the client sees, of every type."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """List people and groups."""
        return search.listed(self.client, search.EVERYTHING, search.Query.read(request.GET))
