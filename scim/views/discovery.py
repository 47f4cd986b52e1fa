"""What the service says of itself: /ServiceProviderConfig, /ResourceTypes and /Schemas (RFC 7644 section 4)."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from scim.errors import ScimError, not_found
from scim.lists.paging import ListPage
from scim.resources import discovery
from scim.responses import respond
from scim.views.base import View


class Discovery(View):
    """GET only; a filter is refused as the RFC demands."""

    http_method_names = ["get", "head", "options"]

    def listed(self, resources: list[dict[str, Any]]) -> HttpResponse:
        """Return a list of them all."""
        if "filter" in self.request.GET:
            raise ScimError(403, "What the service says of itself cannot be filtered.")
        return respond(ListPage(resources, len(resources), 1).body(resources))

    def one(self, resources: list[dict[str, Any]], wanted: str) -> HttpResponse:
        """Return the one whose id is ``wanted`` without regard to case."""
        for resource in resources:
            if resource["id"].casefold() == wanted.casefold():
                return respond(resource, location=resource["meta"]["location"])
        raise not_found()


class ServiceProviderConfigView(Discovery):
    """What the service can do for this client."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return the configuration."""
        if "filter" in request.GET:
            raise ScimError(403, "What the service says of itself cannot be filtered.")
        return respond(discovery.service_provider_config(self.client))


class ResourceTypesView(Discovery):
    """User and Group."""

    def get(self, request: HttpRequest, name: str = "", **kwargs: Any) -> HttpResponse:
        """Return one resource type or all."""
        found = discovery.resource_types(self.client)
        return self.one(found, name) if name else self.listed(found)


class SchemasView(Discovery):
    """The schemas that are served."""

    def get(self, request: HttpRequest, urn: str = "", **kwargs: Any) -> HttpResponse:
        """Return one schema or all."""
        found = discovery.schemas_of(self.client)
        return self.one(found, urn) if urn else self.listed(found)
