"""Groups created, changed and deleted for a client: checked, recorded, and told to the directories.

The caller holds a transaction (``scim.groups`` opens it) and has taken the group's row, so that requests on one group
follow one another and none is lost. What a request does not change is not written: no new version, no report line, no
work for a directory.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from scim2_models import Path
from scim2_models.path import FilterNode

from provisioning import services
from provisioning.models import Group
from provisioning.models.people import fold
from scim.errors import conflict, invalid_value, not_found
from scim.groups import membership, operations, reading, rights
from scim.groups.membership import Delta
from scim.models import Client, GroupLink
from scim.patch import patched
from scim.patch.faults import as_scim_errors
from scim.patch.operation import PatchOperation
from scim.resources import relations, schemas
from scim.resources.group_rules import DESCRIPTION, DISPLAY, NAME, GroupRules, group_rules

LONGEST = 255


@dataclass(frozen=True, slots=True)
class WantedGroup:
    """What a group is to be."""

    name: str
    called: str  # the name by which the client knows it
    external_id: str
    delta: Delta
    description: str | None = None  # None: the request says nothing of it
    kept: dict[str, Any] = field(default_factory=dict)  # of the description, where the client reads back its own words


def create(client: Client, document: Mapping[str, Any]) -> Group:
    """Make a group of the client's; raise 409 when there is one of that name, whoever's it is."""
    rights.check_groups(client)
    rules = group_rules(client)
    wanted = _wanted(document, Delta(), rules)
    wanted.delta.add(document.get("members") or [])
    if wanted.delta:
        rights.check_members(client)
    group = Group(name=wanted.name, description=wanted.description or "", pushed_by=client.name)
    _save(client, group, wanted.called, rules)
    GroupLink.objects.create(client=client, group=group, owned=True, **_link_columns(group, wanted))
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
    rules = group_rules(client)
    link = _link(client, group)
    wanted = _wanted(document, Delta(), rules, group, link)
    if document.get("members") is not None:
        wanted.delta.replace(document["members"])
    return _write(client, group, wanted, link, rules)


def patch(client: Client, group: Group, asked: Sequence[PatchOperation]) -> bool:
    """Do the operations, all or none; return whether they changed anything."""
    delta, rest = Delta(), []
    for operation in asked:
        if operations.concerns(operation):
            operations.collect(operation, delta, lambda node: _select(client, group, delta, node))
        else:
            rest.append(operation)
    rules = group_rules(client)
    link = _link(client, group)
    shown = rules.shown(group, link)
    urns = [schemas.GROUP, *(name for name in shown if name.startswith("urn:"))]
    before = {"schemas": urns, **shown, "externalId": link.external_id}
    after = patched(before, rest, schemas.group_model(rules.extensions))
    wanted = _wanted(_blanked(after, shown), delta, rules, group, link)
    return _write(client, group, wanted, link, rules)


def delete(client: Client, group: Group) -> None:
    """Delete the group; the people in it stay."""
    rights.check_groups(client)
    rights.check_ours(group)
    rights.check_not_privileged(group)
    services.delete_groups([group.pk], client.name, via=client.name)


def _write(client: Client, group: Group, wanted: WantedGroup, link: GroupLink, rules: GroupRules) -> bool:
    changed = _reword(client, group, wanted, rules)
    changed = _relabel(group, wanted, link) or changed
    if wanted.delta:
        rights.check_members(client)
        rights.check_ours(group)
        changed = bool(membership.write(client, group, wanted.delta)) or changed
    if changed:
        group.updated_at = timezone.now()
        Group.objects.filter(pk=group.pk).update(updated_at=group.updated_at)
    return changed


def _reword(client: Client, group: Group, wanted: WantedGroup, rules: GroupRules) -> bool:
    description = group.description if wanted.description is None else wanted.description
    if (wanted.name, description) == (group.name, group.description):
        return False
    rights.check_groups(client)
    rights.check_ours(group)
    group.name, group.description = wanted.name, description
    _save(client, group, wanted.called, rules)
    return True


def _relabel(group: Group, wanted: WantedGroup, link: GroupLink) -> bool:
    """Keep the client's own display name of the group, whoever owns the group."""
    columns = _link_columns(group, wanted)
    if all(getattr(link, name) == value for name, value in columns.items()):
        return False
    for name, value in columns.items():
        setattr(link, name, value)
    link.save()
    return True


def _link(client: Client, group: Group) -> GroupLink:
    found = GroupLink.objects.filter(client=client, group=group).first()
    return found or GroupLink(client=client, group=group)


def _link_columns(group: Group, wanted: WantedGroup) -> dict[str, Any]:
    own = wanted.called if wanted.called != group.name else ""
    stands_for = fold(group.name) if own else ""
    return {"external_id": wanted.external_id, "name": own, "stands_for": stands_for, "kept": wanted.kept}


def _save(client: Client, group: Group, called: str, rules: GroupRules) -> None:
    """Write the group; another one of that name is a conflict, also one that came this very moment.

    So is one that the client knows by the name it gives: it would find both and take one for the other.
    """
    taken = Group.objects.filter(name_key=fold(group.name)).exclude(pk=group.pk)
    try:
        if not (taken.exists() or (rules.renames and _known(client, group, called))):
            with transaction.atomic():
                services.save_group(group, client.name, via=client.name)
            return
    except IntegrityError:
        pass
    raise conflict(f"There is a group {called} already.")


def _known(client: Client, group: Group, called: str) -> bool:
    named = relations.group_name(client)("eq", called)
    return rights.visible(client).filter(named).exclude(pk=group.pk).exists()


def _wanted(
    document: Mapping[str, Any],
    delta: Delta,
    rules: GroupRules,
    group: Group | None = None,
    link: GroupLink | None = None,
) -> WantedGroup:
    """Read a document. Who sends back the name that it reads has renamed nothing, whatever the expression says now."""
    called = _text(document, DISPLAY).strip()
    if not called:
        raise invalid_value("A group needs a displayName.")
    values, kept = rules.read({**document, DISPLAY: called})
    same = group is not None and called == rules.called(group, link)
    name = group.name if group is not None and same else str(values.get(NAME) or called)
    described = values.get(DESCRIPTION, ...)
    description = None if described is ... else str(described or "")
    if description is None and link is not None:
        kept = link.kept
    return WantedGroup(name, called, _text(document, "externalId"), delta, description, kept)


def _blanked(after: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return a patched document in which what the patch removed stands as blank; a PUT that lacks it says nothing."""
    found = dict(after)
    for urn, words in shown.items():
        if urn.startswith("urn:"):
            found[urn] = {**dict.fromkeys(words, ""), **(after.get(urn) or {})}
    return found


def _text(document: Mapping[str, Any], attribute: str) -> str:
    value = document.get(attribute) or ""
    if not isinstance(value, str):
        raise invalid_value(f"{attribute} must be text.")
    if len(value) > LONGEST:
        raise invalid_value(f"{attribute} has {len(value)} characters; {LONGEST} are allowed.")
    return value


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
