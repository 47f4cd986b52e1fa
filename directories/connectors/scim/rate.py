"""How fast an application may be asked: token buckets that every process of the portal shares.

Each limit of a preset is a bucket. A request takes a token out of every bucket that counts it, or none at all and is
told how long to wait. The reckoning is ``taken``, and nothing else; a store keeps what it reckons with where every
process sees it (``directories.rate_stores``), or in this process alone.

Who loses access goes first. A request of the leavers' lane may empty a bucket, the others leave a tenth of it; and
while one waits, the buckets that it waits for give nothing to anybody else. What the application itself asks for
(Retry-After, RFC 9110 10.2.3) comes before all of it.

How a limit becomes a bucket: where the product says how many may come at once (burst), the bucket holds that many, less
a tenth for what arrives early, and is filled by limit / per. Where nobody says, it holds a fiftieth of the limit and is
filled so that no stretch of ``per`` seconds, wherever it begins, sees more than the limit.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple, Protocol

from directories.connectors.errors import AGAIN, Unavailable
from directories.connectors.scim.presets import RateLimit, ScimPreset

EVERYTHING = "*"  # the bucket of requests that no limit counts: it can be paused
COMES_BACK = 0.5  # seconds in which a request of the leavers' lane that waited for its turn takes it
NOW_AND_THEN = 0.5  # seconds for which nobody looks again whether an application without limits asked for a pause
SHORTEST = 0.001  # seconds that anybody is told to wait
HAIR = 1e-6  # of a token that may be missing: sums of fractions do not come out even
SPREAD = 0.98  # of what is allowed is used where nobody says how many may come at once: answers take unequal times
BUSY = f"The application lets the portal ask again in {{seconds:.0f}} seconds. {AGAIN}"


sleep = time.sleep


@dataclass(frozen=True, slots=True)
class Sending:
    """A request as limits see it: ``path`` below the base address, ``size`` of its body in bytes.

    ``members`` are the people that it brings into a group or takes out. ``urgent``: somebody loses access by it.
    """

    method: str
    path: str
    size: int = 0
    members: int = 0
    urgent: bool = False

    @property
    def endpoint(self) -> str:
        """The part of the application that it asks, as in "/Users"."""
        return "/" + self.path.strip("/").partition("/")[0]


class Bucket(NamedTuple):
    """A limit as it counts one request: what it holds, how much comes in a second, what is left for leavers.

    ``capacity`` 0 is no limit. ``cost`` is what the request takes, in tokens.
    """

    key: str
    capacity: float
    refill: float
    reserve: float
    cost: float = 1.0


NO_LIMIT = (Bucket(EVERYTHING, capacity=0.0, refill=0.0, reserve=0.0),)


class Level(NamedTuple):
    """How full a bucket was ``at`` a time, until when leavers alone get something, and until when nobody does."""

    tokens: float
    at: float
    leavers_until: float = 0.0
    paused_until: float = 0.0


class RateStore(Protocol):
    """Where levels are kept, by account (an organisation at one application) and bucket."""

    def take(self, account: str, buckets: Sequence[Bucket], *, urgent: bool) -> float:
        """Take from all buckets, or from none; return the seconds to wait before asking again, 0 when taken."""

    def pause(self, account: str, buckets: Sequence[Bucket], seconds: float) -> None:
        """Give nothing out of these buckets for so long."""


def taken(
    levels: Mapping[str, Level], buckets: Sequence[Bucket], now: float, *, urgent: bool
) -> tuple[float, Mapping[str, Level]]:
    """Return the seconds to wait, 0 when the request may be sent, and the levels that changed by asking."""
    known = {bucket.key: _filled(levels.get(bucket.key), bucket, now) for bucket in buckets}
    waits = {bucket.key: _wait(known[bucket.key], bucket, now, urgent=urgent) for bucket in buckets}
    longest = max(waits.values(), default=0.0)
    limited = [bucket for bucket in buckets if bucket.capacity]
    if not longest:
        return 0.0, {
            bucket.key: known[bucket.key]._replace(tokens=known[bucket.key].tokens - bucket.cost) for bucket in limited
        }
    if not urgent:
        return longest, {}
    until = now + longest + COMES_BACK
    return longest, {key: known[key]._replace(leavers_until=until) for key, wait in waits.items() if wait}


def _filled(level: Level | None, bucket: Bucket, now: float) -> Level:
    """Return the level of a bucket at ``now``."""
    if level is None:
        return Level(bucket.capacity, now)
    tokens = min(level.tokens + max(now - level.at, 0.0) * bucket.refill, bucket.capacity)
    return level._replace(tokens=tokens, at=max(now, level.at))


def _wait(level: Level, bucket: Bucket, now: float, *, urgent: bool) -> float:
    """Return the seconds until the bucket may give what the request costs."""
    held = max(level.paused_until, 0.0 if urgent else level.leavers_until) - now
    needed = min(bucket.cost + (0.0 if urgent else bucket.reserve), bucket.capacity)
    missing = needed - level.tokens
    filling_up = missing / bucket.refill if bucket.capacity and missing > HAIR else 0.0
    longest = max(held, filling_up)
    return max(longest, SHORTEST) if longest > 0 else 0.0


def paused(levels: Mapping[str, Level], buckets: Sequence[Bucket], now: float, seconds: float) -> Mapping[str, Level]:
    """Return the levels after the application asked for a pause: others use it too, so one token is left at its end."""
    until = now + seconds
    known = {bucket.key: _filled(levels.get(bucket.key), bucket, now) for bucket in buckets}
    return {
        key: level._replace(tokens=min(level.tokens, 1.0), at=until, paused_until=max(until, level.paused_until))
        for key, level in known.items()
    }


def is_idle(level: Level, now: float) -> bool:
    """Return whether a level need not be kept any more: nothing took from its bucket for a day."""
    return now - max(level) > 86_400


class MemoryRates:
    """Levels of this process alone, for tests and for a portal whose store is away."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._levels: dict[tuple[str, str], Level] = {}
        self._lock = threading.Lock()

    def take(self, account: str, buckets: Sequence[Bucket], *, urgent: bool) -> float:
        """Take from all buckets, or from none."""
        with self._lock:
            wait, changed = taken(self._of(account, buckets), buckets, self._clock(), urgent=urgent)
            self._keep(account, changed)
            return wait

    def pause(self, account: str, buckets: Sequence[Bucket], seconds: float) -> None:
        """Give nothing out of these buckets for so long."""
        with self._lock:
            self._keep(account, paused(self._of(account, buckets), buckets, self._clock(), seconds))

    def _of(self, account: str, buckets: Sequence[Bucket]) -> Mapping[str, Level]:
        keys = [bucket.key for bucket in buckets if (account, bucket.key) in self._levels]
        return {key: self._levels[account, key] for key in keys}

    def _keep(self, account: str, changed: Mapping[str, Level]) -> None:
        self._levels.update({(account, key): level for key, level in changed.items()})


