"""Groups over SCIM: who sees and changes which, read in pages and streams, changed by differences."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import transaction

from provisioning.models import Group
from reports.models import Operation
from scim.errors import not_found
from scim.groups import writing
from scim.groups.reading import listing, read, version
from scim.groups.rights import visible
from scim.ids import id_of
from scim.models import Client
from scim.patch.operation import PatchOperation
from scim.refusals import reported
from scim.resources import attributes
from scim.resources.attributes import Schema

__all__ = ["create", "delete", "find", "listing", "patch", "read", "replace", "schema", "version", "visible"]

GroupAtVersion = Callable[[Group], None]  # raises ScimError when the group is not at the version that the client means


def schema(client: Client) -> Schema:
    """Return the attributes of groups for this client."""
    return attributes.groups(client)


def find(client: Client, scim_id: str) -> Group:
    """Return the group of that id; raise ScimError 404 for one that the client does not see."""
    group = visible(client).filter(scim_id=id_of(scim_id)).first()
    if group is None:
        raise not_found()
    return group


def create(client: Client, document: Mapping[str, Any]) -> Group:
    """Make a group of the client's, with its members; all or nothing."""
    with reported(client, Operation.CREATE, document.get("displayName") or ""), transaction.atomic():
        return writing.create(client, document)


def replace(client: Client, scim_id: str, document: Mapping[str, Any], check: GroupAtVersion) -> tuple[Group, bool]:
    """Make the group what the document says; return it and whether anything changed."""
    key = id_of(scim_id)
    with reported(client, Operation.UPDATE) as about, transaction.atomic():
        group = writing.locked(client, key)
        about.name = group.name
        check(group)
        return group, writing.replace(client, group, document)


def patch(
    client: Client, scim_id: str, operations: Sequence[PatchOperation], check: GroupAtVersion
) -> tuple[Group, bool]:
    """Do the operations; return the group and whether anything changed."""
    key = id_of(scim_id)
    with reported(client, Operation.UPDATE) as about, transaction.atomic():
        group = writing.locked(client, key)
        about.name = group.name
        check(group)
        return group, writing.patch(client, group, operations)


def delete(client: Client, scim_id: str, check: GroupAtVersion) -> None:
    """Delete the group; the people in it stay."""
    key = id_of(scim_id)
    with reported(client, Operation.DELETE) as about, transaction.atomic():
        group = writing.locked(client, key)
        about.name = group.name
        check(group)
        writing.delete(client, group)
