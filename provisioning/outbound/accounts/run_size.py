"""How many accounts are written together: as many as the directory itself takes ``RUN_SECONDS`` for.

What each account takes is told from what every run takes, however many are in it, by runs of several sizes: a long way
to a directory, or a machine with much else to do, is no reason for short runs, which would be on their way only.
"""

import threading
from collections import deque

RUN_SECONDS = 0.5  # leavers may be waiting
FIRST = 10  # accounts, as long as nothing is known of how quick the directory is
REMEMBERED = 8  # runs
APART = 2  # sizes that differ by this factor tell something


class RunSize:
    """The size of the next run for one directory, by the last ones. Threads may use it at once."""

    def __init__(self) -> None:
        self._runs: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)
        self._lock = threading.Lock()

    def took(self, size: int, seconds: float) -> None:
        """Note what a run of so many accounts took."""
        with self._lock:
            self._runs.append((size, max(0.001, seconds)))

    def next(self, fewest: int, most: int) -> int:
        """Return how many accounts to write together next."""
        with self._lock:
            runs = list(self._runs)
        wanted = self._wanted(runs) if runs else float(FIRST)
        return max(1, min(most, max(fewest, int(wanted)))) if runs else min(most, FIRST)

    def _wanted(self, runs: list[tuple[int, float]]) -> float:
        size, seconds = runs[-1]
        as_quick = RUN_SECONDS * size / seconds
        largest, longest = max(runs)
        if largest < APART * min(one for one, _ in runs):  # nothing is known: try a shorter one after a while
            return as_quick if len(runs) < REMEMBERED else size / APART
        mean = sum(one for one, _ in runs) / len(runs)
        mean_seconds = sum(took for _, took in runs) / len(runs)
        spread = sum((one - mean) ** 2 for one, _ in runs)
        slope = sum((one - mean) * (took - mean_seconds) for one, took in runs) / spread
        each = max(slope, longest / largest / 20)  # a slope of few runs may be far too small
        return max(as_quick, min(RUN_SECONDS / each, float(APART * largest)))
