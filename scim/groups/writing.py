"""Groups created, changed and deleted for a client: checked, recorded, and told to the directories.

The caller holds a transaction (``scim.groups`` opens it) and has taken the group's row, so that requests on one group
follow one another and none is lost. What a request does not change is not written: no new version, no report line, no
work for a directory.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from scim2_models import Path
from scim2_models.path import FilterNode

from provisioning import services
from provisioning.models import Group
from provisioning.models.people import fold
from reports.models import Operation
from scim import schemas
from scim.errors import invalid_value, not_found
from scim.groups import membership, operations, reading, rights
from scim.groups.membership import Delta
from scim.models import Client, GroupLink
from scim.patch import patched
from scim.patch.faults import as_scim_errors

LONGEST = 255


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a group is to be."""

    name: str
    external_id: str
    delta: Delta


def create(client: Client, document: Mapping[str, Any]) -> Group:
    """Make a group of the client's; raise 409 when there is one of that name, whoever's it is."""
    rights.check_groups(client)
    wanted = _wanted(document, Delta())
    wanted.delta.add(document.get("members") or [])
    if wanted.delta:
        rights.check_members(client)
    group = Group(name=wanted.name, pushed_by=client.name)
    _save(client, group, Operation.CREATE)
    GroupLink.objects.create(client=client, group=group, external_id=wanted.external_id, owned=True)
    membership.write(client, group, wanted.delta)
    return group


def locked(client: Client, scim_id: uuid.UUID) -> Group:
    """Return a group that the client sees, taken for this transaction; raise 404."""
    rows = rights.visible(client).filter(scim_id=scim_id).select_for_update(no_key=True, of=("self",))
    group = rows.select_related("owner").first()
    if group is None:
        raise not_found()
    return group


def replace(client: Client, group: Group, document: Mapping[str, Any]) -> bool:
    """Make the group what the document says (RFC 7644 section 3.5.1); return whether that changed anything.

    A document without ``members`` leaves them alone: clients leave them out that send members by PATCH, or that asked
    for the group without them. An empty list empties the group.
    """
    wanted = _wanted(document, Delta())
    if document.get("members") is not None:
        wanted.delta.replace(document["members"])
    return _write(client, group, wanted)


def patch(client: Client, group: Group, asked: Sequence[Mapping[str, Any]]) -> bool:
    """Do the operations of ``scim.dialects``, all or none; return whether they changed anything."""
    delta, rest = Delta(), []
    for operation in asked:
        if operations.concerns(operation):
            operations.collect(operation, delta, lambda node: _select(client, group, delta, node))
        else:
            rest.append(operation)
    before = {"schemas": [schemas.GROUP], "displayName": group.name, "externalId": _external_id(client, group)}
    return _write(client, group, _wanted(patched(before, rest, schemas.group_model()), delta))


def delete(client: Client, group: Group) -> None:
    """Delete the group; the people in it stay."""
    rights.check_groups(client)
    rights.check_ours(group, Operation.DELETE)
    services.delete_groups([group.pk], client.name, via=client.name)


def _write(client: Client, group: Group, wanted: Wanted) -> bool:
    changed = _rename(client, group, wanted.name)
    changed = _relabel(client, group, wanted.external_id) or changed
    if wanted.delta:
        rights.check_members(client)
        rights.check_ours(group, Operation.UPDATE)
        changed = bool(membership.write(client, group, wanted.delta)) or changed
    if changed:
        group.updated_at = timezone.now()
        Group.objects.filter(pk=group.pk).update(updated_at=group.updated_at)
    return changed


def _rename(client: Client, group: Group, name: str) -> bool:
    if name == group.name:
        return False
    rights.check_groups(client)
    rights.check_ours(group, Operation.UPDATE)
    group.name = name
    _save(client, group, Operation.UPDATE)
    return True


def _relabel(client: Client, group: Group, external_id: str) -> bool:
    """Keep what the client calls the group; that is its own affair, whoever's the group is."""
    if external_id == _external_id(client, group):
        return False
    GroupLink.objects.update_or_create(client=client, group=group, defaults={"external_id": external_id})
    return True


def _save(client: Client, group: Group, operation: Operation) -> None:
    """Write the group's name; another group of that name is a conflict, also one that came this very moment."""
    taken = Group.objects.filter(name_key=fold(group.name)).exclude(pk=group.pk)
    try:
        if not taken.exists():
            with transaction.atomic():
                services.save_group(group, client.name, via=client.name)
            return
    except IntegrityError:
        pass
    detail = f"There is a group {group.name} already."
    raise rights.Refused(409, detail, group.name, operation, "uniqueness")


def _wanted(document: Mapping[str, Any], delta: Delta) -> Wanted:
    name = _text(document, "displayName").strip()
    if not name:
        raise invalid_value("A group needs a displayName.")
    return Wanted(name, _text(document, "externalId"), delta)


def _text(document: Mapping[str, Any], attribute: str) -> str:
    value = document.get(attribute) or ""
    if not isinstance(value, str):
        raise invalid_value(f"{attribute} must be text.")
    if len(value) > LONGEST:
        raise invalid_value(f"{attribute} has {len(value)} characters; {LONGEST} are allowed.")
    return value


def _external_id(client: Client, group: Group) -> str:
    found = GroupLink.objects.filter(client=client, group=group).values_list("external_id", flat=True).first()
    return found or ""


def _select(client: Client, group: Group, delta: Delta, node: FilterNode) -> Iterable[str]:
    """Yield the ids of the members that a filter picks, as they stand after the operations before."""
    model: Any = schemas.group_model()
    path = Path.__class_getitem__(model)(f"members[{node}]")
    chunk: list[dict[str, Any]] = [{"value": key} for key in delta.added]
    there = () if delta.everybody else reading.entries(client, [group.pk], named=True)
    for _, entry in there:
        if entry["value"] in delta.removed:
            continue
        chunk.append(entry)
        if len(chunk) == reading.HELD:
            yield from _matching(path, model, chunk)
            chunk = []
    yield from _matching(path, model, chunk)


def _matching(path: Any, model: Any, entries: list[dict[str, Any]]) -> list[str]:
    with as_scim_errors():
        found = path.get(model.model_validate({"schemas": [schemas.GROUP], "members": entries})) or []
    return [member.value for member in found]
