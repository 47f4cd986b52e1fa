"""Merging two users who are one person: what that would do, and the plan that does it, which can be undone."""

from dataclasses import dataclass, field
from typing import Any

from provisioning.contracts.models import Contract
from provisioning.identities import merging
from provisioning.imports.doors import people
from provisioning.imports.doors.actions import AppliedNow, applied
from provisioning.imports.doors.runs import plan
from provisioning.imports.doors.upload import values_of
from provisioning.imports.runs import ImportRefused
from provisioning.imports.users.labels import Labels
from provisioning.imports.users.plan import MANAGER, USERNAME, Planned
from provisioning.imports.users.state import ACTIVE
from provisioning.models import Account, Membership, User
from provisioning.models.accounts import AccountState
from provisioning.models.imports import Action, Door
from provisioning.profile.person import catalogue

FILLED = "Taken over from {}, who is merged into this person."
MOST = 100  # of accounts, groups and contracts each, that a preview names
STAYS_BEHIND = "Stays behind: {} has one of their own there. The directory's settings say what becomes of it."
GIVEN_ON = "Goes over. What the directory has of it follows {} with the next update, where the portal writes there."
ENABLED = " It is disabled now, and is used by {} from then on."


@dataclass(frozen=True, slots=True)
class MergedValue:
    """One attribute: what both have, and whether the one who stays gets the other's."""

    label: str
    goes: Any
    stays: Any
    taken: bool


@dataclass(frozen=True, slots=True)
class MergePreview:
    """What a merge would do; ``problem`` is why it cannot be done, "" when it can.

    ``accounts`` and ``groups`` are names with what becomes of them in words, ``contracts`` and ``reports`` names.
    """

    goes: User
    stays: User
    problem: str
    values: list[MergedValue] = field(default_factory=list)
    accounts: list[tuple[str, str]] = field(default_factory=list)
    groups: list[tuple[str, str]] = field(default_factory=list)
    contracts: list[str] = field(default_factory=list)
    reports: int = 0


def preview(goes: User, stays: User) -> MergePreview:
    """Return what merging one user into another would do: the number of queries is fixed."""
    labels = Labels(catalogue())
    before, after = values_of(goes), values_of(stays)
    taken = filled(goes, stays)
    moving = {account.pk for account in merging.going_over(goes, stays)}
    accounts = Account.objects.filter(user=goes).exclude(remote_id="").select_related("directory")
    here = Membership.objects.filter(user=stays).values_list("group_id", flat=True)
    there = set(here)
    memberships = Membership.objects.filter(user=goes).select_related("group").order_by("group__name")
    kept = Contract.objects.filter(user=goes) | Contract.objects.filter(account__in=moving)
    return MergePreview(
        goes,
        stays,
        merging.problem(goes, stays),
        values=[
            MergedValue(labels[path], before.get(path), after.get(path), path in taken)
            for path in labels.in_order({*before, *after} - {ACTIVE})
            if before.get(path) is not None and before.get(path) != after.get(path)
        ],
        accounts=[
            (str(one.directory), _words(one, stays, moves=one.pk in moving))
            for one in accounts.order_by("directory__name")[:MOST]
        ],
        groups=[
            (one.group.name, "Is in it already." if one.group_id in there else "Joins it.")
            for one in memberships[:MOST]
        ],
        contracts=[str(one) for one in kept.order_by("pk")[:MOST]],
        reports=User.objects.filter(manager=goes).exclude(pk=stays.pk).count(),
    )


def filled(goes: User, stays: User) -> dict[str, Any]:
    """Return the values, by "kind.name", that the one who stays has not and gets from the other."""
    held = values_of(stays)
    return {
        path: value
        for path, value in values_of(goes).items()
        if value not in (None, "")
        and held.get(path) in (None, "")
        and path not in (ACTIVE, USERNAME)
        and not (path == MANAGER and goes.manager_id == stays.pk)
    }


def merge_by_plan(goes: User, stays: User, actor: str) -> AppliedNow:
    """Merge one user into another; raise ImportRefused with words where that cannot be."""
    if refusal := merging.problem(goes, stays):
        raise ImportRefused(refusal)
    planned: list[Planned] = []
    if after := filled(goes, stays):
        before = dict.fromkeys(after)
        planned.append(people.about(stays, Action.UPDATE, before=before, after=after, message=FILLED.format(goes)))
    planned.append(people.merging(goes, stays.pk, f"Becomes {stays}."))
    return applied(plan(Door.ACTION, f"Merge {goes.username} into {stays.username}", actor, [planned]))


def _words(account: Account, stays: User, *, moves: bool) -> str:
    if not moves:
        return STAYS_BEHIND.format(stays)
    closed = account.state == AccountState.DISABLED and stays.is_active
    return GIVEN_ON.format(stays) + (ENABLED.format(stays) if closed else "")
