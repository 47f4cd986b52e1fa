"""Pure: a group of the directory and what the portal knows of it become one planned change of a group."""

from dataclasses import dataclass, field
from typing import Any

from directories.connectors.base import RemoteGroup
from provisioning.imports.users.plan import MAX_REMOTE_ID, storable
from provisioning.models.imports import GroupAction
from provisioning.outbound.digests import place_digest

NAME, DESCRIPTION = "name", "description"
MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """What the portal noted of a group of the directory.

    ``group_id`` is None when its group was deleted in the portal; ``ours`` says that the portal (or another directory)
    owns the group, or did before it was deleted, and only pushes it there. ``name`` and ``description`` are the
    portal's, ``key`` the name there.
    """

    id: int
    group_id: int | None
    key: str
    seen_digest: str
    ours: bool = False
    name: str = ""
    description: str = ""


@dataclass(slots=True)
class PlannedRow:
    """One planned change of a group, before it has a row of its own; ``row`` keeps the digest of what was seen."""

    action: str
    name: str
    remote_id: str = ""
    place: str = ""
    account_id: int | None = None
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    row: dict[str, Any] = field(default_factory=dict)
    removed: int = 0
    message: str = ""


def unusable(remote: RemoteGroup) -> str:
    """Return why nothing can be made of the group, "" when something can."""
    if remote.problem:
        return remote.problem
    if not remote.ref or not remote.name.strip():
        return "The group has no name."
    if len(remote.ref) > MAX_REMOTE_ID or len(remote.name) > MAX_NAME:
        return f"The group's name is longer than {MAX_NAME} characters."
    if not storable(remote.ref + remote.name + remote.description):
        return "The group holds a character that cannot be stored. Correct it in the directory."
    return ""


def error(remote: RemoteGroup, message: str, known: KnownGroup | None = None) -> PlannedRow:
    """Return the planned error of a group."""
    name = "".join(sign if storable(sign) else "\ufffd" for sign in (remote.name or remote.ref)[:MAX_NAME])
    return PlannedRow(GroupAction.ERROR, name, account_id=known.id if known else None, message=message)


def created(remote: RemoteGroup, digest: str, name: str) -> PlannedRow:
    """Return the group coming into being under ``name``."""
    after = {NAME: name, **({DESCRIPTION: remote.description} if remote.description else {})}
    return PlannedRow(
        GroupAction.CREATE,
        name=name,
        remote_id=remote.ref,
        place=place_digest(remote.place),
        after=after,
        row={"digest": digest, "key": remote.name},
    )


def changed(remote: RemoteGroup, digest: str, known: KnownGroup, name: str) -> PlannedRow:
    """Return what differs of a known group, whose portal name is to be ``name``; perhaps nothing but its place."""
    wanted = {NAME: name, DESCRIPTION: remote.description}
    held = {NAME: known.name, DESCRIPTION: known.description}
    after = {key: value for key, value in wanted.items() if value != held[key]}
    return PlannedRow(
        GroupAction.UPDATE if after else GroupAction.KEEP,
        name=known.name,
        remote_id=remote.ref,
        place=place_digest(remote.place),
        account_id=known.id,
        before={key: held[key] for key in after},
        after=after,
        row={"digest": digest, "key": remote.name},
    )


def deleted_here(directory: str) -> str:
    """Return why a group that was deleted in the portal is not imported again."""
    return f"This group was deleted in the portal, and {directory} still has it. Delete it there as well."
