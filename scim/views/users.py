"""/Users, /Users/{id} and /Me."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from provisioning.models import User
from scim import dialects
from scim.errors import ScimError, switched_off
from scim.lists import search
from scim.log import record as live_log
from scim.resources.projection import Projection
from scim.responses import respond
from scim.users import api as users
from scim.users.rendering import RenderContext
from scim.views.base import View, check_version, unchanged


class _UserEndpoint(View):
    """What both addresses share."""

    def projection(self) -> Projection:
        """Return what the response is to show."""
        return Projection.read(self.request.GET, users.schema(self.client))

    def answered(
        self, user: User, projection: Projection, status: int = 200, context: RenderContext | None = None
    ) -> HttpResponse:
        """Return one user."""
        body = users.read(self.client, user, projection, context)
        location = f"{self.client.base_url}/Users/{user.scim_id}"
        return respond(body, status, location=location, version=users.version(user))


class UsersView(_UserEndpoint):
    """The collection."""

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """List users."""
        return search.listed(self.client, [search.USERS], search.Query.read(request.GET))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Create a user."""
        projection = self.projection()
        user, context = users.create(self.client, dialects.resource(self.document(), projection.schema))
        live_log.note(request, f"Added or claimed {user}.")
        return self.answered(user, projection, 201, context)


class UserView(_UserEndpoint):
    """One user."""

    http_method_names = ["get", "head", "put", "patch", "delete", "options"]

    def get(self, request: HttpRequest, uuid: str, **kwargs: Any) -> HttpResponse:
        """Read one user."""
        if not self.client.read:
            raise switched_off("Reading")
        projection = self.projection()
        user = users.find(self.client, uuid)
        version = users.version(user)
        if unchanged(request, version):
            return respond(None, 304, version=version)
        return self.answered(user, projection)

    def put(self, request: HttpRequest, uuid: str, **kwargs: Any) -> HttpResponse:
        """Replace a user."""
        projection = self.projection()
        document = dialects.resource(self.document(), projection.schema)
        user, changed, context = users.replace(self.client, uuid, document, self.check)
        self.note(user, changed)
        return self.answered(user, projection, context=context)

    def patch(self, request: HttpRequest, uuid: str, **kwargs: Any) -> HttpResponse:
        """Change a user; the answer is the user, which Okta reads and Entra takes as well as 204."""
        projection = self.projection()
        operations = dialects.operations(self.document(), projection.schema)
        user, changed, context = users.patch(self.client, uuid, operations, self.check)
        self.note(user, changed)
        return self.answered(user, projection, context=context)

    def delete(self, request: HttpRequest, uuid: str, **kwargs: Any) -> HttpResponse:
        """Delete a user."""
        users.delete(self.client, uuid, self.check)
        live_log.note(request, "Deleted the user.")
        return respond(None, 204)

    def check(self, user: User) -> None:
        """Refuse when the client means another version."""
        check_version(self.request, users.version(user))

    def note(self, user: User, changed: bool) -> None:
        """Say in the live log what came of it."""
        live_log.note(self.request, f"Changed {user}." if changed else f"{user} is so already.")


class MeView(View):
    """The authenticated subject (RFC 7644 section 3.11): a client is an application, and no user stands for it."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete", "options"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer 501, as the RFC says for subjects that are no resource."""
        raise ScimError(501, "An application has no user of its own here.")

    post = put = patch = delete = get
