"""The list of a run's planned group changes, and of one group's members in it: paged by id, never counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q

from provisioning.imports.decisions import undecided_groups
from provisioning.imports.groups.messages import LABELS
from provisioning.imports.users.listing import ShownChange
from provisioning.models import (
    Account,
    Group,
    GroupAccount,
    ImportRun,
    PlannedChange,
    PlannedGroup,
    PlannedMember,
    User,
)
from provisioning.models.imports import GroupAction

PAGE = 25
MEMBERS = 50


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """One planned group; ``group_id`` is the group in the portal, None while or when there is none.

    ``waits``: somebody may decide about it.
    """

    planned: PlannedGroup
    group_id: int | None
    differences: Sequence[ShownChange]
    waits: bool = False


@dataclass(frozen=True, slots=True)
class ListedMember:
    """One membership more or less: a user, a group, or somebody whom the same run adds (only a name)."""

    add: bool
    name: str
    user_id: int | None = None
    group_id: int | None = None


@dataclass(frozen=True, slots=True)
class GroupListing:
    """One page of groups; ``after`` is the id to page from, None where there is no more."""

    rows: Sequence[ListedGroup]
    after: int | None


@dataclass(frozen=True, slots=True)
class MemberListing:
    """One page of the members of one planned group."""

    group: PlannedGroup
    rows: Sequence[ListedMember]
    after: int | None


def groups(run: ImportRun, after: int | None = None) -> GroupListing:
    """Return the page after an id. Groups of which only their place was noted are left out."""
    nothing = Q(action=GroupAction.KEEP, added=0, removed=0)
    rows = PlannedGroup.objects.filter(run=run, pk__gt=after or 0).exclude(nothing).order_by("pk").defer("row")
    found = list(rows[: PAGE + 1])
    accounts = GroupAccount.objects.filter(pk__in=[one.group_account_id or 0 for one in found])
    on_roll: Mapping[int, int | None] = dict(accounts.values_list("pk", "group_id"))
    waiting = set(undecided_groups(run).filter(pk__in=[one.pk for one in found]).values_list("pk", flat=True))
    listed = [
        ListedGroup(
            one,
            one.group_id or on_roll.get(one.group_account_id or 0),
            _differences(one),
            waits=one.pk in waiting,
        )
        for one in found[:PAGE]
    ]
    return GroupListing(listed, found[PAGE - 1].pk if len(found) > PAGE else None)


def members(run: ImportRun, planned_id: int, after: int | None = None) -> MemberListing | None:
    """Return who joins and leaves a planned group of the run, the page after an id; None when it has no such group."""
    group = PlannedGroup.objects.filter(run=run, pk=planned_id).first()
    if group is None:
        return None
    found = list(PlannedMember.objects.filter(planned_group=group, pk__gt=after or 0).order_by("pk")[: MEMBERS + 1])
    return MemberListing(group, named(run, found[:MEMBERS]), found[MEMBERS - 1].pk if len(found) > MEMBERS else None)


def named(run: ImportRun, page: Sequence[PlannedMember]) -> list[ListedMember]:
    """Return who is meant by planned memberships, in their order: a handful of queries."""
    people = Account.objects.filter(pk__in=[one.account_id or 0 for one in page]).select_related("user").in_bulk()
    nested = GroupAccount.objects.filter(pk__in=[one.group_account_id or 0 for one in page]).in_bulk()
    users = dict(User.objects.filter(pk__in=[one.user_id or 0 for one in page]).values_list("pk", "username"))
    groups = dict(Group.objects.filter(pk__in=[one.child_id or 0 for one in page]).values_list("pk", "name"))
    new = _new_names(run, [one.ref for one in page if one.ref])
    rows = []
    for one in page:
        account, child = people.get(one.account_id or 0), nested.get(one.group_account_id or 0)
        if account is not None:
            name = account.user.username if account.user else account.key
            rows.append(ListedMember(one.add, name, user_id=account.user_id))
        elif child is not None:
            rows.append(ListedMember(one.add, child.key, group_id=child.group_id))
        elif one.user_id in users:
            rows.append(ListedMember(one.add, users[one.user_id], user_id=one.user_id))
        elif one.child_id in groups:
            rows.append(ListedMember(one.add, groups[one.child_id], group_id=one.child_id))
        else:
            rows.append(ListedMember(one.add, new.get(one.ref, "Somebody who is gone")))
    return rows


def _new_names(run: ImportRun, refs: Sequence[str]) -> dict[str, str]:
    """Return the names of the people and groups that the run adds, by id and by place."""
    if not refs:
        return {}
    found: dict[str, str] = {}
    people = PlannedChange.objects.filter(Q(remote_id__in=refs) | Q(place__in=refs), run=run)
    for remote_id, place, key in people.values_list("remote_id", "place", "key"):
        found |= {remote_id: key, place: key}
    rows = PlannedGroup.objects.filter(run=run, remote_id__in=refs).values_list("remote_id", "name")
    return found | dict(rows)


def _differences(one: PlannedGroup) -> list[ShownChange]:
    return [ShownChange(LABELS[name], one.before.get(name) or "–", value or "–") for name, value in one.after.items()]
