"""What follows from contracts as planned changes: who starts and who has left, and the profile of everybody else.

Only a *change* is planned, so that what a person decides by hand stays decided: a switch where a person's contracts
began or ceased to hold, a value where the primary contract says another one than it said before. Those who are switched
have a run of their own, so that a day on which many leave does not hold up the titles of the others.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from config.database import bulk
from provisioning.contracts.derive import Basis, Derived, basis, derive
from provisioning.contracts.models import Employment
from provisioning.imports.doors.actions import AppliedNow, applied
from provisioning.imports.doors.people import about
from provisioning.imports.doors.runs import plan
from provisioning.imports.doors.upload import values_of
from provisioning.imports.doors.waiting import WaitingRows
from provisioning.imports.users.plan import STAFF, Planned
from provisioning.imports.users.state import ACTIVE
from provisioning.models.imports import Action, Door
from provisioning.rules import looks

PAGE = 1000
MOST = 20_000  # people that one run is about; who is left follows with the next one
SWITCHED, FOLLOWED = "Contracts that begin or end", "Profiles that follow contracts"
_STORED = ("active", "primary", "why", "said", "next_change_at", "refused")


def settle(actor: str = "", *, only: Collection[int] | None = None) -> list[AppliedNow]:
    """Look at everybody whose moment has come, or at those of ``only``; return what was planned, and what became of it.

    One query when nothing is due. Not to be called within a transaction: what is planned is applied after it.
    """
    now = timezone.now()
    due = Employment.objects.filter(next_change_at__lte=now)
    if only is not None:
        due = due.filter(user__in=only)
    if not due.exists():
        return []
    switched: list[Planned] = []
    followed: list[Planned] = []
    with transaction.atomic():
        known, waiting = basis(now), WaitingRows(Door.CONTRACTS)
        locked = due.order_by("next_change_at", "pk").select_for_update(skip_locked=True, no_key=True)
        looked = 0
        while looked < MOST and (page := list(locked[:PAGE])):
            looked += len(page)
            for one in _page(page, known, waiting):
                (switched if ACTIVE in one.after else followed).append(one)
        waiting.close()
        runs = [
            plan(Door.CONTRACTS, subject, actor, _pages(rows))
            for subject, rows in ((SWITCHED, switched), (FOLLOWED, followed))
            if rows
        ]
    return [applied(run) for run in runs]


def _page(page: Sequence[Employment], known: Basis, waiting: WaitingRows) -> list[Planned]:
    """Plan what follows for one page of people, and note it on their employments."""
    ids = [one.user_id for one in page]
    earlier = waiting.of(ids)
    found = derive(ids, known, {one.user_id: one for one in page})
    planned = []
    for one in found:
        held = earlier.get(one.user.pk)
        change = planned_of(one, asked=held.after if held else {})
        if held is not None and (change is None or change.after != held.after):
            waiting.withdraw(held)
        elif held is not None:
            change = None  # it waits already
        if change is not None:
            planned.append(change)
        _note(one)
    idle = [one.employment.pk for one in found if one.employment and one.employment.active is None]
    Employment.objects.filter(pk__in=idle).delete()
    bulk.update([one.employment for one in found if one.employment and one.employment.active is not None], _STORED)
    looks.ask(ids)
    return planned


def planned_of(one: Derived, *, asked: Mapping[str, Any] | None = None) -> Planned | None:
    """Return what is to be changed of a person, None for nothing; ``asked`` is what waits for approval since before."""
    asked = asked or {}
    after = _state(one, asked)
    before_said = one.employment.said if one.employment else {}
    held = values_of(one.user)
    for path, value in one.values.items():
        if path not in asked:
            if path in before_said and before_said[path] == value:
                continue
            if path not in before_said and value is None:
                continue  # what a contract leaves open is no reason to take anything away
        if held.get(path) != value:
            after[path] = value
    if not after:
        return None
    if one.user.may_sign_in:
        return about(one.user, Action.LEAVE, message=STAFF.format(who=one.user.username))
    before = {path: held.get(path) for path in after}
    return about(one.user, Action.UPDATE, before=before, after=after, message=_why(one, after))


def _state(one: Derived, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the switch of the person, if there is one: only where the contracts themselves say something else now."""
    before = one.employment.active if one.employment else None
    if not one.contracts and before is None:
        return {}
    anew = ACTIVE in asked or _refused_before(one)
    if one.active != one.user.is_active and (anew or (before is not False if not one.active else before is False)):
        return {ACTIVE: one.active}
    return {}


def _refused_before(one: Derived) -> bool:
    """Return whether somebody refused to switch the person because of what the contracts do not say any more."""
    refused = one.employment.refused if one.employment else ""
    return bool(refused) and not refused.startswith(one.state_words)


def _why(one: Derived, after: Mapping[str, Any]) -> str:
    words = [one.state_words] if ACTIVE in after else []
    if one.primary and set(after) - {ACTIVE}:
        words.append(f"The profile follows {one.primary.words}. {one.why}")
    return " ".join([*words, *one.problems])


def _note(one: Derived) -> None:
    """Put on the employment what follows now; without a contract, and if there never was one, it stays undecided."""
    employment = one.employment
    assert employment is not None
    if one.contracts or employment.active is not None:
        # Who may sign in is left alone, and follows once they may not any more.
        left_alone = one.user.may_sign_in and _state(one, {})
        employment.active = one.user.is_active if left_alone else one.active
    if one.active == one.user.is_active or _refused_before(one):
        employment.refused = ""
    employment.primary = one.primary.contract if one.primary else None
    employment.why, employment.said, employment.next_change_at = one.why, one.values, one.next_change_at


def _pages(rows: Sequence[Planned]) -> Iterator[Sequence[Planned]]:
    for start in range(0, len(rows), PAGE):
        yield rows[start : start + PAGE]
