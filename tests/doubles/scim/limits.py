"""How a product counts requests: to the letter of its preset, by another reckoning than the portal's."""

import math
from collections import defaultdict, deque
from collections.abc import Callable

from directories.connectors.scim.presets import RateLimit, ScimPreset
from directories.connectors.scim.rate import Sending, counts


class StrictLimits:
    """Counts requests as they come.

    A limit without a burst is a sliding window: no stretch of its period sees more. One with a burst is a virtual
    schedule (GCRA): each request has a time before which it must not come, less what may come at once.
    """

    def __init__(self, preset: ScimPreset, clock: Callable[[], float]) -> None:
        self._preset = preset
        self._clock = clock
        self._windows: dict[tuple[int, str], deque[float]] = defaultdict(deque)
        self._schedules: dict[tuple[int, str], float] = {}

    def reset(self) -> None:
        """Forget every request."""
        self._windows.clear()
        self._schedules.clear()

    def refusal(self, request: Sending) -> int | None:
        """Count a request; return the seconds to name in Retry-After when it is one too many."""
        now = self._clock()
        counted = [(index, limit) for index, limit in enumerate(self._preset.rate) if counts(limit, request)]
        waits = [self._wait((index, self._share(limit, request)), limit, request, now) for index, limit in counted]
        if any(wait > 1e-5 for wait in waits):
            return max(math.ceil(max(waits)), 1)
        for index, limit in counted:
            self._count((index, self._share(limit, request)), limit, request, now)
        return None

    @staticmethod
    def _share(limit: RateLimit, request: Sending) -> str:
        match limit.scope:
            case "endpoint":
                return request.endpoint
            case "method":
                return f"{request.method} {request.endpoint}"
            case "resource":
                return request.path
        return ""

    @staticmethod
    def _cost(limit: RateLimit, request: Sending) -> int:
        return request.members if limit.counts == "members" else 1

    def _wait(self, key: tuple[int, str], limit: RateLimit, request: Sending, now: float) -> float:
        if limit.burst:
            early = (limit.burst - 1) * limit.per / limit.limit
            return self._schedules.get(key, now) - early - now
        window = self._windows[key]
        while window and window[0] <= now - limit.per + 1e-5:
            window.popleft()
        too_many = len(window) + self._cost(limit, request) - limit.limit
        return window[too_many - 1] + limit.per - now if too_many > 0 else 0.0

    def _count(self, key: tuple[int, str], limit: RateLimit, request: Sending, now: float) -> None:
        cost = self._cost(limit, request)
        if limit.burst:
            self._schedules[key] = max(self._schedules.get(key, now), now) + cost * limit.per / limit.limit
        else:
            self._windows[key].extend([now] * cost)
