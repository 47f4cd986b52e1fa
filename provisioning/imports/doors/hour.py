"""Undo what an application did within a span of time: the inverse of the report's lines, as a plan like any other.

Of several changes of one value the first before and the last after count. Lines tell values by their labels; what has
no label any more cannot be taken back.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import F

from provisioning.imports.doors.groups import plan_members
from provisioning.imports.doors.people import about, without_staff
from provisioning.imports.doors.runs import plan, start
from provisioning.imports.doors.undo import GONE, KEPT, NOT_IN_BIN
from provisioning.imports.doors.upload import values_of
from provisioning.imports.runs import ImportRefused
from provisioning.imports.users.listing import shown
from provisioning.imports.users.plan import Planned
from provisioning.imports.users.state import ACTIVE
from provisioning.models import Group, ImportRun, User
from provisioning.models.imports import Action, Door
from provisioning.models.people import fold
from provisioning.profile.facts import ACTIVE as ACTIVE_LABEL
from provisioning.profile.facts import MEMBER
from provisioning.profile.person import catalogue
from provisioning.recycle.models import DeletedUser
from reports.models import Direction, Event, Operation, Result

MOST = 50_000  # lines
PAGE = 1000
TOO_MANY = "{} did more than {:,} things in that time. Choose a shorter one."
NOTHING = "{} changed nobody in that time."
OPERATIONS = (Operation.CREATE, Operation.UPDATE, Operation.ENABLE, Operation.DISABLE, Operation.DELETE)
CUSTOM = " (custom)"


@dataclass(slots=True)
class UserOutcome:
    """What became of one user: values by path as (first before, last after), groups as (was in it, is in it)."""

    name: str = ""
    created: bool = False
    deleted: bool = False
    values: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    groups: dict[str, tuple[bool, bool]] = field(default_factory=dict)


def undo_span(application: str, since: dt.datetime, until: dt.datetime, actor: str) -> ImportRun:
    """Plan to take back what an application did, and let it wait for somebody; raise ImportRefused with words."""
    found = _read(application, since, until)
    if not found:
        raise ImportRefused(NOTHING.format(application))
    subject = f"{application} from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"
    with transaction.atomic():
        run = start(Door.UNDO, subject, actor)
        _groups(run, found)
        run.refresh_from_db()
        return plan_inverse(sorted(found.items()), subject, actor, run)


def plan_inverse(found: Iterable[tuple[int, UserOutcome]], subject: str, actor: str, run: ImportRun) -> ImportRun:
    """Plan the inverse of what became of people, who come with their ids; it waits for somebody in any case."""
    return plan(Door.UNDO, subject, actor, without_staff(_people(found), actor), run=run, look=True)


def _read(application: str, since: dt.datetime, until: dt.datetime) -> dict[int, UserOutcome]:
    lines = Event.objects.filter(
        application=application,
        direction=Direction.IN,
        result__in=[Result.SUCCESS, Result.PARTLY],
        operation__in=OPERATIONS,
        at__gte=since,
        at__lte=until,
        user_id__isnull=False,
    ).order_by("at", "id")
    rows = list(lines.values_list("user_id", "identifier", "operation", "changes")[: MOST + 1])
    if len(rows) > MOST:
        raise ImportRefused(TOO_MANY.format(application, MOST))
    paths = {one.label: f"{kind.value}.{name}" for (kind, name), one in catalogue().items()}
    paths[ACTIVE_LABEL] = ACTIVE
    found: dict[int, UserOutcome] = {}
    for user_id, name, operation, changes in rows:
        done = found.setdefault(user_id or 0, UserOutcome())
        done.name = name
        done.created |= operation == Operation.CREATE
        done.deleted |= operation == Operation.DELETE
        for label, (before, after) in changes.items():
            if label == MEMBER:
                group, joined = str(after or before), after is not None
                done.groups[group] = (done.groups.get(group, (not joined,))[0], joined)
            elif path := paths.get(label) or _custom(label):
                first = done.values.get(path, (_value(path, before), None))[0]
                done.values[path] = (first, _value(path, after))
    return found


def _custom(label: str) -> str:
    return f"custom.{label.removesuffix(CUSTOM)}" if label.endswith(CUSTOM) else ""


def _value(path: str, told: Any) -> Any:
    """Return a value as plans hold it: lines say yes and no."""
    if told in (None, ""):
        return None
    return {"yes": True, "no": False}.get(told, told) if isinstance(told, str) and path == ACTIVE else told


def _people(found: Iterable[tuple[int, UserOutcome]]) -> Iterator[list[Planned]]:
    rest = iter(found)
    while page := dict(islice(rest, PAGE)):
        users = User.objects.select_related("manager").in_bulk(page)
        rows = DeletedUser.objects.filter(user_id__in=page, restored_at=None).order_by("pk").defer("image")
        binned = {row.user_id: row for row in rows}
        planned = [_inverse(done, users.get(pk), binned.get(pk)) for pk, done in page.items()]
        yield [one for one in planned if one.action != Action.LINK]


def _inverse(done: UserOutcome, user: User | None, row: DeletedUser | None) -> Planned:
    if user is None and done.deleted and not done.created:
        if row is None:
            return Planned(Action.LEAVE, done.name, message=NOT_IN_BIN)
        return Planned(Action.RESTORE, row.username, department=row.department, row={"deleted": row.pk})
    if user is None:
        return Planned(Action.LEAVE, done.name, message=GONE)
    if done.created:
        if not user.is_active:
            return about(user, Action.LINK)
        return about(user, Action.UPDATE, before={ACTIVE: True}, after={ACTIVE: False})
    held = values_of(user)
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    others = []
    for path, (first, last) in done.values.items():
        now = held.get(path)
        if now == first:
            continue
        if now == last:
            before[path], after[path] = now, first
        else:
            others.append(f"{path.partition('.')[2].replace('_', ' ')} ({shown(now)})")
    message = KEPT.format(", ".join(others)) if others else ""
    return about(
        user,
        Action.UPDATE if after else Action.LEAVE if others else Action.LINK,
        before=before,
        after=after,
        message=message,
    )


def _groups(run: ImportRun, found: Mapping[int, UserOutcome]) -> None:
    """Plan that people leave the groups that they were put into, and come back into those that they left."""
    wanted: dict[tuple[str, bool], list[int]] = {}
    for user_id, done in found.items():
        for name, (was, now) in done.groups.items():
            if was != now:
                wanted.setdefault((fold(name), was), []).append(user_id)
    groups = {group.name_key: group for group in Group.objects.filter(name_key__in={name for name, _ in wanted})}
    there = set(User.objects.filter(pk__in=found).values_list("pk", flat=True))
    for (name, add), ids in wanted.items():
        group, people = groups.get(name), [pk for pk in ids if pk in there]
        if group is None or not people:
            continue
        plan_members(run, group, people, add=add)
        counted = "memberships_added" if add else "memberships_removed"
        values = {counted: F(counted) + len(people), "groups_changed": F("groups_changed") + 1}
        ImportRun.objects.filter(pk=run.pk).update(planned=F("planned") + 1 + len(people), **values)
