"""Undo what was pushed to a directory within a span of time: what it held before becomes the portal's value again.

Told from the report's outbound lines, which have the directory's value before and after. Whatever enforces something
there, a push of everything, a reconciliation or a rule, is taken back here. The lines are those of the directory's
accounts, whatever it was called then. Only values that are mapped into the
portal come back; accounts that were opened, closed or enabled stay so, which is said before.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from django.db import transaction

from directories.config import load
from directories.mapping import OUT, Mapper
from directories.models import Directory
from provisioning.imports.doors.hour import PAGE, UserOutcome, plan_inverse
from provisioning.imports.doors.runs import start
from provisioning.imports.runs import ImportRefused
from provisioning.imports.users.plan import USERNAME, values_of
from provisioning.imports.users.state import ACTIVE
from provisioning.models import Account, ImportRun
from provisioning.models.imports import Door
from provisioning.profile.person import catalogue
from reports.models import Direction, Event, Operation, Result

NOTHING = "Nothing that was pushed to {} in that time can be taken back."
LOSSES = (
    "Accounts that were opened, disabled, enabled or deleted stay so: change the person, and the directory follows.",
    "Values that are not mapped into the portal, and passwords, do not come back.",
    "Members of groups stay as they are: undo the change of the group itself.",
)


def undo_pushes(directory: Directory, since: dt.datetime, until: dt.datetime, actor: str) -> ImportRun:
    """Plan to take back what was pushed, and let it wait for somebody; raise ImportRefused with words.

    Lines are streamed, and memory does not grow with them.
    """
    subject = f"what was pushed to {directory.name} from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"
    with transaction.atomic():
        people = _read(directory, since, until)
        first = next(people, None)
        if first is None:
            raise ImportRefused(NOTHING.format(directory.name))
        return plan_inverse(chain([first], people), subject, actor, start(Door.UNDO, subject, actor))


def _read(directory: Directory, since: dt.datetime, until: dt.datetime) -> Iterator[tuple[int, UserOutcome]]:
    """Yield what became of each user, one after the other; needs a transaction, in which the lines are streamed."""
    lines = Event.objects.filter(
        account_id__in=Account.objects.filter(directory=directory).values("pk"),
        direction=Direction.OUT,
        operation=Operation.UPDATE,
        result__in=[Result.SUCCESS, Result.PARTLY],
        at__gte=since,
        at__lte=until,
        user_id__isnull=False,
    ).order_by("user_id", "at", "id")
    inward = [rule for rule in load(directory.pk).rules if rule.direction != OUT and rule.portal_attribute]
    mapper = Mapper(inward, catalogue())
    rows = lines.values_list("user_id", "identifier", "changes").iterator(chunk_size=PAGE)
    for user_id, theirs in groupby(rows, key=itemgetter(0)):
        done = UserOutcome()
        for _, name, changes in theirs:
            done.name = name
            befores = _inward(mapper, {attribute: before for attribute, (before, _) in changes.items()})
            afters = _inward(mapper, {attribute: after for attribute, (_, after) in changes.items()})
            for path in befores.keys() & afters.keys():
                first = done.values.get(path, (befores[path], None))[0]
                done.values[path] = (first, afters[path])
        if done.values:
            yield user_id or 0, done


def _inward(mapper: Mapper, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what values of the directory are in the portal; those that it cannot take are left out."""
    told = values_of(mapper.inbound(row).values)
    return {path: value for path, value in told.items() if path not in (USERNAME, ACTIVE)}
