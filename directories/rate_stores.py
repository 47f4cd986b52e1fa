"""Where every process of the portal sees how fast applications were asked: in Redis, or in the portal's database.

One script in Redis, or one row an account in the database that is replaced only by whoever read its newest version: so
two processes never take the same token.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import orjson
import redis
from django.conf import settings
from django.db import connection
from redis.commands.core import Script

from directories.connectors.scim.rate import (
    COMES_BACK,
    HAIR,
    SHORTEST,
    Bucket,
    Level,
    MemoryRates,
    RateStore,
    is_idle,
    paused,
    taken,
)
from directories.models import RateLevels

Reckoning = Callable[[Mapping[str, Level], float], tuple[float, Mapping[str, Level]]]

PREFIX = "rollcall:rate:"
SECONDS = 2.0  # that Redis is waited for
KEPT = 86_400  # seconds for which Redis keeps a level that nobody asks for
TRIES = 20  # to replace a row that others replace too
MOMENT = 0.05  # seconds after which to ask again when all of them failed

log = logging.getLogger(__name__)

# As ``taken`` and ``paused`` of connectors.scim.rate, one bucket a key. ARGV: what to do, the time ("" for Redis' own),
# urgent or the seconds of the pause, how long a leaver takes to come back, a hair, the shortest wait, how long a key is
# kept, then four numbers for each key: capacity, refill, reserve, cost.
SCRIPT = """
local now = tonumber(ARGV[2])
if not now then
  local clock = redis.call('TIME')
  now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
end
local levels, waits, longest = {}, {}, 0
for i, key in ipairs(KEYS) do
  local at = 8 + (i - 1) * 4
  local capacity, refill = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local reserve, cost = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local kept = redis.call('HMGET', key, 'tokens', 'at', 'leavers', 'paused')
  local level = {capacity, now, tonumber(kept[3]) or 0, tonumber(kept[4]) or 0, capacity, cost}
  if kept[1] then
    level[1] = math.min(tonumber(kept[1]) + math.max(now - tonumber(kept[2]), 0) * refill, capacity)
    level[2] = math.max(now, tonumber(kept[2]))
  end
  levels[i] = level
  local held, needed = level[4], cost
  if ARGV[3] ~= '1' then
    held, needed = math.max(held, level[3]), needed + reserve
  end
  local wait, missing = held - now, math.min(needed, capacity) - level[1]
  if capacity > 0 and missing > tonumber(ARGV[5]) then
    wait = math.max(wait, missing / refill)
  end
  waits[i] = wait > 0 and math.max(wait, tonumber(ARGV[6])) or 0
  longest = math.max(longest, waits[i])
end
for i, key in ipairs(KEYS) do
  local level, changed = levels[i], false
  if ARGV[1] == 'pause' then
    local till = now + tonumber(ARGV[3])
    level[1], level[2], level[4], changed = math.min(level[1], 1), till, math.max(till, level[4]), true
  elseif longest == 0 then
    level[1], changed = level[1] - level[6], level[5] > 0
  elseif ARGV[3] == '1' and waits[i] > 0 then
    level[3], changed = now + longest + tonumber(ARGV[4]), true
  end
  if changed then
    local function text(number) return string.format('%.17g', number) end
    redis.call('HSET', key, 'tokens', text(level[1]), 'at', text(level[2]),
      'leavers', text(level[3]), 'paused', text(level[4]))
    redis.call('EXPIRE', key, tonumber(ARGV[7]))
  end
end
return string.format('%.17g', longest)
"""


class RedisRates:
    """Levels in Redis. Without it each process keeps to its own."""

    def __init__(self, url: str, clock: Callable[[], float] | None = None) -> None:
        client: Any = redis.Redis.from_url(url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS)
        self._script: Script = client.register_script(SCRIPT)
        self._clock = clock
        self._own = MemoryRates()

    def take(self, account: str, buckets: Sequence[Bucket], *, urgent: bool) -> float:
        """Take from all buckets, or from none."""
        try:
            return self._asked("take", account, buckets, 1 if urgent else 0)
        except redis.RedisError as error:
            log.warning("Redis does not tell how fast applications may be asked (%s).", type(error).__name__)
            return self._own.take(account, buckets, urgent=urgent)

    def pause(self, account: str, buckets: Sequence[Bucket], seconds: float) -> None:
        """Give nothing out of these buckets for so long."""
        self._own.pause(account, buckets, seconds)
        try:
            self._asked("pause", account, buckets, seconds)
        except redis.RedisError as error:
            log.warning("Redis does not keep how long an application is left alone (%s).", type(error).__name__)

    def _asked(self, what: str, account: str, buckets: Sequence[Bucket], number: float) -> float:
        keys = [f"{PREFIX}{_name(account)}:{bucket.key}" for bucket in buckets]
        now = "" if self._clock is None else repr(self._clock())
        numbers = [
            repr(value) for bucket in buckets for value in (bucket.capacity, bucket.refill, bucket.reserve, bucket.cost)
        ]
        found: Any = self._script(keys=keys, args=[what, now, number, COMES_BACK, HAIR, SHORTEST, KEPT, *numbers])
        return float(found)


class DatabaseRates:
    """Levels in the portal's database, one row an account.

    Inside a transaction, which would hold the row and with it everybody else, a process keeps to its own.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._own = MemoryRates(clock)

    def take(self, account: str, buckets: Sequence[Bucket], *, urgent: bool) -> float:
        """Take from all buckets, or from none."""
        if connection.in_atomic_block:
            return self._own.take(account, buckets, urgent=urgent)
        return self._replaced(account, lambda levels, now: taken(levels, buckets, now, urgent=urgent))

    def pause(self, account: str, buckets: Sequence[Bucket], seconds: float) -> None:
        """Give nothing out of these buckets for so long."""
        self._own.pause(account, buckets, seconds)
        if not connection.in_atomic_block:
            self._replaced(account, lambda levels, now: (0.0, paused(levels, buckets, now, seconds)))

    def _replaced(self, account: str, reckon: Reckoning) -> float:
        was_open = connection.connection is not None
        try:
            return self._in_row(account, reckon)
        finally:
            if not was_open:  # a thread of the connector's own, which nobody would close it for
                connection.close()

    def _in_row(self, account: str, reckon: Reckoning) -> float:
        name = _name(account)
        rows = RateLevels.objects.filter(account=name)
        for _ in range(TRIES):
            version, written = rows.values_list("version", "levels").first() or (None, "{}")
            levels = {key: Level(*level) for key, level in orjson.loads(written).items()}
            now = self._clock()
            wait, changed = reckon(levels, now)
            if not changed:
                return wait
            if version is None:
                RateLevels.objects.bulk_create([RateLevels(account=name)], ignore_conflicts=True)
                continue
            kept = {key: level for key, level in {**levels, **changed}.items() if not is_idle(level, now)}
            if rows.filter(version=version).update(
                version=version + 1, levels=orjson.dumps(kept, default=tuple).decode()
            ):
                return wait
        return MOMENT


def _name(account: str) -> str:
    """Return what an account is called in a store: addresses are long, and nobody else's business."""
    return blake2b(account.encode(), digest_size=16).hexdigest()


def store() -> RateStore:
    """Return the store of this deployment."""
    url: str = settings.CELERY_BROKER_URL
    return RedisRates(url) if url.startswith(("redis:", "rediss:")) else DatabaseRates()