_stores: list[RateStore] = [MemoryRates()]


def keep_in(store: RateStore) -> None:
    """Share the buckets through this store. The portal says so when it starts."""
    _stores[:] = [store]


class Limiter:
    """The turns of one connector at one account: ``account`` names the organisation there, as its base address does."""

    def __init__(self, preset: ScimPreset, account: str, store: RateStore | None = None) -> None:
        self._preset = preset
        self._account = account
        self._store = store
        self._free_until = 0.0

    def wait_for(self, request: Sending) -> float:
        """Take a turn and return 0, or return the seconds after which to ask again.

        What no limit counts can only be paused; whether another process was told to is looked up now and then.
        """
        buckets = self._buckets(request)
        if not buckets and time.monotonic() < self._free_until:
            return 0.0
        wait = self._shared.take(self._account, buckets or NO_LIMIT, urgent=request.urgent)
        if not buckets and not wait:
            self._free_until = time.monotonic() + NOW_AND_THEN
        return wait

    def turn(self, request: Sending, patience: float) -> None:
        """Wait for a turn and take it; raise Unavailable when that would take longer than ``patience`` seconds."""
        waited = 0.0
        while wait := self.wait_for(request):
            if waited + wait > patience:
                raise Unavailable(BUSY.format(seconds=math.ceil(wait)), retry_after=wait)
            sleep(wait)
            waited += wait

    def refused(self, request: Sending, seconds: float) -> None:
        """Note that the application refused a request as one too many, and that nobody asks for so long."""
        self._free_until = 0.0
        self._shared.pause(self._account, self._buckets(request) or NO_LIMIT, seconds)

    @property
    def _shared(self) -> RateStore:
        return self._store or _stores[0]

    def _buckets(self, request: Sending) -> Sequence[Bucket]:
        return [
            bucket_of(self._preset, index, request)
            for index, limit in enumerate(self._preset.rate)
            if counts(limit, request)
        ]


def counts(limit: RateLimit, request: Sending) -> bool:
    """Return whether a limit counts a request."""
    match = limit.match
    return (
        (not match.methods or request.method in match.methods)
        and (not match.path or fnmatchcase(request.path, match.path))
        and request.size >= match.body_over + (1 if match.body_over else 0)
        and (not match.body_up_to or request.size <= match.body_up_to)
    )


