"""A user, a group or a department as of a moment: what is known now, walked back over the lines after it.

It is told as known now: a line that was written late counts for the time that it names. What no line tells of cannot
be walked back; ``Past.unknown`` says so.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from provisioning.history import lines
from provisioning.models import Account, Group, Membership, Nesting, User
from provisioning.models.accounts import AccountState
from provisioning.profile.facts import CHILDREN, MEMBER, facts
from provisioning.profile.person import catalogue
from reports.models import DEPARTMENT, Direction, Event, Operation

SHOWN = 1000  # members of a group, or people of a department, on a page
STATES = {
    Operation.CREATE: AccountState.ACTIVE,
    Operation.LINK: AccountState.ACTIVE,
    Operation.ENABLE: AccountState.ACTIVE,
    Operation.DISABLE: AccountState.DISABLED,
    Operation.DELETE: AccountState.ABSENT,
}
NOT_KEPT = ("Roles",)
NEVER = "Passwords, roles and the settings of directories are not part of this."
TOO_MANY = f"There are more than {lines.MOST:,} report lines after this moment. Choose a later one."


@dataclass(slots=True)
class Past:
    """What something was. ``exists`` is None where nothing says so.

    ``values`` are attributes by label, ``members`` the groups of a user, or the users of a group, by id; ``accounts``
    the state of accounts by directory. ``unknown`` holds sentences about what is not known.
    """

    name: str = ""
    exists: bool | None = None
    values: dict[str, Any] = field(default_factory=dict)
    members: dict[int, str] = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class HistoryDifference:
    """One thing that differs between two moments."""

    label: str
    before: Any
    after: Any


def user(user_id: int, at: dt.datetime) -> Past:
    """Return a user as of a moment, also one who is deleted by now."""
    now = User.objects.select_related("manager").filter(pk=user_id).first()
    past = Past(exists=now is not None)
    if now is not None:
        past.name, past.values = now.username, {name: lines.plain(v) for name, v in facts(now, catalogue()).items()}
        memberships = Membership.objects.filter(user=user_id).order_by("group__name_key")
        past.members = dict(memberships.values_list("group_id", "group__name"))
    rows = Account.objects.filter(user=user_id).select_related("directory")
    past.accounts = {one.directory.name: one.state for one in rows}
    events = _after(past, lines.of_user(user_id, after=at))
    walk_back(past, events)
    _accounts_as_of(past, events, user_id, at)
    _missing(past, at, now.created_at if now else None, events)
    if now is None and not past.name and (last := lines.of_user(user_id).first()):
        past.name = last.identifier
    return past


def group(group_id: int, at: dt.datetime) -> Past:
    """Return a group as of a moment: its name, description, direct members and the groups in it."""
    now = Group.objects.filter(pk=group_id).first()
    past = Past(exists=now is not None)
    if now is not None:
        past.name = now.name
        past.values = {"Name": now.name} | ({"Description": now.description} if now.description else {})
        past.values |= {"Privileged": "yes"} if now.privileged else {}
        members = Membership.objects.filter(group=group_id).order_by("user__username_key")
        past.members = dict(members.values_list("user_id", "user__username"))
        children = Nesting.objects.filter(parent=group_id).values_list("child__name", flat=True)
        past.children = {name: name for name in children}
    events = _after(past, lines.of_group(group_id, after=at))
    walk_back(past, events, of_group=True)
    _missing(past, at, now.created_at if now else None, events)
    oldest = lines.of_group(group_id).reverse().first()
    if past.exists and not (oldest and (lines.comes(oldest) or oldest.at <= at)):
        since = f"{oldest.at:%Y-%m-%d %H:%M} UTC" if oldest else "today"
        past.unknown.append(f"Who came and went before {since} is not known: no line from then names this group.")
    return past


def department(name: str, at: dt.datetime) -> Past:
    """Return who was in a department at a moment."""
    past = Past(name=name, exists=True)
    people = User.objects.filter(department=name).order_by("username_key")
    past.members = dict(people.values_list("pk", "username"))
    for event in _after(past, lines.of_departments(at)):
        for pair in lines.pairs(event):
            if pair.label != DEPARTMENT or event.user_id is None:
                continue
            if pair.before == name:
                past.members[event.user_id] = event.identifier
            else:
                past.members.pop(event.user_id, None)
    _missing(past, at, None, ())
    return past


def walk_back(past: Past, events: Iterable[Event], *, of_group: bool = False) -> None:
    """Undo the lines, newest first."""
    silent: Event | None = None
    for event in events:
        if lines.about_membership(event):
            _membership_back(past, event, of_group=of_group)
            continue
        silent = silent or (event if lines.silent(event) else None)
        for pair in lines.pairs(event):
            if pair.label in NOT_KEPT:
                continue
            if pair.label == CHILDREN:
                _child_back(past, pair)
                continue
            off = pair.label == "Privileged" and pair.after == "no" and pair.label not in past.values
            if past.values.get(pair.label) != pair.after and not lines.goes(event) and not off:
                past.unknown.append(_gap(pair, event, past.values.get(pair.label)))
            _set(past.values, pair.label, None if of_group and pair.before == "no" else pair.before)
        if lines.goes(event):
            past.exists = True
        elif lines.comes(event):
            past.exists = False
            past.values, past.members, past.children = {}, {}, {}
        past.name = str(past.values.get("Name" if of_group else "User name") or past.name or event.identifier)
    if silent:
        when = f"{silent.at:%Y-%m-%d %H:%M} UTC"
        past.unknown.append(f"Not all is known before {when}: “{silent.message}” names no values.")


def compare(before: Past, after: Past) -> list[HistoryDifference]:
    """Return what differs between two moments: attributes, members, groups and accounts."""
    found = [
        HistoryDifference(label, before.values.get(label), after.values.get(label))
        for label in dict.fromkeys([*before.values, *after.values])
        if before.values.get(label) != after.values.get(label)
    ]
    for pk in dict.fromkeys([*before.members, *after.members]):
        if (pk in before.members) != (pk in after.members):
            found.append(HistoryDifference("Member", before.members.get(pk), after.members.get(pk)))
    for name in dict.fromkeys([*before.children, *after.children]):
        if (name in before.children) != (name in after.children):
            found.append(HistoryDifference(CHILDREN, before.children.get(name), after.children.get(name)))
    for name in dict.fromkeys([*before.accounts, *after.accounts]):
        if before.accounts.get(name) != after.accounts.get(name):
            found.append(HistoryDifference(f"Account in {name}", before.accounts.get(name), after.accounts.get(name)))
    return found


def _after(past: Past, found: Any) -> list[Event]:
    try:
        return lines.all_of(found)
    except lines.TooManyLines:
        past.exists, past.values, past.members, past.children = None, {}, {}, {}
        past.unknown.append(TOO_MANY)
        return []


def _membership_back(past: Past, event: Event, *, of_group: bool) -> None:
    _, after = event.changes[MEMBER]
    key = (event.user_id if of_group else event.group_id) or 0
    if after is None:
        past.members[key] = event.identifier if of_group else str(event.changes[MEMBER][0])
    else:
        past.members.pop(key, None)


def _child_back(past: Past, pair: lines.Pair) -> None:
    if pair.after is None:
        past.children[str(pair.before)] = str(pair.before)
    else:
        past.children.pop(str(pair.after), None)


def _set(values: dict[str, Any], label: str, value: Any) -> None:
    if value is None:
        values.pop(label, None)
    else:
        values[label] = value


def _accounts_as_of(past: Past, after: Iterable[Event], user_id: int, at: dt.datetime) -> None:
    """Tell the state of accounts by the last line before the moment that says one."""
    changed = {event.application for event in after if event.direction == Direction.OUT and event.operation in STATES}
    if not changed:
        return
    before = lines.of_user(user_id).filter(at__lte=at, direction=Direction.OUT, operation__in=STATES)
    last: dict[str, str] = {}
    for event in before[: lines.MOST]:
        last.setdefault(event.application, STATES[Operation(event.operation)])
    for name in changed:
        past.accounts.pop(name, None)
        if name in last and last[name] != AccountState.ABSENT:
            past.accounts[name] = last[name]


def _missing(past: Past, at: dt.datetime, created: dt.datetime | None, events: Iterable[Event]) -> None:
    """Say what no line can tell of."""
    told = any(lines.comes(event) or lines.goes(event) for event in events)
    if created is not None and at < created and past.exists and not told:
        past.exists, past.values, past.members, past.children, past.accounts = False, {}, {}, {}, {}
        return
    first = lines.begins()
    if first is None or at < first:
        since = f" before {first:%Y-%m-%d %H:%M} UTC, where the report begins" if first else ""
        past.unknown.append(f"What was changed{since} is not known: there are no lines of it.")
        if past.exists is False:
            past.exists = None


def _gap(pair: lines.Pair, event: Event, later: Any) -> str:
    return (
        f"{pair.label} became “{pair.after or 'empty'}” on {event.at:%Y-%m-%d %H:%M} UTC and was "
        f"“{later or 'empty'}” later: no line tells of the change in between."
    )
