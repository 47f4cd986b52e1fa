"""Undo what an application did within a span of time: the inverse of the report's lines, as a plan like any other.

Of several changes of one value the first before and the last after count. Lines tell users and groups by their ids, and
values by their labels; what has no label any more cannot be taken back.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

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
from provisioning.profile.facts import ACTIVE as ACTIVE_LABEL
from provisioning.profile.facts import MEMBER
from provisioning.profile.person import catalogue
from provisioning.recycle.models import DeletedUser
from reports.models import Direction, Event, Operation, Result

PAGE = 1000
MEMBERS = 20_000  # memberships of one group that are planned together
NOTHING = "{} changed nobody in that time."
OPERATIONS = (Operation.CREATE, Operation.UPDATE, Operation.ENABLE, Operation.DISABLE, Operation.DELETE)
CUSTOM = " (custom)"


@dataclass(slots=True)
class UserOutcome:
    """What became of one user: values by path as (first before, last after)."""

    name: str = ""
    created: bool = False
    deleted: bool = False
    values: dict[str, tuple[Any, Any]] = field(default_factory=dict)


def undo_span(application: str, since: dt.datetime, until: dt.datetime, actor: str) -> ImportRun:
    """Plan to take back what an application did, and let it wait for somebody; raise ImportRefused with words.

    Lines are streamed, and memory does not grow with them.
    """
    subject = f"{application} from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"
    lines = Event.objects.filter(
        application=application,
        direction=Direction.IN,
        run_id=None,  # what an import brought came from a directory of the same name
        result__in=[Result.SUCCESS, Result.PARTLY],
        operation__in=OPERATIONS,
        at__gte=since,
        at__lte=until,
        user_id__isnull=False,
    )
    with transaction.atomic():
        people = _read(lines)
        first = next(people, None)
        if first is None:
            raise ImportRefused(NOTHING.format(application))
        run = start(Door.UNDO, subject, actor)
        _groups(run, lines.filter(group_id__isnull=False))
        run.refresh_from_db()
        return plan_inverse(chain([first], people), subject, actor, run)


def plan_inverse(found: Iterable[tuple[int, UserOutcome]], subject: str, actor: str, run: ImportRun) -> ImportRun:
    """Plan the inverse of what became of people, who come with their ids; it waits for somebody in any case."""
    return plan(Door.UNDO, subject, actor, without_staff(_people(found), actor), run=run, look=True)


def _read(lines: "QuerySet[Event]") -> Iterator[tuple[int, UserOutcome]]:
    """Yield what became of each user, one after the other; needs a transaction, in which the lines are streamed."""
    paths = {one.label: f"{kind.value}.{name}" for (kind, name), one in catalogue().items()}
    paths[ACTIVE_LABEL] = ACTIVE
    rows = lines.order_by("user_id", "at", "id").values_list("user_id", "identifier", "operation", "changes")
    for user_id, theirs in groupby(rows.iterator(chunk_size=PAGE), key=itemgetter(0)):
        done = UserOutcome()
        for _, name, operation, changes in theirs:
            done.name = name
            done.created |= operation == Operation.CREATE
            done.deleted |= operation == Operation.DELETE
            for label, (before, after) in changes.items():
                if path := paths.get(label) or _custom(label):
                    first = done.values.get(path, (_value(path, before), None))[0]
                    done.values[path] = (first, _value(path, after))
        yield user_id or 0, done


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


def _groups(run: ImportRun, lines: "QuerySet[Event]") -> None:
    """Plan that people leave the groups that they were put into, and come back into those that they left."""
    rows = lines.order_by("group_id", "user_id", "at", "id").values_list("group_id", "user_id", "changes")
    for group_id, of_group in groupby(rows.iterator(chunk_size=PAGE), key=itemgetter(0)):
        group = Group.objects.filter(pk=group_id).first()
        moved = _moved(of_group) if group else iter(())
        while group and (page := dict(islice(moved, MEMBERS))):
            there = User.objects.filter(pk__in=page).order_by("pk").values_list("pk", flat=True)
            for add in (False, True):
                plan_members(run, group, [pk for pk in there if page[pk] == add], add=add)


def _moved(lines: Iterable[tuple[int | None, int | None, Any]]) -> Iterator[tuple[int, bool]]:
    """Yield who is in a group now and was not before, or the other way round, with whether they were in it."""
    for user_id, theirs in groupby(lines, key=itemgetter(1)):
        joined = [changes[MEMBER][1] is not None for *_, changes in theirs if MEMBER in changes]
        if joined and joined[0] == joined[-1]:
            yield user_id or 0, not joined[0]
