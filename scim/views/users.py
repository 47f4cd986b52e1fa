"""/Users, /Users/{id} and /Me."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from scim import render, search, users
from scim.errors import ScimError, switched_off
from scim.projection import Projection
from scim.responses import respond
from scim.views.base import View, unchanged


class UsersView(View):
    """The collection."""

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """List users."""
        return search.listed(self.client, [search.USERS], search.Query.read(request.GET))


class UserView(View):
    """One user."""

    http_method_names = ["get", "head", "put", "patch", "delete", "options"]

    def get(self, request: HttpRequest, uuid: str, **kwargs: Any) -> HttpResponse:
        """Read one user."""
        if not self.client.read:
            raise switched_off("Reading")
        user = users.find(self.client, uuid)
        projection = Projection.read(request.GET, users.schema(self.client))
        version = render.version(user)
        if unchanged(request, version):
            return respond(None, 304, version=version)
        body = users.read(self.client, user, projection)
        return respond(body, location=f"{self.client.base_url}/Users/{user.scim_id}", version=version)


class MeView(View):
    """The authenticated subject (RFC 7644 section 3.11): a client is an application, and no user stands for it."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete", "options"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer 501, as the RFC says for subjects that are no resource."""
        raise ScimError(501, "An application has no user of its own here.")

    post = put = patch = delete = get