def bucket_of(preset: ScimPreset, index: int, request: Sending) -> Bucket:
    """Return the bucket of a preset's limit for a request."""
    limit = preset.rate[index]
    shares = {
        "organisation": "",
        "endpoint": request.endpoint,
        "method": f"{request.method} {request.endpoint}",
        "resource": request.path,
    }
    capacity, refill = filling(limit, preset.group.add_per_request)
    return Bucket(
        key=f"{index} {shares[limit.scope]}".strip(),
        capacity=capacity,
        refill=refill,
        reserve=float(capacity // 10),
        cost=float(request.members) if limit.counts == "members" else 1.0,
    )


def filling(limit: RateLimit, members: int) -> tuple[float, float]:
    """Return what the bucket of a limit holds, and what comes in a second; ``members`` are the most in one request.

    A bucket of B that gets R a second gives at most B - 1 + R * per, rounded up, in a stretch of ``per`` seconds.
    """
    if limit.burst:
        return float(max(limit.burst - max(limit.burst // 10, 1), 1)), limit.limit / limit.per
    at_once = members if limit.counts == "members" else limit.limit // 50
    capacity = min(max(at_once, 1), limit.limit)
    return float(capacity), SPREAD * (limit.limit - capacity + 1) / limit.per


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long a first load takes, in seconds; ``slowest`` is the limit that decides, None for the time of answers."""

    seconds: float
    slowest: RateLimit | None
    label: str

    @property
    def words(self) -> str:
        """The forecast for people, as in "about 56 minutes: Slack allows 180 creations a minute"."""
        if self.slowest is None:
            return about(self.seconds)
        return f"{about(self.seconds)}: {self.label} allows {self.slowest.words}"


def forecast(preset: ScimPreset, users: int, groups: int = 0, members: int = 0, answer: float = 0.0) -> Forecast:
    """Return how long it takes to bring in so many users, groups and memberships, if each answer takes so many seconds.

    Groups come after users. Within each part requests run beside each other, so the slowest limit decides.
    """
    spent: dict[str, float] = {}
    total, worst, slowest = 0.0, 0.0, None
    for part in (_user_requests(preset, users), _group_requests(preset, groups, members)):
        requests = list(part)
        seconds, limit = sum(count for _, count in requests) * answer / preset.in_flight, None
        for index, one in enumerate(preset.rate):
            if one.scope == "resource":
                continue  # each has its own: not all of them are the same one
            counted = [(request, count) for request, count in requests if counts(one, request)]
            for key, tokens in _tokens(preset, index, counted).items():
                bucket = bucket_of(preset, index, counted[0][0])
                at_once = max(bucket.capacity - bucket.reserve - spent.get(key, 0.0), 0.0)
                spent[key] = min(spent.get(key, 0.0) + tokens, bucket.capacity - bucket.reserve)
                needed = max(tokens - at_once, 0.0) / bucket.refill
                if needed > seconds:
                    seconds, limit = needed, one
        total += seconds
        if limit is not None and seconds > worst:
            worst, slowest = seconds, limit
    return Forecast(seconds=total, slowest=slowest, label=preset.label)


def _tokens(preset: ScimPreset, index: int, requests: Sequence[tuple[Sending, int]]) -> Mapping[str, float]:
    """Return what requests, so many of each, take out of each bucket of a limit."""
    found: dict[str, float] = {}
    for request, count in requests:
        bucket = bucket_of(preset, index, request)
        found[bucket.key] = found.get(bucket.key, 0.0) + bucket.cost * count
    return found


def _user_requests(preset: ScimPreset, users: int) -> Iterator[tuple[Sending, int]]:
    """Give each kind of request that brings users in, and how many there are of it."""
    yield Sending("GET", "/Users"), users
    yield Sending("POST", "/Users", size=400), users


def _group_requests(preset: ScimPreset, groups: int, members: int) -> Iterator[tuple[Sending, int]]:
    """Give each kind of request that brings groups and their members in, and how many there are of it."""
    if not preset.group.supported or not groups:
        return
    yield Sending("GET", "/Groups"), groups
    if preset.group.create:
        yield Sending("POST", "/Groups", size=200), groups
    a_group = math.ceil(members / groups)
    chunk = min(preset.group.add_per_request, a_group)
    if chunk:
        patch = Sending("PATCH", "/Groups/1", size=150 + 50 * chunk, members=chunk)
        yield patch, groups * math.ceil(a_group / chunk)


def about(seconds: float) -> str:
    """Return a time for people, as in "about 56 minutes"."""
    if seconds < 45:
        return "less than a minute"
    if seconds < 90:
        return "about a minute"
    if seconds < 5400:
        return f"about {math.ceil(seconds / 60)} minutes"
    number, word = (seconds / 3600, "hours") if seconds < 129_600 else (seconds / 86_400, "days")
    return f"about {number:.1f}".removesuffix(".0") + f" {word}"
