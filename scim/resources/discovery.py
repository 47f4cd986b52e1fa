"""The service's description of itself, for one client, built with scim2-models so that it is what the RFCs define."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from scim2_models import Context, Meta, Resource, ResourceType, ServiceProviderConfig
from scim2_models.resources.schema import Schema

from scim import bulk
from scim.lists import cursors, paging
from scim.models import Client
from scim.resources import schemas
from scim.resources.group_rules import group_rules
from scim.resources.rules import user_rules

_BEARER = "https://www.rfc-editor.org/info/rfc6750"
_BASIC = "https://www.rfc-editor.org/info/rfc7617"
_OAUTH = "https://www.rfc-editor.org/info/rfc6749"


def service_provider_config(client: Client) -> dict[str, Any]:
    """Return what the service can do."""
    supported = {"supported": True}
    config = ServiceProviderConfig.model_validate(
        {
            "patch": supported,
            "bulk": {**supported, "maxOperations": bulk.MAX_OPERATIONS, "maxPayloadSize": bulk.MAX_BYTES},
            "filter": {**supported, "maxResults": paging.MAX_COUNT},
            "changePassword": supported,
            "sort": supported,
            "etag": supported,
            "authenticationSchemes": list(_schemes(client)),
            "pagination": {
                "cursor": True,
                "index": True,
                "defaultPaginationMethod": "index",
                "defaultPageSize": paging.DEFAULT_COUNT,
                "maxPageSize": paging.MAX_COUNT,
                "cursorTimeout": cursors.TIMEOUT,
            },
        }
    )
    return _dumped(config, "ServiceProviderConfig", f"{client.base_url}/ServiceProviderConfig")


def resource_types(client: Client) -> list[dict[str, Any]]:
    """Return User, with its extensions, and Group."""
    extensions = [
        {"schema": str(schema.id), "required": False} for schema in schemas.of_users(user_rules(client).definitions)[1:]
    ]
    user: dict[str, Any] = {"endpoint": "/Users", "description": "People on the roll", "schema": schemas.USER}
    group: dict[str, Any] = {"endpoint": "/Groups", "description": "Groups of people", "schema": schemas.GROUP}
    if more := schemas.of_groups(group_rules(client).extensions)[1:]:
        group["schemaExtensions"] = [{"schema": str(schema.id), "required": False} for schema in more]
    types = {"User": user | {"schemaExtensions": extensions}, "Group": group}
    base = f"{client.base_url}/ResourceTypes"
    return [
        _dumped(ResourceType.model_validate({"id": name, "name": name, **found}), "ResourceType", f"{base}/{name}")
        for name, found in types.items()
    ]


def schemas_of(client: Client) -> list[dict[str, Any]]:
    """Return the schemas of what is served, and those of the service's own description."""
    base = f"{client.base_url}/Schemas"
    return [
        {**schema, "meta": {"resourceType": "Schema", "location": f"{base}/{schema['id']}"}}
        for schema in _schemas(user_rules(client).definitions, group_rules(client).extensions)
    ]


@lru_cache(maxsize=16)
def _schemas(definitions: schemas.Definitions, extensions: schemas.Extensions) -> tuple[dict[str, Any], ...]:
    """Return the schemas as they are sent; to write them down takes a tenth of a second, so they are kept."""
    own = (model.to_schema() for model in (ServiceProviderConfig, ResourceType, Schema))
    served = (*schemas.of_users(definitions), *schemas.of_groups(extensions), *own)
    return tuple(_dumped(schema, "Schema", "") for schema in served)


def _dumped(resource: Resource[Any], kind: str, location: str) -> dict[str, Any]:
    resource = resource.model_copy(update={"meta": Meta(resource_type=kind, location=location)})
    found: dict[str, Any] = resource.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    return found


def _schemes(client: Client) -> Iterator[dict[str, Any]]:
    """Return how the client may authenticate, the first as primary."""
    offered = (
        (client.allow_bearer, "oauthbearertoken", "Bearer token", "A token in the Authorization header", _BEARER),
        (client.allow_basic, "httpbasic", "HTTP Basic", "The client id and a token as password", _BASIC),
        (client.allow_oauth, "oauth2", "OAuth 2", "A token of the OAuth 2 token endpoint", _OAUTH),
    )
    for number, (_, kind, name, words, uri) in enumerate(row for row in offered if row[0]):
        yield {"type": kind, "name": name, "description": words, "specUri": uri, "primary": number == 0}
