"""Pure: what an account needs, given what the portal wants and what the directory holds.

``without_looking`` settles what the portal knows by itself: an account whose digest is unchanged costs no call to its
directory. Otherwise the worker looks the account up and ``after_looking`` decides. Nothing here depends on how the
account got where it is, so a second run after a crash only does what is still missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple, Protocol

from directories.attributes import Value
from directories.connectors.base import Capability, RemoteAccount
from provisioning.outbound.compare import differences


class UserStatus(StrEnum):
    """How the user of an account stands. EARLY: they begin later, and have the account already, disabled."""

    WANTED = "wanted"
    EARLY = "early"
    DEACTIVATED = "deactivated"
    DELETED = "deleted"


class Step(StrEnum):
    """One thing to do. LINK takes over an account that is there already; it calls nothing."""

    LINK = "link"
    CREATE = "create"
    ENABLE = "enable"
    UPDATE = "update"
    DISABLE = "disable"
    DELETE = "delete"


CHOOSE = "Or choose something else for users who are deactivated or deleted, under Features & schedule."
NO_GRACE = "Or leave the days blank under Features & schedule: then accounts are deleted at once."
CONTAINER = "container"  # what a move is called among the changes of attributes
PENDING, ACTIVE, DISABLED, ABSENT = "pending", "active", "disabled", "absent"


class Why(NamedTuple):
    """Why a step is not taken; ``blocked`` when it ought to be and somebody must configure the directory first."""

    message: str
    blocked: bool = False


class Switches(Protocol):
    """The provisioning features that decide here; ``directories.config.Features`` has them."""

    @property
    def create_users(self) -> bool: ...  # noqa: D102
    @property
    def update_users(self) -> bool: ...  # noqa: D102
    @property
    def deactivate_users(self) -> bool: ...  # noqa: D102
    @property
    def delete_users(self) -> bool: ...  # noqa: D102
    @property
    def on_deactivate(self) -> str: ...  # noqa: D102
    @property
    def on_delete(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a decision depends on, besides what the directory itself says.

    ``digest`` stands for the wanted state and ``pushed_digest`` for the one last reached ("" is unknown). ``known``
    holds the directory attributes last seen or pushed. ``carries_state``: the mapping writes whether the user is
    active, so an update can disable and enable. ``container``: where the account is to stand, "" where it may stay;
    ``placeless`` is the digest without it, which an import leaves behind. ``delete_due``: an account that the
    directory's settings delete may be deleted now; until then it is disabled.
    ``lacking`` tells what is missing for a capability and what to do about it, as ``Connector.lacking`` does;
    ``container_of`` where an account stands.
    """

    directory: str
    status: UserStatus
    state: str
    switches: Switches
    capabilities: frozenset[Capability]
    desired: Mapping[str, Value] = field(default_factory=dict)
    known: Mapping[str, Value] = field(default_factory=dict)
    digest: str = ""
    pushed_digest: str = ""
    carries_state: bool = False
    container: str = ""
    placeless: str = ""
    delete_due: bool = True
    lacking: Callable[[Capability], str] = str
    container_of: Callable[[RemoteAccount], str] = lambda account: ""

    def can(self, capability: Capability) -> bool:
        """Return whether the directory offers the capability as it is configured now."""
        return capability in self.capabilities

    @property
    def leaving(self) -> bool:
        """Whether the user has left, as far as this directory goes."""
        return self.status in (UserStatus.DEACTIVATED, UserStatus.DELETED)

    @property
    def writes(self) -> bool:
        """Whether the portal writes accounts of this directory at all."""
        on = self.switches
        return on.create_users or on.update_users or on.deactivate_users or on.delete_users

    @property
    def state_by_update(self) -> bool:
        """Whether disabling and enabling is an update of the mapped attribute."""
        return self.carries_state and self.can(Capability.UPDATE) and not self.can(Capability.DISABLE)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in order, and the account's ``state`` afterwards.

    ``reason`` says in words why nothing, or not all, is done. ``settled``: once the steps are done the directory is as
    wanted, so the digest may be kept. ``blocked``: it ought to be done, and somebody must configure it first.
    ``left_open``: the user has left and the account can still be used, though nobody chose that.
    """

    steps: tuple[Step, ...] = ()
    state: str = PENDING
    changes: Mapping[str, tuple[Value, Value]] = field(default_factory=dict)
    reason: str = ""
    settled: bool = True
    blocked: bool = False
    left_open: bool = False


def without_looking(now: Situation) -> Plan | None:
    """Return the plan when the directory need not be asked, else None."""
    if now.status is UserStatus.EARLY:
        return _early_without_looking(now)
    if now.leaving:
        return _leaving_without_looking(now)
    known = now.state in (ACTIVE, DISABLED)
    if now.state == ACTIVE and now.digest == now.pushed_digest:
        return Plan(state=ACTIVE, reason=f"{now.directory} is in sync.")
    if now.state == ACTIVE and (why := _why_not_update(now)):
        return _stay(now, why)
    if not known and not now.switches.create_users and not now.switches.update_users:
        return _stay(now, Why(f"Creating users is switched off for {now.directory}."))
    return None


def after_looking(now: Situation, remote: RemoteAccount | None) -> Plan:
    """Return the plan for an account that was looked up; ``remote`` is None when the directory does not have it."""
    if now.leaving or (now.status is UserStatus.EARLY and why_not_early(now)):
        return _leaving(now, remote)
    if now.status is UserStatus.EARLY:
        return _early(now, remote)
    if remote is None:
        return _create(now)
    return _bring_in_sync(now, remote)


def _bring_in_sync(now: Situation, remote: RemoteAccount) -> Plan:
    """Return the plan for an account that is to be there and is: taken over, enabled, updated, each if it has to be."""
    linked = now.state in (PENDING, ABSENT)
    changes, differs = differences(now.desired, remote.attributes, {} if linked else now.known)
    disabled = _is_disabled(now, remote, linked)
    no_enable = _why_not_enable(now, linked) if disabled else None
    enables = disabled and no_enable is None
    if enables and now.state_by_update:
        differs = False  # enabling is an update here, and writes everything
    if _elsewhere(now, remote) and (enables or remote.enabled is not False):
        changes, differs = {**changes, CONTAINER: (now.container_of(remote), now.container)}, True
    no_update = _why_not_update(now) if differs else None
    updates = differs and no_update is None
    chosen = {Step.LINK: linked, Step.ENABLE: enables, Step.UPDATE: updates}
    steps = tuple(step for step, is_needed in chosen.items() if is_needed)
    reasons = [why for why in (no_enable, no_update) if why]
    reason = " ".join(why.message for why in reasons)
    return Plan(
        steps,
        state=DISABLED if no_enable else ACTIVE,
        changes=changes if updates or (enables and now.state_by_update) else {},
        reason=reason if reason or steps else f"{now.directory} is in sync.",
        settled=not reasons,
        blocked=any(why.blocked for why in reasons),
    )


def why_not_early(now: Situation) -> str:
    """Return why an account cannot be there, disabled, before its user begins, "" when it can."""
    if not now.switches.deactivate_users:
        return f"Deactivating users is switched off for {now.directory}, so the account is made on the first day."
    missing = [one for one in (Capability.DISABLE, Capability.ENABLE) if not now.can(one)]
    if missing and not now.state_by_update:
        name, lacking = now.directory, now.lacking(missing[0])
        return f"{name} cannot disable and enable accounts, so this one is made on the first day. {lacking}".rstrip()
    return ""


def _early_without_looking(now: Situation) -> Plan | None:
    there = now.state in (ACTIVE, DISABLED)
    if why := why_not_early(now):
        return _leaving_without_looking(now) if there else _stay(now, Why(why))
    if now.state == DISABLED and now.digest == now.pushed_digest:
        return Plan(state=DISABLED, reason=f"{now.directory} is in sync.")
    if not there and not now.switches.create_users:
        return _stay(now, Why(f"Creating users is switched off for {now.directory}."))
    return None


def _early(now: Situation, remote: RemoteAccount | None) -> Plan:
    """Return the plan for an account that is to be there, and disabled."""
    if remote is None:
        made = _create(now)
        steps = made.steps if now.state_by_update or not made.steps else (*made.steps, Step.DISABLE)
        return replace(made, steps=steps, state=DISABLED) if steps else made
    linked = now.state in (PENDING, ABSENT)
    changes, differs = differences(now.desired, remote.attributes, {} if linked else now.known)
    disables = now.state != DISABLED if remote.enabled is None else remote.enabled
    if disables and now.state_by_update:
        differs = False  # disabling is an update here, and writes everything
    no_update = _why_not_update(now) if differs else None
    updates = differs and no_update is None
    chosen = {Step.LINK: linked, Step.DISABLE: disables, Step.UPDATE: updates}
    steps = tuple(step for step, is_needed in chosen.items() if is_needed)
    settled = "" if steps else f"{now.directory} is in sync."
    return Plan(
        steps,
        state=DISABLED,
        changes=changes if updates or (disables and now.state_by_update) else {},
        reason=no_update.message if no_update else settled,
        settled=no_update is None,
        blocked=bool(no_update and no_update.blocked),
    )


def assumed(now: Situation) -> Plan:
    """Return what would probably be done, from what the portal knows alone: for previews."""
    remote = None
    if now.state in (ACTIVE, DISABLED):
        remote = RemoteAccount("", "", now.known, enabled=now.state == ACTIVE)
    plan = without_looking(now) or after_looking(now, remote)
    if (
        remote
        and now.status is UserStatus.WANTED
        and not plan.steps
        and plan.settled
        and now.digest != now.pushed_digest
    ):
        # Nothing that the portal saw of the account differs, so it is its place; where it is now, nobody keeps.
        unknown = now.pushed_digest in ("", now.placeless)
        moves = bool(now.container) and not unknown and _why_not_update(now) is None
        return Plan((Step.UPDATE,), plan.state, {CONTAINER: (None, now.container)}) if moves else plan
    return plan


def _leaving_without_looking(now: Situation) -> Plan | None:
    name, deleted = now.directory, now.status is UserStatus.DELETED
    if not (now.switches.delete_users if deleted else now.switches.deactivate_users):
        return _stay(now, Why(f"{'Deleting' if deleted else 'Deactivating'} users is switched off for {name}."))
    if now.state == ABSENT:
        return Plan(state=ABSENT, reason=f"{name} has no such account.")
    match policy(now):
        case "leave":
            return _stay(now, Why(f"{name} leaves the accounts of {now.status} users as they are."), chosen=True)
        case "delete" if not now.can(Capability.DELETE):
            return _stay(now, Why(f"{name} cannot delete users. {now.lacking(Capability.DELETE)}", blocked=True))
        case "disable" if now.state == DISABLED and now.digest == now.pushed_digest:
            return Plan(state=DISABLED, reason=f"{name} is in sync.")
        case "disable" if not now.can(Capability.DISABLE) and not now.state_by_update:
            choose = NO_GRACE if waits(now) else CHOOSE
            message = f"{name} cannot disable users. {now.lacking(Capability.DISABLE)} {choose}"
            return _stay(now, Why(message, blocked=True))
    return None


def _leaving(now: Situation, remote: RemoteAccount | None) -> Plan:
    step = Step.DELETE if policy(now) == "delete" else Step.DISABLE
    if remote is None:
        # An account that was there once gets its line: a worker may have died between deleting and recording it.
        steps = (step,) if now.state in (ACTIVE, DISABLED) else ()
        return Plan(steps, ABSENT, reason=f"{now.directory} has no such account.")
    if step is Step.DELETE:
        return Plan((step,), ABSENT)
    changes, differs = differences(now.desired, remote.attributes, now.known) if now.state_by_update else ({}, True)
    if _elsewhere(now, remote):  # perhaps one whose move failed after it had been disabled
        changes = {**changes, CONTAINER: (now.container_of(remote), now.container)}
    elif not differs or remote.enabled is False:
        return Plan(state=DISABLED, reason=f"The account is disabled in {now.directory} already.")
    return Plan((step,), DISABLED, changes)


def _create(now: Situation) -> Plan:
    if not now.switches.create_users:
        return Plan((), ABSENT, {}, f"Creating users is switched off for {now.directory}.", settled=False)
    if not now.can(Capability.CREATE):
        message = f"{now.directory} cannot create users. {now.lacking(Capability.CREATE)}"
        return Plan((), ABSENT, {}, message, settled=False, blocked=True)
    changes = {name: (None, value) for name, value in now.desired.items() if value not in (None, "")}
    return Plan((Step.CREATE,), ACTIVE, changes)


def _elsewhere(now: Situation, remote: RemoteAccount) -> bool:
    """Return whether the account does not stand where it is to stand."""
    there = now.container_of(remote) if now.container else ""
    return bool(there) and there != now.container


def _is_disabled(now: Situation, remote: RemoteAccount, linked: bool) -> bool:
    """Return whether the account is to be enabled: one that the portal disabled, or one that it takes over.

    An account that somebody disabled in the directory itself stays so.
    """
    if remote.enabled is None:
        return now.state == DISABLED
    return not remote.enabled and (linked or now.state == DISABLED)


def _why_not_enable(now: Situation, linked: bool) -> Why | None:
    if not (now.switches.create_users if linked else now.switches.deactivate_users):
        return Why(f"The account is disabled, and enabling it is switched off for {now.directory}.")
    if not now.can(Capability.ENABLE) and not now.state_by_update:
        message = f"The account is disabled, and {now.directory} cannot enable it. {now.lacking(Capability.ENABLE)}"
        return Why(message, blocked=True)
    return None


def _why_not_update(now: Situation) -> Why | None:
    if not now.switches.update_users:
        return Why(f"Updating users is switched off for {now.directory}.")
    if not now.can(Capability.UPDATE):
        return Why(f"{now.directory} cannot update users. {now.lacking(Capability.UPDATE)}", blocked=True)
    return None


def policy(now: Situation) -> str:
    """Return what is done to the account of somebody who has left: "disable", "delete" or "leave"."""
    return "disable" if waits(now) else _chosen(now)


def waits(now: Situation) -> bool:
    """Return whether the account is to be deleted, and not yet."""
    return _chosen(now) == "delete" and not now.delete_due


def _chosen(now: Situation) -> str:
    return now.switches.on_delete if now.status is UserStatus.DELETED else now.switches.on_deactivate


def _stay(now: Situation, why: Why, *, chosen: bool = False) -> Plan:
    left = now.status is not UserStatus.WANTED and now.state == ACTIVE
    open_ = left and now.writes and not chosen
    return Plan((), now.state, {}, why.message, settled=False, blocked=why.blocked, left_open=open_)
