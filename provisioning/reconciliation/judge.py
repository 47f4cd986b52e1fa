"""Pure: whether an account that a directory holds is as the portal wants it, and if not, in which way."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from directories.attributes import Value
from directories.connectors.base import RemoteAccount
from provisioning.outbound.accounts.plan import CONTAINER, DISABLED, Situation, UserStatus, policy
from provisioning.outbound.compare import differences
from provisioning.reconciliation.models import FindingKind

Values = Mapping[str, tuple[Value, Value]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What is not in step, and ``values``: attribute -> (portal, directory). ``kind`` is None when all is well.

    ``usable`` is whether the account can be used, None when the directory does not say.
    """

    kind: FindingKind | None = None
    values: Values = field(default_factory=dict)
    usable: bool | None = None
    message: str = ""


def judge(now: Situation, remote: RemoteAccount, state_names: Collection[str]) -> Judged:
    """Compare what the portal wants (``now``) with what the directory holds.

    Only attributes that the directory shows are compared. ``state_names`` are those of them, casefolded, that tell
    whether the person is active.
    """
    values = _differing(now, remote)
    usable = _usable(now, remote, values, state_names)
    if now.status is UserStatus.WANTED:
        if usable is False:
            return Judged(FindingKind.DISABLED, values, usable, "The account is switched off, and its user is active.")
        if now.container and (there := now.container_of(remote)) and there != now.container:
            values = {**values, CONTAINER: (now.container, there)}
        return Judged(FindingKind.DIFFERENT if values else None, values, usable)
    if now.status is UserStatus.EARLY:
        if usable:
            return Judged(FindingKind.ENABLED, values, usable, "The account can be used, and its user begins later.")
        return Judged(FindingKind.DIFFERENT if values else None, values, usable)
    return _leaver(now, usable, values)


def _leaver(now: Situation, usable: bool | None, values: Values) -> Judged:
    """Judge the account of somebody who is inactive, or who was deleted from the portal."""
    deleted = now.status is UserStatus.DELETED
    if not now.writes:  # a source: nobody is given access by its rows
        return Judged(FindingKind.DIFFERENT, {"active": (False, True)}, usable) if usable and not deleted else Judged()
    if policy(now) == "leave":
        return Judged(usable=usable)
    if usable or (usable is None and now.state != DISABLED):
        who = "was deleted from the portal" if deleted else "is inactive"
        return Judged(FindingKind.ENABLED, values, usable, f"The account can be used, and its user {who}.")
    if policy(now) == "delete":
        who = "was deleted" if deleted else "is inactive"
        return Judged(FindingKind.ORPHAN, {}, usable, f"The account should be gone: its user {who}.")
    return Judged(usable=usable)


def _differing(now: Situation, remote: RemoteAccount) -> dict[str, tuple[Value, Value]]:
    shown = {name.casefold() for name in remote.attributes}
    desired = {name: value for name, value in now.desired.items() if name.casefold() in shown}
    changes, _ = differences(desired, remote.attributes, {})
    return {name: (wanted, held) for name, (held, wanted) in changes.items()}


def _usable(now: Situation, remote: RemoteAccount, values: Values, state_names: Collection[str]) -> bool | None:
    """Return whether the account can be used: what the directory says, else what its mapped state says."""
    if remote.enabled is not None:
        return remote.enabled
    shown = {name.casefold() for name in remote.attributes}
    if not any(name in shown for name in state_names):
        return None
    differs = any(name.casefold() in state_names for name in values)
    return differs != (now.status is UserStatus.WANTED)
