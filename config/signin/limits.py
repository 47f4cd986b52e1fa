"""How often something may be tried: plain rules and plain counting, without a database.

A try is counted before its outcome is known, so that a hundred tries at the same moment are not a hundred free ones;
one that turns out right is given back, and the pause begins when the last one is known to be wrong.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

FORGOTTEN = dt.timedelta(days=1)
"""So long after a lock-out the next one is a first one again."""


@dataclass(frozen=True, slots=True)
class TryLimit:
    """``most`` tries in ``window``; then none for ``pause``, twice as long each time again, up to ``longest``.

    Without a pause there are none until the window is over.
    """

    most: int
    window: dt.timedelta
    pause: dt.timedelta | None = None
    longest: dt.timedelta | None = None


def _minutes(number: int) -> dt.timedelta:
    return dt.timedelta(minutes=number)


PAIR = TryLimit(most=5, window=_minutes(15), pause=_minutes(5), longest=_minutes(60))
"""Sign-ins to one account from one address."""

ADDRESS = TryLimit(most=20, window=_minutes(15), pause=_minutes(5), longest=_minutes(60))
"""Sign-ins from one address, whatever the account."""

ACCOUNT = TryLimit(most=50, window=_minutes(60), pause=_minutes(15))
"""Sign-ins to one account, whatever the address: only many addresses together reach it."""

MOMENT = dt.timedelta(seconds=2)
"""The wait while as many tries as are allowed are still being looked at."""

TOKENS = TryLimit(most=60, window=_minutes(5))
"""Tokens that open nothing, from one address."""


CODES = TryLimit(most=5, window=_minutes(15), pause=_minutes(5), longest=_minutes(60))
"""Codes of one account's second factor."""

FORGOTTEN_ADDRESS = TryLimit(most=10, window=_minutes(15))
"""Links that are asked for from one address by those who forgot their password."""

FORGOTTEN_NAME = TryLimit(most=3, window=_minutes(60))
"""Mails with such links to one name."""


PROVIDER = TryLimit(most=30, window=_minutes(5))
"""Sign-ins through identity providers that begin at one address."""


class Count(Protocol):
    """What is kept of the tries that one rule is about."""

    since: dt.datetime
    number: int
    until: dt.datetime | None
    pauses: int


def wait(count: Count, now: dt.datetime) -> dt.timedelta:
    """Return how much is left of the pause."""
    return max(count.until - now, dt.timedelta()) if count.until else dt.timedelta()


def refusal(count: Count, rule: TryLimit, now: dt.datetime) -> dt.timedelta:
    """Return for how long no try is allowed."""
    undecided = count.number >= rule.most and not _over(count, rule, now)
    return wait(count, now) or (MOMENT if undecided else dt.timedelta())


def _over(count: Count, rule: TryLimit, now: dt.datetime) -> bool:
    paused = count.until is not None and count.until > count.since
    return paused or now - count.since >= rule.window


def add(count: Count, rule: TryLimit, now: dt.datetime) -> None:
    """Count a try that is allowed."""
    if _over(count, rule, now):
        if count.until and now - count.until >= FORGOTTEN:
            count.pauses = 0
        count.since, count.number = now, 0
    count.number += 1


def stop(count: Count, rule: TryLimit, now: dt.datetime) -> dt.timedelta:
    """Begin the pause after the last try that is allowed; return how long it is, zero where none begins."""
    if count.number < rule.most or _over(count, rule, now):
        return dt.timedelta()
    count.until = now + pause(rule, count.pauses) if rule.pause else count.since + rule.window
    count.pauses += 1
    return count.until - now


def give_back(count: Count, now: dt.datetime) -> None:
    """Take back a try that was right, and the pause that began with it."""
    count.number = max(count.number - 1, 0)
    if wait(count, now):
        count.until = None
        count.pauses = max(count.pauses - 1, 0)


def pause(rule: TryLimit, before: int) -> dt.timedelta:
    """Return how long a pause is after ``before`` others."""
    assert rule.pause is not None
    doubled: dt.timedelta = rule.pause * 2 ** min(before, 16)
    return min(doubled, rule.longest or rule.pause)


def duration(left: dt.timedelta) -> str:
    """Return a wait as people say it, rounded up to a minute."""
    minutes = max(1, -(-left // dt.timedelta(minutes=1)))
    return "1 minute" if minutes == 1 else f"{minutes} minutes"
