"""Counts tries over all processes: read, counted and written under row locks of the portal's own database.

Not in a cache: Redis may be emptied or away while people sign in, and no other cache of Django counts atomically.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from config.signin import limits
from config.signin.limits import TryLimit
from config.signin.models import Tries

KNOWN = dt.timedelta(days=90)
"""So long an address is a usual one of an account after a sign-in from it."""

_FIELDS = ["since", "number", "until", "pauses", "right_at", "event_id"]


class TooManyTries(Exception):
    """No try is allowed for ``left``."""

    def __init__(self, left: dt.timedelta) -> None:
        super().__init__(f"Try again in {limits.duration(left)}.")
        self.left = left


@dataclass(frozen=True, slots=True)
class CountedTries:
    """One try that was counted: what is known of each key, and for how long nobody tries again because of it."""

    rows: Mapping[str, Tries]
    pause: dt.timedelta


def key(kind: str, *about: str) -> str:
    """Return the key of what a rule is about; nobody reads names out of the table."""
    text = "\n".join((kind, *about))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def count(rules: Mapping[str, TryLimit], *, usual: tuple[str, str] | None = None, decided: bool = True) -> CountedTries:
    """Count one try for each key; raise TooManyTries, counting nothing, when one of them allows none now.

    ``decided``: it counts for good. Else ``was_right`` or ``was_wrong`` says so, and the last one's pause waits for it.

    ``usual`` is a pair of keys: where the first one's tries were right lately, the second one is left out. So nobody
    can lock people out of their accounts at the place where they usually sign in.
    """
    now = timezone.now()
    with transaction.atomic():
        rows = _locked(rules, now)
        if usual and (right := rows[usual[0]].right_at) and now - right < KNOWN:
            del rows[usual[1]]
        if left := max(limits.refusal(row, rules[name], now) for name, row in rows.items()):
            raise TooManyTries(left)
        for name, row in rows.items():
            _add(row, rules[name], now)
        pauses = [limits.stop(row, rules[name], now) for name, row in rows.items()] if decided else []
        Tries.objects.bulk_update(rows.values(), _FIELDS)
    return CountedTries(rows, max(pauses, default=dt.timedelta()))


def was_wrong(counted: CountedTries, rules: Mapping[str, TryLimit]) -> dict[str, dt.timedelta]:
    """Begin the pauses of the keys of which this was the last try that is allowed; return how long they are."""
    last = [name for name, row in counted.rows.items() if row.number >= rules[name].most]
    if not last:
        return {}
    now = timezone.now()
    with transaction.atomic():
        rows = _locked(last, now)
        pauses = {name: limits.stop(row, rules[name], now) for name, row in rows.items()}
        Tries.objects.bulk_update(rows.values(), _FIELDS)
    return pauses


def was_right(counted: CountedTries, place: str = "") -> None:
    """Give a try back; at ``place``, one of the keys, all wrong ones before it are forgotten."""
    now = timezone.now()
    with transaction.atomic():
        rows = _locked(counted.rows, now)
        for row in rows.values():
            limits.give_back(row, now)
        if kept := rows.get(place):
            kept.number, kept.pauses, kept.until, kept.event_id, kept.right_at = 0, 0, None, None, now
        Tries.objects.bulk_update(rows.values(), _FIELDS)


def prune() -> int:
    """Delete what no rule needs any more; return how many rows that were."""
    now = timezone.now()
    paused = Q(until__gt=now - limits.FORGOTTEN)
    usual = Q(right_at__gt=now - KNOWN)
    return Tries.objects.filter(since__lt=now - limits.FORGOTTEN).exclude(paused).exclude(usual).delete()[0]


def _locked(keys: Iterable[str], now: dt.datetime) -> dict[str, Tries]:
    """Return the rows of the keys, made where they are missing, locked in one order for all."""
    names = sorted(keys)
    found: dict[str, Tries] = {}
    while len(found) < len(names):  # twice where one was pruned meanwhile
        Tries.objects.bulk_create([Tries(key=name, since=now) for name in names], ignore_conflicts=True)
        found = {row.key: row for row in Tries.objects.select_for_update().filter(key__in=names).order_by("key")}
    return found


def _add(row: Tries, rule: TryLimit, now: dt.datetime) -> None:
    since = row.since
    limits.add(row, rule, now)
    if row.since != since:
        row.event_id = None
