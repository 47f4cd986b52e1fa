"""/Groups and /Groups/{id}."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from provisioning.models import Group
from scim import dialects, groups
from scim.errors import switched_off
from scim.lists import search
from scim.log import record as live_log
from scim.resources.projection import Projection
from scim.responses import CONTENT_TYPE, respond
from scim.views.base import MEGABYTE, View, check_version, unchanged

LARGEST = 8 * MEGABYTE  # a hundred thousand members in one PUT


class _GroupEndpoint(View):
    """What both addresses share."""

    max_body = LARGEST

    def projection(self) -> Projection:
        """Return what the response is to show."""
        return Projection.read(self.request.GET, groups.schema(self.client))

    def answered(self, group: Group, projection: Projection, status: int = 200) -> HttpResponseBase:
        """Return one group, streamed when it has many members."""
        found = groups.read(self.client, [group], projection)
        location = f"{self.client.base_url}/Groups/{group.scim_id}"
        version = groups.version(group)
        if found.stream is None:
            return respond((found.documents or [{}])[0], status, location=location, version=version)
        plain = respond({}, status, location=location, version=version)
        streamed = StreamingHttpResponse(found.stream, status=status, content_type=CONTENT_TYPE)
        for name in ("Location", "Content-Location", "ETag", "Cache-Control"):
            if name in plain:
                streamed[name] = plain[name]
        return streamed


class GroupsView(_GroupEndpoint):
    """The collection."""

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """List groups."""
        return search.listed(self.client, [search.GROUPS], search.Query.read(request.GET))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Create a group."""
        projection = self.projection()
        document = dialects.resource(self.document(), groups.schema(self.client))
        group = groups.create(self.client, document)
        live_log.note(request, f"Created the group {group.name}.")
        return self.answered(group, projection, 201)


class GroupView(_GroupEndpoint):
    """One group."""

    http_method_names = ["get", "head", "put", "patch", "delete", "options"]

    def get(self, request: HttpRequest, uuid: str, **kwargs: Any) -> HttpResponseBase:
        """Read one group."""
        if not self.client.read:
            raise switched_off("Reading")
        projection = self.projection()
        group = groups.find(self.client, uuid)
        version = groups.version(group)
        if unchanged(request, version):
            return respond(None, 304, version=version)
        return self.answered(group, projection)

    def put(self, request: HttpRequest, uuid: str, **kwargs: Any) -> HttpResponseBase:
        """Replace a group."""
        projection = self.projection()
        document = dialects.resource(self.document(), groups.schema(self.client))
        group, changed = groups.replace(self.client, uuid, document, self.check)
        self.note(group, changed)
        return self.answered(group, projection)

    def patch(self, request: HttpRequest, uuid: str, **kwargs: Any) -> HttpResponseBase:
        """Change a group; 204 unless the client says which attributes it wants to see (RFC 7644 section 3.5.2).

        Entra asks for 204, and with the members of a large group nobody is served.
        """
        projection = self.projection()
        operations = dialects.operations(self.document(), groups.schema(self.client))
        group, changed = groups.patch(self.client, uuid, operations, self.check)
        self.note(group, changed)
        if {"attributes", "excludedAttributes"} & set(request.GET):
            return self.answered(group, projection)
        return respond(None, 204, version=groups.version(group))

    def delete(self, request: HttpRequest, uuid: str, **kwargs: Any) -> HttpResponse:
        """Delete a group."""
        groups.delete(self.client, uuid, self.check)
        live_log.note(request, "Deleted the group.")
        return respond(None, 204)

    def check(self, group: Group) -> None:
        """Refuse when the client means another version."""
        check_version(self.request, groups.version(group))

    def note(self, group: Group, changed: bool) -> None:
        """Say in the live log what came of it."""
        message = f"Changed the group {group.name}." if changed else f"The group {group.name} is so already."
        live_log.note(self.request, message)
