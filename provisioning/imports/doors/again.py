"""What a run of contracts did not do is looked at again: nothing else would ever plan it anew.

An import plans again what it could not do, since the source still says it. Of contracts only a change is planned, and
it is noted when it is planned; so a row that was not carried out, though nobody refused it, has to be forgotten.
"""

import datetime as dt
from collections.abc import Sequence

from django.db.models import QuerySet
from django.utils import timezone

from config.database import bulk, keyset
from provisioning.contracts.models import Employment
from provisioning.imports.users.plan import ERROR
from provisioning.imports.users.state import ACTIVE
from provisioning.models import ImportRun, PlannedChange
from provisioning.models.imports import Action, Door, Verdict

PAGE = 1000
PAUSE = dt.timedelta(minutes=10)  # after a run that failed, so that a lasting fault does not fill the report


def look_again(run: ImportRun, *, failed: bool = False) -> None:
    """Let the contracts of those be looked at again of whom a run did not do what was planned; needs a transaction.

    Of a row that was refused because of another value, only the switch is planned anew: the value was changed by hand.
    So it is of a person who may sign in by now, and follows once they may not any more.
    Of a run that ``failed``, all is.
    """
    if run.door != Door.CONTRACTS:
        return
    rows = PlannedChange.objects.filter(run=run).exclude(verdict=Verdict.REFUSED).order_by("pk")
    refused = rows.filter(action__in=[Action.ERROR, Action.LEAVE], after__has_key=ACTIVE).exclude(cause=ERROR)
    if failed:
        for page in keyset.pages(rows.filter(action__in=[Action.UPDATE, Action.DEACTIVATE]), PAGE):
            _forget(page, timezone.now() + PAUSE, values=True)
    for page in keyset.pages(refused, PAGE):
        _forget(page, timezone.now(), values=False)
    refused.update(cause=ERROR)  # once


def note_refused(run: ImportRun, rows: "QuerySet[PlannedChange]") -> None:
    """Note why people were to be switched whom a person refused to switch; needs a transaction.

    They stay as they are until their contracts say something else, or give another reason for the same.
    """
    if run.door != Door.CONTRACTS:
        return
    for page in keyset.pages(rows.filter(run=run, after__has_key=ACTIVE).order_by("pk"), PAGE):
        wanted = {one.user_id: one for one in page if one.user_id}
        employed = Employment.objects.filter(user__in=wanted).select_related("user").order_by("pk")
        noted = []
        for employment in employed.select_for_update(of=("self",), no_key=True):
            row = wanted[employment.user_id]
            if employment.user.is_active != row.after[ACTIVE]:
                employment.refused = row.message
                noted.append(employment)
        bulk.update(noted, ("refused",))


def _forget(page: Sequence[PlannedChange], at: dt.datetime, *, values: bool) -> None:
    """Note of these people that their contracts said the opposite, and with ``values`` nothing of what was planned."""
    rows = Employment.objects.filter(user__in=[one.user_id for one in page if one.user_id]).order_by("pk")
    held = {one.user_id: one for one in rows.select_for_update(no_key=True)}
    for one in page:
        employment = held.get(one.user_id or 0)
        if employment is None:
            continue
        if ACTIVE in one.after:
            employment.active = not one.after[ACTIVE]
        if values:
            employment.said = {path: value for path, value in employment.said.items() if path not in one.after}
        employment.next_change_at = at
    bulk.update(list(held.values()), ("active", "said", "next_change_at"))
